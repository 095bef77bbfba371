package testreport

import (
	"fmt"
	"io"
	"slices"

	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// Mutation is a mutation run: policies and data changed in one small way at a time.
type Mutation struct {
	*policytest.MutationReport
	Complaints []Complaint // why the run does not pass besides survivors that nothing explains
}

// unexplained returns the survivors that have no reason, and explained those that
// have one.
func (m *Mutation) unexplained() []policytest.MutantResult { return m.survivors(false) }
func (m *Mutation) explained() []policytest.MutantResult   { return m.survivors(true) }

func (m *Mutation) survivors(explained bool) (some []policytest.MutantResult) {
	for _, x := range m.Mutants {
		if x.Fate == policytest.FateSurvived && (x.Why != "") == explained {
			some = append(some, x)
		}
	}
	return some
}

// Passed reports whether every survivor is explained and there are no complaints.
func (m *Mutation) Passed() bool { return len(m.unexplained()) == 0 && len(m.Complaints) == 0 }

// Summary returns the outcome in one line.
func (m *Mutation) Summary() string {
	return fmt.Sprintf("%s: %d killed, %d invalid, %d survived and %d of them with a reason; score %s in %s",
		plural(len(m.Mutants), "mutant"), m.Killed, m.Invalid, m.Survived, m.Explained, Percent(m.Score), took(m.Took))
}

// MutationText writes the survivors for people, those without a reason last, and
// the summary as the last line. With reasons it lists the explained ones first.
func MutationText(w io.Writer, m *Mutation, reasons bool, o TextOptions) error {
	p := newPrinter(o)
	if explained := m.explained(); reasons && len(explained) > 0 {
		p.line(0, p.color(bold, "survived with a reason"))
		for i := range explained {
			p.line(2, terminal.Clip(terminal.Printable(explained[i].String()), maxValue))
			p.line(4, p.color(dim, terminal.Clip(terminal.Printable(explained[i].Why), maxValue)))
		}
	}
	unexplained := m.unexplained()
	for i := range unexplained {
		p.line(0, p.color(red, "SURVIVED")+" "+terminal.Clip(terminal.Printable(unexplained[i].String()), maxValue))
	}
	for _, c := range m.Complaints {
		p.line(0, p.color(red, "not passed: ")+terminal.Printable(c.String()))
	}
	color := green
	if !m.Passed() {
		color = red
	}
	p.line(0, p.color(color, m.Summary()))
	_, err := w.Write(p.b.Bytes())
	return err
}

// Run returns the outcome as a run in which each unexplained survivor is a
// complaint, for formats that know only cases.
func (m *Mutation) Run() *Run {
	r := &Run{Report: &policytest.Report{Took: m.Took}, Complaints: slices.Clone(m.Complaints)}
	for _, x := range m.unexplained() {
		r.Complaints = append(r.Complaints, Complaint{File: x.File, Line: x.Line, Text: "no case notices this change: " + x.What})
	}
	return r
}

// MutationDocument is a mutation run as [MutationJSON] writes it. Lists are never
// null.
type MutationDocument struct {
	Version    int            `json:"version"` // 1
	Passed     bool           `json:"passed"`  // every survivor is explained and there are no complaints
	Summary    MutationTotals `json:"summary"`
	Complaints []Fault        `json:"complaints"`
	Survivors  []Survivor     `json:"survivors"` // explained or not
}

// MutationTotals are the numbers of mutants.
type MutationTotals struct {
	Total     int     `json:"total"`
	Killed    int     `json:"killed"`
	Invalid   int     `json:"invalid"` // no policy, or no portal
	Survived  int     `json:"survived"`
	Explained int     `json:"explained"` // of those that survived
	Score     float64 `json:"score"`     // killed of killed and survived, in percent
	Seconds   float64 `json:"seconds"`
}

// Survivor is a change that no case noticed.
type Survivor struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"` // of a policy
	What string `json:"what"`
	Why  string `json:"why,omitempty"` // no case can notice it; absent: unexplained
}

// MutationJSON writes the outcome as a [MutationDocument].
func MutationJSON(w io.Writer, m *Mutation) error {
	d := &MutationDocument{
		Version: documentVersion, Passed: m.Passed(), Complaints: []Fault{}, Survivors: []Survivor{},
		Summary: MutationTotals{
			Total: len(m.Mutants), Killed: m.Killed, Invalid: m.Invalid, Survived: m.Survived, Explained: m.Explained,
			Score: m.Score, Seconds: m.Took.Seconds(),
		},
	}
	for _, c := range m.Complaints {
		d.Complaints = append(d.Complaints, Fault(c))
	}
	for _, x := range slices.Concat(m.unexplained(), m.explained()) {
		d.Survivors = append(d.Survivors, Survivor{File: x.File, Line: x.Line, What: x.What, Why: x.Why})
	}
	return writeJSON(w, d)
}
