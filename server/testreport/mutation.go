package testreport

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server/policytest"
)

// Mutation is what became of policies and data changed in one small way at a time.
type Mutation struct {
	Killed  int // some case noticed the change
	Invalid int // the change makes no policy, or no portal

	Survivors  []Survivor // no case noticed the change, and nothing says why
	Explained  []Survivor // no case can notice the change
	Score      float64    // percent of the valid changes that were noticed
	Complaints []Complaint
	Took       time.Duration
}

// Survivor is a change that no case noticed.
type Survivor struct {
	File string
	Line int
	What string // such as "drop `level >= need`"
	Why  string // no case can notice it; empty when that is not explained
}

func (s *Survivor) String() string {
	return strings.TrimSpace(place(s.File, s.Line) + " " + s.What)
}

// survived returns how many changes no case noticed.
func (m *Mutation) survived() int { return len(m.Survivors) + len(m.Explained) }

func (m *Mutation) total() int { return m.Killed + m.Invalid + m.survived() }

// Summary returns the outcome in one line.
func (m *Mutation) Summary() string {
	return fmt.Sprintf("%s: %d killed, %d invalid, %d survived with a reason, %d without; score %s in %s",
		plural(m.total(), "mutant"), m.Killed, m.Invalid, len(m.Explained), len(m.Survivors), Percent(m.Score), took(m.Took))
}

// MutationText writes the survivors for people: the explained ones first, apart,
// with their reasons, and the summary as the last line.
func MutationText(w io.Writer, m *Mutation, o TextOptions) error {
	p := newPrinter(o)
	if len(m.Explained) > 0 {
		p.line(0, p.color(bold, "survived with a reason"))
	}
	for i := range m.Explained {
		s := &m.Explained[i]
		p.line(2, clip(printable(s.String()), maxValue))
		p.line(4, p.color(dim, clip(printable(s.Why), maxValue)))
	}
	for i := range m.Survivors {
		p.line(0, p.color(red, "SURVIVED")+" "+clip(printable(m.Survivors[i].String()), maxValue))
	}
	for _, c := range m.Complaints {
		p.line(0, p.color(red, "not passed: ")+printable(c.String()))
	}
	color := green
	if !m.passed() {
		color = red
	}
	p.line(0, p.color(color, m.Summary()))
	_, err := w.Write(p.b.Bytes())
	return err
}

func (m *Mutation) passed() bool { return len(m.Survivors) == 0 && len(m.Complaints) == 0 }

// Run returns the outcome as a run in which each unexplained survivor is a
// complaint, for formats that know only cases.
func (m *Mutation) Run() *Run {
	r := &Run{Report: &policytest.Report{Took: m.Took}, Complaints: slices.Clone(m.Complaints)}
	for i := range m.Survivors {
		s := &m.Survivors[i]
		r.Complaints = append(r.Complaints, Complaint{File: s.File, Line: s.Line, Text: "no case notices this change: " + s.What})
	}
	return r
}

// MutationDocument is a mutation run as [MutationJSON] writes it. Lists are never
// null.
type MutationDocument struct {
	Version    int              `json:"version"` // 1
	Passed     bool             `json:"passed"`  // every survivor is explained and there are no complaints
	Summary    MutationTotals   `json:"summary"`
	Complaints []Fault          `json:"complaints"`
	Survivors  []MutantSurvivor `json:"survivors"` // unexplained ones
	Explained  []MutantSurvivor `json:"explained"`
}

// MutationTotals are the numbers of mutants.
type MutationTotals struct {
	Total     int     `json:"total"`
	Killed    int     `json:"killed"`
	Invalid   int     `json:"invalid"`
	Survived  int     `json:"survived"`  // all of them
	Explained int     `json:"explained"` // of those that survived
	Score     float64 `json:"score"`     // from 0 to 100
	Seconds   float64 `json:"seconds"`
}

// MutantSurvivor is a change that no case noticed.
type MutantSurvivor struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	What string `json:"what"`
	Why  string `json:"why,omitempty"`
}

// MutationJSON writes the outcome as a [MutationDocument].
func MutationJSON(w io.Writer, m *Mutation) error {
	d := &MutationDocument{
		Version: documentVersion, Passed: m.passed(), Complaints: []Fault{},
		Summary: MutationTotals{
			Total: m.total(), Killed: m.Killed, Invalid: m.Invalid, Survived: m.survived(), Explained: len(m.Explained),
			Score: m.Score, Seconds: m.Took.Seconds(),
		},
		Survivors: survivors(m.Survivors), Explained: survivors(m.Explained),
	}
	for _, c := range m.Complaints {
		d.Complaints = append(d.Complaints, Fault(c))
	}
	return writeJSON(w, d)
}

func survivors(all []Survivor) []MutantSurvivor {
	out := make([]MutantSurvivor, 0, len(all))
	for _, s := range all {
		out = append(out, MutantSurvivor(s))
	}
	return out
}
