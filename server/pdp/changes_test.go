package pdp_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/pdp"
)

// judge accepts whatever it is asked, reads what it is told to, and keeps what it
// was shown.
type judge struct {
	reads   authz.ChangeReads
	change  authz.Change
	facts   authz.ChangeFacts
	asked   int // by Plain
	anyRole bool
}

func (j *judge) Admit(_ context.Context, c *authz.Change, f *authz.ChangeFacts) authz.Admission {
	j.change, j.facts = *c, *f
	return authz.Admission{Defaults: map[string]any{"admitted": true}}
}

func (j *judge) Provision(_ context.Context, c *authz.Change, f *authz.ChangeFacts) authz.Provisioning {
	j.change, j.facts = *c, *f
	return authz.Provisioning{Tasks: []authz.Task{{ID: "provisioned"}}}
}

func (j *judge) Plain(_ context.Context, c *authz.Change, f *authz.ChangeFacts) bool {
	j.change, j.facts = *c, *f
	j.asked++
	r, is := c.New.(authz.Right)
	return !is || r.Level != authz.Delete
}

func (j *judge) AnyRoleCalls(*authz.Query) bool                    { return j.anyRole }
func (j *judge) AnyRoleChanges(*authz.Change, authz.NodeKind) bool { return j.anyRole }
func (j *judge) PlainReads() authz.ChangeReads                     { return j.reads }
func (j *judge) AdmissionReads() authz.ChangeReads                 { return j.reads }
func (j *judge) ProvisioningReads() authz.ChangeReads              { return j.reads }

// staffed has an entity for every fact of a change.
func staffed() authz.World {
	w := world()
	w.UserTypes = []authz.UserType{{ID: "customer", Linked: authz.LinkedContact}}
	w.Roles = []authz.Role{{ID: "base", Guest: true}, {ID: "clerk", Inherits: []string{"base"}}, {ID: "other"}}
	w.Accounts[0].Owner = "bob"
	w.Accounts[0].Attributes["positions"] = []any{"x", "y"}
	w.Users[0].UserType = "customer"
	w.Screens = append(w.Screens,
		authz.Node{ID: "Own", Kind: authz.Screen, Flags: map[string]bool{"custom": true}},
		authz.Node{ID: "box", Kind: authz.Container, Parent: "Desk"}, authz.Node{ID: "deep", Kind: authz.Element, Parent: "box"})
	w.Rights = append(w.Rights, authz.Right{Role: "other", Node: "deep", Level: authz.Edit})
	return w
}

func judging(t *testing.T, reads authz.ChangeReads) (*bench, *judge) {
	t.Helper()
	w := staffed()
	b := setUpWith(t, w)
	j := &judge{reads: reads}
	b.publish(pdp.View{Snapshot: b.snapshot, Changes: j})
	return b, j
}

func everyRead() authz.ChangeReads {
	r := authz.ChangeReads{
		Actor: true, Roles: true, Contact: true, Account: true, Owner: true, Users: true, SameLogin: true, Node: true, Levels: true,
		TypeUsers: true, Screens: true, Counts: map[authz.CountName]bool{},
	}
	for _, n := range authz.CountNames() {
		r.Counts[n] = true
	}
	return r
}

func update(before, after authz.Stored) *authz.Change {
	return &authz.Change{Operation: authz.UpdateEntity, Entity: before.Key(), Old: before, New: after, Actor: "bob"}
}

func create(e authz.Stored) *authz.Change {
	return &authz.Change{Operation: authz.CreateEntity, Entity: e.Key(), New: e}
}

func remove(e authz.Stored) *authz.Change {
	return &authz.Change{Operation: authz.DeleteEntity, Entity: e.Key(), Old: e}
}

func admit(t *testing.T, b *bench, c *authz.Change, known authz.Known) authz.Admission {
	t.Helper()
	a, err := b.Admit(t.Context(), "", c, known)
	require.NoError(t, err)
	return a
}

func TestFactsOfAUsersChange(t *testing.T) {
	b, j := judging(t, everyRead())
	before := staffed().Users[0]
	after := before
	after.Login, after.Grants = " BOB ", []authz.Grant{{Role: "other"}, {Role: "gone"}}
	a := admit(t, b, update(before, after), authz.Known{Latches: []string{"W1"}})
	require.True(t, a.Admitted())
	require.Equal(t, map[string]any{"admitted": true}, a.Defaults)

	f := j.facts
	require.Equal(t, noon, j.change.Now)
	require.Equal(t, "bob", f.Actor.ID)
	require.Equal(t, []string{"base", "clerk", "other"}, keysOf(f.Roles), "of before and after, and what they inherit; one that is gone is not there")
	require.True(t, !f.Roles["clerk"].Guest)
	require.Equal(t, "C", f.Contact.ID)
	require.Equal(t, "A", f.Account.ID)
	require.Equal(t, "bob", f.Owner.ID)
	require.Empty(t, f.Users, "the one who is written does not count")
	require.Equal(t, 1, *f.SameLogin)
	require.Nil(t, f.Node)
	require.Nil(t, f.Levels)
	require.Equal(t, []string{"W1"}, f.Latches)
	require.Equal(t, map[authz.CountName]int{
		authz.CountUsers: 2, authz.CountUsersOfType: 0, authz.CountUsersOfAccount: 0, authz.CountAccountsOfOwner: 1,
		authz.CountPositions: 2, authz.CountScreens: 1,
	}, f.Counts)
	require.Equal(t, []string{
		"user bob", "contact C", "account A", "users of C", `login  BOB `, `count users of "" but "ann"`,
		`count users_of_type of "customer" but "ann"`, `count users_of_account of "A" but "ann"`,
		`count accounts_of_owner of "bob" but ""`, `count positions of "" but ""`,
	}, b.seen())
}

func keysOf(m map[string]*authz.RoleFacts) []string {
	var ids []string
	for _, id := range []string{"base", "clerk", "gone", "other"} {
		if m[id] != nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// TestChangeFactsAreReadOnDemand gives a judge one fact at a time.
func TestChangeFactsAreReadOnDemand(t *testing.T) {
	user := authz.User{ID: "new", Login: "n", Contact: "C", UserType: "customer", Grants: []authz.Grant{{Role: "clerk"}}}
	with := user
	with.Account = "A"
	acted := create(with)
	acted.Actor = "ann"
	for name, tc := range map[string]struct {
		reads authz.ChangeReads
		c     *authz.Change
		seen  []string
	}{
		"nothing":                       {authz.ChangeReads{}, acted, nil},
		"actor":                         {authz.ChangeReads{Actor: true}, acted, []string{"user ann"}},
		"no actor":                      {authz.ChangeReads{Actor: true}, create(user), nil},
		"roles":                         {authz.ChangeReads{Roles: true}, create(user), nil},
		"contact":                       {authz.ChangeReads{Contact: true}, create(user), []string{"contact C"}},
		"account":                       {authz.ChangeReads{Account: true}, create(with), []string{"account A"}},
		"account by the contact":        {authz.ChangeReads{Account: true}, create(user), []string{"contact C", "account A"}},
		"owner":                         {authz.ChangeReads{Owner: true}, create(with), []string{"account A", "user bob"}},
		"users":                         {authz.ChangeReads{Users: true}, create(user), []string{"users of C"}},
		"users of no contact":           {authz.ChangeReads{Users: true}, create(authz.User{ID: "new"}), nil},
		"same login":                    {authz.ChangeReads{SameLogin: true}, create(user), []string{"login n"}},
		"same login of a user who goes": {authz.ChangeReads{SameLogin: true}, remove(user), nil},
		"same login of a role":          {authz.ChangeReads{SameLogin: true}, create(authz.Role{ID: "r"}), nil},
		"users of the account": {
			authz.ChangeReads{Counts: map[authz.CountName]bool{authz.CountUsersOfAccount: true}}, create(user),
			[]string{"contact C", `count users_of_account of "A" but "new"`},
		},
		"accounts of the owner": {
			authz.ChangeReads{Counts: map[authz.CountName]bool{authz.CountAccountsOfOwner: true}}, create(with),
			[]string{"account A", `count accounts_of_owner of "bob" but ""`},
		},
		"an account that is written": {
			authz.ChangeReads{Account: true, Contact: true, Counts: map[authz.CountName]bool{authz.CountAccountsOfOwner: true, authz.CountPositions: true}},
			create(authz.Account{ID: "new", Owner: "bob"}), []string{`count accounts_of_owner of "bob" but "new"`, `count positions of "" but "new"`},
		},
		"a contact that is written": {authz.ChangeReads{Contact: true, Account: true, Users: true}, create(authz.Contact{ID: "C", Account: "B"}), []string{"account B", "users of C"}},
		"a record":                  {authz.ChangeReads{Contact: true, Account: true}, create(authz.Record{Type: "case", ID: "9", Account: "A"}), []string{"account A"}},
		"a right":                   {everyRead(), create(authz.Right{Role: "clerk", Node: "Desk"}), []string{`count users of "" but ""`, `count positions of "" but ""`}},
		"the portal":                {authz.ChangeReads{Contact: true, Account: true, Owner: true, Users: true}, create(authz.Portal{ID: "p"}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			b, j := judging(t, tc.reads)
			a := admit(t, b, tc.c, authz.Known{})
			require.True(t, a.Admitted())
			require.Equal(t, tc.seen, b.seen())
			again, err := b.Provision(t.Context(), "p", tc.c, authz.Known{})
			require.NoError(t, err)
			require.Equal(t, []authz.Task{{ID: "provisioned"}}, again.Tasks)
			require.Equal(t, tc.c.Entity, j.change.Entity)

			for _, read := range tc.seen {
				b, _ := judging(t, tc.reads)
				broken := authz.Errorf(authz.Unavailable, "no connection")
				b.breakAt(read, broken)
				a := admit(t, b, tc.c, authz.Known{})
				require.False(t, a.Admitted(), read)
				require.Equal(t, []authz.Refusal{{Rule: "policy", Reason: authz.ReasonStoreUnavailable}}, a.Refusals)
				require.ErrorIs(t, a.Err, broken)
				p, err := b.Provision(t.Context(), "", tc.c, authz.Known{})
				require.NoError(t, err)
				require.ErrorIs(t, p.Err, broken)
				require.Empty(t, p.Tasks)
			}
		})
	}
}

func TestWrittenEntityRefersToItself(t *testing.T) {
	b, j := judging(t, everyRead())
	admit(t, b, update(authz.Contact{ID: "C", Account: "A"}, authz.Contact{ID: "C", Name: "new", Account: "B"}), authz.Known{})
	require.Equal(t, "new", j.facts.Contact.Name)
	require.Equal(t, "B", j.facts.Account.ID)
	require.Len(t, j.facts.Users, 1)
	require.Equal(t, "ann", j.facts.Users[0].ID)

	admit(t, b, remove(authz.Account{ID: "A", Owner: "eve"}), authz.Known{})
	require.Equal(t, "eve", j.facts.Owner.ID)
	require.Nil(t, j.facts.Contact)

	admit(t, b, create(authz.Record{Type: "case", ID: "9", Account: "B", Contact: "C"}), authz.Known{})
	require.Equal(t, "C", j.facts.Contact.ID)
	require.Equal(t, "B", j.facts.Account.ID, "the record's own account goes before its contact's")

	admit(t, b, create(authz.Account{ID: "N", Owner: "a queue"}), authz.Known{})
	require.Nil(t, j.facts.Owner, "an owner who is no user")

	admit(t, b, create(authz.User{ID: "n", Contact: "gone"}), authz.Known{})
	require.Nil(t, j.facts.Contact)
	require.Nil(t, j.facts.Account)
	require.NotContains(t, j.facts.Counts, authz.CountUsersOfAccount, "no account is not the one of those without")
	require.NotContains(t, j.facts.Counts, authz.CountUsersOfType)
	require.NotContains(t, j.facts.Counts, authz.CountAccountsOfOwner)
}

func TestFactsOfAUserType(t *testing.T) {
	b, j := judging(t, everyRead())
	admit(t, b, update(authz.UserType{ID: "customer"}, authz.UserType{ID: "customer", Title: "new"}), authz.Known{})
	require.Len(t, j.facts.TypeUsers, 1)
	require.Equal(t, "ann", j.facts.TypeUsers[0].ID)
	admit(t, b, create(authz.UserType{ID: "guest"}), authz.Known{})
	require.Equal(t, []*authz.User{}, j.facts.TypeUsers, "known to be none")
	admit(t, b, update(authz.Role{ID: "customer"}, authz.Role{ID: "customer"}), authz.Known{})
	require.Nil(t, j.facts.TypeUsers)
}

func TestUsersOfATypeThatHasTooManyAreNotStated(t *testing.T) {
	w := staffed()
	for i := range authz.MaxUsersOfType {
		w.Users = append(w.Users, authz.User{ID: fmt.Sprint("many-", i), UserType: "customer"})
	}
	b := setUpWith(t, w)
	j := &judge{reads: everyRead()}
	b.publish(pdp.View{Snapshot: b.snapshot, Changes: j})
	a := admit(t, b, update(authz.UserType{ID: "customer"}, authz.UserType{ID: "customer", Title: "new"}), authz.Known{})
	require.True(t, a.Admitted(), "they keep nobody from naming the type anew")
	require.Nil(t, j.facts.TypeUsers)
}

func TestFactsOfAPortal(t *testing.T) {
	b, j := judging(t, everyRead())
	admit(t, b, update(authz.Portal{ID: "p"}, authz.Portal{ID: "p", Title: "new"}), authz.Known{})
	require.Equal(t, []string{"base", "clerk", "other"}, keysOf(j.facts.Roles))
	require.Equal(t, []authz.PathNode{{ID: "Desk", Kind: authz.Screen}, {ID: "Own", Kind: authz.Screen}}, j.facts.Screens)
	admit(t, b, update(authz.Role{ID: "base"}, authz.Role{ID: "base"}), authz.Known{})
	require.Empty(t, j.facts.Roles)
	require.Nil(t, j.facts.Screens)
}

func TestFactsOfARight(t *testing.T) {
	b, j := judging(t, everyRead())
	admit(t, b, create(authz.Right{Role: "clerk", Node: "Desk", Level: authz.Edit}), authz.Known{})
	require.Equal(t, []string{"base", "clerk"}, keysOf(j.facts.Roles))
	require.Equal(t, &authz.NodeFacts{ID: "Desk", Kind: authz.Screen, Below: []authz.PathNode{
		{ID: "Desk.phone", Kind: authz.Element}, {ID: "fax", Kind: authz.Element},
		{ID: "box", Kind: authz.Container}, {ID: "deep", Kind: authz.Element},
	}}, j.facts.Node)
	require.Equal(t, []authz.NodeRights{
		{Node: "Desk.phone", Levels: []authz.RoleLevel{{Role: "clerk", Level: authz.View}}},
	}, j.facts.Levels, "those of other roles do not count")

	admit(t, b, create(authz.Right{Role: "clerk", Node: "gone"}), authz.Known{})
	require.Nil(t, j.facts.Node)
	require.Nil(t, j.facts.Levels)
}

func TestKnownCountsStandForTheStores(t *testing.T) {
	b, j := judging(t, everyRead())
	admit(t, b, create(authz.Node{ID: "S", Kind: authz.Screen}), authz.Known{Counts: map[authz.CountName]int{authz.CountUsers: 5000, authz.CountScreens: 9}})
	require.Equal(t, map[authz.CountName]int{authz.CountUsers: 5000, authz.CountScreens: 9, authz.CountPositions: 2}, j.facts.Counts)
	require.Equal(t, []string{`count positions of "" but ""`}, b.seen())
}

func TestMomentOfAChange(t *testing.T) {
	b, j := judging(t, everyRead())
	c := create(authz.User{ID: "n"})
	c.Actor, c.Now = "ann", noon.Add(-time.Hour)
	admit(t, b, c, authz.Known{})
	require.Equal(t, c.Now, j.change.Now)
	require.Empty(t, j.facts.Actor.Roles, "the grant begins at noon")
	c.Now = time.Time{}
	admit(t, b, c, authz.Known{})
	require.Equal(t, []string{"clerk"}, j.facts.Actor.Roles)
	require.True(t, c.Now.IsZero(), "the caller's change is left alone")
}

// TestUnknownActorIsRefused: a policy takes a change without an actor for the
// system's own.
func TestUnknownActorIsRefused(t *testing.T) {
	b, j := judging(t, authz.ChangeReads{Actor: true})
	c := create(authz.Role{ID: "r"})
	c.Actor = "zoe"
	a := admit(t, b, c, authz.Known{})
	require.Equal(t, []authz.Refusal{{Rule: "policy", Reason: authz.ReasonActorUnknown}}, a.Refusals)
	require.ErrorContains(t, a.Err, "zoe")
	p, err := b.Provision(t.Context(), "", c, authz.Known{})
	require.NoError(t, err)
	require.ErrorContains(t, p.Err, authz.ReasonActorUnknown)
	require.Zero(t, j.change, "the policy is not asked")
}

func TestChangesWithoutAPolicyAreRefused(t *testing.T) {
	b, _ := judging(t, authz.ChangeReads{})
	for want, v := range map[string]pdp.View{
		authz.ReasonNotReady:      {},
		authz.ReasonPolicyMissing: {Snapshot: b.snapshot},
		"gone":                    {Refusal: "gone"},
	} {
		b.publish(v)
		a := admit(t, b, create(authz.Role{ID: "r"}), authz.Known{})
		require.Equal(t, []authz.Refusal{{Rule: "policy", Reason: want}}, a.Refusals)
		p, err := b.Provision(t.Context(), "", create(authz.Role{ID: "r"}), authz.Known{})
		require.NoError(t, err)
		require.ErrorContains(t, p.Err, want)
	}
	_, err := b.Admit(t.Context(), "nowhere", create(authz.Role{ID: "r"}), authz.Known{})
	require.Equal(t, authz.NotFound, authz.KindOf(err))
	_, err = b.Provision(t.Context(), "", &authz.Change{Operation: "create"}, authz.Known{})
	require.Equal(t, authz.Invalid, authz.KindOf(err))
}

// TestPlainIsWhatIsKnown: the facts are those of Admit and Provision, and what cannot be
// judged is not plain.
func TestPlainIsWhatIsKnown(t *testing.T) {
	b, j := judging(t, everyRead())
	before := staffed().Users[0]
	after := before
	after.Login = "another"
	change := update(before, after)
	admit(t, b, change, authz.Known{})
	want := j.facts
	j.facts = authz.ChangeFacts{}
	plain, _, err := b.Plain(t.Context(), "", change, authz.Known{})
	require.NoError(t, err)
	require.True(t, plain)
	require.Equal(t, want, j.facts)

	nobody := *change
	nobody.Actor = "nobody"
	plain, _, err = b.Plain(t.Context(), "", &nobody, authz.Known{})
	require.NoError(t, err)
	require.False(t, plain, "who writes is no user")
	_, _, err = b.Plain(t.Context(), "none", change, authz.Known{})
	require.Equal(t, authz.NotFound, authz.KindOf(err))
	_, _, err = b.Plain(t.Context(), "", &authz.Change{}, authz.Known{})
	require.Equal(t, authz.Invalid, authz.KindOf(err))
	b.publish(pdp.View{Snapshot: b.snapshot})
	plain, _, err = b.Plain(t.Context(), "", change, authz.Known{})
	require.NoError(t, err)
	require.False(t, plain, "nobody judges")
}
