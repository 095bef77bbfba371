package rbac_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
)

// TestFactsEqualCasbins holds a snapshot's rights against stock Casbin, which
// reads the same bundle from a policy file: a user of one role has exactly the
// explicit levels for which Enforce says yes.
func TestFactsEqualCasbins(t *testing.T) {
	silent := engine.PolicyFunc(func(context.Context, *authz.Query, *authz.Facts) authz.Decision { return authz.Decision{} })
	rapid.Check(t, func(t *rapid.T) {
		b := graphs(t)
		b.Screens = []authz.Node{{ID: "n", Kind: authz.Screen}, {ID: "n/o, p", Kind: authz.Screen}}
		s, err := engine.Build(b, policies.RBACModel, silent)
		require.NoError(t, err)
		e := enforcer(t, b)
		for _, r := range b.Roles {
			p := s.Principal(&authz.User{ID: "u", UserType: r.ID, Grants: []authz.Grant{{Role: r.ID}}}, time.Time{}, 0)
			for _, other := range b.UserTypes {
				ok, err := e.Enforce(r.ID, "storehut", other.ID, "manage")
				require.NoError(t, err)
				require.Equal(t, slices.Contains(p.Manages, other.ID), ok)
			}
			for _, n := range b.Screens {
				q := &authz.Query{Resource: authz.Entity{Type: "screen", ID: n.ID}}
				f := s.Facts(q, engine.Entities{User: p})
				for l := authz.Revoked; l.Valid(); l++ {
					has := slices.ContainsFunc(f.Rights, func(n authz.NodeRights) bool {
						return slices.ContainsFunc(n.Levels, func(x authz.RoleLevel) bool { return x.Level == l })
					})
					ok, err := e.Enforce(r.ID, "storehut", n.ID, l.String())
					require.NoError(t, err)
					require.Equal(t, ok, has)
				}
			}
		}
	})
}
