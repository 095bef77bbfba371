// Package testreport writes what a run of policy tests found: as text for people,
// as JSON and JUnit XML for programs, as annotations of GitHub's checks, and the
// coverage of Rego as an LCOV tracefile.
//
// A writer shows every failure whatever else the run measured. What stands in
// suites and policies reaches a terminal, a log or a document only with its control
// characters made visible or removed, so that no name can forge a line.
//
// The package runs nothing and decides nothing: whether a run passes is for the
// caller to say, with [Run.Complaints].
package testreport
