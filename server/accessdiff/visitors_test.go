package accessdiff_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// TestWhatOnlyVisitorsMayDo: an action that a policy names for visitors alone is asked
// about too.
func TestWhatOnlyVisitorsMayDo(t *testing.T) {
	side := func(name, rule string) accessdiff.Side {
		program, err := policy.Compile(policy.Modules{"x.rego": "package x\n\ndefault decision := {\"outcome\": \"deny\", \"reason\": \"no\"}\n\n" + rule}, policies.InputSchema, patience)
		require.NoError(t, err)
		return accessdiff.Side{Name: name, Program: program, World: &authz.World{
			Bundle:  authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "x"}},
			Users:   []authz.User{{ID: "u", Active: true}},
			Records: []authz.Record{{Type: "article", ID: "a"}},
		}}
	}
	before := side("before", `decision := {"outcome": "allow", "reason": "yes"} if {
	input.action.name == "view"
	input.subject.type == "user"
}`)
	after := side("after", `decision := {"outcome": "allow", "reason": "yes"} if {
	input.action.name == "view"
	input.subject.type == "user"
}

decision := {"outcome": "allow", "reason": "visitor"} if {
	input.subject.type == "anonymous"
	input.action.name == "open"
	input.resource.type == "article"
}`)
	for _, turn := range []struct {
		before, after accessdiff.Side
		kind          accessdiff.Kind
	}{{before, after, accessdiff.Gained}, {after, before, accessdiff.Lost}} {
		r, err := accessdiff.Compute(t.Context(), turn.before, turn.after, accessdiff.Options{Model: policies.RBACModel, Now: now, Workers: 2})
		require.NoError(t, err)
		require.True(t, r.Complete(), "%v", r.Missing)
		require.Len(t, r.Changes, 1)
		require.Equal(t, turn.kind, r.Changes[0].Kind)
		require.True(t, r.Changes[0].Anonymous)
		require.Equal(t, "open", r.Changes[0].Places[0].Action)
		require.Equal(t, "article", r.Changes[0].Places[0].Type)
	}
}
