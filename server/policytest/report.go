package policytest

import (
	"encoding/json"
	"time"
)

// Kind says what a result is of.
type Kind string

// The kinds of results.
const (
	KindDecision     Kind = "decision"
	KindAdmission    Kind = "admission"
	KindProvisioning Kind = "provisioning"
	KindRego         Kind = "rego"
)

// Status is what became of a case.
type Status string

// The statuses of results.
const (
	StatusPassed  Status = "passed"
	StatusFailed  Status = "failed"
	StatusSkipped Status = "skipped"
	StatusPending Status = "pending"
)

// Rule is a rule that had a part in an answer, as its METADATA describes it.
type Rule struct {
	ID, Reason, Title string
	File              string // as the project names it
	Line              int
}

// Result is one case, row or Rego test.
type Result struct {
	Suite    string // file as the caller named it
	Line     int    // of the case
	Kind     Kind
	ID, Name string
	Portal   string
	Question string // such as "ray.newman edit screen/SP408030"

	Status Status
	Why    string // reason of a skip or a pending row
	Diffs  []Diff // of a failed case
	Err    string // of a failed case: what kept it from an answer

	// Rules and Facts are what decided and on what. They are there for failed
	// cases, for those that want rules, and for all when asked for.
	Rules  []Rule
	Facts  json.RawMessage // the policy's input
	Output []string        // what a Rego test printed, and the values of its variables when it failed
	Took   time.Duration
}

// String names the result.
func (r *Result) String() string { return named(r.ID, r.Name) }

// Report is a whole run.
type Report struct {
	Results  []Result // in the order of the suites and their lines, Rego tests last
	Coverage *Coverage
	Only     bool // some case says only, so that others were not run
	Took     time.Duration
}

// Counts returns how many results have each status.
func (r *Report) Counts() map[Status]int {
	n := make(map[Status]int, 4)
	for i := range r.Results {
		n[r.Results[i].Status]++
	}
	return n
}

// Range is a range of lines, both included.
type Range struct{ From, To int }

// FileCoverage says which lines of a module took part in some case.
type FileCoverage struct {
	File                      string
	Covered, Missed           []Range
	CoveredLines, MissedLines int
}

// Coverage says which lines of the policies took part in some case. Percent is
// that of the lines which could.
type Coverage struct {
	Files   []FileCoverage // by name
	Percent float64
}
