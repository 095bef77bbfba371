package pdp_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
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
