package policytest_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// estate is a portal of the preset acumatica with a delegated administrator, boss,
// whose type manages buyers and, by way of them, visitors. Boss gives own roles only,
// and payer and clerk are kept apart, which auditor inherits both of.
func estate() authz.World {
	roles := func(ids ...string) (all []authz.AllowedRole) {
		for _, id := range ids {
			all = append(all, authz.AllowedRole{Role: id, Default: id == "guest"})
		}
		return all
	}
	return authz.World{
		Bundle: authz.Bundle{
			Portal: authz.Portal{
				ID: "p", Policy: "presets.acumatica",
				Settings: map[string]any{
					"delegation":           map[string]any{"own_roles_only": true},
					"separation_of_duties": []any{[]any{"payer", "clerk"}},
				},
				ResourceScreens: map[string]map[string]string{"user": {"*": "S"}, "contact": {"*": "S"}, "account": {"*": "S"}},
			},
			Roles: []authz.Role{
				{ID: "chief", Guest: true, Inherits: []string{"payer", "clerk", "guest"}}, {ID: "payer", Guest: true}, {ID: "clerk", Guest: true},
				{ID: "guest", Guest: true}, {ID: "half", Guest: true, Inherits: []string{"clerk"}}, {ID: "secret", Guest: true},
			},
			UserTypes: []authz.UserType{
				{ID: "boss", Linked: authz.LinkedContact, AllowedRoles: roles("chief", "half"), Manages: []string{"buyer"}},
				{ID: "buyer", Linked: authz.LinkedContact, AllowedRoles: roles("payer", "clerk", "half", "guest", "secret"), Manages: []string{"visitor"}},
				{ID: "visitor", Linked: authz.LinkedContact, AllowedRoles: roles("guest", "secret")},
				{ID: "staff", Linked: authz.LinkedEmployee, AllowedRoles: roles("secret")},
			},
			Screens: []authz.Node{{ID: "S", Kind: authz.Screen}},
			Rights:  []authz.Right{{Role: "chief", Node: "S", Level: authz.Delete}},
		},
		Accounts: []authz.Account{{ID: "A"}, {ID: "B"}},
		Contacts: []authz.Contact{{ID: "c0", Account: "A"}, {ID: "c1", Account: "B"}},
		Users: []authz.User{
			{ID: "boss", Login: "boss", Active: true, UserType: "boss", Account: "A", Grants: []authz.Grant{{Role: "chief"}, {Role: "half"}}},
			{ID: "u0", Login: "u0", Active: true, UserType: "buyer", Account: "A", Grants: []authz.Grant{{Role: "secret"}}},
			{ID: "u1", Login: "u1", Active: true, UserType: "buyer", Account: "B", Grants: []authz.Grant{{Role: "payer"}}},
			{ID: "u2", Login: "u2", Active: true, UserType: "staff"},
			{ID: "u3", Login: "u3", Active: false, UserType: "visitor", Account: "A", Flags: map[string]bool{"vip": true}},
		},
	}
}

// walk is a random walk of the administrator through the estate.
type walk struct {
	*rand.Rand
	world    authz.World
	snapshot *engine.Snapshot
	policy   *policy.Policy
}

func (w *walk) View(string) (*pdp.View, error) {
	return pdp.NewView("p", pdp.View{Snapshot: w.snapshot, Reads: w.policy.Reads(), Changes: w.policy}), nil
}

func pick[T any](w *walk, all ...T) T { return all[w.IntN(len(all))] }

// step returns a change that boss tries.
func (w *walk) step() *authz.Change {
	var before, after authz.Stored
	switch w.IntN(8) {
	case 0:
		before, after = w.contact()
	case 1:
		before, after = w.account()
	case 2:
		r := authz.Role{ID: "new", Inherits: pick(w, nil, []string{"payer"}, []string{"payer", "half"}, []string{"secret"})}
		after = r
	default:
		before, after = w.user()
	}
	if before != nil && w.IntN(8) == 0 {
		after = nil
	}
	c := &authz.Change{Old: before, New: after, Actor: "boss"}
	switch {
	case before == nil:
		c.Operation, c.Entity = authz.CreateEntity, after.Key()
	case after == nil:
		c.Operation, c.Entity = authz.DeleteEntity, before.Key()
	default:
		c.Operation, c.Entity = authz.UpdateEntity, before.Key()
	}
	return c
}

func (w *walk) contact() (before, after authz.Stored) {
	c := authz.Contact{ID: fmt.Sprint("c", w.IntN(5))}
	if i := slices.IndexFunc(w.world.Contacts, func(x authz.Contact) bool { return x.ID == c.ID }); i >= 0 {
		c = w.world.Contacts[i]
		before = c
	}
	c.Account, c.Name = pick(w, c.Account, "A", "A", "B", ""), pick(w, "", "x", "y")
	return before, c
}

func (w *walk) account() (before, after authz.Stored) {
	a := pick(w, w.world.Accounts...)
	before = a
	switch w.IntN(4) {
	case 0:
		a.Owner = pick(w, "", "boss")
	case 1:
		a.Attributes = map[string]any{"restriction_groups": []any{"g"}}
	default:
		a.Name = pick(w, "x", "y")
	}
	return before, a
}

func (w *walk) user() (before, after authz.Stored) {
	u := authz.User{ID: fmt.Sprint("u", w.IntN(9)), UserType: "buyer", Account: "A"}
	u.Login = u.ID
	if i := slices.IndexFunc(w.world.Users, func(x authz.User) bool { return x.ID == u.ID }); i >= 0 {
		u = w.world.Users[i]
		before = u
	}
	for range 1 + w.IntN(2) {
		switch w.IntN(8) {
		case 0:
			u.UserType = pick(w, "buyer", "visitor", "boss", "staff", "")
		case 1:
			u.Account = pick(w, "A", "B", "")
		case 2:
			u.Active = !u.Active
		case 3:
			u.Login = pick(w, "boss", u.ID, "shared")
		case 4:
			u.Flags = pick(w, nil, map[string]bool{"admin": true})
		default:
			u.Grants = slices.Clone(u.Grants)
			for range w.IntN(3) {
				u.Grants = append(u.Grants, authz.Grant{Role: pick(w, "payer", "clerk", "half", "guest", "secret", "chief"), By: "boss"})
			}
			if len(u.Grants) > 0 && w.IntN(2) == 0 {
				u.Grants = slices.Delete(u.Grants, 0, 1)
			}
		}
	}
	return before, u
}

// apply makes the change in the world, with the defaults of its admission.
func (w *walk) apply(c *authz.Change, defaults map[string]any) {
	switch e := c.New.(type) {
	case authz.User:
		if grants, ok := defaults["grants"].([]any); ok {
			e.Grants = nil
			for _, g := range grants {
				e.Grants = append(e.Grants, authz.Grant{Role: g.(map[string]any)["role"].(string)})
			}
		}
		w.world.Users = put(w.world.Users, c.Entity, e)
	case authz.Contact:
		w.world.Contacts = put(w.world.Contacts, c.Entity, e)
	case authz.Account:
		w.world.Accounts = put(w.world.Accounts, c.Entity, e)
	case nil:
		w.world.Users = without(w.world.Users, c.Entity)
		w.world.Contacts = without(w.world.Contacts, c.Entity)
	}
}

func without[T authz.Stored](list []T, k authz.Key) []T {
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return x.Key() == k })
}

func put[T authz.Stored](list []T, k authz.Key, x T) []T { return append(without(list, k), x) }

// oracle says what the rules make of a change, in plain Go.
type oracle struct {
	world  *authz.World
	change *authz.Change
}

// held are the roles with all that they inherit.
var held = map[string][]string{
	"chief": {"chief", "payer", "clerk", "guest"}, "half": {"half", "clerk"},
	"payer": {"payer"}, "clerk": {"clerk"}, "guest": {"guest"}, "secret": {"secret"},
}

// ofBoss are the roles that boss has.
var ofBoss = []string{"chief", "half", "payer", "clerk", "guest"}

// allowed are the roles of each type, and managed the types that boss manages.
var (
	allowed = map[string][]string{"boss": {"chief", "half"}, "buyer": {"payer", "clerk", "half", "guest", "secret"}, "visitor": {"guest", "secret"}, "staff": {"secret"}}
	managed = []string{"buyer", "visitor"}
)

func users(c *authz.Change) (both []authz.User) {
	for _, s := range []authz.Stored{c.Old, c.New} {
		if u, ok := s.(authz.User); ok {
			both = append(both, u)
		}
	}
	return both
}

// permits reports whether the call may be made.
func (o *oracle) permits() bool {
	switch old := o.change.Old.(type) {
	case authz.Account:
		now, ok := o.change.New.(authz.Account)
		return ok && old.ID == "A" && old.Owner == now.Owner && fmt.Sprint(old.Attributes["restriction_groups"]) == fmt.Sprint(now.Attributes["restriction_groups"])
	}
	for _, s := range []authz.Stored{o.change.Old, o.change.New} {
		switch e := s.(type) {
		case authz.User:
			if e.Account != "A" || !slices.Contains(managed, e.UserType) {
				return false
			}
		case authz.Contact:
			if e.Account != "A" {
				return false
			}
		case authz.Role:
			return false
		}
	}
	if now, ok := o.change.New.(authz.User); ok {
		old, _ := o.change.Old.(authz.User)
		return maps.Equal(old.Flags, now.Flags)
	}
	return true
}

// refusals returns the rules that refuse the change, sorted.
func (o *oracle) refusals() []string {
	var all []string
	refuse := func(when bool, rule string) {
		if when && !slices.Contains(all, rule) {
			all = append(all, rule)
		}
	}
	for _, u := range users(o.change) {
		refuse(u.Account != "A", "own_account")
		refuse(!slices.Contains(managed, u.UserType), "managed_types")
	}
	for _, s := range []authz.Stored{o.change.Old, o.change.New} {
		switch e := s.(type) {
		case authz.Contact:
			refuse(e.Account != "A", "own_account")
		case authz.Account:
			refuse(e.ID != "A", "own_account")
		case authz.Role:
			refuse(true, "outside_writer")
			refuse(len(e.Inherits) == 2, "separate_duties")
		}
	}
	if now, ok := o.change.New.(authz.User); ok {
		o.grants(now, refuse)
	}
	slices.Sort(all)
	return all
}

func (o *oracle) grants(now authz.User, refuse func(bool, string)) {
	old, there := o.change.Old.(authz.User)
	retyped := there && old.UserType != now.UserType
	kept := func(g authz.Grant) bool { return there && !retyped && slices.Contains(old.Grants, g) }
	grants, defaulted := now.Grants, !there && len(now.Grants) == 0 || retyped && slices.Equal(old.Grants, now.Grants)
	follows := retyped && slices.Equal(old.Grants, now.Grants)
	if defaulted {
		if slices.Contains(allowed[now.UserType], "guest") {
			grants = []authz.Grant{{Role: "guest"}}
		} else if follows {
			grants = nil
		}
	}
	var given, all []string
	for _, g := range now.Grants {
		refuse(!follows && !kept(g) && !slices.Contains(allowed[now.UserType], g.Role), "role_of_type")
	}
	for _, g := range grants {
		all = append(all, held[g.Role]...)
		if !kept(g) {
			given = append(given, held[g.Role]...)
			refuse(!slices.Contains(ofBoss, g.Role), "own_roles")
		}
	}
	both := slices.Contains(all, "payer") && slices.Contains(all, "clerk")
	refuse(both && (slices.Contains(given, "payer") || slices.Contains(given, "clerk")), "separate_duties")
	for _, u := range o.world.Users {
		same := u.ID != now.ID && u.Active && u.Login == now.Login
		refuse(same && now.Active && !(there && old.Active && old.Login == now.Login), "login_unique")
	}
}

// TestDelegatedAdministratorGivesNothingThatIsNotTheirs walks at random; the policy's
// answers are those of the oracle, and what was accepted gave nobody what boss may
// not give. PORTCULLIS_STEPS sets how far it walks, PORTCULLIS_SEED where it begins.
func TestDelegatedAdministratorGivesNothingThatIsNotTheirs(t *testing.T) {
	steps, seed := number(t, "PORTCULLIS_STEPS", 2000), number(t, "PORTCULLIS_SEED", int(time.Now().UnixNano()%1_000_000))
	t.Logf("PORTCULLIS_STEPS=%d PORTCULLIS_SEED=%d", steps, seed)
	w := begin(t, uint64(seed))
	accepted, denied, refused := 0, 0, 0
	for range steps {
		c := w.step()
		d, err := pdp.New(w, pdp.IndexWorlds([]authz.World{w.world}), 100, func() time.Time { return time.Unix(1, 0) })
		require.NoError(t, err)
		o := &oracle{&w.world, c}
		call, admission := judge(t, d, c)
		require.Equal(t, o.permits(), call.Outcome == authz.Allow, "%+v: %s %v", c, call.Reason, call.Err)
		require.Equal(t, o.refusals(), rulesOf(&admission), "%+v %v", c, admission.Err)
		switch {
		case call.Outcome != authz.Allow:
			denied++
		case !admission.Admitted():
			refused++
		default:
			accepted++
			before := w.world
			w.apply(c, admission.Defaults)
			requireNothingGained(t, &before, &w.world)
		}
	}
	t.Logf("%d accepted, %d denied, %d refused", accepted, denied, refused)
	require.Greater(t, min(accepted, denied, refused), steps/50, "the walk tries everything")
}

func begin(t *testing.T, seed uint64) *walk {
	t.Helper()
	modules, err := policy.Load(policies.FS)
	require.NoError(t, err)
	program, err := policy.Compile(modules, policies.InputSchema, 5*time.Second)
	require.NoError(t, err)
	w := &walk{Rand: rand.New(rand.NewPCG(seed, 1)), world: estate()}
	w.policy, err = program.Bind(&w.world.Bundle)
	require.NoError(t, err)
	w.snapshot, err = engine.Build(&w.world.Bundle, policies.RBACModel, w.policy)
	require.NoError(t, err)
	return w
}

func judge(t *testing.T, d *pdp.Decider, c *authz.Change) (authz.Decision, authz.Admission) {
	t.Helper()
	q := authz.Query{Subject: authz.Entity{Type: "user", ID: c.Actor}, Action: authz.Action{Name: authz.CallAction(c.Operation)}, Resource: authz.CallResource(c.Entity)}
	call, _, err := d.DecideCall(context.Background(), "p", q, c.Old, c.New)
	require.NoError(t, err)
	admission, err := d.Admit(context.Background(), "p", c, authz.Known{})
	require.NoError(t, err)
	return call, admission
}

func rulesOf(a *authz.Admission) []string {
	var all []string
	for _, r := range a.Refusals {
		all = append(all, r.Rule)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// requireNothingGained looks at the users alone, and not at how they were written.
func requireNothingGained(t *testing.T, before, after *authz.World) {
	t.Helper()
	was := map[string]authz.User{}
	for _, u := range before.Users {
		was[u.ID] = u
	}
	for _, now := range after.Users {
		old := was[now.ID]
		if old.Account != now.Account || old.UserType != now.UserType {
			require.Equal(t, "A", now.Account)
			require.Contains(t, managed, now.UserType)
		}
		require.True(t, maps.Equal(old.Flags, now.Flags))
		for _, g := range now.Grants {
			if !slices.ContainsFunc(old.Grants, func(h authz.Grant) bool { return h.Role == g.Role }) {
				require.Contains(t, ofBoss, g.Role)
				require.Contains(t, allowed[now.UserType], g.Role)
			}
		}
	}
}

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}
