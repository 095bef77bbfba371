package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

const openSchema = `{}`

// TestExamine names the rules that hold in an answer: not those that were tried,
// held in a branch given up, or are denied; and those too whose value the evaluator
// had from before, or of which it took the first alone.
func TestExamine(t *testing.T) {
	source := `package t

decision := {"outcome": "allow", "reason": r} if {
	tried
	input.action.name == "never"
	r := "x"
}

else := {"outcome": "allow", "reason": "granted"} if granted

else := {"outcome": "deny", "reason": "no"} if not closed

else := {"outcome": "hide", "reason": "no"}

# METADATA
# title: Tried
# custom: {id: tried, reason: x}
tried if base

# METADATA
# title: Granted
# custom: {id: one, reason: granted}
granted if {
	input.action.name == "view"
	base
}

# METADATA
# custom: {id: two, reason: granted}
granted if {
	input.action.name in {"view", "list"}
	some x in picked
	good(x)
}

# METADATA
# custom: {id: base, reason: y}
base if input.resource.type == "case"

# METADATA
# custom: {id: closed, reason: z}
closed if input.action.name == "closed"

# METADATA
# custom: {id: picked, reason: p}
picked contains n if some n in [1, 2, 3]

# METADATA
# custom: {id: good, reason: g}
good(x) if x == 2
`
	program, err := policy.Compile(policy.Modules{"t.rego": source}, []byte(openSchema), time.Second)
	require.NoError(t, err)
	p, err := program.Bind(&authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "t"}})
	require.NoError(t, err)
	for action, want := range map[string][]string{
		"view": {"one", "base", "two", "picked", "good"}, "list": {"two", "picked", "good"}, "closed": nil, "edit": nil,
	} {
		q := authz.Query{
			Subject: authz.Entity{Type: "user", ID: "u"}, Action: authz.Action{Name: action}, Resource: authz.Entity{Type: "case", ID: "1"},
			Now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
		}
		plain := p.Decide(t.Context(), &q, &authz.Facts{})
		d, x := policy.Lens{}.Decide(t.Context(), p, &q, &authz.Facts{})
		require.Equal(t, plain, d)
		var ids []string
		for _, r := range x.Rules {
			ids = append(ids, r.ID)
			require.Equal(t, "t.rego", r.Module)
		}
		require.Equal(t, want, ids, action)
		require.JSONEq(t, `{"action": {"name": "`+action+`", "properties": {}}, "resource": {"type": "case", "properties": {}}, "context": {}}`, string(x.Input))
		require.Equal(t, action == "view", x.Touches("t.rego", 24))
		if action == "view" {
			require.Equal(t, policy.Applied{ID: "one", Reason: "granted", Title: "Granted", Module: "t.rego", Line: 23}, x.Rules[0])
		}
	}
}

func TestReach(t *testing.T) {
	program, err := policy.Compile(policy.Modules{
		"a.rego": "package a\n\nimport data.lib.b\n\ndecision := b.x\n", "b.rego": "package lib.b\n\nx := data.lib.c.y\n",
		"c.rego": "package lib.c\n\ny := 1\n", "d.rego": "package d\n\ndecision := data.a.decision\n", "more.rego": "package a\n\nz := 1\n",
	}, []byte(openSchema), time.Second)
	require.NoError(t, err)
	reached, err := program.Reach("a")
	require.NoError(t, err)
	require.Equal(t, []string{"a.rego", "b.rego", "c.rego", "more.rego"}, reached)
	_, err = program.Reach("e")
	require.Equal(t, authz.Invalid, authz.KindOf(err))
}
