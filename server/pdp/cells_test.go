package pdp_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
	"github.com/portcullis-authz/portcullis/server/pdp"
)

// TestAnyRole: of calls about rights in the hands of a caller with many, and of their
// changes, it is said whether the answer holds for every role, where the policy says so.
func TestAnyRole(t *testing.T) {
	b, j := judging(t, everyRead())
	failing, w := false, staffed()
	snapshot, err := engine.Build(&w.Bundle, policies.RBACModel, engine.PolicyFunc(func(context.Context, *authz.Query, *authz.Facts) authz.Decision {
		if failing {
			return authz.Refuse(authz.ReasonPolicyError, context.Canceled)
		}
		return authz.Decision{Outcome: authz.Allow, Reason: "x"}
	}))
	require.NoError(t, err)
	b.publish(pdp.View{Snapshot: snapshot, Changes: j})

	alike := &authz.Alike{}
	ask := func(c *authz.Change, known authz.Known) (anyCall, anyChange bool) {
		t.Helper()
		c.Alike, c.Actor = alike, "bob"
		q := authz.Query{Subject: authz.Entity{Type: "user", ID: "bob"}, Action: authz.Action{Name: authz.CallAction(c.Operation)}, Resource: authz.CallResource(c.Entity), Alike: alike}
		_, anyCall, err := b.DecideCall(t.Context(), "", q, c.Old, c.New)
		require.NoError(t, err)
		known.Pending = &authz.Pending{}
		_, anyChange, err = b.Plain(t.Context(), "", c, known)
		require.NoError(t, err)
		return anyCall, anyChange
	}
	right := func(l authz.Level) authz.Right { return authz.Right{Role: "clerk", Node: "Desk", Level: l} }
	for _, c := range []*authz.Change{create(right(1)), update(right(1), right(2)), remove(right(1))} {
		j.anyRole = false
		call, change := ask(c, authz.Known{})
		require.False(t, call || change, "the policy may tell roles apart")
		j.anyRole = true
		call, change = ask(c, authz.Known{})
		require.True(t, call && change)
		call, change = ask(c, authz.Known{Config: &w.Bundle})
		require.True(t, call)
		require.False(t, change, "it is judged by a configuration with what is pending")
		failing = true
		call, _ = ask(c, authz.Known{})
		require.False(t, call, "what went wrong is said of nobody else")
		failing, alike = false, nil
		call, change = ask(c, authz.Known{})
		require.False(t, call || change, "there are not many")
		alike = &authz.Alike{}
	}
	call, change := ask(create(right(authz.Delete)), authz.Known{})
	require.True(t, call)
	require.False(t, change, "it is not plain")
	call, change = ask(create(authz.Role{ID: "new"}), authz.Known{})
	require.False(t, call || change, "a role is no right")
}
