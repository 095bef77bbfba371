package findings

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

// stage is a portal with what decides on it and what is asked of it.
type stage struct {
	portal  *Portal
	world   *authz.World
	now     time.Time
	model   string
	workers int
	view    *pdp.View
	index   pdp.Worlds
	decider *pdp.Decider

	actions []string // of no call
	words   map[string]bool
	posed   map[authz.Key][]authz.Query // questions of the suites, by the resource's type and id
	users   []subject                   // active ones
	below   map[string][]int            // node -> those below it
	nodes   map[string]int              // their places among the screens

	mu   sync.Mutex
	asks map[string][]ask // known already: at a node, and shown on it
}

// subject is who asks.
type subject struct {
	authz.Entity
	user  *authz.User // nil for a visitor
	roles []string    // effective
}

// visitor is who has not logged in.
func visitor() subject { return subject{Entity: authz.Entity{Type: "anonymous", ID: "visitor"}} }

// cached is how many entities a decider keeps; they are in memory already.
const cached = 10_000

func newStage(p *Portal, suites *policytest.Project, o *Options) (*stage, error) {
	st := &stage{
		portal: p, world: &p.World, now: o.Now, model: o.Model, workers: o.Workers,
		posed: map[authz.Key][]authz.Query{}, below: map[string][]int{}, nodes: map[string]int{}, asks: map[string][]ask{},
	}
	view, err := live.Build(&st.world.Bundle, o.Model, suites.Program())
	if err != nil {
		return nil, err
	}
	st.view = pdp.NewView(st.world.Portal.ID, view)
	st.index = pdp.IndexWorlds([]authz.World{*st.world})
	if st.decider, err = st.deciding(&fixed{st.view}); err != nil {
		return nil, err
	}
	if err := st.learn(suites); err != nil {
		return nil, err
	}
	for i := range st.world.Screens {
		n := &st.world.Screens[i]
		st.nodes[n.ID] = i
		st.below[n.Parent] = append(st.below[n.Parent], i)
	}
	st.cast()
	return st, nil
}

// fixed publishes one view.
type fixed struct{ view *pdp.View }

// View returns the view.
func (f *fixed) View(string) (*pdp.View, error) { return f.view, nil }

func (st *stage) deciding(views pdp.Views) (*pdp.Decider, error) {
	return pdp.New(views, st.index, cached, func() time.Time { return st.now })
}

// learn gathers what the policy knows, and what the suites ask.
func (st *stage) learn(suites *policytest.Project) error {
	pkg := st.world.Portal.Policy
	actions, err := suites.Program().Actions(pkg)
	if err != nil {
		return err
	}
	if st.words, err = suites.Program().Words(pkg); err != nil {
		return err
	}
	st.nameSettings()
	known := map[string]bool{}
	learn := func(name string) {
		if q := (authz.Query{Action: authz.Action{Name: name}}); name != "*" && !q.IsCall() {
			known[name] = true
		}
	}
	for _, name := range actions {
		learn(name)
	}
	for _, byAction := range st.world.Portal.ResourceScreens {
		for name := range byAction {
			learn(name)
		}
	}
	for _, q := range suites.Questions(st.portal.folder(), st.world.Portal.ID) {
		k := authz.Key{Of: q.Resource.Type, ID: q.Resource.ID}
		st.posed[k] = append(st.posed[k], q)
		learn(q.Action.Name)
	}
	st.actions = sortedKeys(known)
	return nil
}

// cast lists the active users, of those with the same type and roles one before all
// the others: that one will often do.
func (st *stage) cast() {
	seen := map[string]bool{}
	var others []subject
	for i := range st.world.Users {
		u := &st.world.Users[i]
		if !u.Active {
			continue
		}
		s := subject{authz.Entity{Type: "user", ID: u.ID}, u, st.view.Snapshot.Principal(u, st.now, 0).EffectiveRoles}
		key := strings.Join(append([]string{u.UserType}, s.roles...), "\x00")
		if seen[key] {
			others = append(others, s)
			continue
		}
		seen[key] = true
		st.users = append(st.users, s)
	}
	st.users = append(st.users, others...)
}

// holders returns the users who have the role, those with the fewest roles first.
func (st *stage) holders(role string) []subject {
	var all []subject
	for _, s := range st.users {
		if slices.Contains(s.roles, role) {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b subject) int { return len(a.roles) - len(b.roles) })
	return all
}

// exists reports whether no feature that is off takes the node away.
func (st *stage) exists(node string) bool {
	facts, ok := st.view.Snapshot.Screen(node)
	return ok && len(facts.FeaturesOff) == 0
}

// put puts one question.
func put(ctx context.Context, d *pdp.Decider, portal string, q authz.Query) (authz.Decision, error) {
	qs, out := [1]authz.Query{q}, [1]authz.Decision{}
	_, err := d.Decide(ctx, portal, qs[:], out[:], nil)
	return out[0], err
}

// with returns the view of the portal with other rights.
func (st *stage) with(rights []authz.Right) (*pdp.View, error) {
	b := st.world.Bundle
	b.Rights = rights
	s, err := engine.Rebuild(st.view.Snapshot, &b, st.model, st.view.Snapshot.Policy())
	if err != nil {
		return nil, err
	}
	return pdp.View{Snapshot: s, Reads: st.view.Reads, Changes: st.view.Changes}.After(st.view, nil), nil
}
