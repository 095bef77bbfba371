package policytest

import (
	"cmp"
	"context"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// Program returns the compiled policies.
func (p *Project) Program() *policy.Program { return p.program }

// Asks reports whether some case asks the portal in the folder.
func (p *Project) Asks(folder, portal string) bool {
	return slices.ContainsFunc(p.Suites, func(s *Suite) bool { return s.stands(folder, portal) && s.asks(portal) })
}

// stands reports whether the suite is one of the portal's: in its folder, or beside it.
func (s *Suite) stands(folder, portal string) bool {
	dir := path.Dir(s.File)
	return dir == path.Clean(folder) || path.Join(dir, portal) == path.Clean(folder)
}

func (s *Suite) asks(portal string) bool {
	return slices.ContainsFunc(s.rows(), func(r row) bool { return r.head().Portal == portal && r.head().Skip == "" })
}

// Questions returns the questions of the cases that ask the portal in the folder,
// calls that are being made aside.
func (p *Project) Questions(folder, portal string) []authz.Query {
	var all []authz.Query
	for _, s := range p.Suites {
		for i := range s.Cases {
			if c := &s.Cases[i]; s.stands(folder, portal) && c.Portal == portal && !c.Made() {
				all = append(all, c.Query)
			}
		}
	}
	return all
}

// Rules returns the rules with an id, in modules of the project's own, that the
// policies of the portals which its cases ask can come to evaluate; by file and line.
func (p *Project) Rules() ([]Rule, error) {
	found := map[policy.Applied]bool{}
	known := map[string]bool{}
	for _, s := range p.scenes {
		pkg := s.world.Portal.Policy
		if known[pkg] {
			continue
		}
		known[pkg] = true
		rules, err := p.program.Rules(pkg)
		if err != nil {
			return nil, err
		}
		for _, r := range rules {
			found[r] = p.own(r.Module)
		}
	}
	var own []policy.Applied
	for r := range maps.Keys(found) {
		if found[r] {
			own = append(own, r)
		}
	}
	rules := p.rules(own)
	slices.SortFunc(rules, func(a, b Rule) int { return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	return rules, nil
}

// Witness knows the cases of a project, and which of them notice a change of a
// portal's data. It is safe for concurrent use.
type Witness struct {
	project *Project
	stages  []*stage
}

// Witness returns the witness of the project's cases, all of which should pass.
func (p *Project) Witness() *Witness {
	m := &mutation{project: p}
	m.gather()
	return &Witness{p, m.stages}
}

// Notices reports whether some case that asks the portal in the folder notices the
// change, and which. A portal that is not valid any more is noticed too.
func (w *Witness) Notices(ctx context.Context, folder string, changed *Mutant) (by string, noticed bool) {
	for _, st := range w.stages {
		portal := changed.World.Portal.ID
		if st.folder(portal) != path.Clean(folder) || w.project.scenes[sceneKey{st.dir, portal, ""}] == nil {
			continue
		}
		if fate, by := st.tryData(ctx, w.project, changed); fate != FateSurvived {
			return by, true
		}
	}
	return "", false
}
