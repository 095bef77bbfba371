package testreport

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server/policytest"
)

// Run is one run of the tests.
type Run struct {
	*policytest.Report

	// Complaints say why the run does not pass although its cases may have: a case
	// that is skipped, a coverage that is too low. Every format shows them as failures.
	Complaints []Complaint
}

// Complaint is something wrong with a run as a whole, or with what it reads.
type Complaint struct {
	File string // at fault; may be empty
	Line int    // in File; may be 0
	Text string
}

// String returns the complaint with its place.
func (c Complaint) String() string {
	if c.File == "" {
		return c.Text
	}
	return place(c.File, c.Line) + ": " + c.Text
}

// Counts are the numbers of results by status. Those of Rego tests are among them
// and, as far as they passed, in Rego too.
type Counts struct{ Passed, Failed, Skipped, Pending, Rego int }

// Total returns the number of all results.
func (c *Counts) Total() int { return c.Passed + c.Failed + c.Skipped + c.Pending }

// Count counts results.
func Count(results []policytest.Result) (c Counts) {
	for i := range results {
		r := &results[i]
		switch r.Status {
		case policytest.StatusPassed:
			c.Passed++
			if r.Kind == policytest.KindRego {
				c.Rego++
			}
		case policytest.StatusSkipped:
			c.Skipped++
		case policytest.StatusPending:
			c.Pending++
		default:
			// An unknown status counts as a failure: it has not passed.
			c.Failed++
		}
	}
	return c
}

// Summary returns the run in one line, such as "213 cases passed, 1 failed, 3
// pending in 1.2 s".
func Summary(r *policytest.Report) string {
	c := Count(r.Results)
	passed := plural(c.Passed-c.Rego, "case")
	if c.Rego > 0 {
		passed += " and " + plural(c.Rego, "Rego test")
	}
	parts := []string{passed + " passed"}
	for _, p := range []struct {
		n    int
		what string
	}{{c.Failed, "failed"}, {c.Skipped, "skipped"}, {c.Pending, "pending"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ") + " in " + took(r.Took)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func took(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.0f ms", math.Ceil(d.Seconds()*1000))
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// Percent returns p with one decimal, rounded down: what is not quite 100 does not
// look like it.
func Percent(p float64) string { return fmt.Sprintf("%.1f %%", math.Floor(p*10+1e-9)/10) }

// title names a result.
func title(r *policytest.Result) string { return strings.TrimSpace(r.ID + " " + r.Name) }

// question returns what was asked of which portal, or "".
func question(r *policytest.Result) string {
	if r.Portal == "" || r.Question == "" {
		return r.Question
	}
	return r.Question + " at portal " + r.Portal
}

// place returns file:line.
func place(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// absent stands for a value that is not there.
const absent = "(absent)"

func orAbsent(s string) string {
	if s == "" {
		return absent
	}
	return s
}

// failure returns a failed result in a few plain lines, for formats that have no
// layout of their own.
func failure(r *policytest.Result) (lines []string) {
	if q := question(r); q != "" {
		lines = append(lines, q)
	}
	for _, d := range r.Diffs {
		want, got := window(orAbsent(d.Want), orAbsent(d.Got), maxValue)
		lines = append(lines, fmt.Sprintf("%s: want %s, got %s", d.Name, want, got))
	}
	if r.Err != "" {
		lines = append(lines, head(strings.Split(r.Err, "\n"), maxLines)...)
	}
	for i := range r.Rules {
		lines = append(lines, "decided by "+ruleLine(&r.Rules[i]))
	}
	return append(lines, head(r.Output, maxLines)...)
}

func ruleLine(r *policytest.Rule) string {
	s := r.ID
	if s == "" {
		s = r.Title
	}
	if r.Reason != "" {
		s += " (" + r.Reason + ")"
	}
	return strings.TrimSpace(s + " " + place(r.File, r.Line))
}

// Bounds on what is shown of one result.
const (
	maxValue = 400 // columns of a value
	maxLines = 20  // lines of an error, of output, of facts
)

// head returns at most n of the lines, and as the last one how many are left out.
func head(lines []string, n int) []string {
	if len(lines) <= n {
		return lines
	}
	return append(lines[:n-1:n-1], fmt.Sprintf("... and %d lines more", len(lines)-n+1))
}
