package main

import (
	"fmt"
	"strings"

	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/testreport"
)

// verdict is what a run comes to.
type verdict struct {
	complaints []testreport.Complaint // why it does not pass although its cases may have
	warnings   []string
	code       int
}

// err returns what ends the command with the verdict's exit code.
func (v *verdict) err() error {
	if v.code == exitOK {
		return nil
	}
	return exitError(v.code)
}

// judge finds what keeps the run from passing. Whatever lets cases go unasked only
// warns where somebody sees the warning, and fails in CI, where nobody does.
func (c *testCmd) judge(s *streams, r *policytest.Report) *verdict {
	v := &verdict{}
	if testreport.Count(r.Results).Failed > 0 {
		v.code = exitFailed
	}
	left := c.leftOut(r)
	if !c.Strict && !inCI(s) {
		v.warnings, left = left, nil
	}
	for _, text := range left {
		v.complaints, v.code = append(v.complaints, testreport.Complaint{Text: text}), exitFailed
	}
	if low := c.tooLow(r.Coverage); low != "" {
		v.complaints = append(v.complaints, testreport.Complaint{Text: low})
		if v.code == exitOK {
			v.code = exitCoverage
		}
	}
	return v
}

// inCI reports whether the run is one of a pipeline.
func inCI(s *streams) bool {
	switch variable(s.env, "CI") {
	case "", "0", "false":
		return false
	}
	return true
}

// leftOut tells what was not asked and should have been.
func (c *testCmd) leftOut(r *policytest.Report) (texts []string) {
	var ran, skipped []string
	for i := range r.Results {
		switch r.Results[i].Status {
		case policytest.StatusSkipped:
			skipped = append(skipped, named(&r.Results[i]))
		case policytest.StatusPending:
		default:
			ran = append(ran, named(&r.Results[i]))
		}
	}
	if r.Only {
		texts = append(texts, "only cases marked only were run: "+someOf(ran))
	}
	if len(skipped) > 0 && !c.AllowSkips {
		texts = append(texts, "cases are skipped (--allow-skips lets them pass): "+someOf(skipped))
	}
	switch {
	case len(ran) > 0:
	case c.Filter != "":
		texts = append(texts, fmt.Sprintf("nothing was run: no case matches --run %q", c.Filter))
	default:
		texts = append(texts, "nothing was run: no case was found in "+strings.Join(c.roots(), ", "))
	}
	return texts
}

func named(r *policytest.Result) string { return fmt.Sprintf("%s:%d %s", r.Suite, r.Line, r.String()) }

// listed bounds how many cases one message names.
const listed = 20

func someOf(names []string) string {
	if n := len(names) - listed; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:listed], "; "), n)
	}
	return strings.Join(names, "; ")
}

// tooLow says that less is covered than asked for, or nothing.
func (c *testCmd) tooLow(cover *policytest.Coverage) string {
	if c.Threshold == nil || cover != nil && cover.Percent >= *c.Threshold {
		return ""
	}
	percent := 0.0
	if cover != nil {
		percent = cover.Percent
	}
	return fmt.Sprintf("%s of the policies' lines are covered, %v %% are wanted", testreport.Percent(percent), *c.Threshold)
}
