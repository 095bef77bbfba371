package testreport_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/testreport"
)

const facts = `{"portal": "storehut", "subject": {"type": "user", "id": "ray.newman", "properties": {}},
	"action": {"name": "edit", "properties": {}}, "resource": {"type": "screen", "id": "SP408030", "properties": {"wanted": true}},
	"context": {"now": "2026-03-01T09:00:00Z"}, "rights": {"SP408030": {"Customer User": 1}},
	"user": {"id": "ray.newman", "active": true, "flags": {}, "roles": ["Customer User"], "effective_roles": ["Customer User", "Portal Reader", "Portal Author"], "user_type": "Customer"},
	"screen": {"id": "SP408030", "path": [{"id": "SP000000", "kind": "workspace", "configured": true}, {"id": "SP408030", "kind": "screen", "configured": true}]}}`

// sample is a run with a result of every kind.
func sample() *testreport.Run {
	return &testreport.Run{
		Complaints: []testreport.Complaint{
			{Text: "cases are skipped: fixtures/acumatica/decisions.yaml:30 AC-04"},
			{File: "fixtures/zoho/decisions.yaml", Line: 3, Text: "unknown key \"portl\"; did you mean \"portal\"?"},
		},
		Report: &policytest.Report{
			Took: 1234 * time.Millisecond,
			Results: []policytest.Result{
				{
					Suite: "fixtures/acumatica/decisions.yaml", Line: 8, Kind: policytest.KindDecision, ID: "AC-01", Name: "the assistant sees the company profile",
					Portal: "storehut", Question: "ray.newman view screen/SP408030", Status: policytest.StatusPassed, Took: 1500 * time.Microsecond,
				},
				{
					Suite: "fixtures/acumatica/decisions.yaml", Line: 14, Kind: policytest.KindDecision, ID: "AC-02", Name: "but may not change it: 100 %, or so",
					Portal: "storehut", Question: "ray.newman edit screen/SP408030", Status: policytest.StatusFailed, Took: 2 * time.Millisecond,
					Diffs: []policytest.Diff{{Name: "outcome", Want: "deny", Got: "allow"}, {Name: "reason", Want: "level_too_low", Got: "granted"}, {Name: "level", Want: "view"}},
					Rules: []policytest.Rule{{ID: "screen_right", Reason: "granted", Title: "Screens", File: "presets/acumatica/acumatica.rego", Line: 120}},
					Facts: json.RawMessage(facts),
				},
				{
					Suite: "fixtures/acumatica/decisions.yaml", Line: 30, Kind: policytest.KindAdmission, ID: "AC-04", Name: "a role that is not for guests",
					Portal: "storehut", Question: "kimberly.gibbs update user_type/Customer", Status: policytest.StatusSkipped, Why: "the type is renamed soon",
				},
				{
					Suite: "fixtures/acumatica/decisions.yaml", Line: 40, Kind: policytest.KindDecision, ID: "AC-05", Status: policytest.StatusPending,
					Why: "needs the administration service",
				},
				{
					Suite: "policies/lib/levels_test.rego", Line: 12, Kind: policytest.KindRego, ID: "", Name: "data.lib.levels_test.test_highest",
					Status: policytest.StatusPassed, Took: 300 * time.Microsecond,
				},
				{
					Suite: "policies/lib/levels_test.rego", Line: 20, Kind: policytest.KindRego, ID: "", Name: "data.lib.levels_test.test_lowest", Status: policytest.StatusFailed,
					Err: "the test is not true", Diffs: []policytest.Diff{{Name: "level", Got: "3"}}, Output: []string{"level is 3", "\x1b[31mred\x1b[0m"}, Took: 300 * time.Microsecond,
				},
			},
			Coverage: &policytest.Coverage{Percent: 94.99, Files: []policytest.FileCoverage{
				{File: "presets/acumatica/acumatica.rego", Covered: []policytest.Range{{From: 3, To: 4}, {From: 7, To: 7}}, CoveredLines: 3, Missed: []policytest.Range{{From: 5, To: 6}, {From: 9, To: 9}}, MissedLines: 3},
				{File: "lib/levels.rego", Covered: []policytest.Range{{From: 1, To: 9}}, CoveredLines: 9},
			}},
		},
	}
}

// TestGolden holds each format against a file, which UPDATE_GOLDEN=1 writes anew.
func TestGolden(t *testing.T) {
	locate := func(file string) string { return "repo/" + file }
	text := func(o testreport.TextOptions) func(io.Writer, *testreport.Run) error {
		return func(w io.Writer, r *testreport.Run) error { return testreport.Text(w, r, o) }
	}
	for name, write := range map[string]func(io.Writer, *testreport.Run) error{
		"text.txt":         text(testreport.TextOptions{}),
		"text_verbose.txt": text(testreport.TextOptions{Verbose: true}),
		"text_color.txt":   text(testreport.TextOptions{Color: true, Width: 60}),
		"text_brief.txt":   func(w io.Writer, r *testreport.Run) error { return testreport.Brief(w, r, testreport.TextOptions{}) },
		"report.json":      testreport.JSON,
		"junit.xml":        testreport.JUnit,
		"github.txt":       func(w io.Writer, r *testreport.Run) error { return testreport.GitHub(w, r, locate) },
		"lcov.info":        func(w io.Writer, r *testreport.Run) error { return testreport.LCOV(w, r.Coverage, locate) },
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			require.NoError(t, write(&got, sample()))
			file := filepath.Join("testdata", name)
			if os.Getenv("UPDATE_GOLDEN") != "" {
				require.NoError(t, os.WriteFile(file, got.Bytes(), 0o600))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), got.String())
			require.Error(t, write(broken{}, sample()), "an error of the writer is told")
		})
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestSummary(t *testing.T) {
	results := func(passed, rego, failed, skipped, pending int) (all []policytest.Result) {
		for _, p := range []struct {
			n      int
			kind   policytest.Kind
			status policytest.Status
		}{
			{passed, policytest.KindDecision, policytest.StatusPassed}, {rego, policytest.KindRego, policytest.StatusPassed},
			{failed, policytest.KindDecision, policytest.StatusFailed}, {skipped, policytest.KindDecision, policytest.StatusSkipped},
			{pending, policytest.KindDecision, policytest.StatusPending},
		} {
			for range p.n {
				all = append(all, policytest.Result{Kind: p.kind, Status: p.status})
			}
		}
		return all
	}
	for want, r := range map[string]policytest.Report{
		"213 cases passed, 1 failed, 3 pending in 1.2 s":                           {Results: results(213, 0, 1, 0, 3), Took: 1210 * time.Millisecond},
		"1 case and 2 Rego tests passed, 1 failed, 4 skipped in 12 ms":             {Results: results(1, 2, 1, 4, 0), Took: 12 * time.Millisecond},
		"0 cases passed in 1 ms":                                                   {Took: 100 * time.Microsecond},
		"0 cases passed, 1 failed in 1 ms":                                         {Results: []policytest.Result{{Status: "neither"}}, Took: 1},
		"0 cases and 1 Rego test passed, 1 failed, 1 skipped, 1 pending in 60.0 s": {Results: results(0, 1, 1, 1, 1), Took: time.Minute},
	} {
		require.Equal(t, want, testreport.Summary(&r))
	}
}

func TestPercentRoundsDown(t *testing.T) {
	for want, p := range map[string]float64{"99.9 %": 99.99, "100.0 %": 100, "0.0 %": 0.04, "80.0 %": 80, "66.6 %": 200.0 / 3, "57.3 %": 57.3} {
		require.Equal(t, want, testreport.Percent(p))
	}
}

// hostile is text that tries to leave its place in every format.
const hostile = "a<b>&\"'\n::error::x%0A,:\r\x1b[2J\x00\x07\u202e\ufffe]]>\xff\tend"

func hostileRun() *testreport.Run {
	return &testreport.Run{
		Complaints: []testreport.Complaint{{Text: hostile}, {File: hostile, Line: 1, Text: hostile}},
		Report: &policytest.Report{Results: []policytest.Result{{
			Suite: hostile, Line: 1, Kind: hostile, ID: hostile, Name: hostile, Portal: hostile, Question: hostile, Status: policytest.StatusFailed, Err: hostile,
			Diffs: []policytest.Diff{{Name: hostile, Want: hostile, Got: hostile}}, Rules: []policytest.Rule{{ID: hostile, File: hostile}},
			Output: []string{hostile}, Facts: json.RawMessage(`{"user": {"name": "\u001b[2J\u202e<>"}}`),
		}, {Suite: hostile, ID: hostile, Status: policytest.StatusSkipped, Why: hostile}}},
	}
}

// TestHostileText: nothing that stands in a suite drives a terminal, forges a
// command or breaks a document.
func TestHostileText(t *testing.T) {
	var text, github, junit, document bytes.Buffer
	require.NoError(t, testreport.Text(&text, hostileRun(), testreport.TextOptions{Verbose: true}))
	require.NotContains(t, text.String(), "\x1b")
	require.NotRegexp(t, `[\x00-\x09\x0b-\x1f\x7f\x{202e}]`, text.String())
	require.NotRegexp(t, `(?m)^::`, text.String())

	require.NoError(t, testreport.GitHub(&github, hostileRun(), nil))
	for line := range strings.Lines(github.String()) {
		require.Regexp(t, `^::(error|warning) (file=[^,:]*,line=\d+,)?title=[^,:]*::`, line)
	}
	require.Equal(t, 4, strings.Count(github.String(), "\n"))
	require.NotRegexp(t, `[\x00-\x09\x0b-\x1f\x7f]`, github.String())

	require.NoError(t, testreport.JUnit(&junit, hostileRun()))
	require.NotRegexp(t, `[\x00-\x09\x0b-\x1f]`, junit.String())
	parsed := parseJUnit(t, junit.Bytes())
	require.Contains(t, parsed.Suites[0].Cases[0].Failure.Text, "a<b>&\"'\n::error::x%0A,:[2J")

	require.NoError(t, testreport.JSON(&document, hostileRun()))
	var back testreport.Document
	require.NoError(t, json.Unmarshal(document.Bytes(), &back))
	require.Equal(t, strings.ToValidUTF8(hostile, "\ufffd"), back.Results[0].Name)
}

// junitDocument is the schema of the usual readers: attributes and elements that
// are not in it are faults.
type junitDocument struct {
	XMLName xml.Name
	Tests   int `xml:"tests,attr"`
	Counts
	Other  []xml.Attr `xml:",any,attr"`
	Suites []struct {
		Name string `xml:"name,attr"`
		Counts
		Cases []struct {
			Name      string `xml:"name,attr"`
			Classname string `xml:"classname,attr"`
			File      string `xml:"file,attr"`
			Line      string `xml:"line,attr"`
			Time      string `xml:"time,attr"`
			Skipped   *struct {
				Message string `xml:"message,attr"`
			} `xml:"skipped"`
			Failure *struct {
				Message string `xml:"message,attr"`
				Type    string `xml:"type,attr"`
				Text    string `xml:",chardata"`
			} `xml:"failure"`
			Any []xml.Attr `xml:",any,attr"`
		} `xml:"testcase"`
		Any []xml.Attr `xml:",any,attr"`
	} `xml:"testsuite"`
}

// Counts are the attributes of testsuites and testsuite.
type Counts struct {
	Failures int    `xml:"failures,attr"`
	Errors   int    `xml:"errors,attr"`
	Skipped  int    `xml:"skipped,attr"`
	Time     string `xml:"time,attr"`
}

var decimal = regexp.MustCompile(`^\d+\.\d{3}$`)

// parseJUnit reads a report back and holds its counts against its cases.
func parseJUnit(t *testing.T, text []byte) (d junitDocument) {
	t.Helper()
	require.NoError(t, xml.Unmarshal(text, &d))
	require.Equal(t, "testsuites", d.XMLName.Local)
	tests, failures, skipped := 0, 0, 0
	for _, s := range d.Suites {
		require.NotEmpty(t, s.Name)
		require.Regexp(t, decimal, s.Time)
		names := map[string]bool{}
		failed, passedOver := 0, 0
		for _, c := range s.Cases {
			require.NotEmpty(t, c.Classname)
			require.Regexp(t, decimal, c.Time)
			require.Empty(t, c.Any)
			require.False(t, names[c.Name], "%s is there twice", c.Name)
			names[c.Name] = true
			if c.Failure != nil {
				failed++
			}
			if c.Skipped != nil {
				passedOver++
			}
		}
		require.Equal(t, [2]int{failed, passedOver}, [2]int{s.Failures, s.Skipped})
		tests, failures, skipped = tests+len(s.Cases), failures+failed, skipped+passedOver
	}
	require.Equal(t, [4]int{tests, failures, skipped, 0}, [4]int{d.Tests, d.Failures, d.Skipped, d.Errors})
	require.Regexp(t, decimal, d.Time)
	return d
}

func TestJUnitReadsBack(t *testing.T) {
	run := sample()
	run.Results = append(run.Results, run.Results[0], run.Results[0]) // rows of a matrix may look alike
	var b bytes.Buffer
	require.NoError(t, testreport.JUnit(&b, run))
	d := parseJUnit(t, b.Bytes())
	require.Equal(t, [3]int{10, 4, 2}, [3]int{d.Tests, d.Failures, d.Skipped}, "a complaint is a failure of its own")
	require.Equal(t, "fixtures.acumatica.decisions", d.Suites[0].Cases[0].Classname)
	require.Equal(t, "outcome: want deny, got allow", d.Suites[0].Cases[1].Failure.Message)
	require.Contains(t, d.Suites[0].Cases[5].Name, "#3")
}

// TestGitHubReadsBack undoes the escapes as GitHub's runner does.
func TestGitHubReadsBack(t *testing.T) {
	run := &testreport.Run{Report: &policytest.Report{Results: []policytest.Result{{
		Suite: "a,b:c%.yaml", Line: 3, ID: "X-1", Name: "50%, that is: half", Status: policytest.StatusFailed, Err: "first\nsecond: 100%0A, so\r",
	}}}}
	var b bytes.Buffer
	require.NoError(t, testreport.GitHub(&b, run, nil))
	m := regexp.MustCompile(`^::error file=(.*),line=3,title=([^,:]*)::(.*)\n$`).FindStringSubmatch(b.String())
	require.NotNil(t, m, b.String())
	message := strings.NewReplacer("%0D", "\r", "%0A", "\n", "%25", "%")
	property := strings.NewReplacer("%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%")
	require.Equal(t, "a,b:c%.yaml", property.Replace(m[1]))
	require.Equal(t, "X-1 50%, that is: half", property.Replace(m[2]))
	require.Equal(t, "first\nsecond: 100%0A, so\r", message.Replace(m[3]))
}

// TestDifferencesAreSeen: of values too long to show the part is shown in which
// they differ.
func TestDifferencesAreSeen(t *testing.T) {
	same := strings.Repeat("ü界", 500)
	for _, tail := range [][2]string{{"WANTED", "GOTTEN"}, {"WANTED" + same, "GOTTEN" + same}} {
		var b bytes.Buffer
		require.NoError(t, testreport.Text(&b, failed(policytest.Result{
			Diffs: []policytest.Diff{{Name: "obligations", Want: same + tail[0], Got: same + tail[1]}},
		}), testreport.TextOptions{}))
		require.Contains(t, b.String(), "WANTED")
		require.Contains(t, b.String(), "GOTTEN")
		require.Less(t, b.Len(), 3000)
	}
}

func failed(results ...policytest.Result) *testreport.Run {
	for i := range results {
		results[i].Status = policytest.StatusFailed
	}
	return &testreport.Run{Report: &policytest.Report{Results: results}}
}

// TestTextIsBounded: a failed case shows so much and no more.
func TestTextIsBounded(t *testing.T) {
	huge := map[string]any{}
	for i := range 5000 {
		huge[fmt.Sprintf("member %d", i)] = strings.Repeat("x", 2000)
	}
	document, err := json.Marshal(map[string]any{"user": huge})
	require.NoError(t, err)
	r := policytest.Result{
		Suite: "s.yaml", Name: strings.Repeat("n", 1<<20), Question: strings.Repeat("q", 1<<20), Err: strings.Repeat("line\n", 1<<16) + strings.Repeat("e", 1<<20),
		Facts: document, Output: []string{strings.Repeat("o", 1<<20)},
	}
	var b bytes.Buffer
	require.NoError(t, testreport.Text(&b, failed(r), testreport.TextOptions{}))
	require.Less(t, b.Len(), 20_000)
	require.Contains(t, b.String(), "lines more")
	require.Contains(t, b.String(), "--verbose shows all")

	b.Reset()
	many := make([]policytest.Result, 12)
	for i := range many {
		many[i] = policytest.Result{Suite: "s.yaml", ID: "X", Facts: json.RawMessage(`{"user": {"id": "u"}}`)}
	}
	require.NoError(t, testreport.Text(&b, failed(many...), testreport.TextOptions{}))
	require.Equal(t, 10, strings.Count(b.String(), "the facts"))
	require.Equal(t, 12, strings.Count(b.String(), "FAIL"))
}

// TestWideCharacters: columns stay in line whatever the script.
func TestWideCharacters(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, testreport.Text(&b, failed(policytest.Result{Suite: "s.yaml", Diffs: []policytest.Diff{
		{Name: "fields.名前", Want: "読む", Got: "書く"}, {Name: "reason", Want: "e\u0301te\u0301", Got: "zima"},
	}}), testreport.TextOptions{}))
	require.Contains(t, b.String(), ""+
		"                 want  got\n"+
		"    fields.名前  読む  書く\n"+
		"    reason       e\u0301te\u0301   zima\n")
}
