package pdp_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
	"github.com/portcullis-authz/portcullis/server/pdp"
)

func TestConcurrentMissesShareOneRead(t *testing.T) {
	b := setUp(t)
	b.enter, b.leave = make(chan struct{}, 100), make(chan struct{})
	var asking sync.WaitGroup
	for range 50 {
		asking.Go(func() {
			if d := b.ask(t, about("screen", "S")); d.Reason != "user=ann[clerk]" {
				t.Errorf("got %+v", d)
			}
		})
	}
	<-b.enter
	time.Sleep(20 * time.Millisecond) // for the others to come; those that come later find the answer
	close(b.leave)
	asking.Wait()
	require.Equal(t, []string{"user ann"}, b.seen())
}

// TestFirstToAskMayLeave has the question that started a read give up while
// another waits for it.
func TestFirstToAskMayLeave(t *testing.T) {
	b := setUp(t)
	b.enter, b.leave = make(chan struct{}, 2), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	asking.Go(func() {
		out := make([]authz.Decision, 1)
		_, _ = b.Decide(ctx, "", []authz.Query{about("screen", "S")}, out, nil)
	})
	<-b.enter
	var second authz.Decision
	asking.Go(func() { second = b.ask(t, about("screen", "S")) })
	cancel()
	time.Sleep(20 * time.Millisecond)
	close(b.leave)
	asking.Wait()
	require.Equal(t, "user=ann[clerk]", second.Reason)
	require.Equal(t, []string{"user ann"}, b.seen())
}

// TestReadsEnd asks a store that never answers.
func TestReadsEnd(t *testing.T) {
	ask := func(t *testing.T, ctx context.Context) (authz.Decision, time.Duration) {
		b := setUp(t)
		b.leave = make(chan struct{})
		out := make([]authz.Decision, 1)
		began := time.Now()
		_, err := b.Decide(ctx, "", []authz.Query{about("screen", "S")}, out, nil)
		require.NoError(t, err)
		return out[0], time.Since(began)
	}
	t.Run("by their own limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, took := ask(t, t.Context())
			require.Equal(t, authz.ReasonStoreUnavailable, d.Reason)
			require.Equal(t, 5*time.Second, took)
		})
	})
	t.Run("with the question's deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			d, took := ask(t, ctx)
			require.Equal(t, authz.ReasonStoreUnavailable, d.Reason)
			require.Equal(t, time.Second, took)
		})
	})
}

// TestJoinedReadGoesOn has a question with a late deadline join a read whose own
// deadline is early.
func TestJoinedReadGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t)
		b.leave = make(chan struct{})
		var asking sync.WaitGroup
		var late authz.Decision
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _ = b.Decide(ctx, "", []authz.Query{about("screen", "S")}, make([]authz.Decision, 1), nil)
		})
		synctest.Wait()
		asking.Go(func() { late = b.ask(t, about("screen", "S")) })
		time.Sleep(2 * time.Second)
		close(b.leave)
		asking.Wait()
		require.Equal(t, "user=ann[clerk]", late.Reason)
		require.Equal(t, []string{"user ann", "user ann"}, b.seen())
	})
}

func TestNewViewReadsAgain(t *testing.T) {
	b := setUp(t)
	for _, q := range []authz.Query{about("case", "1"), by("zoe", about("screen", "S"))} {
		b.ask(t, q)
		first := b.seen()
		require.NotEmpty(t, first)
		b.ask(t, q)
		require.Empty(t, b.seen())
		b.publish(pdp.View{Snapshot: b.snapshot, Revision: 8})
		require.Equal(t, int64(8), b.ask(t, q).Revision)
		require.Equal(t, first, b.seen())
	}
	b.publish(pdp.View{Snapshot: b.snapshot, Generation: "@2"})
	b.ask(t, about("screen", "S"))
	require.Equal(t, []string{"user ann@2"}, b.seen(), "entities come from the view's generation")
}

func TestPortalsDoNotShareEntities(t *testing.T) {
	other := world()
	other.Portal.ID = "q"
	other.Users[0].Grants = nil
	b := setUp(t)
	b.Worlds = pdp.IndexWorlds([]authz.World{world(), other})
	require.Equal(t, "user=ann[clerk]", b.ask(t, about("screen", "S")).Reason)
	b.view = pdp.NewView("q", pdp.View{Snapshot: b.snapshot, Revision: 7})
	require.Equal(t, "user=ann[]", b.ask(t, about("screen", "S")).Reason)
}

func TestCacheIsBounded(t *testing.T) {
	const size, users = 100, 2000
	w := world()
	for i := range users {
		w.Users = append(w.Users, authz.User{ID: fmt.Sprint("u", i)})
	}
	b := setUp(t)
	b.source = newSource(w)
	decider, err := pdp.New(&b.views, b.source, size, time.Now)
	require.NoError(t, err)
	b.Decider = decider
	for range 2 {
		for i := range users {
			b.ask(t, by(fmt.Sprint("u", i), about("screen", "S")))
		}
	}
	// Eviction is not at once, so a little more than the size may be found again.
	require.Greater(t, len(b.seen()), 2*users-2*size)
}

func TestWorlds(t *testing.T) {
	w := world()
	w.Users = append(w.Users, authz.User{ID: "off", Login: "ann"})
	dir := pdp.IndexWorlds([]authz.World{w})
	ctx := t.Context()
	n, err := dir.SameLogin(ctx, "p", "", "ann", "ann")
	require.NoError(t, err)
	require.Equal(t, 1, n, "eve has the login too; who is not active does not count")
	n, err = dir.SameLogin(ctx, "nosuch", "", "ann", "ann")
	require.NoError(t, err)
	require.Zero(t, n)
	for _, portal := range []string{"p", "nosuch"} {
		_, err = dir.User(ctx, portal, "", "9")
		require.Equal(t, authz.NotFound, authz.KindOf(err))
		_, err = dir.Record(ctx, portal, "", "case", "9")
		require.Equal(t, authz.NotFound, authz.KindOf(err))
	}
	r, err := dir.Record(ctx, "p", "", "case", "1")
	require.NoError(t, err)
	require.Equal(t, "A", r.Account)
}

// TestViewAfterAnother has a view take over what is cached, less what a write
// touches.
func TestViewAfterAnother(t *testing.T) {
	user := func(id, login string, active bool) authz.User {
		return authz.User{ID: id, Login: login, Active: active}
	}
	on := func(id string) authz.Query { return by(id, about("screen", "Desk")) }
	for name, tc := range map[string]struct {
		old, new authz.Stored
		asked    []authz.Query
		read     []string
	}{
		"nothing": {nil, nil, []authz.Query{on("ann"), about("case", "1")}, nil},
		"the user itself": {user("ann", "ann", true), authz.User{ID: "ann", Login: "ann", Active: true, Position: "x"},
			[]authz.Query{on("ann"), on("bob"), on("eve"), about("case", "1")}, []string{"user ann", "login ann"}},
		"another of the login left": {user("eve", "ann", true), user("eve", "eve", true), []authz.Query{on("ann"), on("bob")}, []string{"user ann", "login ann"}},
		"another of the login, off": {user("eve", "Ann ", true), user("eve", "Ann ", false), []authz.Query{on("ann"), on("bob")}, []string{"user ann", "login ann"}},
		"another of the login came": {nil, user("new", "BOB", true), []authz.Query{on("ann"), on("bob")}, []string{"user bob", "login bob"}},
		"another of the login went": {user("x", "bob", true), nil, []authz.Query{on("ann"), on("bob")}, []string{"user bob", "login bob"}},
		"one who is not active":     {nil, user("new", "bob", false), []authz.Query{on("ann"), on("bob")}, nil},
		"a user that was not there": {nil, user("zoe", "zoe", true), []authz.Query{on("zoe"), on("ann")}, []string{"user zoe"}},
		"the account":               {authz.Account{ID: "A"}, authz.Account{ID: "A", Owner: "x"}, []authz.Query{about("case", "1"), about("comment", "1/a")}, []string{"account A"}},
		"the contact":               {authz.Contact{ID: "C"}, nil, []authz.Query{about("contact", "C"), about("account", "A")}, []string{"contact C"}},
		"the record":                {authz.Record{Type: "case", ID: "1"}, nil, []authz.Query{about("case", "1"), about("case", "2")}, []string{"record case/1"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t)
			v := pdp.View{Snapshot: b.snapshot, Revision: 7, Reads: authz.Reads{Logins: true}}
			b.publish(v)
			ask := func() []string {
				b.seen()
				for _, q := range tc.asked {
					b.ask(t, q)
				}
				return b.seen()
			}
			require.NotEmpty(t, ask())
			require.Empty(t, ask())
			var changes []authz.EntityWrite
			for _, e := range []authz.Stored{tc.old, tc.new} {
				if e != nil {
					changes = []authz.EntityWrite{{Entity: e.Key(), Old: tc.old, New: tc.new}}
				}
			}
			v.Revision = 8
			b.view = v.After(b.view, changes)
			require.Equal(t, tc.read, ask())
			require.Empty(t, ask(), "once")
			b.view = v.After(b.view, nil)
			require.Empty(t, ask())
		})
	}
}

// TestViewAfterAnotherConfiguration keeps users as long as the role graphs stay, and
// what else is cached in any case.
func TestViewAfterAnotherConfiguration(t *testing.T) {
	all := []authz.Query{by("ann", about("screen", "Desk")), by("zoe", about("case", "1"))}
	for name, tc := range map[string]struct {
		write func(*authz.Bundle)
		reads authz.Reads
		read  []string
	}{
		"rights":  {func(b *authz.Bundle) { b.Rights = nil }, authz.Reads{}, nil},
		"graphs":  {func(b *authz.Bundle) { b.Roles = append([]authz.Role{{ID: "boss"}}, b.Roles...) }, authz.Reads{}, []string{"user ann", "user zoe"}},
		"reading": {func(*authz.Bundle) {}, authz.Reads{Logins: true}, []string{"user ann", "login ann", "user zoe"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t)
			for _, q := range all {
				b.ask(t, q)
			}
			b.seen()
			next := *b.snapshot.Bundle()
			tc.write(&next)
			s, err := engine.Rebuild(b.snapshot, &next, policies.RBACModel, engine.PolicyFunc(tell))
			require.NoError(t, err)
			b.view = pdp.View{Snapshot: s, Revision: 8, Reads: tc.reads}.After(b.view, nil)
			for _, q := range all {
				b.ask(t, q)
			}
			require.Equal(t, tc.read, b.seen())
		})
	}
	b := setUp(t)
	b.ask(t, all[0])
	b.seen()
	b.view = pdp.View{Snapshot: b.snapshot, Generation: "@2"}.After(b.view, nil)
	b.ask(t, all[0])
	require.Equal(t, []string{"user ann@2"}, b.seen(), "of another generation all is read anew")
	b.view = pdp.View{Refusal: "no"}.After(b.view, nil)
	require.Equal(t, "no", b.ask(t, all[0]).Reason)
}
