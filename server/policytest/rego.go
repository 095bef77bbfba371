package policytest

import (
	"context"
	"fmt"
	"path"
	"slices"

	"github.com/portcullis-authz/portcullis/server/policy"
)

// rego runs the Rego tests beside the modules that are measured.
func (r *runner) rego(ctx context.Context) ([]Result, error) {
	p := r.project
	measured, err := p.measuredModules()
	if err != nil {
		return nil, err
	}
	tests := policy.Modules{}
	for name, source := range p.tests {
		if p.own(name) || slices.ContainsFunc(measured, func(m string) bool { return path.Dir(m) == path.Dir(name) }) && p.measured == nil {
			tests[name] = source
		}
	}
	if len(tests) == 0 {
		return nil, nil
	}
	wanted := func(module, name string) bool { return r.options.matches(p.files[module], name) }
	found, err := policy.RunTests(ctx, p.modules, tests, wanted, r.coverage)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, p.compileError(err)
	}
	results := make([]Result, len(found))
	for i := range found {
		results[i] = p.regoResult(&found[i])
		if r.options.OnResult != nil {
			r.options.OnResult(&results[i])
		}
	}
	return results, nil
}

func (p *Project) regoResult(t *policy.RegoTest) Result {
	res := Result{Suite: p.files[t.Module], Line: t.Line, Kind: KindRego, ID: t.String(), Status: StatusPassed, Err: t.Err, Output: t.Output, Took: t.Took}
	switch {
	case t.Skipped:
		res.Status, res.Why = StatusSkipped, "its name begins with todo_test_"
	case t.Failed:
		res.Status = StatusFailed
		if t.At > 0 {
			res.Output = append(res.Output, fmt.Sprintf("not true: line %d", t.At))
		}
		for _, name := range t.Cases {
			res.Output = append(res.Output, "failed case: "+name)
		}
		res.Output = append(res.Output, t.Variables...)
	}
	return res
}

// own reports whether a module is of the project's own folders of policies.
func (p *Project) own(module string) bool { return p.measured[module] }

// measuredModules returns the modules whose coverage counts: the project's own, or
// when it has none those that its portals' policies reach.
func (p *Project) measuredModules() ([]string, error) {
	var names []string
	if p.measured != nil {
		for name := range p.modules {
			if p.own(name) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names, nil
	}
	seen := map[string]bool{}
	for _, s := range p.scenes {
		pkg := s.world.Portal.Policy
		if seen[pkg] {
			continue
		}
		seen[pkg] = true
		reached, err := p.program.Reach(pkg)
		if err != nil {
			return nil, err
		}
		names = append(names, reached...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// coverage returns what was covered of the modules that are measured.
func (p *Project) coverage(c *policy.Coverage) (*Coverage, error) {
	measured, err := p.measuredModules()
	if err != nil {
		return nil, err
	}
	modules := policy.Modules{}
	for _, name := range measured {
		modules[name] = p.modules[name]
	}
	lines, err := c.Of(modules)
	if err != nil {
		return nil, err
	}
	out := &Coverage{}
	covered, all := 0, 0
	for _, name := range measured {
		l := lines[name]
		out.Files = append(out.Files, FileCoverage{
			File: p.files[name], Covered: ranges(l.Covered), Missed: ranges(l.Missed),
			CoveredLines: len(l.Covered), MissedLines: len(l.Missed),
		})
		covered, all = covered+len(l.Covered), all+len(l.Covered)+len(l.Missed)
	}
	if all > 0 {
		out.Percent = 100 * float64(covered) / float64(all)
	}
	return out, nil
}

// ranges joins neighbouring lines.
func ranges(lines []int) []Range {
	var all []Range
	for _, line := range lines {
		if n := len(all); n > 0 && all[n-1].To+1 == line {
			all[n-1].To = line
			continue
		}
		all = append(all, Range{line, line})
	}
	return all
}
