package main

import (
	"context"
	"fmt"
	"io"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/testreport"
)

type mutateFlags struct {
	Mutate          bool     `help:"Change policies and data in every small way, one at a time, and exit ${exit_failed} when no case notices a change that survivors.txt beside the suite does not explain." xor:"mode"`
	MutateThreshold *float64 `help:"With --mutate: exit ${exit_failed} when less of the changes is noticed." placeholder:"PERCENT"`
	MutateEvery     int      `help:"With --mutate: try every n-th change alone." placeholder:"N"`
	Survivors       bool     `help:"With --mutate: list the explained survivors, too, with their reasons."`
}

func (f *mutateFlags) validate(c *testCmd) error {
	if err := percentage("--mutate-threshold", f.MutateThreshold); err != nil {
		return err
	}
	switch {
	case f.MutateEvery < 0:
		return authz.Errorf(authz.Invalid, "want a number of at least 1, got %d", f.MutateEvery).At("--mutate-every")
	case !f.Mutate && (f.MutateThreshold != nil || f.MutateEvery > 0 || f.Survivors):
		return authz.Errorf(authz.Invalid, "--mutate-threshold, --mutate-every and --survivors go with --mutate")
	case f.Mutate && (c.Filter != "" || c.measured()):
		return authz.Errorf(authz.Invalid, "--mutate asks all cases and measures no coverage: run it apart from --run, --coverage, --threshold and --coverage-report")
	}
	return nil
}

// mutate tries the mutants and reports them.
func (c *testCmd) mutate(ctx context.Context, s *streams) error {
	project, err := policytest.Load(c.source())
	if err != nil {
		return c.notRun(s, err)
	}
	p := newProgress(s.err, "trying", "mutants", !isTerminal(s.err))
	report, err := policytest.Mutate(ctx, project, policytest.MutateOptions{Workers: c.Jobs, Every: c.MutateEvery, OnMutant: p.show})
	p.end()
	if err != nil {
		return c.notRun(s, err)
	}
	m := &testreport.Mutation{MutationReport: report, Complaints: c.mutationComplaints(report)}
	if err := c.writeMutation(s, m); err != nil {
		return err
	}
	if !m.Passed() {
		return exitError(exitFailed)
	}
	return nil
}

func (c *testCmd) mutationComplaints(r *policytest.MutationReport) (all []testreport.Complaint) {
	if r.Killed+r.Survived == 0 {
		all = append(all, testreport.Complaint{Text: "no change could be tried: there are no cases"})
	}
	for _, line := range r.Unused {
		all = append(all, testreport.Complaint{Text: "explains no survivor, and has to go: " + line})
	}
	if t := c.MutateThreshold; t != nil && r.Score < *t {
		all = append(all, testreport.Complaint{
			Text: fmt.Sprintf("%s of the changes are noticed, %v %% are wanted", testreport.Percent(r.Score), *t),
		})
	}
	return all
}

func (c *testCmd) writeMutation(s *streams, m *testreport.Mutation) error {
	if err := writeFile("--json", c.JSON, func(w io.Writer) error { return testreport.MutationJSON(w, m) }); err != nil {
		return err
	}
	if err := writeFile("--junit", c.JUnit, func(w io.Writer) error { return testreport.JUnit(w, m.Run()) }); err != nil {
		return err
	}
	switch c.Format {
	case "json":
		return testreport.MutationJSON(s.out, m)
	case "junit":
		return testreport.JUnit(s.out, m.Run())
	}
	if err := testreport.MutationText(s.out, m, c.Survivors, c.text(s, "")); err != nil || !c.annotated(s) {
		return err
	}
	return annotate(s, m.Run())
}
