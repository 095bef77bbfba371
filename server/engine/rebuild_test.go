package engine_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
)

func rebuild(t require.TestingT, old *engine.Snapshot, b *authz.Bundle) *engine.Snapshot {
	s, err := engine.Rebuild(old, b, policies.RBACModel, levelAt)
	require.NoError(t, err)
	return s
}

// written returns a copy of the bundle with lists of its own.
func written(b *authz.Bundle, write func(*authz.Bundle)) *authz.Bundle {
	next := *b
	next.Revision++
	next.Roles, next.UserTypes = slices.Clone(b.Roles), slices.Clone(b.UserTypes)
	next.Screens, next.Rights = slices.Clone(b.Screens), slices.Clone(b.Rights)
	write(&next)
	return &next
}

// drawWrite draws a change that may leave the bundle invalid.
func drawWrite(t *rapid.T, b *authz.Bundle) *authz.Bundle {
	role, node := fmt.Sprint("r", rapid.IntRange(0, 9).Draw(t, "role")), fmt.Sprint("n", rapid.IntRange(0, 12).Draw(t, "node"))
	level := authz.Level(rapid.IntRange(0, 6).Draw(t, "level"))
	return written(b, func(b *authz.Bundle) {
		switch rapid.SampledFrom([]string{"right", "right", "right", "rights", "scattered", "role", "type", "screen", "portal", "nothing"}).Draw(t, "what") {
		case "right":
			drawRight(t, b, authz.Right{Role: role, Node: node, Level: level})
		case "rights":
			for range rapid.IntRange(2, 6).Draw(t, "n") {
				drawRight(t, b, authz.Right{Role: fmt.Sprint("r", rapid.IntRange(0, 9).Draw(t, "role")), Node: node, Level: level})
			}
			b.Rights = rapid.Permutation(b.Rights).Draw(t, "right order")
		case "scattered":
			for range rapid.IntRange(2, 12).Draw(t, "n") {
				drawRight(t, b, authz.Right{
					Role: fmt.Sprint("r", rapid.IntRange(0, 9).Draw(t, "role")), Node: fmt.Sprint("n", rapid.IntRange(0, 12).Draw(t, "node")), Level: level,
				})
			}
		case "role":
			drawInto(t, &b.Roles, authz.Role{ID: role, Inherits: some(t, names("r", 9), 6)})
		case "type":
			drawInto(t, &b.UserTypes, authz.UserType{ID: fmt.Sprint("t", level), Linked: authz.LinkedContact, Manages: some(t, names("t", 6), 4)})
		case "screen":
			if i := rapid.IntRange(-1, len(b.Screens)-1).Draw(t, "at"); i >= 0 {
				b.Screens[i].Feature, b.Screens[i].Title = rapid.SampledFrom([]string{"", "f", "g"}).Draw(t, "feature"), role
			}
			b.Screens = append(b.Screens, authz.Node{ID: node, Kind: authz.Screen})
		case "portal":
			b.Portal.Features = rapid.MapOf(rapid.SampledFrom([]string{"f", "g"}), rapid.Bool()).Draw(t, "features")
		}
	})
}

// drawInto puts e in the place of what has its key, or of any, or behind the last.
func drawInto[E authz.Stored](t *rapid.T, list *[]E, e E) {
	i := slices.IndexFunc(*list, func(x E) bool { return x.Key() == e.Key() })
	if i < 0 {
		i = rapid.IntRange(0, len(*list)).Draw(t, "at")
	}
	if i < len(*list) {
		(*list)[i] = e
		return
	}
	*list = append(*list, e)
}

// drawRight gives the right another level, or adds it, or takes it out.
func drawRight(t *rapid.T, b *authz.Bundle, r authz.Right) {
	i := slices.IndexFunc(b.Rights, func(x authz.Right) bool { return x.Key() == r.Key() })
	switch rapid.SampledFrom([]string{"put", "delete", "twice"}).Draw(t, "how") {
	case "put":
		if i >= 0 {
			b.Rights[i] = r
			return
		}
		b.Rights = slices.Insert(b.Rights, rapid.IntRange(0, len(b.Rights)).Draw(t, "at"), r)
	case "delete":
		if i >= 0 {
			b.Rights = slices.Delete(b.Rights, i, i+1)
		}
	case "twice":
		b.Rights = append(b.Rights, r)
	}
}

// states returns all that a snapshot says about the user.
func states(s *engine.Snapshot, p *engine.Principal) (all []any) {
	for _, n := range append(slices.Clone(s.Bundle().Screens), authz.Node{ID: "none", Kind: authz.Screen}) {
		q := ask(string(n.Kind), n.ID, "view")
		all = append(all, plain(s.Facts(q, engine.Entities{User: p, Fields: true})), s.Node(n.ID))
		for _, r := range s.Bundle().Roles {
			all = append(all, s.LevelsOf(r.ID, n.ID))
		}
	}
	for _, r := range s.Bundle().Roles {
		all = append(all, s.Roles([]string{r.ID, "none"}))
	}
	return append(all, plain(s.Facts(ask("case", "1", "view"), engine.Entities{User: p})), s.Counts(), s.Revision(), *s.Portal())
}

func TestRebuildEqualsBuild(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, u := drawBundle(t), drawUser(t)
		s := build(t, b)
		p := s.Principal(u, epoch, 1)
		for range rapid.IntRange(1, 6).Draw(t, "writes") {
			next := drawWrite(t, b)
			want, wantErr := engine.Build(next, policies.RBACModel, levelAt)
			got, err := engine.Rebuild(s, next, policies.RBACModel, levelAt)
			require.Equal(t, wantErr, err)
			if err != nil {
				continue
			}
			require.Equal(t, states(want, want.Principal(u, epoch, 1)), states(got, p), "a principal of an earlier snapshot counts as what it is now")
			require.Equal(t, states(s, s.Principal(u, epoch, 1)), states(build(t, b), p), "what was before stays as it was")
			if b, s = next, got; rapid.Bool().Draw(t, "asked") {
				p = s.Principal(u, epoch, 1)
			}
		}
	})
}

func TestRebuildKeepsWhatIsTheSame(t *testing.T) {
	b := storehut()
	s := build(t, b)
	home, _ := s.Screen("home")
	for name, tc := range map[string]struct {
		write         func(*authz.Bundle)
		graphs, nodes bool // the same ones
	}{
		"nothing":       {func(*authz.Bundle) {}, true, true},
		"level":         {func(b *authz.Bundle) { b.Rights[1].Level = authz.Delete }, true, true},
		"right":         {func(b *authz.Bundle) { b.Rights = append(b.Rights, authz.Right{Role: "auditor", Node: "home"}) }, true, true},
		"first right":   {func(b *authz.Bundle) { b.Rights = append(b.Rights, authz.Right{Role: "auditor", Node: "new"}) }, true, false},
		"last right":    {func(b *authz.Bundle) { b.Rights = slices.Delete(b.Rights, 2, 3) }, true, false},
		"title of role": {func(b *authz.Bundle) { b.Roles[0].Title = "Clerk" }, true, false},
		"screen":        {func(b *authz.Bundle) { b.Screens[0].Title = "Home" }, true, false},
		"settings":      {func(b *authz.Bundle) { b.Portal.Settings = map[string]any{"a": true} }, true, false},
		"inheritance":   {func(b *authz.Bundle) { b.Roles[2].Inherits = []string{"base"} }, false, false},
		"managed types": {func(b *authz.Bundle) { b.UserTypes[1].Manages = nil }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			next := rebuild(t, s, written(b, tc.write))
			require.Equal(t, tc.graphs, next.Knows(s))
			now, _ := next.Screen("home")
			require.Equal(t, tc.nodes, home == now)
		})
	}
	require.False(t, s.Knows(nil))
	require.False(t, build(t, b).Knows(s), "what is built from nothing knows nobody")
}

func TestRebuildRefusesWhatBuildRefuses(t *testing.T) {
	b := storehut()
	s := build(t, b)
	for name, r := range map[string]authz.Right{
		"unknown node":  {Role: "clerk", Node: "gone", Level: authz.View},
		"unknown role":  {Role: "gone", Node: "home", Level: authz.View},
		"unknown level": {Role: "clerk", Node: "home", Level: 77},
		"twice":         {Role: "base", Node: "cases", Level: authz.Delete},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := engine.Rebuild(s, written(b, func(b *authz.Bundle) { b.Rights = append(b.Rights, r) }), policies.RBACModel, levelAt)
			require.Equal(t, authz.Invalid, authz.KindOf(err))
		})
	}
	_, err := engine.Rebuild(s, b, policies.RBACModel, nil)
	require.Equal(t, authz.Internal, authz.KindOf(err))
	_, err = engine.Rebuild(s, b, "no model", levelAt)
	require.Equal(t, authz.Invalid, authz.KindOf(err), "graphs of another model are not taken over")
}

// atEveryRole returns the rights with one at the node behind the last of each role.
func atEveryRole(b *authz.Bundle, node string) (all []authz.Right) {
	last := make(map[string]int, len(b.Roles))
	for i, r := range b.Rights {
		last[r.Role] = i
	}
	for i, r := range b.Rights {
		if all = append(all, r); last[r.Role] == i {
			all = append(all, authz.Right{Role: r.Role, Node: node, Level: authz.View})
		}
	}
	return all
}

// BenchmarkRebuild changes one thing of a large portal at a time.
func BenchmarkRebuild(b *testing.B) {
	in := large()
	s := build(b, in)
	for name, write := range map[string]func(*authz.Bundle){
		"right":       func(b *authz.Bundle) { b.Rights[10_000].Level = authz.Delete },
		"new right":   func(b *authz.Bundle) { b.Rights = append(b.Rights, authz.Right{Role: "role-0", Node: "workspace-1"}) },
		"row":         func(b *authz.Bundle) { b.Rights = b.Rights[:len(b.Rights)-200] },
		"column":      func(b *authz.Bundle) { b.Rights = atEveryRole(b, "workspace-1") },
		"other order": func(b *authz.Bundle) { slices.Reverse(b.Rights) },
		"screen":      func(b *authz.Bundle) { b.Screens[7].Title = "Cases" },
		"role":        func(b *authz.Bundle) { b.Roles[7].Title = "Clerk" },
		"inheritance": func(b *authz.Bundle) { b.Roles[7].Inherits = []string{"role-9"} },
	} {
		next := written(in, write)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rebuild(b, s, next)
			}
		})
	}
}

// TestRebuildOfMany changes thousands of rights, in and out of their order, and more than
// are made one by one: what comes of it is what is built from nothing.
func TestRebuildOfMany(t *testing.T) {
	in := large()
	s := build(t, in)
	for name, write := range map[string]func(*authz.Bundle){
		"a right for every role": func(b *authz.Bundle) { b.Rights = atEveryRole(b, "workspace-1") },
		"every second one gone": func(b *authz.Bundle) {
			n := 0
			b.Rights = slices.DeleteFunc(b.Rights, func(authz.Right) bool { n++; return n%2 == 0 })
		},
		"another order": func(b *authz.Bundle) { slices.Reverse(b.Rights) },
		"other levels": func(b *authz.Bundle) {
			for i := range b.Rights {
				b.Rights[i].Level = authz.Level(i % 6)
			}
		},
		"none": func(b *authz.Bundle) { b.Rights = nil },
	} {
		t.Run(name, func(t *testing.T) {
			next := written(in, write)
			want, got := build(t, next), rebuild(t, s, next)
			require.Equal(t, want.Counts(), got.Counts())
			for i := range 200 {
				role := in.Roles[i*25].ID
				for _, n := range in.Screens {
					require.Equal(t, want.LevelsOf(role, n.ID), got.LevelsOf(role, n.ID))
				}
			}
			for _, n := range in.Screens {
				x, _ := want.Screen(n.ID)
				y, _ := got.Screen(n.ID)
				require.Equal(t, x.Path, y.Path)
			}
			back := rebuild(t, got, in)
			require.Equal(t, s.LevelsOf("role-7", "screen-7"), back.LevelsOf("role-7", "screen-7"))
		})
	}
}
