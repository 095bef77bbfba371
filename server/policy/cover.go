package policy

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/cover"
)

// Coverage gathers which lines of the policies take part in evaluations. It is
// safe for concurrent use.
type Coverage struct{ hits *cover.Cover }

// NewCoverage returns a Coverage of nothing yet.
func NewCoverage() *Coverage { return &Coverage{cover.New()} }

// Lines are the lines of a module that can take part in an evaluation, in
// ascending order. A line of several expressions of which some took part is
// covered.
type Lines struct{ Covered, Missed []int }

// Of returns the lines of the modules, by path. The error is Invalid when one
// cannot be parsed.
func (c *Coverage) Of(modules Modules) (map[string]Lines, error) {
	parsed, err := parse(modules, Capabilities())
	if err != nil {
		return nil, err
	}
	report := c.hits.Report(parsed)
	all := make(map[string]Lines, len(modules))
	for path := range modules {
		if f := report.Files[path]; f != nil {
			all[path] = lines(f)
		}
	}
	return all, nil
}

func lines(f *cover.FileReport) Lines {
	covered, missed := map[int]bool{}, map[int]bool{}
	for _, r := range f.Covered {
		for row := r.Start.Row; row <= r.End.Row; row++ {
			covered[row] = true
		}
	}
	for _, r := range f.NotCovered {
		for row := r.Start.Row; row <= r.End.Row; row++ {
			if !covered[row] {
				missed[row] = true
			}
		}
	}
	return Lines{slices.Sorted(maps.Keys(covered)), slices.Sorted(maps.Keys(missed))}
}
