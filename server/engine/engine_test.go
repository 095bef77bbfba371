package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
)

var epoch = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// levelAt allows whoever has a level above Revoked at the node itself.
var levelAt = engine.PolicyFunc(func(_ context.Context, q *authz.Query, f *authz.Facts) authz.Decision {
	if n := len(f.Rights); n > 0 && f.Rights[n-1].Node == q.Resource.ID {
		for _, l := range f.Rights[n-1].Levels {
			if l.Level > authz.Revoked {
				return authz.Decision{Outcome: authz.Allow, Level: l.Level.String(), Revision: -1}
			}
		}
	}
	return authz.Refuse("no_right", nil)
})

func build(t require.TestingT, b *authz.Bundle) *engine.Snapshot {
	s, err := engine.Build(b, policies.RBACModel, levelAt)
	require.NoError(t, err)
	return s
}

func storehut() *authz.Bundle {
	return &authz.Bundle{
		Revision: 7,
		Portal: authz.Portal{ID: "storehut", Policy: "presets.acumatica", Features: map[string]bool{"portal": true, "other": false},
			ResourceScreens: map[string]map[string]string{"case": {"*": "cases", "create": "new"}}},
		UserTypes: []authz.UserType{
			{ID: "user", Linked: authz.LinkedContact},
			{ID: "admin", Linked: authz.LinkedContact, Manages: []string{"user"}}},
		Roles: []authz.Role{{ID: "clerk", Inherits: []string{"base"}}, {ID: "base"}, {ID: "auditor"}},
		Screens: []authz.Node{
			{ID: "home", Kind: authz.Workspace, Feature: "portal"},
			{ID: "cases", Kind: authz.Screen, Parent: "home", Feature: "cases"},
			{ID: "new", Kind: authz.Screen, Parent: "home"},
			{ID: "save", Kind: authz.Element, Parent: "cases", Feature: "portal"}},
		Rights: []authz.Right{
			{Role: "base", Node: "cases", Level: authz.View}, {Role: "clerk", Node: "cases", Level: authz.Edit},
			{Role: "auditor", Node: "save", Level: authz.View}, {Role: "base", Node: "home", Level: authz.Insert}},
	}
}

func ask(typ, id, action string) *authz.Query {
	return &authz.Query{Resource: authz.Entity{Type: typ, ID: id}, Action: authz.Action{Name: action}, Now: epoch}
}

func TestFacts(t *testing.T) {
	s := build(t, storehut())
	u := s.Principal(&authz.User{ID: "ray", UserType: "admin", Grants: []authz.Grant{{Role: "clerk"}}}, epoch, 2)
	onCases := []authz.NodeRights{
		{Node: "home", Levels: []authz.RoleLevel{{Role: "base", Level: authz.Insert}}},
		{Node: "cases", Levels: []authz.RoleLevel{{Role: "base", Level: authz.View}, {Role: "clerk", Level: authz.Edit}}}}
	tests := []struct {
		name   string
		q      *authz.Query
		screen string
		rights []authz.NodeRights
	}{
		{"screen", ask("screen", "cases", "view"), "cases", onCases},
		{"element takes the path's rights", ask("element", "save", "press"), "save", onCases},
		{"node of another kind", ask("screen", "save", "press"), "", nil},
		{"unknown node", ask("screen", "nothing", "view"), "", nil},
		{"no node", ask("screen", "", "view"), "", nil},
		{"record at its screen", ask("case", "1", "view"), "cases", onCases},
		{"record at the action's screen", ask("case", "1", "create"), "new", onCases[:1]},
		{"record without a screen", ask("article", "1", "view"), "", nil},
		{"record that is called like a screen", ask("article", "cases", "view"), "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := s.Facts(tt.q, engine.Entities{User: u})
			require.Equal(t, []string{"base", "clerk"}, f.User.EffectiveRoles)
			require.Equal(t, []string{"clerk"}, f.User.Roles)
			require.Equal(t, []string{"user"}, f.User.Manages)
			require.Equal(t, 2, f.User.SameLogin)
			require.Equal(t, tt.rights, f.Rights)
			if tt.screen == "" {
				require.Nil(t, f.Screen)
				return
			}
			require.Equal(t, tt.screen, f.Screen.ID)
			again, _ := s.Screen(tt.screen)
			require.Same(t, again, f.Screen, "made once and shared")
		})
	}
}

func TestScreenFacts(t *testing.T) {
	s := build(t, storehut())
	save, ok := s.Screen("save")
	require.True(t, ok)
	require.Equal(t, []authz.PathNode{
		{ID: "home", Kind: authz.Workspace, Configured: true},
		{ID: "cases", Kind: authz.Screen, Configured: true},
		{ID: "save", Kind: authz.Element, Configured: true}}, save.Path)
	require.Equal(t, []string{"cases", "portal"}, save.Features)
	require.Equal(t, []string{"cases"}, save.FeaturesOff, "a switch that the portal does not name is off")
	fresh, _ := s.Screen("new")
	require.False(t, fresh.Path[1].Configured)
	_, ok = s.Screen("nothing")
	require.False(t, ok)
}

func TestFactsWithoutEntities(t *testing.T) {
	s := build(t, storehut())
	require.Nil(t, s.Principal(nil, epoch, 0))
	f := s.Facts(ask("screen", "cases", "view"), engine.Entities{})
	require.Nil(t, f.User)
	require.Nil(t, f.Actor)
	require.Nil(t, f.Rights)
	require.NotNil(t, f.Screen)
}

func TestFactsPassEntitiesOn(t *testing.T) {
	s := build(t, storehut())
	ents := engine.Entities{Record: &authz.RecordFacts{Record: &authz.Record{ID: "1"}}, Account: &authz.AccountFacts{Account: &authz.Account{ID: "acme"}}, Target: &authz.Target{User: &authz.User{ID: "u"}},
		Actor: s.Principal(&authz.User{ID: "agent", Grants: []authz.Grant{{Role: "clerk"}}}, epoch, 0)}
	f := s.Facts(ask("screen", "cases", "view"), ents)
	require.Same(t, ents.Record, f.Record)
	require.Same(t, ents.Account, f.Account)
	require.Same(t, ents.Target, f.Target)
	require.Equal(t, "agent", f.Actor.ID)
	require.Nil(t, f.Rights, "an actor's rights are not the subject's")
}

func TestGrantsInTime(t *testing.T) {
	s := build(t, storehut())
	u := &authz.User{ID: "ray", Grants: []authz.Grant{
		{Role: "base", From: epoch.Add(time.Hour), Until: epoch.Add(2 * time.Hour)},
		{Role: "gone", From: epoch.Add(30 * time.Minute)},
		{Role: "auditor", Until: epoch.Add(2 * time.Hour)}}}
	tests := []struct {
		after time.Duration
		roles []string
		until time.Duration
	}{
		{0, []string{"auditor"}, 30 * time.Minute},
		{30 * time.Minute, []string{"auditor"}, time.Hour},
		{time.Hour - 1, []string{"auditor"}, time.Hour},
		{time.Hour, []string{"auditor", "base"}, 2 * time.Hour},
		{2*time.Hour - 1, []string{"auditor", "base"}, 2 * time.Hour},
		{2 * time.Hour, nil, 0},
	}
	for _, tt := range tests {
		p := s.Principal(u, epoch.Add(tt.after), 0)
		require.Equal(t, tt.roles, p.Roles, "%s", tt.after)
		if tt.until == 0 {
			require.True(t, p.ValidUntil.IsZero())
			continue
		}
		require.Equal(t, epoch.Add(tt.until), p.ValidUntil, "%s", tt.after)
	}
}

// TestStalePrincipal covers a cache that hands over a principal after its time,
// before it, or from another snapshot: none may lend a role.
func TestStalePrincipal(t *testing.T) {
	s := build(t, storehut())
	u := &authz.User{ID: "ray", Grants: []authz.Grant{{Role: "clerk", From: epoch, Until: epoch.Add(time.Hour)}}}
	p := s.Principal(u, epoch, 3)
	q := ask("screen", "cases", "view")
	same := s.Facts(q, engine.Entities{User: p})
	require.Same(t, &p.Principal, same.User)

	for _, now := range []time.Time{epoch.Add(-1), epoch.Add(time.Hour)} {
		q.Now = now
		f := s.Facts(q, engine.Entities{User: p, Actor: p})
		require.Empty(t, f.User.EffectiveRoles)
		require.Empty(t, f.Actor.EffectiveRoles)
		require.Empty(t, f.Rights)
		require.Equal(t, 3, f.User.SameLogin)
	}

	other := storehut()
	other.Roles = append(other.Roles, authz.Role{ID: "aaa"}) // every number moves
	other.Rights = append(other.Rights, authz.Right{Role: "aaa", Node: "cases", Level: authz.Delete})
	q.Now = epoch
	f := build(t, other).Facts(q, engine.Entities{User: p})
	require.Equal(t, same.Rights, f.Rights)
}

func TestDecide(t *testing.T) {
	s := build(t, storehut())
	u := s.Principal(&authz.User{ID: "ray", Grants: []authz.Grant{{Role: "clerk"}}}, epoch, 0)
	d := s.Decide(t.Context(), ask("screen", "cases", "view"), engine.Entities{User: u})
	require.True(t, d.Allowed())
	require.Equal(t, int64(7), d.Revision)
	require.Equal(t, epoch, d.Now)
	d = s.Decide(t.Context(), ask("screen", "new", "view"), engine.Entities{User: u})
	require.Equal(t, authz.Deny, d.Outcome)
	require.Equal(t, int64(7), d.Revision)
}

func TestAccessors(t *testing.T) {
	b := storehut()
	s := build(t, b)
	require.Equal(t, "storehut", s.Portal().ID)
	require.Same(t, b, s.Bundle())
	require.Equal(t, int64(7), s.Revision())
	require.Equal(t, engine.Counts{UserTypes: 2, Roles: 3, Nodes: 4, Rights: 4}, s.Counts())
}

func TestBuildRefuses(t *testing.T) {
	b := storehut()
	_, err := engine.Build(b, policies.RBACModel, nil)
	require.ErrorContains(t, err, "no policy")

	_, err = engine.Build(b, "", levelAt)
	require.Equal(t, authz.Invalid, authz.KindOf(err))

	b.Rights[0].Node, b.Roles[0].Inherits = "cases!", []string{"clerk"}
	_, err = engine.Build(b, policies.RBACModel, levelAt)
	require.Equal(t, authz.Invalid, authz.KindOf(err))
	require.ErrorContains(t, err, `roles[0].inherits[0]: portal "storehut" has 2 faults, the first: roles inherit in a cycle`)
	faults, ok := errors.AsType[authz.Faults](err)
	require.True(t, ok)
	require.Len(t, faults, 2)
}

func names(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(prefix, i)
	}
	return all
}

// some draws a few of the names.
func some(t *rapid.T, of []string, oneIn int) []string {
	var picked []string
	for _, x := range of {
		if rapid.IntRange(1, oneIn).Draw(t, "pick") == 1 {
			picked = append(picked, x)
		}
	}
	return picked
}

var below = map[authz.NodeKind][]authz.NodeKind{
	"":              {authz.Workspace, authz.Screen},
	authz.Workspace: {authz.Workspace, authz.Screen},
	authz.Screen:    {authz.Container, authz.Element},
	authz.Container: {authz.Container, authz.Element},
}

func drawScreens(t *rapid.T) []authz.Node {
	var nodes []authz.Node
	for _, id := range names("n", rapid.IntRange(0, 12).Draw(t, "nodes")) {
		n := authz.Node{ID: id, Feature: rapid.SampledFrom([]string{"", "", "f", "g"}).Draw(t, "feature")}
		var kind authz.NodeKind
		if len(nodes) > 0 && rapid.IntRange(0, 4).Draw(t, "root") > 0 {
			if up := rapid.SampledFrom(nodes).Draw(t, "parent"); up.Kind != authz.Element {
				n.Parent, kind = up.ID, up.Kind
			}
		}
		n.Kind = rapid.SampledFrom(below[kind]).Draw(t, "kind")
		nodes = append(nodes, n)
	}
	// Some ids begin with that of the node above, and then come to the name of a field
	// that may be another node's whole id.
	for i := range nodes {
		if n := &nodes[i]; n.Parent != "" && n.Kind == authz.Element && rapid.Bool().Draw(t, "dotted") {
			n.ID = n.Parent + "." + rapid.SampledFrom([]string{n.ID, fmt.Sprint("n", i/2), ""}).Draw(t, "field")
			if slices.ContainsFunc(nodes[:i], func(o authz.Node) bool { return o.ID == n.ID }) {
				n.ID += fmt.Sprint("#", i)
			}
		}
	}
	return rapid.Permutation(nodes).Draw(t, "order")
}

// drawBundle draws a valid bundle: role and type DAGs, a tree and rights, each
// in any order.
func drawBundle(t *rapid.T) *authz.Bundle {
	b := &authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "p"}, Revision: rapid.Int64().Draw(t, "revision")}
	b.Portal.Features = rapid.MapOf(rapid.SampledFrom([]string{"f", "g"}), rapid.Bool()).Draw(t, "features")
	roles := names("r", rapid.IntRange(0, 9).Draw(t, "roles"))
	for i, id := range roles {
		b.Roles = append(b.Roles, authz.Role{ID: id, Inherits: some(t, roles[i+1:], 4)})
	}
	types := names("t", rapid.IntRange(0, 5).Draw(t, "types"))
	for i, id := range types {
		b.UserTypes = append(b.UserTypes, authz.UserType{ID: id, Linked: authz.LinkedContact, Manages: some(t, types[i:], 3)})
	}
	b.Screens = drawScreens(t)
	for i := range b.Screens {
		for _, role := range some(t, roles, 3) {
			level := authz.Level(rapid.IntRange(0, 5).Draw(t, "level"))
			b.Rights = append(b.Rights, authz.Right{Role: role, Node: b.Screens[i].ID, Level: level})
		}
	}
	for _, n := range b.Screens {
		if n.Kind == authz.Screen {
			b.Portal.ResourceScreens = map[string]map[string]string{
				"case": {rapid.SampledFrom([]string{"*", "view"}).Draw(t, "action"): n.ID}}
		}
	}
	b.Roles = rapid.Permutation(b.Roles).Draw(t, "role order")
	b.UserTypes = rapid.Permutation(b.UserTypes).Draw(t, "type order")
	b.Rights = rapid.Permutation(b.Rights).Draw(t, "right order")
	return b
}

func drawTime(t *rapid.T) time.Time {
	return epoch.Add(time.Duration(rapid.IntRange(0, 6).Draw(t, "now")))
}

// drawUser draws a user of roles and types that may be unknown, with grants that
// begin and end at a few moments.
func drawUser(t *rapid.T) *authz.User {
	u := &authz.User{ID: "u", UserType: fmt.Sprint("t", rapid.IntRange(0, 6).Draw(t, "type"))}
	for range rapid.IntRange(0, 5).Draw(t, "grants") {
		g := authz.Grant{Role: fmt.Sprint("r", rapid.IntRange(0, 10).Draw(t, "role"))}
		if rapid.Bool().Draw(t, "from") {
			g.From = drawTime(t)
		}
		if rapid.Bool().Draw(t, "until") {
			g.Until = drawTime(t)
		}
		u.Grants = append(u.Grants, g)
	}
	return u
}

func TestFactsEqualTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBundle(t)
		s := build(t, b)
		other := build(t, drawBundle(t))
		user, actor := drawUser(t), drawUser(t)
		// Cached principals of any time, the actor's of any snapshot.
		owner := drawUser(t)
		ents := engine.Entities{User: s.Principal(user, drawTime(t), 1), Owner: other.Principal(owner, drawTime(t), 0), Fields: rapid.Bool().Draw(t, "fields")}
		if rapid.IntRange(0, 4).Draw(t, "anonymous") == 0 {
			user, ents.User = nil, nil
		}
		if rapid.Bool().Draw(t, "acting") {
			ents.Actor = rapid.SampledFrom([]*engine.Snapshot{s, other}).Draw(t, "made by").Principal(actor, drawTime(t), 2)
		} else {
			actor = nil
		}
		for i := range 13 { // one more than there are nodes
			for _, typ := range []string{"workspace", "screen", "container", "element", "case", "article"} {
				q := ask(typ, fmt.Sprint("n", i), rapid.SampledFrom([]string{"view", "edit"}).Draw(t, "action"))
				q.Now = drawTime(t)
				want := refFacts{User: referencePrincipal(b, user, q.Now, 1), Actor: referencePrincipal(b, actor, q.Now, 2), Screen: referenceScreen(b, q)}
				want.Rights = referenceRights(b, want.User, want.Screen)
				want.Owner = referencePrincipal(b, owner, q.Now, 0)
				if ents.Fields {
					want.Fields = referenceFields(b, want.User, want.Screen)
				}
				require.Equal(t, want, plain(s.Facts(q, ents)))
			}
		}
	})
}

// TestManyLevels leaves the bounds of what is kept on the stack, and meets nodes
// with far more roles than the user and users with far more than the node.
func TestManyLevels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "p"},
			Screens: []authz.Node{{ID: "w", Kind: authz.Workspace}, {ID: "s", Kind: authz.Screen, Parent: "w"}}}
		roles := names("r", 300)
		for _, id := range roles {
			b.Roles = append(b.Roles, authz.Role{ID: id})
		}
		for _, node := range []string{"w", "s"} {
			for _, role := range some(t, roles, rapid.SampledFrom([]int{1, 2, 100}).Draw(t, "density")) {
				b.Rights = append(b.Rights, authz.Right{Role: role, Node: node, Level: authz.View})
			}
		}
		u := &authz.User{ID: "u"}
		for _, role := range some(t, roles, rapid.SampledFrom([]int{1, 2, 100}).Draw(t, "held")) {
			u.Grants = append(u.Grants, authz.Grant{Role: role})
		}
		s := build(t, b)
		q := ask("screen", "s", "view")
		p := referencePrincipal(b, u, epoch, 0)
		want := referenceRights(b, p, referenceScreen(b, q))
		require.Equal(t, want, s.Facts(q, engine.Entities{User: s.Principal(u, epoch, 0)}).Rights)
	})
}

func TestConcurrentReaders(t *testing.T) {
	s := build(t, storehut())
	u := s.Principal(&authz.User{ID: "ray", Grants: []authz.Grant{{Role: "clerk", Until: epoch.Add(time.Hour)}}}, epoch, 0)
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for i := range 500 {
				q := ask("screen", "cases", "view")
				q.Now = epoch.Add(time.Duration(i%2) * 2 * time.Hour)
				d := s.Decide(t.Context(), q, engine.Entities{User: u, Actor: u})
				if d.Allowed() != (i%2 == 0) {
					t.Error("a reader saw another answer")
				}
			}
		})
	}
	readers.Wait()
}

// large returns 5,000 roles in chains of 4, 200 screens and 20,000 rights.
func large() *authz.Bundle {
	b := &authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "p"}}
	for i := range 5000 {
		r := authz.Role{ID: fmt.Sprint("role-", i)}
		if i%4 != 3 {
			r.Inherits = []string{fmt.Sprint("role-", i+1)}
		}
		b.Roles = append(b.Roles, r)
	}
	b.Screens = screens()
	for i := range 20_000 {
		b.Rights = append(b.Rights, authz.Right{Role: b.Roles[i%5000].ID, Node: b.Screens[(i/5000*50+i)%200].ID, Level: authz.Edit})
	}
	return b
}

// screens returns 200 screens in 10 workspaces.
func screens() []authz.Node {
	var nodes []authz.Node
	for i := range 200 {
		nodes = append(nodes, authz.Node{ID: fmt.Sprint("screen-", i), Kind: authz.Screen, Parent: fmt.Sprint("workspace-", i%10)})
	}
	for i := range 10 {
		nodes = append(nodes, authz.Node{ID: fmt.Sprint("workspace-", i), Kind: authz.Workspace})
	}
	return nodes
}

func BenchmarkBuild(b *testing.B) {
	in := large()
	b.ReportAllocs()
	for b.Loop() {
		build(b, in)
	}
}

// medium returns 50 roles in chains of 4 and 200 screens with 3,000 rights, and
// 10,000 users of 3 roles each.
func medium() (*authz.Bundle, []authz.User) {
	b := &authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "p"}, Screens: screens()}
	for i := range 50 {
		r := authz.Role{ID: fmt.Sprint("role-", i)}
		if i%4 != 3 && i < 49 {
			r.Inherits = []string{fmt.Sprint("role-", i+1)}
		}
		b.Roles = append(b.Roles, r)
	}
	for i := range 210 {
		for j := range 15 {
			b.Rights = append(b.Rights, authz.Right{Role: b.Roles[(i+j*3)%50].ID, Node: b.Screens[i].ID, Level: authz.Edit})
		}
	}
	users := make([]authz.User, 10_000)
	for i := range users {
		users[i] = authz.User{ID: fmt.Sprint("u", i), Grants: []authz.Grant{
			{Role: b.Roles[i%50].ID}, {Role: b.Roles[(i*7+1)%50].ID}, {Role: b.Roles[(i*13+2)%50].ID, Until: epoch.Add(time.Hour)}}}
	}
	return b, users
}

func BenchmarkFacts(b *testing.B) {
	bundle, users := medium()
	s := build(b, bundle)
	var principals []*engine.Principal
	for i := range users {
		principals = append(principals, s.Principal(&users[i], epoch, 0))
	}
	queries := make([]*authz.Query, 200)
	for i := range queries {
		queries[i] = ask("screen", fmt.Sprint("screen-", i), "view")
	}
	b.ReportAllocs()
	draw := rand.New(rand.NewPCG(1, 2))
	n, levels := 0, 0
	for b.Loop() {
		f := s.Facts(queries[draw.IntN(200)], engine.Entities{User: principals[draw.IntN(10_000)]})
		for _, r := range f.Rights {
			levels += len(r.Levels)
		}
		n++
	}
	b.ReportMetric(float64(levels)/float64(n), "levels/op")
}

func BenchmarkPrincipal(b *testing.B) {
	bundle, users := medium()
	s := build(b, bundle)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if p := s.Principal(&users[i%10_000], epoch, 0); !slices.IsSorted(p.EffectiveRoles) {
			b.Fatal("not sorted")
		}
		i++
	}
}
