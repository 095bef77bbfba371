package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
)

// desk has a screen with fields at several depths, and one beside it.
func desk() *authz.Bundle {
	return &authz.Bundle{
		Portal: authz.Portal{ID: "p", Policy: "x", ResourceScreens: map[string]map[string]string{"case": {"*": "Desk"}}},
		Roles:  []authz.Role{{ID: "head", Inherits: []string{"clerk"}}, {ID: "clerk", Inherits: []string{"base"}}, {ID: "base"}, {ID: "other"}},
		Screens: []authz.Node{
			{ID: "deep", Kind: authz.Element, Parent: "box"},
			{ID: "W", Kind: authz.Workspace}, {ID: "Desk", Kind: authz.Screen, Parent: "W", Flags: map[string]bool{"custom": true}},
			{ID: "box", Kind: authz.Container, Parent: "Desk"}, {ID: "Desk.phone", Kind: authz.Element, Parent: "box"},
			{ID: "Desk.deep", Kind: authz.Element, Parent: "Desk"}, {ID: "Desk.", Kind: authz.Element, Parent: "Desk"}, {ID: "Desktop", Kind: authz.Element, Parent: "Desk"},
			{ID: "Beside", Kind: authz.Screen, Parent: "W", Flags: map[string]bool{"custom": true, "x": false}},
			{ID: "Beside.phone", Kind: authz.Element, Parent: "Beside"}, {ID: "Bare", Kind: authz.Screen, Flags: map[string]bool{"custom": false}},
		},
		Rights: []authz.Right{
			{Role: "base", Node: "Desk.phone", Level: authz.View}, {Role: "head", Node: "Desk.phone", Level: authz.Revoked},
			{Role: "other", Node: "Desk.phone", Level: authz.Delete}, {Role: "clerk", Node: "deep", Level: authz.Edit}, {Role: "head", Node: "Beside.phone", Level: authz.Edit},
		},
	}
}

// TestFields asks who inherits roles, who holds one of them, and nobody.
func TestFields(t *testing.T) {
	s := build(t, desk())
	of := func(q *authz.Query, role string) []authz.FieldRights {
		ents := engine.Entities{Fields: true}
		if role != "" {
			ents.User = s.Principal(&authz.User{ID: "u", Grants: []authz.Grant{{Role: role}}}, epoch, 0)
		}
		return s.Facts(q, ents).Fields
	}
	head := []authz.FieldRights{
		{Field: "deep", Levels: []authz.RoleLevel{{Role: "clerk", Level: authz.Edit}}},
		{Field: "phone", Levels: []authz.RoleLevel{{Role: "base", Level: authz.View}, {Role: "head", Level: authz.Revoked}}},
		{Field: "Desk.deep"}, {Field: "Desk."}, {Field: "Desktop"},
	}
	require.Equal(t, head, of(ask("screen", "Desk", "view"), "head"), "with the levels of what the role inherits")
	require.Equal(t, head, of(ask("case", "1", "view"), "head"), "at the screen that shows the resource")
	base := of(ask("screen", "Desk", "view"), "base")
	require.Equal(t, []authz.RoleLevel{{Role: "base", Level: authz.View}}, base[1].Levels)
	require.Empty(t, base[0].Levels)
	for _, role := range []string{"", "gone"} {
		for _, f := range of(ask("screen", "Desk", "view"), role) {
			require.Empty(t, f.Levels, f.Field)
		}
		require.Len(t, of(ask("screen", "Desk", "view"), role), 5)
	}
	for _, q := range []*authz.Query{ask("workspace", "W", "view"), ask("container", "box", "view"), ask("element", "deep", "view"), ask("screen", "Bare", "view"), ask("screen", "gone", "view"), ask("article", "1", "view")} {
		require.Nil(t, of(q, "head"), "%s/%s", q.Resource.Type, q.Resource.ID)
	}
	require.Nil(t, s.Facts(ask("screen", "Desk", "view"), engine.Entities{}).Fields, "not asked for")
}

func TestFactsOfChanges(t *testing.T) {
	b := desk()
	s := build(t, b)
	require.Equal(t, map[string]*authz.RoleFacts{"base": {Role: &b.Roles[2]}, "clerk": {Role: &b.Roles[1]}}, s.Roles([]string{"clerk", "gone", ""}), "with what it inherits")
	require.Len(t, s.Roles([]string{"head", "base"}), 3)
	require.Empty(t, s.Roles(nil))
	require.Nil(t, s.Node("gone"))
	require.Equal(t, &authz.NodeFacts{ID: "Bare", Kind: authz.Screen, Below: []authz.PathNode{}}, s.Node("Bare"))
	require.Equal(t, &authz.NodeFacts{ID: "box", Kind: authz.Container, Below: []authz.PathNode{
		{ID: "deep", Kind: authz.Element}, {ID: "Desk.phone", Kind: authz.Element},
	}}, s.Node("box"))
	require.Equal(t, 2, s.Screens("custom", ""))
	require.Equal(t, 1, s.Screens("custom", "Desk"))
	require.Equal(t, 0, s.Screens("x", ""))
}

func TestLevelsOfARole(t *testing.T) {
	s := build(t, desk())
	require.Equal(t, []authz.NodeRights{
		{Node: "Beside.phone", Levels: []authz.RoleLevel{{Role: "head", Level: authz.Edit}}},
		{Node: "Desk.phone", Levels: []authz.RoleLevel{{Role: "head", Level: authz.Revoked}}},
	}, s.LevelsOf("head", "W"), "its own, not what it inherits")
	require.Nil(t, s.LevelsOf("head", "gone"))
	require.Nil(t, s.LevelsOf("gone", "W"))
	require.Nil(t, s.LevelsOf("clerk", "Bare"))
}

func TestUnset(t *testing.T) {
	b := desk()
	b.Rights = append(b.Rights, authz.Right{Role: "base", Node: "Bare", Level: authz.View})
	roles, screens := build(t, b).Unset()
	require.Len(t, roles, 4)
	require.Equal(t, &b.Roles[0], roles["head"].Role)
	require.Equal(t, []authz.PathNode{
		{ID: "Desk", Kind: authz.Screen}, {ID: "Beside", Kind: authz.Screen}, {ID: "Bare", Kind: authz.Screen, Configured: true},
	}, screens)

	many := func(n int) *authz.Bundle {
		b := desk()
		for i := range n - len(b.Roles) {
			b.Roles = append(b.Roles, authz.Role{ID: fmt.Sprint("role-", i)})
		}
		return b
	}
	roles, screens = build(t, many(authz.MaxUnset/3)).Unset()
	require.Len(t, roles, authz.MaxUnset/3)
	require.Len(t, screens, 3)
	roles, screens = build(t, many(authz.MaxUnset/3+1)).Unset()
	require.Nil(t, roles)
	require.Nil(t, screens)

	_, screens = build(t, &authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "x"}}).Unset()
	require.Equal(t, []authz.PathNode{}, screens, "known to be none")
}

// TestBelowEqualsTheReference holds nodes below and their levels against the bundle.
func TestBelowEqualsTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBundle(t)
		s := build(t, b)
		for i := range b.Screens {
			top := &b.Screens[i]
			node := s.Node(top.ID)
			seen, levels := map[string]bool{top.ID: true}, 0
			for _, n := range node.Below {
				require.True(t, seen[findNode(b, n.ID).Parent], "parents first")
				require.False(t, seen[n.ID], "each once")
				seen[n.ID] = true
			}
			for _, n := range b.Screens {
				require.Equal(t, n.ID == top.ID || seen[n.Parent], seen[n.ID], "all that lie below")
			}
			for _, r := range b.Rights {
				if seen[r.Node] {
					levels++
				}
			}
			for i := range b.Roles {
				levels -= len(s.LevelsOf(b.Roles[i].ID, top.ID))
			}
			require.Zero(t, levels)
		}
	})
}

func TestCurrentIsOfItsMoment(t *testing.T) {
	s := build(t, desk())
	require.Nil(t, s.Current(nil, epoch))
	p := s.Principal(&authz.User{ID: "u", Grants: []authz.Grant{{Role: "base", Until: epoch.Add(time.Hour)}}}, epoch, 0)
	require.Equal(t, []string{"base"}, s.Current(p, epoch).Roles)
	require.Empty(t, s.Current(p, epoch.Add(time.Hour)).Roles)
}
