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

// TestCells asks about rights in one call: where the policy says that it cannot tell
// roles apart, it is asked once about each node and each step from one level to another,
// and otherwise about every one.
func TestCells(t *testing.T) {
	b, j := judging(t, everyRead())
	j.anyRole = true
	decided, failing, w := 0, false, staffed()
	snapshot, err := engine.Build(&w.Bundle, policies.RBACModel, engine.PolicyFunc(func(context.Context, *authz.Query, *authz.Facts) authz.Decision {
		if decided++; failing {
			return authz.Refuse(authz.ReasonPolicyError, context.Canceled)
		}
		return authz.Decision{Outcome: authz.Allow, Reason: "x"}
	}))
	require.NoError(t, err)
	view := pdp.View{Snapshot: snapshot, Changes: j}
	b.publish(view)

	right := func(role, node string, l authz.Level) authz.Right {
		return authz.Right{Role: role, Node: node, Level: l}
	}
	var alike *authz.Alike
	ask := func(c *authz.Change) (newDecisions, newJudgements int) {
		t.Helper()
		c.Alike, c.Actor = alike, "bob"
		d, p := decided, j.asked
		q := call(authz.CallAction(c.Operation), authz.Right{Role: c.Entity.Of, Node: c.Entity.ID})
		q.Alike = alike
		_, err := b.DecideCall(t.Context(), "", q, c.Old, c.New)
		require.NoError(t, err)
		plain, err := b.Plain(t.Context(), "", c, authz.Known{Pending: &authz.Pending{}})
		require.NoError(t, err)
		require.Equal(t, c.New == nil || c.New.(authz.Right).Level != authz.Delete, plain)
		return decided - d, j.asked - p
	}
	once := func(c *authz.Change, decisions, judgements int) {
		t.Helper()
		d, p := ask(c)
		require.Equal(t, []int{decisions, judgements}, []int{d, p})
	}

	once(create(right("clerk", "Desk", 1)), 1, 1)
	once(create(right("other", "Desk", 1)), 1, 1)

	alike = &authz.Alike{}
	once(create(right("clerk", "Desk", 1)), 1, 1)
	once(create(right("other", "Desk", 1)), 0, 0)
	once(create(right("other", "Own", 1)), 1, 1)
	once(create(right("other", "Desk", 2)), 1, 1)
	once(update(right("other", "Desk", 1), right("other", "Desk", 2)), 1, 1)
	once(update(right("other", "Desk", 0), right("other", "Desk", 2)), 1, 1)
	once(update(right("clerk", "Desk", 1), right("clerk", "Desk", 2)), 0, 0)
	once(remove(right("clerk", "Desk", 1)), 1, 1)
	once(remove(right("base", "Desk", 1)), 0, 0)
	once(create(right("base", "Desk", authz.Delete)), 1, 1)
	once(create(right("clerk", "Desk", authz.Delete)), 0, 1)
	once(create(right("other", "Desk", authz.Delete)), 0, 1)
	b.publish(view)
	once(create(right("other", "Desk", 1)), 1, 1)

	failing = true
	once(create(right("clerk", "Own", 3)), 1, 1)
	once(create(right("other", "Own", 3)), 1, 0)
	failing = false
	once(create(right("base", "Own", 3)), 1, 0)
	once(create(right("clerk", "Own", 3)), 0, 0)

	j.anyRole = false
	once(create(right("other", "Own", 3)), 1, 1)

	role := authz.Role{ID: "new"}
	j.anyRole = true
	for range 2 {
		d := decided
		q := call(authz.CreateCall, role)
		q.Alike = alike
		_, err := b.DecideCall(t.Context(), "", q, nil, role)
		require.NoError(t, err)
		require.Equal(t, d+1, decided, "what is no right is asked about each time")
	}
}
