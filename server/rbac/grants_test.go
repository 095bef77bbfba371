package rbac_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
	"github.com/portcullis-authz/portcullis/server/rbac"
)

func moment() time.Time { return time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC) }

func holder(id string, grants ...authz.Grant) authz.User {
	return authz.User{ID: id, Active: true, Grants: grants}
}

func TestGrantsAreWritten(t *testing.T) {
	b := bundle([]authz.Role{role("Clerk", "reader"), role("reader")})
	p := rbac.PolicyOf(b)
	gone := holder("gone", authz.Grant{Role: "Clerk"})
	gone.Active = false
	p.AddGrants([]authz.User{
		holder("zoe", authz.Grant{Role: "reader"}, authz.Grant{Role: "Clerk", Until: moment().Add(time.Second)}),
		holder("ann, lee", authz.Grant{Role: "Clerk"}, authz.Grant{Role: "reader", Until: moment()}, authz.Grant{Role: "reader", From: moment().Add(1)}),
		gone,
	}, moment())
	var out strings.Builder
	require.NoError(t, p.Write(&out))
	require.Equal(t, "g, Clerk, reader, storehut\ng, \"ann, lee\", Clerk, storehut\ng, zoe, Clerk, storehut\ng, zoe, reader, storehut\n", out.String())

	back, err := rbac.ReadPolicy(strings.NewReader(out.String()))
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"Clerk": true, "reader": true}, back.Roles())
	back.TakeGrants(func(id string) bool { return id == "zoe" || id == "ann, lee" })
	require.Equal(t, p.Grants, back.Grants)
	require.Equal(t, p.Inherits, back.Inherits)
}

func TestUsersThatCasbinMixesUp(t *testing.T) {
	roles := chain(authz.MaxChain + 1)
	for name, tt := range map[string]struct {
		b    *authz.Bundle
		user authz.User
		want string
	}{
		"role that inherits":   {bundle([]authz.Role{role("a", "b"), role("b")}), holder("a", authz.Grant{Role: "b"}), `"a" is a user and a role`},
		"role that is held":    {bundle([]authz.Role{role("a")}), holder("a", authz.Grant{Role: "a"}), `"a" is a user and a role`},
		"user type":            {bundle([]authz.Role{role("r")}, userType("a", "b"), userType("b")), holder("b", authz.Grant{Role: "r"}), `"b" is a user and a user type`},
		"type of its own kind": {bundle([]authz.Role{role("r")}, userType("a", "a")), holder("a", authz.Grant{Role: "r"}), `"a" is a user and a user type`},
		"chain":                {bundle(roles), holder("u", authz.Grant{Role: roles[0].ID}), `user "u" holds role "r00000", from which a chain of 10 roles inherits`},
		"cycle":                {bundle([]authz.Role{role("a", "b"), role("b", "a")}), holder("u", authz.Grant{Role: "b"}), `a chain of 10`},
	} {
		t.Run(name, func(t *testing.T) {
			p := rbac.PolicyOf(tt.b)
			p.AddGrants([]authz.User{tt.user}, moment())
			var out strings.Builder
			err := p.Write(&out)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, authz.Invalid, authz.KindOf(err))
			require.Empty(t, out.String())
		})
	}
	p := rbac.PolicyOf(bundle(roles))
	p.AddGrants([]authz.User{holder("u", authz.Grant{Role: roles[1].ID})}, moment())
	require.NoError(t, p.Write(&strings.Builder{}))

	p = &rbac.Policy{Portal: "storehut"}
	for i := range 1_000_001 {
		p.Rights = append(p.Rights, authz.Right{Role: "r", Node: fmt.Sprint(i)})
	}
	require.Equal(t, authz.TooLarge, authz.KindOf(p.Write(&strings.Builder{})))
}

// TestGrantsEqualCasbins holds what users have by our facts against stock Casbin,
// which reads the file: the same explicit levels at every node.
func TestGrantsEqualCasbins(t *testing.T) {
	silent := engine.PolicyFunc(func(context.Context, *authz.Query, *authz.Facts) authz.Decision { return authz.Decision{} })
	nodes := []authz.Node{{ID: "n", Kind: authz.Screen}, {ID: "n/o, p", Kind: authz.Screen}}
	rapid.Check(t, func(t *rapid.T) {
		b := graphs(t)
		b.Screens = nodes
		s, err := engine.Build(b, policies.RBACModel, silent)
		require.NoError(t, err)
		users := drawHolders(t, b)
		p := rbac.PolicyOf(b)
		p.AddGrants(users, moment())
		var out strings.Builder
		require.NoError(t, p.Write(&out))
		m, err := model.NewModelFromString(policies.RBACModel)
		require.NoError(t, err)
		e, err := casbin.NewEnforcer(m, &textAdapter{out.String()})
		require.NoError(t, err)
		for _, u := range users {
			facts := s.Principal(&u, moment(), 0)
			for _, n := range nodes {
				f := s.Facts(&authz.Query{Resource: authz.Entity{Type: "screen", ID: n.ID}, Now: moment()}, engine.Entities{User: facts})
				for l := authz.Revoked; l.Valid(); l++ {
					has := u.Active && slices.ContainsFunc(f.Rights, func(n authz.NodeRights) bool {
						return slices.ContainsFunc(n.Levels, func(x authz.RoleLevel) bool { return x.Level == l })
					})
					ok, err := e.Enforce(u.ID, "storehut", n.ID, l.String())
					require.NoError(t, err)
					require.Equal(t, has, ok, "%s %s %s\n%s", u.ID, n.ID, l, out.String())
					ok, err = e.Enforce(u.ID, "elsewhere", n.ID, l.String())
					require.NoError(t, err)
					require.False(t, ok)
				}
			}
		}
	})
}

func drawHolders(t *rapid.T, b *authz.Bundle) (users []authz.User) {
	times := rapid.SampledFrom([]time.Time{{}, {}, moment(), moment().Add(-time.Hour), moment().Add(time.Hour)})
	for _, id := range []string{"u,v", "w \"x\"", "y"} {
		u := holder(id)
		u.Active = rapid.IntRange(0, 3).Draw(t, "active") > 0
		for range rapid.IntRange(0, 3).Draw(t, "grants") {
			u.Grants = append(u.Grants, authz.Grant{Role: rapid.SampledFrom(b.Roles).Draw(t, "role").ID, From: times.Draw(t, "from"), Until: times.Draw(t, "until")})
		}
		users = append(users, u)
	}
	return users
}
