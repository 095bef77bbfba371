package findings_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/findings"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

// TestEqualsBruteForce holds what is found of generated portals against every
// question put to every user, with each right and without it.
func TestEqualsBruteForce(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "policies"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "policies", "doors.rego"), []byte(doors), 0o600))
	suites, err := policytest.Load(policytest.Source{Paths: []string{dir}})
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		w := world().Draw(t, "world")
		portal := placed(t, w)
		report, err := findings.Find(t.Context(), []findings.Portal{portal}, suites, options())
		require.NoError(t, err)
		b := brute{t, suites.Program()}
		require.Equal(t, b.unreached(&portal.World), places(report, "unreached-screen", &portal), "screens")
		b.idle(&portal, places(report, "idle-right", &portal))
	})
}

// world generates portals of few roles, nodes and users, half of them under doors and
// half under a preset.
func world() *rapid.Generator[authz.World] {
	return rapid.Custom(func(t *rapid.T) authz.World {
		w := authz.World{Bundle: authz.Bundle{Portal: authz.Portal{ID: "p", Policy: rapid.SampledFrom([]string{"doors", "presets.acumatica"}).Draw(t, "policy")}}}
		if rapid.Bool().Draw(t, "old") {
			w.Portal.Settings = map[string]any{"rights_generation": "2023r2"}
		}
		roles := []string{"A", "B", "C"}
		for i, id := range roles {
			r := authz.Role{ID: id}
			for _, up := range roles[i+1:] {
				if rapid.IntRange(0, 2).Draw(t, "inherits") == 0 {
					r.Inherits = append(r.Inherits, up)
				}
			}
			w.Roles = append(w.Roles, r)
		}
		w.Screens = []authz.Node{
			{ID: "w", Kind: authz.Workspace}, {ID: "s1", Kind: authz.Screen, Parent: "w"}, {ID: "e1", Kind: authz.Element, Parent: "s1"},
			{ID: "s2", Kind: authz.Screen, Parent: "w"}, {ID: "s3", Kind: authz.Screen},
		}
		for _, role := range roles {
			for _, n := range w.Screens {
				if l := rapid.IntRange(-4, 5).Draw(t, "level"); l >= 0 {
					w.Rights = append(w.Rights, authz.Right{Role: role, Node: n.ID, Level: authz.Level(l)})
				}
			}
		}
		for i := range rapid.IntRange(1, 3).Draw(t, "users") {
			u := authz.User{ID: fmt.Sprintf("u%d", i), Login: fmt.Sprintf("u%d", i), Active: i == 0 || rapid.Bool().Draw(t, "active")}
			for _, role := range roles {
				if rapid.Bool().Draw(t, "granted") {
					u.Grants = append(u.Grants, authz.Grant{Role: role})
				}
			}
			w.Users = append(w.Users, u)
		}
		return w
	})
}

// placed writes the world and reads it with its places.
func placed(t *rapid.T, w authz.World) findings.Portal {
	dir, err := os.MkdirTemp("", "findings")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, fixture.Write(filepath.Join(dir, "all"), []authz.World{w}))
	all, err := fixture.LoadPlaced(os.DirFS(filepath.Join(dir, "all")))
	require.NoError(t, err)
	return findings.Portal{Root: "root", Placed: all[0]}
}

// places returns the keys of the entities at which a rule found something.
func places(r *findings.Report, rule string, p *findings.Portal) []authz.Key {
	at := map[string]authz.Key{}
	note := func(k authz.Key) {
		file, pos := p.Place(k)
		at[fmt.Sprintf("root/%s:%d:%d", file, pos.Line, pos.Column)] = k
	}
	for _, n := range p.World.Screens {
		note(n.Key())
	}
	for _, r := range p.World.Rights {
		note(r.Key())
	}
	keys := []authz.Key{}
	for _, f := range r.Findings {
		if f.Rule == rule {
			keys = append(keys, at[fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)])
		}
	}
	return keys
}

// brute asks everything.
type brute struct {
	t       *rapid.T
	program *policy.Program
}

// decisions returns the answer to every question, by user, action and node.
func (b brute) decisions(w *authz.World) map[string]authz.Decision {
	d, err := server.Offline([]authz.World{*w}, b.program, "", func() time.Time { return now })
	require.NoError(b.t, err)
	actions, err := b.program.Actions(w.Portal.Policy)
	require.NoError(b.t, err)
	who := []authz.Entity{{Type: "anonymous", ID: "visitor"}}
	for _, u := range w.Users {
		if u.Active {
			who = append(who, authz.Entity{Type: "user", ID: u.ID})
		}
	}
	all := map[string]authz.Decision{}
	for _, s := range who {
		for _, a := range actions {
			for _, n := range w.Screens {
				q := authz.Query{Subject: s, Action: authz.Action{Name: a}, Resource: authz.Entity{Type: string(n.Kind), ID: n.ID}}
				if q.IsCall() {
					continue
				}
				one, err := server.One(b.t.Context(), d, w.Portal.ID, q)
				require.NoError(b.t, err)
				all[s.ID+" "+a+" "+n.ID] = authz.Decision{Outcome: one.Outcome, Reason: one.Reason, Level: one.Level, Fields: one.Fields, Obligations: one.Obligations}
			}
		}
	}
	return all
}

// unreached returns the topmost nodes of the parts of the tree that nobody gets to.
func (b brute) unreached(w *authz.World) []authz.Key {
	open := map[string]bool{}
	for question, d := range b.decisions(w) {
		var who, action, node string
		_, err := fmt.Sscan(question, &who, &action, &node)
		require.NoError(b.t, err)
		open[node] = open[node] || d.Allowed()
	}
	closed := func(ids ...string) bool { return !slices.ContainsFunc(ids, func(id string) bool { return open[id] }) }
	keys := []authz.Key{}
	add := func(when bool, id string) {
		if when {
			keys = append(keys, authz.Key{Kind: authz.NodeEntity, ID: id})
		}
	}
	all := closed("w", "s1", "e1", "s2")
	// Lines follow the tree: w, s1, e1, s2, s3. The one element is told of only when
	// elements are opened somewhere, which there is no other to show.
	add(all, "w")
	add(!all && closed("s1", "e1"), "s1")
	add(!all && closed("s2"), "s2")
	add(closed("s3"), "s3")
	return keys
}

// idle holds that the rights found can be removed each alone and all together, and
// that no other right which some active user has could be.
func (b brute) idle(p *findings.Portal, found []authz.Key) {
	w := &p.World
	before := b.decisions(w)
	without := func(gone ...authz.Key) bool {
		v := *w
		v.Rights = slices.DeleteFunc(slices.Clone(w.Rights), func(r authz.Right) bool { return slices.Contains(gone, r.Key()) })
		return maps.EqualFunc(before, b.decisions(&v), func(x, y authz.Decision) bool { return reflect.DeepEqual(x, y) })
	}
	held := b.held(w)
	found = slices.DeleteFunc(found, func(k authz.Key) bool { return !held[k.Of] }) // told by inheritance alone
	require.True(b.t, without(found...), "%v", found)
	for _, r := range w.Rights {
		switch {
		case !held[r.Role]:
		case slices.Contains(found, r.Key()):
			require.True(b.t, without(r.Key()), "%v", r)
		default:
			require.False(b.t, without(r.Key()) && without(append(slices.Clone(found), r.Key())...), "%v can be removed too", r)
		}
	}
}

// held returns the roles that active users have.
func (b brute) held(w *authz.World) map[string]bool {
	held := map[string]bool{}
	var take func(string)
	take = func(id string) {
		held[id] = true
		for _, r := range w.Roles {
			if r.ID == id {
				for _, up := range r.Inherits {
					take(up)
				}
			}
		}
	}
	for _, u := range w.Users {
		for _, g := range u.Grants {
			if u.Active {
				take(g.Role)
			}
		}
	}
	return held
}
