package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// scopeOf returns what a policy can read for questions of users about cases.
func scopeOf(t *testing.T, source string) *policy.Scope {
	s, err := bind(t, time.Second, source).Scope(policy.Kind{Subject: "user", Resource: "case", Action: "view"})
	require.NoError(t, err)
	return s
}

func person(id, account string, roles ...string) *authz.Principal {
	return &authz.Principal{User: &authz.User{ID: id, Account: account, Active: true}, Roles: roles, EffectiveRoles: roles}
}

// TestScopeOfUsers tells which of two users a policy can tell apart, for rules below
//
//	decision := {"outcome": "allow", "reason": "x"} if { BODY }
func TestScopeOfUsers(t *testing.T) {
	ann, bob := person("ann", "A", "Clerk"), person("bob", "B", "Buyer")
	for _, tc := range []struct {
		name, body string
		same       bool
	}{
		{"nothing is read", "true", true},
		{"an id that is only there", "input.user.id", true},
		{"an id that is not there", "not input.user.id", true},
		{"ids that are compared", "input.user.account == input.record.account", true},
		{"ids that are different", "input.user.account != input.record.account", true},
		{"an id and a constant", `input.user.account == "A"`, false},
		{"an id and a setting", "input.user.account == data.portal.settings.account", false},
		{"an id compared with one that is read", `input.user.account == input.record.account; input.record.account == "A"`, false},
		{"an id in a built-in", `startswith(input.user.id, "a")`, false},
		{"an id in a comprehension", `x := [y | y := input.user.id]; count(x) > 0`, false},
		{"an id in every", `every x in ["ann"] { x == input.user.id }`, false},
		{"an id that a function gets", `f(input.user.id)`, false},
		{"an id under another name", "x := input.user.account; x == input.record.account", true},
		{"an id under the name of something else", `x := concat("", ["A"]); x == input.user.account`, false},
		{"an id as a key", "data.portal.settings[input.user.id]", false},
		{"the whole user", "count(input.user) > 0", false},
		{"the whole input", "count(input) > 0", false},
		{"a member by a name that is worked out", `some x in ["id"]; input.user[x]`, false},
		{"another role", `"Admin" in input.user.effective_roles`, true},
		{"no other role", `not "Admin" in input.user.effective_roles`, true},
		{"a role that one has", `"Clerk" in input.user.effective_roles`, false},
		{"some role", "input.user.effective_roles[0]", true},
		{"how many roles", "count(input.user.effective_roles) > 1", false},
		{"roles in a rule that cannot hold", `input.resource.type == "order"; input.user.id == "ann"`, true},
		{"an action that it is not", `input.action.name in {"edit", "close"}; input.user.id == "ann"`, true},
		{"an action that it is", `input.action.name in {"view", "close"}; input.user.id == "ann"`, false},
		{"what comes before may fail", `to_number(input.user.id) > 0; input.resource.type == "order"`, false},
		{"a fact with another", "input.user.id == input.user.account", true},
		{"under a with", `f(1) with input.user as {"id": "x"}`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := scopeOf(t, `decision := {"outcome": "allow", "reason": "x"} if { `+tc.body+" }\n\nf(x) if x\n")
			texts := map[bool]string{true: "the same text", false: "different texts"}
			one, other := s.User(&authz.Entity{Type: "user", ID: "ann"}, ann), s.User(&authz.Entity{Type: "user", ID: "bob"}, bob)
			require.Equal(t, tc.same, one.Text == other.Text, "want %s, got %q and %q", texts[tc.same], one.Text, other.Text)
		})
	}
}

// TestScopeOfElse goes on to the branches that are tried when one cannot hold.
func TestScopeOfElse(t *testing.T) {
	s := scopeOf(t, `decision := {"outcome": "allow", "reason": "x"} if input.resource.type == "order"

else := {"outcome": "deny", "reason": input.user.position}`)
	a := person("ann", "A")
	b := person("ann", "A")
	b.Position = "Manager"
	require.NotEqual(t, s.User(&authz.Entity{Type: "user", ID: "ann"}, a).Text, s.User(&authz.Entity{Type: "user", ID: "ann"}, b).Text)
}

// TestScopeOfRights tells when it matters which role has a level.
func TestScopeOfRights(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       policy.RightsRead
	}{
		{"none", "true", policy.RightsRead{}},
		{"levels alone", "max([l | some l in input.rights[input.screen.id]]) > 1", policy.RightsRead{Rights: true}},
		{"levels of fields", `max([l | some l in input.fields["phone"]]) > 1`, policy.RightsRead{Fields: true}},
		{"of a role", `input.rights[input.screen.id]["Clerk"] > 1`, policy.RightsRead{Rights: true, Named: true}},
		{"with the role", `some role, l in input.rights[input.screen.id]; startswith(role, "C"); l > 1`, policy.RightsRead{Rights: true, Named: true}},
		{"of a node as a whole", `held := input.rights[input.screen.id]; count(held) > 1`, policy.RightsRead{Rights: true, Named: true}},
		{"under a with", `f(1) with input.user as {"id": "x"}`, policy.RightsRead{Rights: true, Fields: true, Named: true}},
		{"as a whole", "count(input.rights) > 1", policy.RightsRead{Rights: true, Named: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := scopeOf(t, `decision := {"outcome": "allow", "reason": "x"} if { `+tc.body+" }\n\nf(x) if x\n")
			require.Equal(t, tc.want, s.Rights())
		})
	}
}

// TestScopeDigest tells rules that take part from those that do not.
func TestScopeDigest(t *testing.T) {
	const rules = `decision := {"outcome": "allow", "reason": "x"} if input.user.active

decision := {"outcome": "allow", "reason": "y"} if { input.resource.type == "order"; input.user.id == "ann" }
`
	digest := scopeOf(t, rules).Digest()
	require.Equal(t, digest, scopeOf(t, "unused if input.user.id\n\n"+rules).Digest(), "a rule that nothing refers to")
	require.NotEqual(t, digest, scopeOf(t, rules+"\ndecision := {\"outcome\": \"deny\", \"reason\": \"z\"} if not input.user.active\n").Digest(), "one more rule")
	require.Equal(t, digest, scopeOf(t, `decision := {"outcome": "allow", "reason": "x"} if input.user.active

decision := {"outcome": "allow", "reason": "y"} if { input.resource.type == "order"; input.user.id == "bob" }
`).Digest(), "a rule that cannot hold says something else")
}

// TestScopeActions finds the actions that a policy names, in conditions and in tables.
func TestScopeActions(t *testing.T) {
	p := bind(t, time.Second, `decision := {"outcome": "allow", "reason": "x"} if { input.action.name in {"view", "list"} }

decision := {"outcome": "allow", "reason": "x"} if { input.resource.type == "order"; input.action.name == "approve" }

decision := {"outcome": "allow", "reason": "x"} if knows[input.resource.type][input.action.name]

decision := {"outcome": "allow", "reason": "x"} if input.action.name in offered

decision := {"outcome": "allow", "reason": "x"} if {"edit": 2}[input.action.name] == 2

knows := {"case": {"close": true, "track": true}, "order": {"ship": true}}

offered contains "reopen" if input.user.active
`)
	s, err := p.Scope(policy.Kind{Subject: "user", Resource: "case"})
	require.NoError(t, err)
	require.Equal(t, []string{"close", "edit", "list", "reopen", "track", "view"}, s.Actions())
}
