package pdp_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/pdp"
)

// questions are all ways to reach stored entities, with what is read for each and
// what the policy is then told.
var questions = map[string]struct {
	ask   authz.Query
	reads []string
	facts string
}{
	"screen": {about("screen", "S"), []string{"user ann"}, "user=ann[clerk]"},
	"subject that is no user": {
		authz.Query{Subject: authz.Entity{Type: "service", ID: "ann"}, Resource: authz.Entity{Type: "screen", ID: "S"}}, nil, "",
	},
	"user unknown": {by("zoe", about("screen", "S")), []string{"user zoe"}, ""},
	"actor":        {acting("bob", about("screen", "S")), []string{"user ann", "user bob"}, "user=ann[clerk] actor=bob"},
	"actor as an entity": {
		acting(map[string]any{"type": "user", "id": "bob"}, about("screen", "S")), []string{"user ann", "user bob"}, "user=ann[clerk] actor=bob",
	},
	"actor unknown":    {acting("zoe", about("screen", "S")), []string{"user ann", "user zoe"}, "user=ann[clerk]"},
	"actor unreadable": {acting(map[string]any{"id": true}, about("screen", "S")), []string{"user ann"}, "user=ann[clerk]"},
	"record": {
		about("case", "1"), []string{"user ann", "record case/1", "account A"},
		"user=ann[clerk] record=case/1 account=A contact= owner= map[] map[] of=A",
	},
	"record without account": {about("case", "2"), []string{"user ann", "record case/2"}, "user=ann[clerk] record=case/2 account= contact= owner= map[] map[]"},
	"record of an account that is gone": {
		about("case", "3"), []string{"user ann", "record case/3", "account gone"}, "user=ann[clerk] record=case/3 account=gone contact= owner= map[] map[]",
	},
	"record unknown": {about("case", "9"), []string{"user ann", "record case/9"}, "user=ann[clerk]"},
	"contact": {
		about("contact", "C"), []string{"user ann", "contact C", "account A"},
		"user=ann[clerk] record=contact/C account=A contact=C owner= map[lead:true] map[city:Oslo] of=A",
	},
	"contact unknown": {about("contact", "9"), []string{"user ann", "contact 9"}, "user=ann[clerk]"},
	"account": {
		about("account", "A"), []string{"user ann", "account A", "account A"},
		"user=ann[clerk] record=account/A account=A contact= owner=olga map[big:true] map[tier:gold] of=A",
	},
	"account unknown": {about("account", "9"), []string{"user ann", "account 9"}, "user=ann[clerk]"},
	"target user":     {about("user", "bob"), []string{"user ann", "user bob", "account B"}, "user=ann[clerk] of=B target user=bob"},
	"target user without account": {
		about("user", "eve"), []string{"user ann", "user eve"}, "user=ann[clerk] target user=eve",
	},
	"target that exists, and a contact": {
		naming("C", about("user", "bob")), []string{"user ann", "user bob", "account B"}, "user=ann[clerk] of=B target user=bob",
	},
	"target contact": {
		naming("C", about("user", "new")), []string{"user ann", "user new", "contact C", "account A"}, "user=ann[clerk] of=A target contact=C",
	},
	"target contact without account": {naming("alone", about("user", "new")), []string{"user ann", "user new", "contact alone"}, "user=ann[clerk] target contact=alone"},
	"target contact unknown":         {naming("9", about("user", "new")), []string{"user ann", "user new", "contact 9"}, "user=ann[clerk]"},
	"target contact of no text":      {naming(true, about("user", "new")), []string{"user ann", "user new"}, "user=ann[clerk]"},
	"target unknown":                 {about("user", "new"), []string{"user ann", "user new"}, "user=ann[clerk]"},

	"call on a user": {calling("user", "bob"), []string{"user ann", "user bob", "account B"}, "user=ann[clerk] of=B target user=bob about=user/bob before=B after=none"},
	"call on a new user": {
		naming("C", calling("user", "new")), []string{"user ann", "user new"}, "user=ann[clerk] about=user/new before=none after=none",
	},
	"call on a contact": {
		calling("contact", "C"), []string{"user ann", "contact C", "account A"},
		"user=ann[clerk] of=A target contact=C about=contact/C before=contact/C after=none",
	},
	"call on an account": {
		calling("account", "B"), []string{"user ann", "account B"}, "user=ann[clerk] of=B about=account/B before=account/B after=none",
	},
	"call on a record": {
		calling("case", "1"), []string{"user ann", "record case/1", "account A"}, "user=ann[clerk] record=case/1 account=A contact= owner= map[] map[] of=A about=case/1 before=case/1 after=none",
	},
	"call on a record unknown": {calling("case", "9"), []string{"user ann", "record case/9"}, "user=ann[clerk] about=case/9 before=none after=none"},
	"call on a record of the type of a kind": {
		calling("record/role", "9"), []string{"user ann", "record role/9"}, "user=ann[clerk] about=record/role/9 before=none after=none",
	},
	"call on a role":       {calling("role", "clerk"), []string{"user ann"}, "user=ann[clerk] about=role/clerk before=none after=none"},
	"call on a right":      {calling("right", "clerk/Desk"), []string{"user ann"}, "user=ann[clerk] about=right/clerk/Desk before=none after=none"},
	"call on a hazy right": {calling("right", "a/b/c"), []string{"user ann"}, "user=ann[clerk]"},
	"call on all tasks":    {calling("task", "*"), []string{"user ann"}, "user=ann[clerk]"},
	"call on the callers":  {calling("caller", "*"), []string{"user ann"}, "user=ann[clerk]"},
	"call on the audit":    {calling("audit", "*"), []string{"user ann"}, "user=ann[clerk]"},
	"call on the grants":   {calling("grants", "*"), []string{"user ann"}, "user=ann[clerk]"},
	"call by no user": {
		authz.Query{Subject: authz.Entity{Type: "caller", ID: "ann"}, Action: authz.Action{Name: "admin:delete"}, Resource: authz.Entity{Type: "role", ID: "clerk"}},
		nil, "about=role/clerk before=none after=none",
	},
}

func calling(typ, id string) authz.Query {
	q := about(typ, id)
	q.Action.Name = authz.ReadCall
	return q
}

func by(user string, q authz.Query) authz.Query { q.Subject.ID = user; return q }

func acting(actor any, q authz.Query) authz.Query {
	q.Context = map[string]any{"actor": actor}
	return q
}

func naming(contact any, q authz.Query) authz.Query {
	q.Resource.Properties = map[string]any{"contact": contact}
	return q
}

func TestFactsOfEachQuestion(t *testing.T) {
	for name, tc := range questions {
		t.Run(name, func(t *testing.T) {
			b := setUp(t)
			d := b.ask(t, tc.ask)
			require.Equal(t, authz.Decision{Outcome: authz.Allow, Reason: tc.facts, Revision: 7, Now: noon}, d)
			require.Equal(t, tc.reads, b.seen())

			require.Equal(t, tc.facts, b.ask(t, tc.ask).Reason)
			require.Empty(t, b.seen(), "the second question is answered from the cache, what is unknown too")
		})
	}
}

// TestUnreadableDenies breaks each read of each question in turn.
func TestUnreadableDenies(t *testing.T) {
	for name, tc := range questions {
		for _, read := range tc.reads {
			t.Run(name+", "+read, func(t *testing.T) {
				b := setUp(t)
				broken := authz.Errorf(authz.Unavailable, "no connection")
				b.breakAt(read, broken)
				d := b.ask(t, tc.ask)
				require.Equal(t, authz.Deny, d.Outcome)
				require.Equal(t, authz.ReasonStoreUnavailable, d.Reason)
				require.ErrorIs(t, d.Err, broken)
				require.Equal(t, int64(7), d.Revision)
				require.Equal(t, noon, d.Now)

				b.breakAt(read, errors.New("of no kind"))
				require.Equal(t, authz.ReasonStoreUnavailable, b.ask(t, tc.ask).Reason)

				b.breakAt(read, nil)
				require.Equal(t, tc.facts, b.ask(t, tc.ask).Reason, "a failure is not kept")
			})
		}
	}
}

func TestLoginsAreCountedWhenThePolicyReadsThem(t *testing.T) {
	b := setUp(t)
	require.Equal(t, "user=ann[clerk]", b.ask(t, about("screen", "S")).Reason)
	require.Equal(t, []string{"user ann"}, b.seen())

	b.publish(pdp.View{Snapshot: b.snapshot, Reads: authz.Reads{Logins: true}})
	require.Equal(t, "user=ann[clerk] same_login=1", b.ask(t, about("screen", "S")).Reason)
	require.Equal(t, []string{"user ann", "login ann"}, b.seen())

	b.publish(pdp.View{Snapshot: b.snapshot, Reads: authz.Reads{Logins: true}})
	b.breakAt("login ann", authz.Errorf(authz.Unavailable, "no connection"))
	require.Equal(t, authz.ReasonStoreUnavailable, b.ask(t, about("screen", "S")).Reason)
}

func TestGrantsCountAtTheMomentOfTheQuestion(t *testing.T) {
	b := setUp(t)
	require.Equal(t, "user=ann[clerk]", b.ask(t, about("screen", "S")).Reason)
	b.clock = noon.Add(-time.Second)
	require.Equal(t, "user=ann[]", b.ask(t, about("screen", "S")).Reason, "the cached user is worked out anew")
}

func TestPortalWithoutSnapshotRefuses(t *testing.T) {
	b := setUp(t)
	for _, tc := range []struct{ refusal, want string }{
		{authz.ReasonPolicyMissing, authz.ReasonPolicyMissing}, {"", authz.ReasonNotReady},
	} {
		b.publish(pdp.View{Refusal: tc.refusal, Revision: 3})
		require.Equal(t, authz.Decision{Outcome: authz.Deny, Reason: tc.want, Revision: 3, Now: noon}, b.ask(t, about("screen", "S")))
	}
	require.Empty(t, b.seen())
}

func TestUnknownPortal(t *testing.T) {
	b := setUp(t)
	n, err := b.Decide(t.Context(), "q", []authz.Query{about("screen", "S")}, make([]authz.Decision, 1), nil)
	require.Equal(t, authz.NotFound, authz.KindOf(err))
	require.Zero(t, n)
}

func TestBatchIsOfOneViewAndOneMoment(t *testing.T) {
	b := setUp(t)
	qs := []authz.Query{about("screen", "S"), about("case", "1"), by("zoe", about("screen", "S"))}
	out := make([]authz.Decision, len(qs))
	n, err := b.Decide(t.Context(), "p", qs, out, func(*authz.Decision) bool {
		b.publish(pdp.View{Revision: 8}) // refuses everything
		b.clock = b.clock.Add(time.Hour)
		return false
	})
	require.NoError(t, err)
	require.Equal(t, 3, n)
	for i, d := range out {
		require.Equal(t, int64(7), d.Revision)
		require.Equal(t, noon, d.Now)
		require.Equal(t, noon, qs[i].Now)
		require.Equal(t, authz.Allow, d.Outcome)
	}
	require.Equal(t, int64(8), b.ask(t, qs[0]).Revision)
}

func TestBatchStopsWhenTold(t *testing.T) {
	b := setUp(t)
	qs := []authz.Query{about("screen", "S"), about("screen", "S"), about("case", "1")}
	out := make([]authz.Decision, len(qs))
	asked := 0
	n, err := b.Decide(t.Context(), "", qs, out, func(d *authz.Decision) bool {
		require.Same(t, &out[asked], d)
		asked++
		return asked == 2
	})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, 2, asked)
	require.Zero(t, out[2])
	require.Equal(t, []string{"user ann"}, b.seen())
}

func TestBatchEndsWithItsContext(t *testing.T) {
	b := setUp(t)
	ctx, cancel := context.WithCancel(t.Context())
	qs := make([]authz.Query, 5)
	for i := range qs {
		qs[i] = about("screen", "S")
	}
	out := make([]authz.Decision, len(qs))
	asked := 0
	n, err := b.Decide(ctx, "", qs, out, func(*authz.Decision) bool {
		if asked++; asked == 2 {
			cancel()
		}
		return false
	})
	require.Equal(t, authz.Unavailable, authz.KindOf(err))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "2 of 5")
	require.Equal(t, 2, n)

	n, err = b.Decide(t.Context(), "", nil, nil, nil)
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestCacheMustHoldSomething(t *testing.T) {
	for _, size := range []int{0, -1} {
		_, err := pdp.New(&views{}, newSource(world()), size, time.Now)
		require.Equal(t, authz.Invalid, authz.KindOf(err))
	}
}
