package pdp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/pdp"
)

// call returns a question by ann about a call on the entity.
func call(action string, s authz.Stored) authz.Query {
	return authz.Query{
		Subject: authz.Entity{Type: "user", ID: "ann"}, Action: authz.Action{Name: action}, Resource: authz.CallResource(s.Key()),
	}
}

func TestFactsOfEachCall(t *testing.T) {
	at := func(account string) authz.User { return authz.User{ID: "new", Account: account, Contact: "C"} }
	for name, tc := range map[string]struct {
		before, after authz.Stored
		reads         []string
		facts         string
	}{
		"a new user":             {nil, at("A"), []string{"user ann", "account A"}, "user=ann[clerk] of=A about=user/new before=none after=A"},
		"a user moves":           {at("A"), at("B"), []string{"user ann", "account A"}, "user=ann[clerk] of=A target user=new about=user/new before=A after=B"},
		"a user goes":            {at("B"), nil, []string{"user ann", "account B"}, "user=ann[clerk] of=B target user=new about=user/new before=B after=none"},
		"a user without account": {nil, at(""), []string{"user ann"}, "user=ann[clerk] about=user/new before=none after="},
		"a contact": {
			authz.Contact{ID: "C"}, authz.Contact{ID: "C", Account: "A"}, []string{"user ann"},
			"user=ann[clerk] target contact=C about=contact/C before=contact/C after=contact/C",
		},
		"an account": {nil, authz.Account{ID: "A"}, []string{"user ann", "account A"}, "user=ann[clerk] of=A about=account/A before=none after=account/A"},
		"a record":   {nil, authz.Record{Type: "role", ID: "1"}, []string{"user ann"}, "user=ann[clerk] about=record/role/1 before=none after=record/role/1"},
		"a right": {
			nil, authz.Right{Role: "a/b", Node: "c"}, []string{"user ann"}, "user=ann[clerk] about=right/a/b/c before=none after=right/a/b/c",
		},
		"a portal": {authz.Portal{ID: "p"}, nil, []string{"user ann"}, "user=ann[clerk] about=portal/p before=portal/p after=none"},
	} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t)
			s := tc.before
			if s == nil {
				s = tc.after
			}
			d, _, err := b.DecideCall(t.Context(), "", call(authz.UpdateCall, s), tc.before, tc.after)
			require.NoError(t, err)
			require.Equal(t, authz.Decision{Outcome: authz.Allow, Reason: tc.facts, Revision: 7, Now: noon}, d)
			require.Equal(t, tc.reads, b.seen())
		})
	}
}

func TestCallsReadTheContactForPoliciesThatDo(t *testing.T) {
	b := setUp(t)
	b.publish(pdp.View{Snapshot: b.snapshot, Reads: authz.Reads{Contact: true}})
	u := authz.User{ID: "new", Contact: "C"}
	d, _, err := b.DecideCall(t.Context(), "", call(authz.CreateCall, u), nil, u)
	require.NoError(t, err)
	require.Equal(t, "user=ann[clerk] contact=C about=user/new before=none after=", d.Reason)

	b.breakAt("contact alone", authz.Errorf(authz.Unavailable, "no connection"))
	u.Contact = "alone"
	d, _, err = b.DecideCall(t.Context(), "", call(authz.CreateCall, u), nil, u)
	require.NoError(t, err)
	require.Equal(t, authz.ReasonStoreUnavailable, d.Reason)
	require.Equal(t, authz.Deny, d.Outcome)
}

func TestCallWithoutEntityIsAboutWhatTheResourceNames(t *testing.T) {
	b := setUp(t)
	d, _, err := b.DecideCall(t.Context(), "p", calling("user", "bob"), nil, nil)
	require.NoError(t, err)
	require.Equal(t, "user=ann[clerk] about=user/bob before=none after=none", d.Reason)
}

func TestCallsThatAreNotOfOnePiece(t *testing.T) {
	b := setUp(t)
	bob, eve := authz.User{ID: "bob"}, authz.User{ID: "eve"}
	for name, tc := range map[string]struct {
		portal        string
		q             authz.Query
		before, after authz.Stored
		kind          authz.Kind
		field         string
	}{
		"no call":        {"p", by("ann", about("user", "bob")), bob, bob, authz.Invalid, "action.name"},
		"other resource": {"p", call(authz.ReadCall, eve), bob, nil, authz.Invalid, "resource"},
		"other type":     {"p", calling("contact", "bob"), bob, nil, authz.Invalid, "resource"},
		"renamed":        {"p", call(authz.UpdateCall, bob), bob, eve, authz.Invalid, "resource"},
		"nothing stored": {"p", call(authz.ReadCall, bob), &bob, nil, authz.Invalid, ""},
		"no such portal": {"q", call(authz.ReadCall, bob), bob, nil, authz.NotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, _, err := b.DecideCall(t.Context(), tc.portal, tc.q, tc.before, tc.after)
			e := new(authz.Error)
			require.ErrorAs(t, err, &e)
			require.Equal(t, tc.kind, e.Kind)
			require.Equal(t, tc.field, e.Field)
			require.NotEqual(t, authz.Allow, d.Outcome)
			require.Empty(t, b.seen())
		})
	}
}

func TestCallOnAPortalWithoutPolicyIsRefused(t *testing.T) {
	b := setUp(t)
	b.publish(pdp.View{Refusal: authz.ReasonPolicyMissing, Revision: 3})
	u := authz.User{ID: "new"}
	d, _, err := b.DecideCall(t.Context(), "", call(authz.CreateCall, u), nil, u)
	require.NoError(t, err)
	require.Equal(t, authz.Decision{Outcome: authz.Deny, Reason: authz.ReasonPolicyMissing, Revision: 3, Now: noon}, d)
}
