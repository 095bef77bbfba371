package testreport

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// The elements of JUnit's XML, with the attributes that its readers agree on.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
		took     time.Duration
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		Classname string        `xml:"classname,attr"`
		File      string        `xml:"file,attr,omitempty"`
		Line      int           `xml:"line,attr,omitempty"`
		Time      string        `xml:"time,attr"`
		Skipped   *junitSkipped `xml:"skipped"`
		Failure   *junitFailure `xml:"failure"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",cdata"`
	}
)

// complaintSuite is the suite in which a JUnit report shows the complaints.
const complaintSuite = "portcullis test"

// JUnit writes the run as JUnit XML: a testsuite for each file, a skipped testcase
// for what is skipped or pending, and a failed one for each complaint.
func JUnit(w io.Writer, r *Run) error {
	all := junitSuites{Name: "portcullis", Time: seconds(r.Took), Suites: junitByFile(r.Results)}
	if len(r.Complaints) > 0 {
		all.Suites = append(all.Suites, complaints(r.Complaints))
	}
	for i := range all.Suites {
		s := &all.Suites[i]
		s.Time = seconds(s.took)
		all.Tests, all.Failures, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Skipped+s.Skipped
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(&all); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}

func junitByFile(results []policytest.Result) (suites []junitSuite) {
	at, names := map[string]int{}, map[[2]string]int{}
	for i := range results {
		r := &results[i]
		j, known := at[r.Suite]
		if !known {
			j = len(suites)
			at[r.Suite] = j
			suites = append(suites, junitSuite{Name: legal(r.Suite)})
		}
		c := testcase(r)
		// Readers take cases of one name for one case: rows of a matrix get a number.
		key := [2]string{r.Suite, c.Name}
		if names[key]++; names[key] > 1 {
			c.Name += fmt.Sprintf(" #%d", names[key])
		}
		suites[j].add(c)
		suites[j].took += r.Took
	}
	return suites
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	if c.Skipped != nil {
		s.Skipped++
	}
	if c.Failure != nil {
		s.Failures++
	}
	s.Cases = append(s.Cases, c)
}

func testcase(r *policytest.Result) junitCase {
	c := junitCase{
		Name: legal(title(r)), Classname: legal(classname(r.Suite)), File: legal(r.Suite), Line: r.Line, Time: seconds(r.Took),
	}
	if r.Question != "" {
		c.Name += legal(": " + r.Question)
	}
	switch r.Status {
	case policytest.StatusPassed:
	case policytest.StatusSkipped, policytest.StatusPending:
		c.Skipped = &junitSkipped{Message: legal(string(r.Status) + ": " + r.Why)}
	default:
		c.Failure = junitFailed(r)
	}
	return c
}

func junitFailed(r *policytest.Result) *junitFailure {
	lines := failure(r)
	facts, _ := factLines(r.Facts, defaultWidth, false)
	if len(facts) > 0 {
		lines = append(append(lines, "the facts"), facts...)
	}
	return &junitFailure{Message: legal(short(r)), Type: string(r.Kind), Text: legal(place(r.Suite, r.Line) + "\n" + strings.Join(lines, "\n"))}
}

// short tells in one line why a case failed.
func short(r *policytest.Result) string {
	if len(r.Diffs) == 0 {
		first, _, _ := strings.Cut(strings.TrimSpace(r.Err), "\n")
		return terminal.Clip(first, maxValue)
	}
	d := r.Diffs[0]
	want, got := window(orAbsent(d.Want), orAbsent(d.Got), maxValue/2)
	return fmt.Sprintf("%s: want %s, got %s", d.Name, want, got)
}

func complaints(all []Complaint) junitSuite {
	s := junitSuite{Name: complaintSuite}
	for _, c := range all {
		text := legal(c.String())
		s.add(junitCase{
			Name: terminal.Clip(text, maxValue), Classname: complaintSuite, File: legal(c.File), Line: c.Line, Time: seconds(0),
			Failure: &junitFailure{Message: terminal.Clip(text, maxValue), Type: "run", Text: text},
		})
	}
	return s
}

// classname returns the file as readers group cases: by parts between dots.
func classname(file string) string {
	file = strings.TrimLeft(path.Clean(filepath.ToSlash(file)), "./")
	return strings.ReplaceAll(strings.TrimSuffix(file, path.Ext(file)), "/", ".")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// legal returns s without what XML 1.0 has no way to write, and without controls
// other than the end of a line.
func legal(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case unicode.IsControl(r), r == 0xfffe, r == 0xffff:
			return -1
		}
		return r
	}, s)
}
