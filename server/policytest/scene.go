package policytest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

// sceneKey names a portal's data as some cases have it.
type sceneKey struct {
	dir, portal string
	given       string
}

func keyOf(s *Suite, portal string, given []Given) sceneKey {
	texts := make([]string, len(given))
	for i := range given {
		texts[i] = given[i].Text
	}
	return sceneKey{path.Dir(s.File), portal, strings.Join(texts, "\n")}
}

// scene is a portal's data, patched as some cases want it, with what decides on
// it. Cases that want the same share one.
type scene struct {
	world  *authz.World
	view   *pdp.View
	index  pdp.Worlds
	policy *policy.Policy

	mu       sync.Mutex
	deciders map[time.Time]*pdp.Decider
}

// View returns the one view.
func (s *scene) View(string) (*pdp.View, error) { return s.view, nil }

// sceneCache is how many entities a decider keeps; they are in memory already.
const sceneCache = 100

// at returns what decides at the moment.
func (s *scene) at(now time.Time) (*pdp.Decider, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.deciders[now]; d != nil {
		return d, nil
	}
	d, err := pdp.New(s, s.index, sceneCache, func() time.Time { return now })
	if err == nil {
		s.deciders[now] = d
	}
	return d, err
}

// newScene prepares a world. base, if there is one, is a scene of the same
// configuration, whose snapshot then serves.
func newScene(w *authz.World, program *policy.Program, base *scene) (*scene, error) {
	s := &scene{world: w, index: pdp.IndexWorlds([]authz.World{*w}), deciders: map[time.Time]*pdp.Decider{}}
	var snapshot *engine.Snapshot
	if base != nil {
		s.policy, snapshot = base.policy, base.view.Snapshot
	} else {
		var err error
		if s.policy, err = program.Bind(&w.Bundle); err != nil {
			return nil, err
		}
		if snapshot, err = engine.Build(&w.Bundle, policies.RBACModel, s.policy); err != nil {
			return nil, err
		}
	}
	s.view = pdp.NewView(w.Portal.ID, pdp.View{Snapshot: snapshot, CountsLogins: s.policy.CountsSameLogin()})
	return s, nil
}

// configures reports whether a patch touches what a snapshot is built from.
func (g *Given) configures() bool {
	return slices.ContainsFunc(g.node.Entries, func(e yamltree.Entry) bool {
		return !slices.Contains([]string{"accounts", "contacts", "users", "records"}, e.Key)
	})
}

// scene prepares the portal that a case asks, and reports what keeps it from
// being asked.
func (l *loader) scene(s *Suite, worlds map[string]*authz.World, c *Case) {
	w := worlds[c.Portal]
	if w == nil {
		l.out.Add(yamltree.Problem{File: s.File, Line: c.Line, Column: 1, Msg: fmt.Sprintf(
			"asks portal %s, which is not there%s", yamltree.Clip(c.Portal), yamltree.Nearest(c.Portal, slices.Sorted(maps.Keys(worlds))))})
		return
	}
	var base *scene
	for n := range len(c.Given) + 1 {
		base = l.sceneOf(s, w, c.Portal, c.Given[:n], base)
		if base == nil {
			return
		}
	}
}

// sceneOf returns the scene under the patches, of which base has all but the last.
func (l *loader) sceneOf(s *Suite, w *authz.World, portal string, given []Given, base *scene) *scene {
	key := keyOf(s, portal, given)
	if known, ok := l.project.scenes[key]; ok {
		return known
	}
	l.project.scenes[key] = nil
	if len(given) > 0 {
		last := given[len(given)-1]
		var err error
		if w, err = fixture.Patch(base.world, s.File, last.node); err != nil {
			l.add("", err, s.File)
			return nil
		}
		if last.configures() {
			base = nil
		}
	}
	made, err := newScene(w, l.project.program, base)
	if err != nil {
		l.out.Add(yamltree.Problem{File: path.Join(path.Dir(s.File), portal, "portal.yaml"), Msg: err.Error()})
		return nil
	}
	l.project.scenes[key] = made
	return made
}
