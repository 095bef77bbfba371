package policytest

import (
	"context"
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

// newScene prepares a world. like, if there is one, is a scene under the same
// policy; with sameConfig its snapshot serves too.
func newScene(w *authz.World, program *policy.Program, like *scene, sameConfig bool) (s *scene, err error) {
	s = &scene{world: w, index: pdp.IndexWorlds([]authz.World{*w}), deciders: map[time.Time]*pdp.Decider{}}
	var snapshot *engine.Snapshot
	switch {
	case like != nil && sameConfig:
		s.policy, snapshot = like.policy, like.view.Snapshot
	case like != nil && like.world.Portal.Policy == w.Portal.Policy:
		s.policy, err = like.policy.For(&w.Bundle)
	default:
		s.policy, err = program.Bind(&w.Bundle)
	}
	if err != nil {
		return nil, err
	}
	if snapshot == nil {
		if snapshot, err = engine.Build(&w.Bundle, policies.RBACModel, judge{s.policy}); err != nil {
			return nil, err
		}
	}
	s.view = pdp.NewView(w.Portal.ID, pdp.View{Snapshot: snapshot, Reads: s.policy.Reads(), Changes: judge{s.policy}})
	return s, nil
}

// judge is a policy which lets the asker look on, or put another in its place.
type judge struct{ *policy.Policy }

// asking is what an asker wants of a judge, carried by its context: the path
// between the two is that of every decision, and knows nothing of it.
type asking struct {
	instead *policy.Policy // nil: the scene's own
	examine bool
	lens    policy.Lens
	seen    policy.Examination
}

type askingKey struct{}

// of returns the policy that judges, and what the asker wants, or nil.
func (j judge) of(ctx context.Context) (*policy.Policy, *asking) {
	a, _ := ctx.Value(askingKey{}).(*asking)
	if a != nil && a.instead != nil {
		return a.instead, a
	}
	return j.Policy, a
}

// Decide decides as the policy does.
func (j judge) Decide(ctx context.Context, q *authz.Query, f *authz.Facts) (d authz.Decision) {
	p, a := j.of(ctx)
	if a == nil || !a.examine {
		return p.Decide(ctx, q, f)
	}
	d, a.seen = a.lens.Decide(ctx, p, q, f)
	return d
}

// Admit judges as the policy does.
func (j judge) Admit(ctx context.Context, c *authz.Change, f *authz.ChangeFacts) (d authz.Admission) {
	p, a := j.of(ctx)
	if a == nil || !a.examine {
		return p.Admit(ctx, c, f)
	}
	d, a.seen = a.lens.Admit(ctx, p, c, f)
	return d
}

// Provision judges as the policy does.
func (j judge) Provision(ctx context.Context, c *authz.Change, f *authz.ChangeFacts) (d authz.Provisioning) {
	p, a := j.of(ctx)
	if a == nil || !a.examine {
		return p.Provision(ctx, c, f)
	}
	d, a.seen = a.lens.Provision(ctx, p, c, f)
	return d
}

// configures reports whether a patch touches what a snapshot is built from.
func (g *Given) configures() bool {
	return slices.ContainsFunc(g.node.Entries, func(e yamltree.Entry) bool {
		return !slices.Contains([]string{"accounts", "contacts", "users", "records"}, e.Key)
	})
}

// scene prepares the portal that a case asks, and reports what keeps it from
// being asked; then it is nil.
func (l *loader) scene(s *Suite, worlds map[string]*authz.World, h *Head) *scene {
	w := worlds[h.Portal]
	if w == nil {
		l.out.Add(yamltree.Problem{File: s.File, Line: h.Line, Column: 1, Msg: fmt.Sprintf(
			"asks portal %s, which is not there%s", yamltree.Clip(h.Portal), yamltree.Nearest(h.Portal, slices.Sorted(maps.Keys(worlds))))})
		return nil
	}
	var last *scene
	for n := range len(h.Given) + 1 {
		if last = l.sceneOf(s, w, h.Portal, h.Given[:n], last); last == nil {
			return nil
		}
	}
	return last
}

// sceneOf returns the scene under the patches, of which before has all but the last.
func (l *loader) sceneOf(s *Suite, w *authz.World, portal string, given []Given, before *scene) *scene {
	key := keyOf(s, portal, given)
	if known, ok := l.project.scenes[key]; ok {
		return known
	}
	l.project.scenes[key] = nil
	sameConfig := false
	if len(given) > 0 {
		last := given[len(given)-1]
		var err error
		if w, err = fixture.Patch(before.world, s.File, last.node); err != nil {
			l.add("", err, s.File)
			return nil
		}
		sameConfig = !last.configures()
	}
	made, err := newScene(w, l.project.program, before, sameConfig)
	if err != nil {
		l.out.Add(yamltree.Problem{File: portalFile(path.Dir(s.File), portal), Msg: err.Error()})
		return nil
	}
	l.project.scenes[key] = made
	return made
}

// portalFile returns the file of a portal that a suite in dir asks: dir is the
// portal's own folder, or holds it.
func portalFile(dir, portal string) string {
	if own := path.Join(dir, "portal.yaml"); regular(own) {
		return own
	}
	return path.Join(dir, portal, "portal.yaml")
}
