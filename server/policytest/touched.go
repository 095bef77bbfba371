package policytest

import (
	"maps"
	"path"
	"reflect"
	"slices"
)

// Selection is a part of a project's tests.
type Selection struct {
	Suites []string // files, as [Suite.File]
	Rego   bool     // the Rego tests
}

// SamePolicy reports whether the rules that the package can come to evaluate are
// those of before, text by text.
func (p *Project) SamePolicy(before *Project, pkg string) bool {
	now, err := p.program.Reach(pkg)
	was, beforeErr := before.program.Reach(pkg)
	if err != nil || beforeErr != nil || !slices.Equal(now, was) {
		return false
	}
	return !slices.ContainsFunc(now, func(module string) bool { return p.modules[module] != before.modules[module] })
}

// Touched returns the tests that may come out otherwise than those of before did: the
// suites that are new or others, whose portals have other data, or whose policies
// reach a module that is another; and the Rego tests when any module is, or any of
// them.
func (p *Project) Touched(before *Project) Selection {
	sel := Selection{Rego: !maps.Equal(p.modules, before.modules) || !maps.Equal(p.tests, before.tests)}
	for _, s := range p.Suites {
		if p.touched(before, s) {
			sel.Suites = append(sel.Suites, s.File)
		}
	}
	return sel
}

func (p *Project) touched(before *Project, s *Suite) bool {
	i := slices.IndexFunc(before.Suites, func(o *Suite) bool { return o.File == s.File })
	if i < 0 || !reflect.DeepEqual(s, before.Suites[i]) {
		return true
	}
	dir := path.Dir(s.File)
	portals, packages := map[string]bool{}, map[string]bool{}
	for _, row := range s.rows() {
		h := row.head()
		if !portals[h.Portal] && !reflect.DeepEqual(p.portals[dir][h.Portal], before.portals[dir][h.Portal]) {
			return true
		}
		portals[h.Portal] = true
		pkg := p.scenes[keyOf(s, h.Portal, h.Given)].world.Portal.Policy
		if !packages[pkg] && !p.SamePolicy(before, pkg) {
			return true
		}
		packages[pkg] = true
	}
	return false
}
