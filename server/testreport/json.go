package testreport

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/portcullis-authz/portcullis/server/policytest"
)

// documentVersion is the version of [Document]. It grows when a member changes its
// meaning or goes; members may be added under the same version.
const documentVersion = 1

// Document is a run as [JSON] writes it. Lists are never null.
type Document struct {
	Version    int          `json:"version"` // 1
	Passed     bool         `json:"passed"`  // no case failed and there are no complaints
	Summary    Totals       `json:"summary"`
	Complaints []Fault      `json:"complaints"` // why the run does not pass besides failed cases
	Results    []CaseResult `json:"results"`    // in the order of suites and cases
	Coverage   *Covered     `json:"coverage,omitempty"`
}

// Fault is a complaint.
type Fault struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Text string `json:"text"`
}

// Totals are the numbers of results.
type Totals struct {
	Total     int     `json:"total"`
	Passed    int     `json:"passed"`
	Failed    int     `json:"failed"`
	Skipped   int     `json:"skipped"`
	Pending   int     `json:"pending"`
	Only      bool    `json:"only"` // cases marked only ran, and no others
	Seconds   float64 `json:"seconds"`
	RegoTests int     `json:"rego_tests_passed"`
}

// CaseResult is the result of one case or Rego test.
type CaseResult struct {
	Suite    string          `json:"suite"` // file, as named on the command line
	Line     int             `json:"line"`
	Kind     string          `json:"kind"` // decision, admission, provisioning, rego
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Portal   string          `json:"portal,omitempty"`
	Question string          `json:"question,omitempty"`
	Status   string          `json:"status"` // passed, failed, skipped, pending
	Why      string          `json:"why,omitempty"`
	Diffs    []Difference    `json:"diffs,omitempty"`
	Error    string          `json:"error,omitempty"`
	Rules    []DecidingRule  `json:"rules,omitempty"`
	Facts    json.RawMessage `json:"facts,omitempty"` // the whole input document
	Output   []string        `json:"output,omitempty"`
	Seconds  float64         `json:"seconds"`
}

// Difference is one thing that is not as wanted. Empty text: absent.
type Difference struct {
	Name string `json:"name"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

// DecidingRule is a rule that the decision came from.
type DecidingRule struct {
	ID     string `json:"id"`
	Reason string `json:"reason,omitempty"`
	Title  string `json:"title,omitempty"`
	File   string `json:"file"`
	Line   int    `json:"line"`
}

// Covered is the coverage of Rego by line.
type Covered struct {
	Percent float64       `json:"percent"` // from 0 to 100
	Files   []CoveredFile `json:"files"`
}

// CoveredFile is the coverage of one module.
type CoveredFile struct {
	File         string  `json:"file"`
	Percent      float64 `json:"percent"`
	CoveredLines int     `json:"covered_lines"`
	MissedLines  int     `json:"missed_lines"`
	Covered      []Lines `json:"covered"`
	Missed       []Lines `json:"missed"`
}

// Lines are the lines from From to To, both included.
type Lines struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// JSON writes the run as a [Document].
func JSON(w io.Writer, r *Run) error { return writeJSON(w, document(r)) }

func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

func document(r *Run) *Document {
	n := Count(r.Results)
	d := &Document{
		Version: documentVersion, Passed: n.Failed == 0 && len(r.Complaints) == 0, Complaints: []Fault{},
		Summary: Totals{
			Total: n.Total(), Passed: n.Passed, Failed: n.Failed, Skipped: n.Skipped, Pending: n.Pending,
			Only: r.Only, Seconds: r.Took.Seconds(), RegoTests: n.Rego,
		},
		Results: make([]CaseResult, 0, len(r.Results)),
	}
	for _, c := range r.Complaints {
		d.Complaints = append(d.Complaints, Fault(c))
	}
	for i := range r.Results {
		d.Results = append(d.Results, caseResult(&r.Results[i]))
	}
	if r.Coverage != nil {
		d.Coverage = covered(r.Coverage)
	}
	return d
}

func caseResult(r *policytest.Result) CaseResult {
	c := CaseResult{
		Suite: r.Suite, Line: r.Line, Kind: string(r.Kind), ID: r.ID, Name: r.Name, Portal: r.Portal, Question: r.Question,
		Status: string(r.Status), Why: r.Why, Error: r.Err, Facts: r.Facts, Output: r.Output, Seconds: r.Took.Seconds(),
	}
	for _, d := range r.Diffs {
		c.Diffs = append(c.Diffs, Difference(d))
	}
	for _, rule := range r.Rules {
		c.Rules = append(c.Rules, DecidingRule(rule))
	}
	return c
}

func covered(c *policytest.Coverage) *Covered {
	out := &Covered{Percent: c.Percent, Files: make([]CoveredFile, 0, len(c.Files))}
	for i := range c.Files {
		f := &c.Files[i]
		out.Files = append(out.Files, CoveredFile{
			File: f.File, Percent: filePercent(f), CoveredLines: f.CoveredLines, MissedLines: f.MissedLines,
			Covered: lineRanges(f.Covered), Missed: lineRanges(f.Missed),
		})
	}
	return out
}

func lineRanges(ranges []policytest.Range) []Lines {
	out := make([]Lines, 0, len(ranges))
	for _, r := range ranges {
		out = append(out, Lines(r))
	}
	return out
}
