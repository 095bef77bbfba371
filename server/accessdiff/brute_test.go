package accessdiff_test

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/fixtures"
	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

var now = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

const patience = time.Minute // of one evaluation, on a busy machine

// preset is what a generated state begins with.
type preset struct {
	worlds  []authz.World
	actions []string // that its suite asks about, administration aside
}

func presets(t testing.TB) []preset {
	var all []preset
	folders, err := fixtures.FS.ReadDir(".")
	require.NoError(t, err)
	for _, dir := range folders {
		if !dir.IsDir() {
			continue
		}
		sub, err := fs.Sub(fixtures.FS, dir.Name())
		require.NoError(t, err)
		worlds, err := fixture.Load(sub)
		require.NoError(t, err)
		src, err := fixtures.FS.ReadFile(path.Join(dir.Name(), "decisions.yaml"))
		require.NoError(t, err)
		suite, err := policytest.Parse(dir.Name(), src)
		require.NoError(t, err)
		actions := map[string]bool{}
		for _, c := range suite.Cases {
			if !strings.HasPrefix(c.Query.Action.Name, "admin:") {
				actions[c.Query.Action.Name] = true
			}
		}
		all = append(all, preset{worlds, slices.Sorted(maps.Keys(actions))})
	}
	return all
}

// line is one line of an effective access difference: who, what, where, and which
// way.
type line struct{ user, action, typ, id, kind string }

// TestBruteForce holds reports against every question asked of both states, for states
// that differ by some small changes of the policy and the data.
func TestBruteForce(t *testing.T) {
	states := 15
	if raceEnabled {
		states = 3
	}
	if n, err := strconv.Atoi(os.Getenv("PORTCULLIS_TEST_WORLDS")); err == nil {
		states = n
	}
	all := presets(t)
	modules, err := policy.Load(policies.FS)
	require.NoError(t, err)
	changes, err := policy.Changes(modules)
	require.NoError(t, err)
	variants, err := policy.NewVariants(modules, policies.InputSchema, patience)
	require.NoError(t, err)
	program, err := policy.Compile(modules, policies.InputSchema, patience)
	require.NoError(t, err)
	for n := range states {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(n), 17))
			p := all[rng.IntN(len(all))]
			i := rng.IntN(len(p.worlds))
			before := accessdiff.Side{Name: "before", World: &p.worlds[i], Program: program}
			after := before
			if n%3 != 1 {
				after.World = changed(rng, p.worlds, i)
			}
			if n%3 != 2 {
				after.Program = changedPolicy(t, rng, program, variants, changes, before.World.Portal.Policy)
			}
			compareAll(t, rng, &p, before, after)
		})
	}
}

// changed returns the world with one to three mutations.
func changed(rng *rand.Rand, worlds []authz.World, i int) *authz.World {
	w := worlds[i]
	for range 1 + rng.IntN(3) {
		mutants := policytest.Mutants([]authz.World{w}, 0, now)
		for range 20 {
			m := mutants[rng.IntN(len(mutants))].World
			if len(m.Validate()) == 0 {
				w = m
				break
			}
		}
	}
	return &w
}

// changedPolicy returns the program with one mutation of what the package reaches.
func changedPolicy(t *testing.T, rng *rand.Rand, program *policy.Program, variants *policy.Variants, changes []policy.Change, pkg string) *policy.Program {
	reach, err := program.Reach(pkg)
	require.NoError(t, err)
	for {
		c := &changes[rng.IntN(len(changes))]
		if !slices.Contains(reach, c.Module) {
			continue
		}
		source, err := c.Source()
		require.NoError(t, err)
		if mutant, err := variants.With(c.Module, source); err == nil {
			t.Log(c.Module, c.Line, c.What)
			return mutant
		}
	}
}

func compareAll(t *testing.T, rng *rand.Rand, p *preset, before, after accessdiff.Side) {
	report, err := accessdiff.Compute(t.Context(), before, after, accessdiff.Options{
		Model: policies.RBACModel, Now: now, Sample: 1 << 20, Each: true, Workers: 2,
	})
	require.NoError(t, err)
	require.True(t, report.Complete(), "%v", report.Missing)
	got := map[line]bool{}
	for _, ch := range report.Changes {
		users := []string{}
		for _, g := range ch.Groups {
			users = append(users, g.Sample...)
		}
		if ch.Anonymous {
			users = append(users, "anonymous/visitor")
		}
		for _, x := range ch.Places {
			if strings.HasPrefix(x.Action, "admin:") {
				continue
			}
			for _, u := range users {
				got[line{u, x.Action, x.Type, cmp.Or(x.ID, "~new"), string(ch.Kind)}] = true
			}
		}
	}
	asked := sample(rng, before.World, after.World)
	want := brute(t, asked, p.actions, before, after)
	named := map[string][]string{}
	for _, x := range report.Asked {
		named[x.Type] = append(named[x.Type], x.Actions...)
	}
	for l := range got {
		if !slices.Contains(asked, l.user) {
			delete(got, l)
		}
	}
	for l := range want {
		if !slices.Contains(named[l.typ], l.action) { // one of those that the report sums up
			delete(want, l)
			if l.action = accessdiff.OtherAction; l.kind != "changed" {
				require.True(t, got[l], "missing of others: %+v", l)
			}
			continue
		}
		require.True(t, got[l], "missing: %+v", l)
	}
	for l := range got {
		if slices.Contains(p.actions, l.action) {
			require.True(t, want[l], "too much: %+v", l)
		}
	}
}

// sample returns some of the users of both worlds, and a visitor.
func sample(rng *rand.Rand, worlds ...*authz.World) []string {
	ids := map[string]bool{}
	for _, w := range worlds {
		for i := range w.Users {
			ids[w.Users[i].ID] = true
		}
	}
	all := slices.Sorted(maps.Keys(ids))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return append(all[:min(len(all), 6)], "anonymous/visitor")
}

// brute asks both states everything, through the decision point.
func brute(t *testing.T, users, actions []string, before, after accessdiff.Side) map[line]bool {
	deciders := [2]*pdp.Decider{}
	for i, s := range []accessdiff.Side{before, after} {
		views, err := live.Static([]authz.World{*s.World}, policies.RBACModel, s.Program, "")
		require.NoError(t, err)
		deciders[i], err = pdp.New(views, pdp.IndexWorlds([]authz.World{*s.World}), 10_000, func() time.Time { return now })
		require.NoError(t, err)
	}
	resources := map[authz.Key]authz.Entity{}
	add := func(typ, id string) {
		resources[authz.Key{Of: typ, ID: id}] = authz.Entity{Type: typ, ID: id}
	}
	for _, w := range []*authz.World{before.World, after.World} {
		add("portal", w.Portal.ID)
		for _, n := range w.Screens {
			add(string(n.Kind), n.ID)
		}
		for _, r := range w.Records {
			add(r.Type, r.ID)
			add(r.Type, "~new")
		}
		for _, a := range w.Accounts {
			add("account", a.ID)
			add("account", "~new")
		}
		for _, c := range w.Contacts {
			add("contact", c.ID)
			add("contact", "~new")
		}
		for _, u := range w.Users {
			add("user", u.ID)
		}
	}
	want := map[line]bool{}
	for _, r := range resources {
		for _, action := range actions {
			for _, u := range users {
				q := authz.Query{Subject: authz.Entity{Type: "user", ID: u}, Action: authz.Action{Name: action}, Resource: r}
				if id, ok := strings.CutPrefix(u, "anonymous/"); ok {
					q.Subject = authz.Entity{Type: "anonymous", ID: id}
				}
				one, other := ask(t.Context(), t, deciders[0], q), ask(t.Context(), t, deciders[1], q)
				l := line{u, action, r.Type, r.ID, ""}
				switch {
				case one.Allowed() && !other.Allowed():
					l.kind = "lost"
				case other.Allowed() && !one.Allowed():
					l.kind = "gained"
				case fmt.Sprint(one.Outcome, one.Reason, one.Level, one.Fields, one.Obligations) != fmt.Sprint(other.Outcome, other.Reason, other.Level, other.Fields, other.Obligations):
					l.kind = "changed"
				default:
					continue
				}
				want[l] = true
			}
		}
	}
	return want
}

func ask(ctx context.Context, t *testing.T, d *pdp.Decider, q authz.Query) authz.Decision {
	out := [1]authz.Decision{}
	_, err := d.Decide(ctx, "", []authz.Query{q}, out[:], nil)
	require.NoError(t, err)
	return out[0]
}
