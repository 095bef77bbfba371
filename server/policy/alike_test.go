package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// cell is a call that gives a role a level at a screen, and the change that it makes.
func cell(role, node string, level authz.Level) (*authz.Query, *authz.Facts, *authz.Change, *authz.ChangeFacts) {
	right := authz.Right{Role: role, Node: node, Level: level}
	q := &authz.Query{Subject: authz.Entity{Type: "user", ID: "ann"}, Action: authz.Action{Name: authz.CreateCall}, Resource: authz.CallResource(right.Key())}
	f := &authz.Facts{User: person("ann", "A", "Clerk"), Target: &authz.Target{Key: right.Key(), After: right}}
	c := &authz.Change{Operation: authz.CreateEntity, Entity: right.Key(), New: right, Actor: "ann", Now: time.Unix(1, 0)}
	return q, f, c, &authz.ChangeFacts{
		Actor: f.User, Node: &authz.NodeFacts{ID: node, Kind: authz.Screen}, Roles: map[string]*authz.RoleFacts{role: {Role: &authz.Role{ID: role}}},
		Levels: []authz.NodeRights{{Node: node, Levels: []authz.RoleLevel{{Role: role, Level: authz.View}}}},
	}
}

// TestAlike tells which of two cells a policy can tell apart, for rules below
//
//	decision := {"outcome": "allow", "reason": "x"} if { BODY }
//	refusals contains "x" if { BODY }
func TestAlike(t *testing.T) {
	type right struct {
		role, node string
		level      authz.Level
	}
	one, role, node, level := right{"r1", "s1", 2}, right{"r2", "s1", 2}, right{"r1", "s2", 2}, right{"r1", "s1", 3}
	for _, tc := range []struct {
		name, question, change string
		other                  right
		same, sameChange       bool
	}{
		{"nothing is read", "true", "false", role, true, true},
		{"an id", `input.resource.id != "x"`, `input.entity.of == "x"`, role, false, false},
		{"an id of another kind", `input.resource.type == "case"; input.resource.id == "x"`, `input.entity.kind == "user"; input.entity.of == "x"`, role, true, true},
		{"an id unless of another kind", `not other`, `not any`, role, false, false},
		{"an id of another action", `input.action.name == "admin:delete"; input.resource.id == "x"`, `input.operation == "delete"; input.entity.of == "x"`, role, true, true},
		{"an id of this action", `input.action.name == "admin:create"; input.resource.id != "x"`, `input.operation == "create"; input.entity.of == "x"`, role, false, false},
		{"an id of an action in a list", `input.action.name in {"admin:create", "x"}; input.resource.id != "x"`, `input.operation in {"create", "x"}; input.entity.of == "x"`, role, false, false},
		{"an id that is there", "input.resource.id", "input.entity.of; false", role, false, false},
		{"the level, other roles", "input.target.after.level > 1", "input.new.level > 5", role, false, true},
		{"the level, other levels", "input.target.after.level > 1", "input.new.level > 5", level, false, false},
		{"the node", "input.target.after.node", `input.node.id == "x"`, node, false, false},
		{"the node of a workspace", `input.node.kind == "workspace"`, `input.node.kind == "workspace"; input.node.id; false`, node, true, true},
		{"the node of a screen", `input.target.after.node`, `input.node.kind == "screen"; input.node.id == "x"`, node, false, false},
		{"all of it", "input.target != {}", `count(input) == 0`, role, false, false},
		{"all of it in a function", "known(input)", `not known(input)`, role, false, false},
		{"a member by a name that is read", `input.target[input.context.what]`, `input.entity[input.context.what] == "x"`, role, false, false},
		{"all members", `some what; input.target.after[what] == 2`, `some what; input.new[what] == 9`, role, false, false},
		{"with something in its place", `given with input.resource.id as "x"`, `not given with input.entity.id as "x"`, role, false, false},
		{"a comprehension", `count([x | x := input.target.after.role]) == 1`, `count([x | x := input.new.role]) == 2`, role, false, false},
		{"every", `every x in [1] { input.target.after.role != x }`, `every x in [1] { input.new.role == x }`, role, false, false},
		{"levels", `input.target.after.level == 2`, `input.levels[_].r1 == 9`, role, false, false},
		{"roles", `input.target.after.level == 2`, `input.roles.r1.guest`, role, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := bind(t, 10*time.Second, `
decision := {"outcome": "allow", "reason": "x"} if { `+tc.question+` }
admission := {"refusals": refusals, "defaults": {}}
refusals contains {"rule": "r", "field": "f", "reason": "x"} if { `+tc.change+` }
provisioning := {"tasks": []}
other if { input.resource.type == "case"; input.resource.id == "y" }
other if input.resource.id == "x"
any if { input.entity.kind == "user"; input.entity.of == "y" }
any if input.entity.of
known(document) if document.resource.id
known(document) if document.entity.of
given := true
`)
			var questions, changes authz.Alike
			ask := func(r right) (d authz.Decision, plain, same, sameChange bool) {
				q, f, c, facts := cell(r.role, r.node, r.level)
				q.Context, c.Context = map[string]any{"what": "after"}, map[string]any{"what": "of"}
				wantD, wantPlain := p.Decide(t.Context(), q, f), p.Plain(t.Context(), c, facts)
				q.Alike, c.Alike = &questions, &changes
				before, beforeChanges := questions.Number(), changes.Number()
				d, plain = p.Decide(t.Context(), q, f), p.Plain(t.Context(), c, facts)
				require.Equal(t, wantD, d)
				require.Equal(t, wantPlain, plain)
				return d, plain, questions.Number() == before, changes.Number() == beforeChanges
			}
			d, plain, same, sameChange := ask(one)
			require.NoError(t, d.Err)
			require.True(t, plain)
			require.False(t, same, "nothing is kept yet")
			require.False(t, sameChange)
			_, _, same, sameChange = ask(one)
			require.True(t, same)
			require.True(t, sameChange)
			_, _, same, sameChange = ask(tc.other)
			require.Equal(t, tc.same, same, "question")
			require.Equal(t, tc.sameChange, sameChange, "change")

			q, _, c, _ := cell("r", "s", 1)
			if tc.other == role {
				require.Equal(t, tc.same, p.AnyRoleCalls(q), "question")
				require.Equal(t, tc.sameChange, p.AnyRoleChanges(c, authz.Screen), "change")
			}
		})
	}
}

// TestAnyRoleIsOfRights: of what is no right, of a question that lacks its kind, of changes
// that are not judged, and of what depends on the moment, nothing is said.
func TestAnyRoleIsOfRights(t *testing.T) {
	const whatever = `decision := {"outcome": "allow", "reason": "x"} if input.subject.type == "user"
admission := {"refusals": set(), "defaults": {}}
`
	p := bind(t, time.Second, whatever+`provisioning := {"tasks": []}`)
	q, _, c, _ := cell("r", "s", 1)
	require.True(t, p.AnyRoleCalls(q))
	require.True(t, p.AnyRoleChanges(c, authz.Screen))
	other := *q
	other.Resource = authz.Entity{Type: "role", ID: "r"}
	require.False(t, p.AnyRoleCalls(&other))
	other.Resource = authz.Entity{Type: "right", ID: "r/s"}
	other.Subject.Type = ""
	require.False(t, p.AnyRoleCalls(&other))
	require.False(t, p.AnyRoleChanges(&authz.Change{Operation: authz.CreateEntity, Entity: authz.Role{ID: "r"}.Key(), New: authz.Role{ID: "r"}}, ""))
	require.False(t, bind(t, time.Second, whatever).AnyRoleChanges(c, authz.Screen))

	p = bind(t, time.Second, `decision := {"outcome": "allow", "reason": "x"} if input.context.now != ""
admission := {"refusals": {{"rule": "r", "reason": "x"} | input.context.now == ""}, "defaults": {}}
provisioning := {"tasks": []}`)
	require.False(t, p.AnyRoleCalls(q))
	require.False(t, p.AnyRoleChanges(c, authz.Screen))
}

// TestAlikeWithoutAScreen: where there is no screen, what is said of one is not known.
func TestAlikeWithoutAScreen(t *testing.T) {
	p := bind(t, time.Second, `
default decision := {"outcome": "deny", "reason": "x"}
decision := {"outcome": "allow", "reason": "x"} if {
	not input.screen.kind == "screen"
	input.resource.id == "one"
}`)
	var alike authz.Alike
	ask := func(id string) bool {
		q := &authz.Query{Subject: authz.Entity{Type: "user", ID: "ann"}, Action: authz.Action{Name: "view"}, Resource: authz.Entity{Type: "screen", ID: id}, Alike: &alike}
		d := p.Decide(t.Context(), q, &authz.Facts{})
		return d.Allowed()
	}
	require.True(t, ask("one"))
	require.False(t, ask("two"))
	require.Equal(t, 2, alike.Number())
}

// TestAlikeIsOfOnePolicy: the same question is another one under other settings, or of
// another kind, and one that could not be answered is asked again.
func TestAlikeIsOfOnePolicy(t *testing.T) {
	program, err := policy.Compile(policy.Modules{"t.rego": "package t\n\ndecision := {\"outcome\": \"allow\", \"reason\": \"x\", \"level\": data.portal.settings.n}"}, policies.InputSchema, time.Second)
	require.NoError(t, err)
	under := func(n int64) *policy.Policy {
		p, err := program.Bind(&authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "t", Settings: map[string]any{"n": n}}})
		require.NoError(t, err)
		return p
	}
	one, other := under(1), under(2)
	var alike authz.Alike
	q, f, _, _ := cell("r", "s", 2)
	q.Alike = &alike
	require.Equal(t, "view", one.Decide(t.Context(), q, f).Level)
	require.Equal(t, "edit", other.Decide(t.Context(), q, f).Level)
	require.Equal(t, "view", one.Decide(t.Context(), q, f).Level)
	require.Equal(t, 2, alike.Number())
	deleted := *q
	deleted.Action.Name = authz.DeleteCall
	require.Equal(t, "view", one.Decide(t.Context(), &deleted, f).Level)
	require.Equal(t, 3, alike.Number())
	broken := under(9)
	require.Error(t, broken.Decide(t.Context(), q, f).Err)
	require.Equal(t, 3, alike.Number(), "what went wrong is not kept")
}
