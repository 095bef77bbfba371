package policy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

const decides = "decision := {\"outcome\": \"deny\", \"reason\": \"x\"}\n\n"

// ray is created, by nobody in particular.
func ray() *authz.Change {
	u := authz.User{ID: "ray", Login: "ray@x", Grants: []authz.Grant{{Role: "Clerk"}}}
	return &authz.Change{Operation: authz.CreateEntity, Entity: u.Key(), New: u}
}

func admit(t testing.TB, rule string) authz.Admission {
	return bind(t, 10*time.Second, decides+rule).Admit(t.Context(), ray(), &authz.ChangeFacts{})
}

func provision(t testing.TB, rule string) authz.Provisioning {
	return bind(t, 10*time.Second, decides+rule).Provision(t.Context(), ray(), &authz.ChangeFacts{})
}

func TestPackageWithoutTheRulesAccepts(t *testing.T) {
	p := bind(t, time.Second, decides)
	require.Equal(t, authz.Admission{}, p.Admit(t.Context(), ray(), &authz.ChangeFacts{}))
	require.Equal(t, authz.Provisioning{}, p.Provision(t.Context(), ray(), &authz.ChangeFacts{}))
	require.Equal(t, authz.ChangeReads{}, p.AdmissionReads())
	require.Equal(t, authz.ChangeReads{}, p.ProvisioningReads())
}

// TestRulesInPartsAreNotMissed: a rule that is there in another form must not be
// taken for none, which accepts.
func TestRulesInPartsAreNotMissed(t *testing.T) {
	for _, source := range []string{
		"admission.refusals contains {\"rule\": \"r\", \"reason\": \"x\"} if input.new",
		"admission.defaults := {}",
		"admission(x) := x",
		"provisioning.tasks contains {} if input.new",
	} {
		program, err := policy.Compile(policy.Modules{"t.rego": "package t\n\n" + decides + source}, policies.InputSchema, time.Second)
		require.NoError(t, err)
		_, err = program.Bind(&authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "t"}})
		require.Equal(t, authz.Invalid, authz.KindOf(err), source)
		require.ErrorContains(t, err, "write it as one document")
	}
	program, err := policy.Compile(policy.Modules{
		"t.rego": "package t\n\n" + decides, "u.rego": "package t.admission\n\nrefusals contains {} if input.new",
	}, policies.InputSchema, time.Second)
	require.NoError(t, err)
	_, err = program.Bind(&authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "t"}})
	require.Equal(t, authz.Invalid, authz.KindOf(err), "a package of that name")
}

func TestAdmissions(t *testing.T) {
	full := `admission := {"refusals": {{"rule": "b", "reason": "y"}, {"rule": "a", "field": "login", "reason": "x"}}, "defaults": {"active": true}}`
	a := admit(t, full)
	require.NoError(t, a.Err)
	require.False(t, a.Admitted())
	require.Equal(t, []authz.Refusal{{Rule: "a", Field: "login", Reason: "x"}, {Rule: "b", Reason: "y"}}, a.Refusals)
	require.Nil(t, a.Defaults, "a change that is refused takes no defaults")

	for _, none := range []string{"[]", "set()"} {
		a = admit(t, `admission := {"refusals": `+none+`, "defaults": {"flags": {"new": true}, "account": null}}`)
		require.True(t, a.Admitted())
		require.Equal(t, map[string]any{"flags": map[string]any{"new": true}, "account": nil}, a.Defaults)
	}
	a = admit(t, `admission := {"refusals": []}`)
	require.True(t, a.Admitted())
	require.Nil(t, a.Defaults)
}

// TestMalformedAdmissions gives documents that are no admission: each refuses.
func TestMalformedAdmissions(t *testing.T) {
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprintf(`{"rule": "r%d", "reason": "x"}`, i)
	}
	for _, tc := range []struct{ name, document, cause string }{
		{"true", `true`, "is boolean, not an object"},
		{"a list", `[]`, "is array, not an object"},
		{"a set", `set()`, "is set, not an object"},
		{"null", `null`, "is null, not an object"},
		{"empty", `{}`, "has no refusals"},
		{"defaults alone", `{"defaults": {}}`, "has no refusals"},
		{"another member", `{"refusals": [], "reasons": []}`, `unknown member "reasons"`},
		{"a member misspelt", `{"refusal": []}`, `unknown member "refusal"`},
		{"a member without a name", `{"refusals": [], 1: 2}`, "whose name is no string"},
		{"refusals is an object", `{"refusals": {}}`, "refusals is object"},
		{"refusals is null", `{"refusals": null}`, "refusals is null"},
		{"refusals is false", `{"refusals": false}`, "refusals is boolean"},
		{"refusals is text", `{"refusals": ""}`, "refusals is string"},
		{"a refusal is text", `{"refusals": ["no"]}`, "a refusal is string"},
		{"a refusal is empty", `{"refusals": [{}]}`, "names no rule or no reason"},
		{"a refusal without rule", `{"refusals": [{"reason": "x"}]}`, "names no rule"},
		{"a refusal without reason", `{"refusals": [{"rule": "x"}]}`, "no reason"},
		{"a reason is empty", `{"refusals": [{"rule": "x", "reason": ""}]}`, "reason is"},
		{"a field is a number", `{"refusals": [{"rule": "x", "reason": "y", "field": 1}]}`, "field is 1"},
		{"a refusal says more", `{"refusals": [{"rule": "x", "reason": "y", "fields": "z"}]}`, `unknown member "fields"`},
		{"the second refusal", `{"refusals": [{"rule": "x", "reason": "y"}, 1]}`, "a refusal is number"},
		{"too many", `{"refusals": [` + strings.Join(many, ", ") + `]}`, "refusals are 1001: at most 1000"},
		{"defaults is a list", `{"refusals": [], "defaults": []}`, "defaults is array"},
		{"defaults is null", `{"refusals": [], "defaults": null}`, "defaults is null"},
		{"a key of defaults", `{"refusals": [], "defaults": {"flags": [{1: true}]}}`, "the key 1 is no string"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := admit(t, "admission := "+tc.document)
			require.False(t, a.Admitted())
			require.Equal(t, []authz.Refusal{{Rule: "policy", Reason: authz.ReasonPolicyMalformed}}, a.Refusals)
			require.ErrorContains(t, a.Err, tc.cause)
			require.Nil(t, a.Defaults)
		})
	}
}

func TestProvisionings(t *testing.T) {
	p := provision(t, `provisioning := {"tasks": tasks}

tasks contains {"id": "b", "kind": "update", "entity": "case/CS-1", "set": {"n": 1}, "after": 90, "once": true}

tasks contains {"id": "a", "kind": "mail", "template": "welcome", "to": input.new.login}

tasks contains {"id": "c", "kind": "deactivate", "entity": "user/ray"}

tasks contains {"id": "d", "kind": "create", "entity": "right/Clerk/home", "set": {"level": 1}, "once": false}

tasks contains {"id": "e", "kind": "delete", "entity": "user/a/b"}

tasks contains {"id": "no", "kind": "delete", "entity": "user/x"} if input.old`)
	require.NoError(t, p.Err)
	require.Len(t, p.Tasks, 5)
	require.Equal(t, authz.Task{ID: "a", Kind: authz.MailTask, Template: "welcome", To: "ray@x"}, p.Tasks[0])
	require.Equal(t, authz.Key{Kind: authz.RecordEntity, Of: "case", ID: "CS-1"}, p.Tasks[1].Entity)
	require.Equal(t, "map[n:1]", fmt.Sprint(p.Tasks[1].Set))
	require.Equal(t, 90*time.Second, p.Tasks[1].After)
	require.True(t, p.Tasks[1].Once)
	require.Equal(t, authz.Task{ID: "c", Kind: authz.DeactivateTask, Entity: authz.User{ID: "ray"}.Key()}, p.Tasks[2])
	require.Equal(t, authz.Right{Role: "Clerk", Node: "home"}.Key(), p.Tasks[3].Entity)
	require.Equal(t, "a/b", p.Tasks[4].Entity.ID)

	p = provision(t, `provisioning := {"tasks": []}`)
	require.NoError(t, p.Err)
	require.Empty(t, p.Tasks)
}

func TestMalformedProvisionings(t *testing.T) {
	task := func(members string) string { return `{"tasks": [{"id": "a", ` + members + `}]}` }
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprintf(`{"id": "t%d", "kind": "delete", "entity": "user/x"}`, i)
	}
	for _, tc := range []struct{ name, document, cause string }{
		{"a list", `[]`, "is array, not an object"},
		{"empty", `{}`, "has no tasks"},
		{"another member", `{"tasks": [], "task": 1}`, `unknown member "task"`},
		{"tasks is an object", `{"tasks": {}}`, "tasks is object"},
		{"a task is text", `{"tasks": ["mail"]}`, "a task is string"},
		{"no id", `{"tasks": [{"kind": "delete", "entity": "user/x"}]}`, "has no id"},
		{"one id twice", `{"tasks": [{"id": "a", "kind": "delete", "entity": "user/x"}, {"id": "a", "kind": "delete", "entity": "user/y"}]}`, `two tasks are called "a"`},
		{"no kind", task(`"entity": "user/x"`), `is of kind ""`},
		{"an unknown kind", task(`"kind": "remove", "entity": "user/x"`), `is of kind "remove"`},
		{"no entity", task(`"kind": "create"`), "names no entity"},
		{"an entity without id", task(`"kind": "create", "entity": "user"`), "names no entity"},
		{"an entity of nothing", task(`"kind": "create", "entity": "/x"`), "names no entity"},
		{"a right without node", task(`"kind": "create", "entity": "right/Clerk"`), "names no entity"},
		{"a right that may be another", task(`"kind": "create", "entity": "right/a/b/c"`), "may mean several"},
		{"an entity that is no text", task(`"kind": "create", "entity": {"kind": "user"}`), "entity is"},
		{"set is a list", task(`"kind": "create", "entity": "user/x", "set": []`), "set is array"},
		{"something set and deleted", task(`"kind": "delete", "entity": "user/x", "set": {}`), "sets something"},
		{"something set and deactivated", task(`"kind": "deactivate", "entity": "user/x", "set": {}`), "sets something"},
		{"an update that is mailed", task(`"kind": "update", "entity": "user/x", "to": "y"`), "is no mail"},
		{"a mail of nothing", task(`"kind": "mail", "to": "y"`), "needs a template"},
		{"a mail to nobody", task(`"kind": "mail", "template": "y"`), "needs a template and someone"},
		{"a mail with an entity", task(`"kind": "mail", "template": "y", "to": "z", "entity": "user/x"`), "has an entity"},
		{"after is negative", task(`"kind": "delete", "entity": "user/x", "after": -1`), "after is -1"},
		{"after is text", task(`"kind": "delete", "entity": "user/x", "after": "1h"`), "after is"},
		{"after is no whole number", task(`"kind": "delete", "entity": "user/x", "after": 1.5`), "after is 1.5"},
		{"after is too late", task(`"kind": "delete", "entity": "user/x", "after": 1e18`), "at most 316224000"},
		{"once is text", task(`"kind": "delete", "entity": "user/x", "once": "yes"`), "once is"},
		{"another member of a task", task(`"kind": "delete", "entity": "user/x", "when": 1`), `unknown member "when"`},
		{"too many", `{"tasks": [` + strings.Join(many, ", ") + `]}`, "tasks are 1001: at most 1000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := provision(t, "provisioning := "+tc.document)
			require.Empty(t, p.Tasks)
			require.ErrorContains(t, p.Err, authz.ReasonPolicyMalformed)
			require.ErrorContains(t, p.Err, tc.cause)
		})
	}
}

// TestRefusedChanges gives evaluations that come to nothing.
func TestRefusedChanges(t *testing.T) {
	const accepts = `{"refusals": [], "tasks": []}`
	for _, tc := range []struct{ name, source, reason string }{
		{"undefined", "RULE := " + accepts + " if input.old", authz.ReasonPolicyUndefined},
		{"undefined by a part", "RULE := {\"refusals\": missing, \"tasks\": missing}\n\nmissing := input.old.x", authz.ReasonPolicyUndefined},
		{"conflict", "RULE := {\"refusals\": [], \"tasks\": []}\n\nRULE := {\"refusals\": {1}, \"tasks\": {1}}", authz.ReasonPolicyError},
		{"a built-in fails", "RULE := " + accepts + " if to_number(\"y\") == 1", authz.ReasonPolicyError},
		{"a built-in fails on the way to a default", "default RULE := " + accepts + "\n\nRULE := {\"refusals\": {1}} if to_number(\"y\") == 1", authz.ReasonPolicyError},
		{"too long", "RULE := " + accepts + " if endless\n\n" + endless["nested products"], authz.ReasonPolicyTimeout},
	} {
		t.Run(tc.name, func(t *testing.T) {
			source := decides + strings.ReplaceAll(tc.source, "RULE", "admission") + "\n"
			a := bind(t, 30*time.Millisecond, source).Admit(t.Context(), ray(), &authz.ChangeFacts{})
			require.Equal(t, []authz.Refusal{{Rule: "policy", Reason: tc.reason}}, a.Refusals, "%v", a.Err)
			require.Equal(t, tc.reason != authz.ReasonPolicyUndefined, a.Err != nil)

			source = decides + strings.ReplaceAll(tc.source, "RULE", "provisioning") + "\n"
			p := bind(t, 30*time.Millisecond, source).Provision(t.Context(), ray(), &authz.ChangeFacts{})
			require.ErrorContains(t, p.Err, tc.reason)
			require.Empty(t, p.Tasks)
		})
	}
	c := ray()
	c.Context = map[string]any{"x": make(chan int)}
	a := bind(t, time.Second, decides+`admission := {"refusals": []} if input.context.x`).Admit(t.Context(), c, &authz.ChangeFacts{})
	require.Equal(t, authz.ReasonPolicyError, a.Refusals[0].Reason)
	require.ErrorContains(t, a.Err, "panicked")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a = bind(t, time.Minute, decides+"admission := {\"refusals\": []} if endless\n\n"+endless["nested products"]).Admit(ctx, ray(), &authz.ChangeFacts{})
	require.Equal(t, authz.ReasonPolicyTimeout, a.Refusals[0].Reason)
}

// TestChangeReads holds what is looked up against what the rules read.
func TestChangeReads(t *testing.T) {
	counts := func(names ...authz.CountName) map[authz.CountName]bool {
		m := map[authz.CountName]bool{}
		for _, n := range names {
			m[n] = true
		}
		return m
	}
	for source, want := range map[string]authz.ChangeReads{
		`input.new.login`:            {Counts: counts()},
		`input.actor.roles`:          {Actor: true, Counts: counts()},
		`input.roles[_].guest`:       {Roles: true, Counts: counts()},
		`input.contact.email`:        {Contact: true, Counts: counts()},
		`input.account.id`:           {Account: true, Counts: counts()},
		`input.owner.id`:             {Owner: true, Counts: counts()},
		`count(input.users)`:         {Users: true, Counts: counts()},
		`input.same_login`:           {SameLogin: true, Counts: counts()},
		`input.node.below[_].id`:     {Node: true, Counts: counts()},
		`input.levels[_]`:            {Levels: true, Counts: counts()},
		`input.counts.positions`:     {Counts: counts(authz.CountPositions)},
		`input.counts[input.portal]`: {Counts: counts(authz.CountNames()...)},
	} {
		p := bind(t, time.Second, decides+"admission := {x | x := "+source+"}\n\nprovisioning := 1")
		require.Equal(t, want, p.AdmissionReads(), source)
		require.Equal(t, authz.ChangeReads{Counts: counts()}, p.ProvisioningReads())
		require.Equal(t, authz.Reads{}, p.Reads(), "a decision pays nothing for it")
		p = bind(t, time.Second, decides+"provisioning := {x | x := "+source+"}")
		require.Equal(t, want, p.ProvisioningReads(), source)
	}
	for source, want := range map[string]authz.Reads{
		`input.parent.flags.visible`: {Parent: true}, `input.record.parent`: {}, `input.owner.id`: {Owner: true}, `input.record.owner`: {},
		`input.contact.position`: {Contact: true}, `input.record.contact`: {}, `input.fields.phone`: {Fields: true}, `input.user.contact`: {},
	} {
		require.Equal(t, want, bind(t, time.Second, "decision := {x | x := "+source+"}").Reads(), source)
	}
}

// TestRulesSeeTheChange asks for what each member says.
func TestRulesSeeTheChange(t *testing.T) {
	before, after := authz.User{ID: "ray", Active: true}, authz.User{ID: "ray", Login: "r", Grants: []authz.Grant{{Role: "Clerk", By: "kim"}}}
	n := 2
	c := &authz.Change{
		Operation: authz.UpdateEntity, Entity: before.Key(), Old: before, New: after,
		Context: map[string]any{"mail_credentials": true, "now": "yesterday"}, Now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
	}
	f := &authz.ChangeFacts{
		Actor: &authz.Principal{User: &authz.User{ID: "kim"}, Manages: []string{"customer"}},
		Roles: map[string]*authz.RoleFacts{"Clerk": {Role: &authz.Role{ID: "Clerk", Guest: true}}}, Users: []*authz.User{{ID: "eve", Login: "e", Position: "User"}},
		SameLogin: &n, Levels: []authz.NodeRights{{Node: "home", Levels: []authz.RoleLevel{{Role: "Clerk", Level: authz.Edit}}}},
		Counts: map[authz.CountName]int{authz.CountUsers: 7}, Latches: []string{"W1"},
	}
	for source, want := range map[string]string{
		`input.operation`: "update",
		`concat("/", [input.entity.kind, input.entity.id])`:            "user/ray",
		`sprintf("%v", [input.old.active])`:                            "true",
		`input.new.grants[0].by`:                                       "kim",
		`sprintf("%v", [count(input.old.grants)])`:                     "0",
		`input.context.now`:                                            "2026-03-01T09:00:00Z",
		`sprintf("%v", [input.context.mail_credentials])`:              "true",
		`input.actor.manages[0]`:                                       "customer",
		`sprintf("%v", [input.roles.Clerk.guest])`:                     "true",
		`concat("/", [input.users[0].login, input.users[0].position])`: "e/User",
		`sprintf("%v", [input.same_login])`:                            "2",
		`sprintf("%v", [input.levels.home.Clerk])`:                     "2",
		`sprintf("%v", [input.counts.users])`:                          "7",
		`input.latches[0]`:                                             "W1",
		`data.portal.user_types.customer.manages[0]`:                   "guest",
	} {
		program, err := policy.Compile(policy.Modules{
			"t.rego": "package t\n\n" + decides + `admission := {"refusals": {{"rule": "r", "reason": ` + source + `}}}`,
		}, policies.InputSchema, time.Second)
		require.NoError(t, err, source)
		p, err := program.Bind(&authz.Bundle{
			Portal: authz.Portal{ID: "p", Policy: "t"}, UserTypes: []authz.UserType{{ID: "customer", Manages: []string{"guest"}}},
		})
		require.NoError(t, err)
		a := p.Admit(t.Context(), c, f)
		require.NoError(t, a.Err, source)
		require.Equal(t, want, a.Refusals[0].Reason, source)
	}
}

// TestSchemaClosesTheFactsOfChanges misspells members of facts with named ones.
func TestSchemaClosesTheFactsOfChanges(t *testing.T) {
	for _, source := range []string{
		"input.counts.user", "input.entity.type", "input.node.under", "input.users[0].logn", "input.contact.mail",
		"input.parent.kind", "input.owner.actve", "input.target.logins", "input.latch",
	} {
		_, err := compile("decision := {x | x := " + source + "}")
		require.Equal(t, authz.Invalid, authz.KindOf(err), source)
	}
	for _, source := range []string{"input.old.anything", "input.new.grants[_].role", "input.context.mail", "input.fields.phone.Clerk", "input.contact.position"} {
		_, err := compile("decision := {x | x := " + source + "}")
		require.NoError(t, err, source)
	}
}

// TestPlain: a change is plain exactly when Admit adds nothing and Provision wants
// nothing, of a package that has both rules, and whatever goes wrong is not plain.
func TestPlain(t *testing.T) {
	admissions := map[string]string{
		"accepts":    `admission := {"refusals": set(), "defaults": {}}`,
		"refuses":    `admission := {"refusals": {{"rule": "r", "reason": "x"}}}`,
		"adds":       `admission := {"refusals": [], "defaults": {"active": true}}`,
		"undefined":  `admission := {"refusals": []} if input.new.login == "other"`,
		"malformed":  `admission := {"refusals": [], "more": 1}`,
		"no refusal": `admission := {"defaults": {}}`,
		"text":       `admission := "fine"`,
		"conflict":   `admission := {"refusals": []}` + "\n\n" + `admission := {"refusals": set()} if input.new`,
		"errs":       `admission := {"refusals": []} if 1 / (count(input.new.grants) - 1) > 0`,
		"endless":    `admission := {"refusals": [x | some x in numbers.range(1, 100000000)]}`,
		"none":       "",
	}
	provisionings := map[string]string{
		"nothing":   `provisioning := {"tasks": set()}`,
		"something": `provisioning := {"tasks": {{"id": "t", "kind": "update", "entity": "user/ray", "set": {"active": false}}}}`,
		"undefined": `provisioning := {"tasks": []} if input.new.login == "other"`,
		"malformed": `provisioning := {"tasks": {"t"}}`,
		"errs":      `provisioning := {"tasks": []} if 1 / (count(input.new.grants) - 1) > 0`,
		"none":      "",
	}
	plain := 0
	for first, admission := range admissions {
		for second, provisioning := range provisionings {
			limit := 10 * time.Second
			if first == "endless" {
				limit = 20 * time.Millisecond
			}
			p := bind(t, limit, decides+admission+"\n\n"+provisioning)
			facts := &authz.ChangeFacts{Account: &authz.AccountFacts{Account: &authz.Account{}}}
			a, v := p.Admit(t.Context(), ray(), facts), p.Provision(t.Context(), ray(), facts)
			want := a.Admitted() && len(a.Defaults) == 0 && v.Err == nil && len(v.Tasks) == 0 && admission != "" && provisioning != ""
			require.Equal(t, want, p.Plain(t.Context(), ray(), facts), "%s, %s", first, second)
			if want {
				plain++
			}
		}
	}
	require.Equal(t, 1, plain)

	p := bind(t, time.Second, decides+`admission := {"refusals": {{"rule": "r", "reason": "x"} | input.account.id; input.counts.users == 3}}

provisioning := {"tasks": {{"id": "t", "kind": "update", "entity": "user/ray", "set": {}} | input.node.id; input.counts.screens == 3}}`)
	require.Equal(t, authz.ChangeReads{
		Account: true, Node: true, Counts: map[authz.CountName]bool{authz.CountUsers: true, authz.CountScreens: true},
	}, p.PlainReads(), "what either reads")
	for users := range 4 {
		for screens := range 4 {
			f := &authz.ChangeFacts{
				Account: &authz.AccountFacts{Account: &authz.Account{ID: "A"}}, Node: &authz.NodeFacts{ID: "n"},
				Counts: map[authz.CountName]int{authz.CountUsers: users, authz.CountScreens: screens},
			}
			require.Equal(t, users != 3 && screens != 3, p.Plain(t.Context(), ray(), f), "%d users, %d screens", users, screens)
		}
	}
	require.Equal(t, authz.ChangeReads{}, bind(t, time.Second, decides).PlainReads())
}
