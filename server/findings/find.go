package findings

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

// Portal is a portal of the project.
type Portal struct {
	Root string // folder that it was loaded from, as findings name it
	fixture.Placed
}

// folder returns the portal's own folder.
func (p *Portal) folder() string { return path.Join(p.Root, p.Folder()) }

// Options say how to look.
type Options struct {
	Levels  Levels
	Now     time.Time // the moment of all questions but those of cases
	Model   string    // Casbin's
	Workers int       // questions at the same time; below 1: one for each processor
}

// Report is what was found.
type Report struct {
	Findings []policy.Finding // by file, line and column
	Missing  []string         // what was not looked at, and why
}

// Find looks at the portals under the policies of the suites' project, and at the
// suites. When ctx ends it stops, and says what it has not looked at. The error is
// Invalid when a portal cannot be decided on.
func Find(ctx context.Context, portals []Portal, suites *policytest.Project, o Options) (*Report, error) {
	if o.Workers < 1 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	f := &finder{suites: suites, options: o, report: &Report{}}
	var stages []*stage
	for i := range portals {
		st, err := newStage(&portals[i], suites, &o)
		if err != nil {
			return nil, err
		}
		stages = append(stages, st)
	}
	for _, st := range stages {
		f.untested(st)
		f.members(st)
		f.twins(st)
		f.ended(st)
	}
	for _, st := range stages {
		f.unreached(ctx, st)
		f.guests(ctx, st)
	}
	if err := f.uncovered(ctx); err != nil {
		return nil, err
	}
	for _, st := range stages {
		f.idle(ctx, st)
	}
	f.sort()
	return f.report, nil
}

// finder gathers what is found.
type finder struct {
	suites  *policytest.Project
	options Options
	report  *Report
}

func (f *finder) wants(rule string) bool { return f.options.Levels.wants(rule) }

// add takes a finding at a place of the portal.
func (f *finder) add(st *stage, rule string, of authz.Key, msg, fix string) {
	file, at := st.portal.Place(of)
	f.addAt(st, rule, file, at, msg, fix)
}

func (f *finder) addAt(st *stage, rule, file string, at yamltree.Pos, msg, fix string) {
	f.report.Findings = append(f.report.Findings, policy.Finding{
		File: path.Join(st.portal.Root, file), Line: max(at.Line, 1), Column: max(at.Column, 1),
		Rule: rule, Severity: f.options.Levels.of[rule], Msg: msg, Fix: fix,
	})
}

func (f *finder) missing(format string, args ...any) {
	f.report.Missing = append(f.report.Missing, fmt.Sprintf(format, args...))
}

func (f *finder) sort() {
	slices.SortStableFunc(f.report.Findings, func(a, b policy.Finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), strings.Compare(a.Rule, b.Rule))
	})
}

// Clip returns the first most findings of each rule, in their order, and how many
// more there are of those with more.
func Clip(all []policy.Finding, most int) (shown []policy.Finding, more map[string]int) {
	seen, more := map[string]int{}, map[string]int{}
	for _, f := range all {
		if seen[f.Rule]++; seen[f.Rule] > most {
			more[f.Rule]++
			continue
		}
		shown = append(shown, f)
	}
	return shown, more
}

// quoted lists names for a message, the first few of them.
func quoted(names []string) string {
	const most = 5
	var shown []string
	for _, n := range names[:min(len(names), most)] {
		shown = append(shown, yamltree.Clip(n))
	}
	switch more := len(names) - most; {
	case more > 0:
		return fmt.Sprintf("%s and %d more", strings.Join(shown, ", "), more)
	case len(shown) > 1:
		return strings.Join(shown[:len(shown)-1], ", ") + " and " + shown[len(shown)-1]
	}
	return strings.Join(shown, "")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
