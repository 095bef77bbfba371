package policytest

import (
	"maps"
	"path"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// Parts are what a project is made of when it lies in no folder: the policy of one
// portal, and what holds it.
type Parts struct {
	Program *policy.Program // compiled from Modules
	Modules policy.Modules
	Tests   policy.Modules    // Rego tests; all of them are run
	Suites  map[string]string // by name, as reports have it
	World   *authz.World      // the one portal that the suites ask; nobody may write to it
}

// Assemble returns a project of the parts. Wrong suites give a *[yamltree.Error] with
// everything wrong in all of them.
func Assemble(parts Parts) (*Project, error) {
	p := &Project{
		modules: parts.Modules, tests: parts.Tests, program: parts.Program, files: map[string]string{},
		measured: map[string]bool{}, portals: map[string]map[string]*authz.World{}, scenes: map[sceneKey]*scene{},
	}
	for _, modules := range []policy.Modules{parts.Modules, parts.Tests} {
		for name := range modules {
			p.files[name], p.measured[name] = name, true
		}
	}
	l := &loader{project: p}
	for _, name := range slices.Sorted(maps.Keys(parts.Suites)) {
		p.portals[path.Dir(name)] = map[string]*authz.World{parts.World.Portal.ID: parts.World}
		l.take(name, []byte(parts.Suites[name]))
	}
	if err := l.out.Err(); err != nil {
		return nil, err
	}
	return p, nil
}
