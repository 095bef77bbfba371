package server_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

const judging = `package t

decision := {"outcome": "deny", "reason": owner.position, "fields": {name: "read" | some name, _ in input.fields}} if owner := input.owner

admission := {"refusals": refusals, "defaults": {"grants": [{"role": "Guest"}]}}

refusals contains {"rule": "guests_only", "field": "grants", "reason": "role_not_for_guests"} if {
	some grant in input.new.grants
	not input.roles[grant.role].guest
}

refusals contains {"rule": "login_unique", "field": "login", "reason": "login_taken"} if input.same_login > 0

refusals contains {"rule": "limit", "reason": "too_many_users"} if input.counts.users_of_account >= data.portal.limits.users_of_account

refusals contains {"rule": "own_account", "reason": "other_account"} if input.actor.account != input.account.id

provisioning := {"tasks": tasks}

tasks contains {"id": "W1", "kind": "mail", "template": "welcome", "to": input.contact.email, "once": true} if {
	input.operation == "create"
	not "W1" in input.latches
}
`

// TestOfflineJudgesChanges goes the whole way from a world in memory to what its
// policy says.
func TestOfflineJudgesChanges(t *testing.T) {
	world := authz.World{
		Bundle: authz.Bundle{
			Portal: authz.Portal{
				ID: "p", Policy: "t", Limits: map[string]any{"users_of_account": int64(2)},
				ResourceScreens: map[string]map[string]string{"case": {"*": "Desk"}},
			},
			Roles:   []authz.Role{{ID: "Guest", Guest: true}, {ID: "Clerk"}},
			Screens: []authz.Node{{ID: "Desk", Kind: authz.Screen}, {ID: "Desk.phone", Kind: authz.Element, Parent: "Desk"}},
		},
		Accounts: []authz.Account{{ID: "A"}, {ID: "B"}},
		Contacts: []authz.Contact{{ID: "ray", Account: "A", Email: "ray@a"}},
		Users:    []authz.User{{ID: "kim", Login: "Kim@A", Active: true, Account: "A", Position: "Manager"}, {ID: "eve", Active: true, Account: "B"}},
		Records:  []authz.Record{{Type: "case", ID: "1", Owner: "kim"}, {Type: "case", ID: "2", Owner: "queue"}},
	}
	program, err := policy.Compile(policy.Modules{"t.rego": judging}, policies.InputSchema, time.Minute)
	require.NoError(t, err)
	d, err := server.Offline([]authz.World{world}, program, "p", time.Now)
	require.NoError(t, err)

	decision, err := server.One(t.Context(), d, "", authz.Query{Resource: authz.Entity{Type: "case", ID: "1"}})
	require.NoError(t, err)
	require.Equal(t, "Manager", decision.Reason, "%v", decision.Err)
	require.Equal(t, map[string]authz.Access{"phone": authz.Read}, decision.Fields)
	decision, err = server.One(t.Context(), d, "", authz.Query{Resource: authz.Entity{Type: "case", ID: "2"}})
	require.NoError(t, err)
	require.Equal(t, authz.ReasonPolicyUndefined, decision.Reason, "an owner who is no user is not there")

	ray := authz.User{ID: "ray", Login: "ray@a", Active: true, Contact: "ray", Grants: []authz.Grant{{Role: "Guest"}}}
	judge := func(change func(*authz.User), actor string, known authz.Known) []string {
		t.Helper()
		u := ray
		change(&u)
		a, err := d.Admit(t.Context(), "", &authz.Change{Operation: authz.CreateEntity, Entity: u.Key(), New: u, Actor: actor}, known)
		require.NoError(t, err)
		require.NoError(t, a.Err)
		var rules []string
		for _, r := range a.Refusals {
			rules = append(rules, r.Rule)
		}
		require.Equal(t, rules == nil, a.Defaults != nil)
		return rules
	}
	as := func(*authz.User) {}
	require.Empty(t, judge(as, "kim", authz.Known{}))
	require.Empty(t, judge(as, "", authz.Known{}), "the system itself")
	require.Equal(t, []string{"own_account"}, judge(as, "eve", authz.Known{}))
	require.Equal(t, []string{"guests_only"}, judge(func(u *authz.User) { u.Grants = []authz.Grant{{Role: "Clerk"}} }, "kim", authz.Known{}))
	require.Equal(t, []string{"login_unique"}, judge(func(u *authz.User) { u.Login = " kim@a" }, "kim", authz.Known{}))
	require.Equal(t, []string{"limit"}, judge(as, "kim", authz.Known{Counts: map[authz.CountName]int{authz.CountUsersOfAccount: 5000}}))

	change := &authz.Change{Operation: authz.CreateEntity, Entity: ray.Key(), New: ray}
	p, err := d.Provision(t.Context(), "p", change, authz.Known{})
	require.NoError(t, err)
	require.NoError(t, p.Err)
	require.Equal(t, []authz.Task{{ID: "W1", Kind: authz.MailTask, Template: "welcome", To: "ray@a", Once: true}}, p.Tasks)
	p, err = d.Provision(t.Context(), "p", change, authz.Known{Latches: []string{"W1"}})
	require.NoError(t, err)
	require.NoError(t, p.Err)
	require.Empty(t, p.Tasks)
}
