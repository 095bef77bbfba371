package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
)

var nothing = PolicyFunc(func(context.Context, *authz.Query, *authz.Facts) authz.Decision { return authz.Decision{} })

// seen returns the facts of a user with the roles at the screen.
func seen(s *Snapshot, screen string, roles ...string) authz.Facts {
	u := &authz.User{ID: "u"}
	for _, r := range roles {
		u.Grants = append(u.Grants, authz.Grant{Role: r})
	}
	q := &authz.Query{Subject: authz.Entity{Type: "user", ID: u.ID}, Action: authz.Action{Name: "view"}, Resource: authz.Entity{Type: "screen", ID: screen}}
	return s.Facts(q, Entities{User: s.Principal(u, time.Time{}, 0)})
}

func grid(roles, screens int) *authz.Bundle {
	b := &authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "p"}}
	for i := range roles {
		b.Roles = append(b.Roles, authz.Role{ID: fmt.Sprint("r", i)})
	}
	for i := range screens {
		b.Screens = append(b.Screens, authz.Node{ID: fmt.Sprint("s", i), Kind: authz.Screen})
	}
	return b
}

func rebuilt(t *testing.T, old *Snapshot, b *authz.Bundle) *Snapshot {
	s, err := Rebuild(old, b, policies.RBACModel, nothing)
	require.NoError(t, err)
	return s
}

// TestPlaces: a place is of one node and one set of roles, whoever holds them, for as long
// as nothing changes there.
func TestPlaces(t *testing.T) {
	b := grid(4, 3)
	b.Roles[0].Inherits = []string{"r1"}
	b.Rights = []authz.Right{{Role: "r1", Node: "s0", Level: authz.View}}
	s := rebuilt(t, nil, b)
	at := seen(s, "s0", "r0")
	require.NotNil(t, at.Place)
	require.Equal(t, []authz.NodeRights{{Node: "s0", Levels: []authz.RoleLevel{{Role: "r1", Level: authz.View}}}}, at.Rights)

	other := seen(s, "s0", "r0", "r1")
	require.Same(t, at.Place, other.Place, "another user whose roles come to the same")
	require.Equal(t, at.Rights, other.Rights)
	require.NotSame(t, at.Place, seen(s, "s1", "r0").Place)
	require.NotSame(t, at.Place, seen(s, "s0", "r1").Place)
	require.NotSame(t, at.Place, seen(s, "s0").Place)
	require.Nil(t, seen(s, "elsewhere", "r0").Place)
	visitor := &authz.Query{Subject: authz.Entity{Type: "anonymous"}, Action: authz.Action{Name: "view"}, Resource: authz.Entity{Type: "screen", ID: "s0"}}
	require.Nil(t, s.Facts(visitor, Entities{}).Place)

	same := *b
	same.Revision++
	require.Same(t, at.Place, seen(rebuilt(t, s, &same), "s0", "r0").Place, "a write that changed none of the configuration")
	for name, change := range map[string]func(b *authz.Bundle){
		"a right":   func(b *authz.Bundle) { b.Rights = []authz.Right{{Role: "r1", Node: "s0", Level: authz.Edit}} },
		"a role":    func(b *authz.Bundle) { b.Roles = append([]authz.Role{{ID: "q"}}, b.Roles...) },
		"a screen":  func(b *authz.Bundle) { b.Screens = append([]authz.Node{{ID: "q", Kind: authz.Screen}}, b.Screens...) },
		"a setting": func(b *authz.Bundle) { b.Portal.Settings = map[string]any{"x": true} },
	} {
		next := *b
		change(&next)
		at := seen(rebuilt(t, s, &next), "s0", "r0")
		require.NotNil(t, at.Place, name)
		require.NotSame(t, seen(s, "s0", "r0").Place, at.Place, name)
		require.Equal(t, next.Rights[0].Level, at.Rights[0].Levels[0].Level, name)
	}
}

// TestPlacesAreBounded: what does not fit is stated all the same.
func TestPlacesAreBounded(t *testing.T) {
	t.Run("places", func(t *testing.T) {
		const roles, screens = 200, 300
		s := rebuilt(t, nil, grid(roles, screens))
		first := seen(s, "s0", "r0").Place
		most := int64(0)
		for r := range roles {
			for n := range screens {
				require.NotNil(t, seen(s, fmt.Sprint("s", n), fmt.Sprint("r", r)).Place)
				most = max(most, s.places.table.Load().met.Load())
			}
		}
		require.EqualValues(t, maxPlaces, most)
		require.NotSame(t, first, seen(s, "s0", "r0").Place, "it had to make room")
		require.Same(t, seen(s, "s0", "r0").Place, seen(s, "s0", "r0").Place)
	})
	t.Run("slots", func(t *testing.T) {
		const roles, screens = 60, 20_000
		s := rebuilt(t, nil, grid(roles, screens))
		most := int64(0)
		for r := range roles {
			require.NotNil(t, seen(s, "s1", fmt.Sprint("r", r)).Place)
			most = max(most, s.places.table.Load().slots.Load())
		}
		require.EqualValues(t, maxSlots/screens*screens, most)
	})
	t.Run("a row", func(t *testing.T) {
		p := newPlaces(maxSlots + 1)
		_, slot := p.slot(&roleSet{kept: true}, 0)
		require.Nil(t, slot)
	})
	t.Run("sets", func(t *testing.T) {
		b := grid(10_000, 1)
		for i := range b.Roles {
			b.Rights = append(b.Rights, authz.Right{Role: b.Roles[i].ID, Node: "s0", Level: authz.View})
		}
		s := rebuilt(t, nil, b)
		many := make([]string, len(b.Roles))
		for i := range many {
			many[i] = b.Roles[i].ID
		}
		sets := 0
		for ; sets < 2*maxSets/len(many); sets++ {
			if seen(s, "s0", many[sets:]...).Place == nil {
				break
			}
		}
		require.InDelta(t, maxSets/len(many), sets, 2)
		require.LessOrEqual(t, s.mark.size.Load(), int64(maxSets))
		at := seen(s, "s0", many[sets+1:]...)
		require.Nil(t, at.Place)
		require.Len(t, at.Rights[0].Levels, len(many)-sets-1)
		require.NotNil(t, seen(s, "s0", many...).Place, "what is kept is kept")
	})
}
