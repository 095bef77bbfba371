package policytest_test

import (
	"context"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/fixtures"
	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

// preset is a preset's policy, portals and decision table.
type preset struct {
	modules policy.Modules
	program *policy.Program
	worlds  []authz.World
	suite   *policytest.Suite
}

// load reads a preset with what it stands on and no other.
func load(t testing.TB, name string) *preset {
	p := &preset{}
	all, err := policy.Load(policies.FS)
	require.NoError(t, err)
	p.modules = policy.Modules{}
	for path, source := range all {
		if strings.HasPrefix(path, "lib/") || strings.HasPrefix(path, "presets/"+name+"/") {
			p.modules[path] = source
		}
	}
	p.program, err = policy.Compile(p.modules, policies.InputSchema, time.Second)
	require.NoError(t, err)
	root, err := fs.Sub(fixtures.FS, name)
	require.NoError(t, err)
	p.worlds, err = fixture.Load(root)
	require.NoError(t, err)
	table, err := fs.ReadFile(root, "decisions.yaml")
	require.NoError(t, err)
	p.suite, err = policytest.Parse("decisions.yaml", table)
	require.NoError(t, err)
	return p
}

// decider returns what decides on the worlds under the program.
func (p *preset) decider(worlds []authz.World, program *policy.Program) (policytest.Decide, error) {
	views, err := live.Static(worlds, policies.RBACModel, program, "")
	if err != nil {
		return nil, err
	}
	d, err := pdp.New(views, pdp.IndexWorlds(worlds), 1000, func() time.Time { return p.suite.Now })
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, portal string, q authz.Query) (authz.Decision, error) {
		var out [1]authz.Decision
		_, err := d.Decide(ctx, portal, []authz.Query{q}, out[:], nil)
		return out[0], err
	}, nil
}

// fate is what became of a mutant.
type fate int

const (
	killed fate = iota
	invalid
	survived
)

// mutant is a changed policy or a changed world under the table.
type mutant struct {
	name, key string // the key has no line, so that it outlives edits elsewhere
	try       func(context.Context) (fate, error)
	fate      fate
	err       error
}

func (p *preset) policyMutants(t testing.TB) []*mutant {
	found, err := policy.Mutants(p.modules)
	require.NoError(t, err)
	mutants := make([]*mutant, len(found))
	for i, m := range found {
		mutants[i] = &mutant{name: m.String(), key: m.Module + ": " + m.What, try: func(ctx context.Context) (fate, error) {
			program, err := policy.Compile(m.Modules, policies.InputSchema, time.Second)
			if err != nil {
				return invalid, nil
			}
			return p.hold(ctx, p.worlds, program, nil)
		}}
	}
	return mutants
}

func (p *preset) dataMutants() []*mutant {
	var mutants []*mutant
	for i := range p.worlds {
		for _, m := range policytest.Mutants(p.worlds, i, p.suite.Now) {
			mutants = append(mutants, &mutant{name: m.What, key: m.What, try: func(ctx context.Context) (fate, error) {
				if len(m.World.Validate()) > 0 {
					return invalid, nil
				}
				portal := m.World.Portal.ID
				return p.hold(ctx, []authz.World{m.World}, p.program, &portal)
			}})
		}
	}
	return mutants
}

// hold asks the rows, of one portal alone if it is given, until one fails.
func (p *preset) hold(ctx context.Context, worlds []authz.World, program *policy.Program, portal *string) (fate, error) {
	decide, err := p.decider(worlds, program)
	if authz.KindOf(err) == authz.Invalid {
		return invalid, nil // the preset has no decision rule any more
	}
	if err != nil {
		return survived, err
	}
	for i := range p.suite.Cases {
		c := &p.suite.Cases[i]
		if portal != nil && c.Portal != *portal {
			continue
		}
		if c.Check(ctx, decide) != nil {
			return killed, nil
		}
	}
	return survived, nil
}

// run tries the mutants on all cores.
func run(ctx context.Context, mutants []*mutant) {
	var wg sync.WaitGroup
	work := make(chan *mutant)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for m := range work {
				m.fate, m.err = m.try(ctx)
			}
		})
	}
	for _, m := range mutants {
		work <- m
	}
	close(work)
	wg.Wait()
}

// TestMutants changes the preset acumatica, its policy and its portals, in every
// small way, and holds the decision table against each. A change that no row
// notices is a hole in the table, or one of testdata/survivors.txt. Under the race
// detector it samples, since all take minutes.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute on two cores")
	}
	p := load(t, "acumatica")
	allowed := allowlist(t)
	for _, part := range []struct {
		name    string
		mutants []*mutant
	}{{"policy", p.policyMutants(t)}, {"data", p.dataMutants()}} {
		t.Run(part.name, func(t *testing.T) {
			var tried []*mutant
			for i := 0; i < len(part.mutants); i += oneIn {
				tried = append(tried, part.mutants[i])
			}
			start := time.Now()
			run(t.Context(), tried)
			report(t, tried, allowed, time.Since(start))
		})
	}
	if oneIn == 1 {
		require.Empty(t, allowed, "lines of testdata/survivors.txt that stand for no survivor")
	}
}

// report counts the mutants by their fate, and fails for each that survived and
// is not allowed to. What was allowed is taken off.
func report(t *testing.T, mutants []*mutant, allowed map[string]int, took time.Duration) {
	var n [survived + 1]int
	for _, m := range mutants {
		require.NoError(t, m.err, m.name)
		n[m.fate]++
		if m.fate != survived {
			continue
		}
		if allowed[m.key]--; allowed[m.key] < 0 {
			t.Errorf("no row notices %s", m.name)
		}
		if allowed[m.key] <= 0 {
			delete(allowed, m.key)
		}
	}
	t.Logf("%d mutants in %s: %d killed, %d invalid, %d survived", len(mutants), took.Round(time.Millisecond), n[killed], n[invalid], n[survived])
	require.Greater(t, n[killed], 10*n[invalid], "too many mutants say nothing")
}

// allowlist returns how many survivors of each key there may be.
func allowlist(t *testing.T) map[string]int {
	text, err := os.ReadFile("testdata/survivors.txt")
	require.NoError(t, err)
	allowed := make(map[string]int)
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, _ := strings.Cut(line, "  # ")
		require.NotEmpty(t, reason, "%s: say why it decides alike", key)
		allowed[key]++
	}
	return allowed
}

// TestWorldMutants holds the mutants of a small world against a list.
func TestWorldMutants(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	world := func() authz.World {
		var w authz.World
		w.Portal = authz.Portal{
			ID: "p", Policy: "x", Settings: map[string]any{"mode": "old"}, Features: map[string]bool{"cases": true},
			Sharing:         []any{map[string]any{"id": "g", "kind": "restriction_group", "type": "A", "active": true}, map[string]any{"id": "h", "kind": "list"}, "text"},
			ResourceScreens: map[string]map[string]string{"case": {"*": "s"}},
		}
		w.UserTypes = []authz.UserType{{ID: "t", Manages: []string{"t"}}}
		w.Roles = []authz.Role{{ID: "r", Inherits: []string{"q"}}, {ID: "q"}}
		w.Screens = []authz.Node{{ID: "s", Kind: authz.Screen, Feature: "cases", Flags: map[string]bool{"unlisted": false}}}
		w.Rights = []authz.Right{{Role: "r", Node: "s", Level: authz.Revoked}, {Role: "q", Node: "s", Level: authz.Delete}}
		w.Accounts = []authz.Account{{ID: "a", Attributes: map[string]any{"restriction_groups": []any{"g"}}}, {ID: "b"}}
		w.Contacts = []authz.Contact{{ID: "c", Account: "a"}, {ID: "d"}}
		w.Users = []authz.User{{
			ID: "u", Active: true, UserType: "t", Account: "a", Contact: "c", Attributes: map[string]any{"restriction_groups": []any{"g"}},
			Grants: []authz.Grant{{Role: "r", From: now.Add(-time.Minute)}, {Role: "q", Until: now}},
		}}
		w.Records = []authz.Record{{Type: "case", ID: "1", Account: "a", Contact: "c", Flags: map[string]bool{"closed": true}}, {Type: "case", ID: "2"}}
		return w
	}
	w, other := world(), world()
	other.Portal.Settings["mode"] = "new"
	mutants := policytest.Mutants([]authz.World{w, other}, 0, now)
	require.Equal(t, world(), w, "the original is as it was")
	var got []string
	for i := range mutants {
		require.NotEqual(t, w, mutants[i].World, mutants[i].What)
		got = append(got, strings.TrimPrefix(mutants[i].What, "p: "))
	}
	require.Equal(t, []string{
		`portal "p": setting mode: old -> new`,
		`portal "p": feature cases: false`,
		`portal "p": no screen for * of case`,
		`portal "p": group g: active false`,
		`portal "p": group g: type B`,
		`portal "p": group g: type A Inverse`,
		`portal "p": group g: type B Inverse`,
		`user_type "t": no longer manages "t"`,
		`role "r": no longer inherits "q"`,
		`screen "s": without its feature`,
		`screen "s": flag unlisted: true`,
		`right of role "r" at screen "s": removed`,
		`right of role "r" at screen "s": revoked -> view`,
		`right of role "q" at screen "s": removed`,
		`right of role "q" at screen "s": delete -> publish`,
		`user "u": active false`,
		`user "u": without its type`,
		`user "u": without its account`,
		`user "u": without its contact`,
		`user "u": without role "r"`,
		`user "u": role "r": from moved past now`,
		`user "u": role "q": until removed`,
		`user "u": role "q": until moved past now`,
		`user "u": out of group g`,
		`account "a": out of group g`,
		`contact "c": of account ""`,
		`contact "c": of account "b"`,
		`case "1": removed`,
		`case "1": flag closed: false`,
		`case "1": of account ""`,
		`case "1": of account "b"`,
		`case "1": of contact ""`,
		`case "1": of contact "d"`,
		`case "2": removed`,
	}, got)
}
