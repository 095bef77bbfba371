package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/rbac"
)

// TestMove: a portal to which the plan is applied says what the file says of all
// that the file names, is as it was otherwise, and leaves nothing to plan.
func TestMove(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		there, file := drawPolicy(t, "there"), drawPolicy(t, "file")
		m := moved(there, file, now)
		require.NoError(t, m.plan())
		made := applied(t, there, m.items, now)
		named := map[string]bool{}
		for _, l := range append(append([]rbac.Link{}, file.Inherits...), file.Grants...) {
			named[l.From], named[l.To] = true, true
		}
		for _, r := range file.Rights {
			named[r.Role] = true
		}
		require.ElementsMatch(t, expected(there.Inherits, file.Inherits, func(l rbac.Link) bool { return named[l.From] }), made.Inherits)
		require.ElementsMatch(t, expected(there.Grants, file.Grants, func(l rbac.Link) bool { return named[l.From] }), made.Grants)
		require.ElementsMatch(t, expected(there.Rights, file.Rights, func(r authz.Right) bool { return named[r.Role] }), made.Rights)

		again := moved(made, file, now)
		require.NoError(t, again.plan())
		require.Empty(t, again.items)
	})
}

// expected are those of the portal that the file does not name, and those of the file.
func expected[E any](there, file []E, named func(E) bool) []E {
	all := append([]E{}, file...)
	for _, e := range there {
		if !named(e) {
			all = append(all, e)
		}
	}
	return all
}

// drawPolicy draws a policy over few names, so that two of them have much in common.
func drawPolicy(t *rapid.T, label string) *rbac.Policy {
	p := &rbac.Policy{Portal: "p"}
	for i := range 4 {
		for j := range 4 {
			if i < j && rapid.Bool().Draw(t, label) {
				p.Inherits = append(p.Inherits, rbac.Link{From: fmt.Sprint("r", i), To: fmt.Sprint("r", j)})
			}
			if i < 2 && rapid.Bool().Draw(t, label) {
				p.Grants = append(p.Grants, rbac.Link{From: fmt.Sprint("u", i), To: fmt.Sprint("r", j)})
			}
			if j < 2 && rapid.Bool().Draw(t, label) {
				level := authz.Level(rapid.IntRange(0, 5).Draw(t, label))
				p.Rights = append(p.Rights, authz.Right{Role: fmt.Sprint("r", i), Node: fmt.Sprint("n", j), Level: level})
			}
		}
	}
	return p
}

// moved is a move of the file into a portal that is as the policy there says. Every
// user has an ended grant too, which a file does not know.
func moved(there, file *rbac.Policy, now time.Time) *move {
	m := &move{policy: file, now: now, roles: map[authz.Key]listedEntity{}, rights: map[authz.Key]listedEntity{}, users: map[string]*entity{}}
	roles := map[string][]any{}
	for i := range 4 {
		roles[fmt.Sprint("r", i)] = []any{}
	}
	for _, l := range there.Inherits {
		roles[l.From] = append(roles[l.From], l.To)
	}
	for id, inherits := range roles {
		m.roles[authz.Key{Kind: authz.RoleEntity, ID: id}] = listedEntity{Document: map[string]any{"id": id, "inherits": inherits}}
	}
	for _, r := range there.Rights {
		m.rights[r.Key()] = listedEntity{Document: map[string]any{"role": r.Role, "node": r.Node, "level": r.Level.String()}}
	}
	for _, l := range file.Grants {
		grants := []any{map[string]any{"role": "r0", "until": "2026-01-01T00:00:00Z"}}
		for _, g := range there.Grants {
			if g.From == l.From {
				grants = append(grants, map[string]any{"role": g.To, "by": "kim"})
			}
		}
		m.users[l.From] = &entity{before: map[string]any{"id": l.From, "grants": grants}}
	}
	return m
}

// applied returns the policy of the portal after the items.
func applied(t *rapid.T, there *rbac.Policy, items []batchItem, now time.Time) *rbac.Policy {
	p := &rbac.Policy{Portal: "p", Inherits: append([]rbac.Link{}, there.Inherits...), Grants: append([]rbac.Link{}, there.Grants...), Rights: append([]authz.Right{}, there.Rights...)}
	for _, i := range items {
		switch authz.EntityKind(i.Kind) {
		case authz.RoleEntity:
			p.Inherits = relinked(p.Inherits, i.ID, i.Document["inherits"].([]any), func(v any) (string, bool) { return v.(string), true })
		case authz.UserEntity:
			grants := i.Document["grants"].([]any)
			require.Equal(t, "2026-01-01T00:00:00Z", grants[0].(map[string]any)["until"], "an ended grant stays")
			p.Grants = relinked(p.Grants, i.ID, grants, func(v any) (string, bool) { return grantOf(v, now) })
		case authz.RightEntity:
			p.Rights = expected(p.Rights, nil, func(r authz.Right) bool { return r.Key() == i.key() })
			if i.Operation != "delete" {
				level, err := authz.ParseLevel(i.Document["level"].(string))
				require.NoError(t, err)
				p.Rights = append(p.Rights, authz.Right{Role: i.Of, Node: i.ID, Level: level})
			}
		}
	}
	return p
}

func relinked(links []rbac.Link, from string, to []any, of func(any) (string, bool)) []rbac.Link {
	links = expected(links, nil, func(l rbac.Link) bool { return l.From == from })
	for _, v := range to {
		if id, counts := of(v); counts {
			links = append(links, rbac.Link{From: from, To: id})
		}
	}
	return links
}

func TestMoveRefusesTwoLevels(t *testing.T) {
	m := &move{policy: &rbac.Policy{Rights: []authz.Right{{Role: "r", Node: "n", Level: authz.View}, {Role: "r", Node: "n", Level: authz.Edit}}}}
	require.ErrorContains(t, m.plan(), `two levels at "n", view and edit`)
}

// TestUsersOrRoles: what a g rule has in front is a user's name unless something says
// that it is a role's.
func TestUsersOrRoles(t *testing.T) {
	links := []rbac.Link{{From: "held", To: "x"}, {From: "known", To: "x"}, {From: "said", To: "x"}, {From: "user", To: "held"}, {From: "with rights", To: "x"}}
	m := &move{policy: &rbac.Policy{Inherits: links, Rights: []authz.Right{{Role: "with rights", Node: "n"}}},
		roles: map[authz.Key]listedEntity{{Kind: authz.RoleEntity, ID: "known"}: {}}}
	m.takeGrants([]string{"said"})
	require.Equal(t, []rbac.Link{{From: "user", To: "held"}}, m.policy.Grants)
	require.Len(t, m.policy.Inherits, 4)
}
