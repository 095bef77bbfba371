package live_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/live"
)

// inBubble runs a test under a clock of its own.
func inBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

func TestChangesOfPortals(t *testing.T) {
	inBubble(t, "first load", func(t *testing.T) {
		s, r := newPortals("a", "b"), &rules{word: "one"}
		s.title("a", "A")
		s.title("b", "B")
		m := follow(t, s, r.policies())
		require.Equal(t, "one title A", answer(t, m, "a"))
		require.Equal(t, "one title B", answer(t, m, "b"))
		require.ElementsMatch(t, []string{"a", "b"}, s.seen())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, s.seen(), "nothing is tried again when all is well")
		require.Equal(t, 2, r.tried(), "at the start, and at the first news")
	})
	inBubble(t, "configuration", func(t *testing.T) {
		s := newPortals("a", "b")
		m := follow(t, s, (&rules{word: "one"}).policies())
		s.seen()
		a, b := view(t, m, "a"), view(t, m, "b")
		s.title("a", "new")
		s.write("a", configured)
		synctest.Wait()
		require.Equal(t, []string{"a"}, s.seen())
		require.Equal(t, "one title new", answer(t, m, "a"))
		require.Equal(t, int64(2), view(t, m, "a").Revision)
		require.Same(t, b, view(t, m, "b"))
		require.NotSame(t, a.Snapshot, view(t, m, "a").Snapshot)
		require.Equal(t, int64(1), a.Revision, "whoever holds the old view may go on with it")
	})
	inBubble(t, "data alone", func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		s.seen()
		old := view(t, m, "a")
		s.write("a", dataOnly)
		synctest.Wait()
		require.Empty(t, s.seen())
		require.NotSame(t, old, view(t, m, "a"), "what is cached under the old view counts no more")
		require.Same(t, old.Snapshot, view(t, m, "a").Snapshot)
		require.Equal(t, int64(2), view(t, m, "a").Revision)
	})
	inBubble(t, "import", func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		s.write("a", imported)
		synctest.Wait()
		require.Equal(t, "g1'", view(t, m, "a").Generation)
	})
	inBubble(t, "portals come and go", func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		s.set(func(s *portals) {
			s.stand = map[string]authz.PortalRevision{"b": {ID: "b", Revision: 1, ConfigRevision: 1}}
		})
		s.announce()
		synctest.Wait()
		require.Equal(t, "one title ", answer(t, m, "b"))
		_, err := m.View("a")
		require.Equal(t, authz.NotFound, authz.KindOf(err))
		_, detail := m.Ready()
		require.NotContains(t, part(t, detail, "portals"), "a")

		s.set(func(s *portals) { s.stand = nil })
		s.announce()
		synctest.Wait()
		ok, _ := m.Ready()
		require.False(t, ok, "with no portal there is nothing to decide on")
	})
	inBubble(t, "a burst costs one build", func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		s.seen()
		gate := make(chan struct{})
		s.set(func(s *portals) { s.gate = gate })
		s.write("a", configured)
		synctest.Wait() // the build of this one is under way
		for range 100 {
			s.write("a", configured)
		}
		close(gate)
		synctest.Wait()
		require.Equal(t, []string{"a", "a"}, s.seen())
		require.Equal(t, int64(102), view(t, m, "a").Revision)
	})
}

func TestPortalThatCannotBeBuilt(t *testing.T) {
	broken := authz.Errorf(authz.Unavailable, "no connection")
	inBubble(t, "keeps the last good configuration, over new data", func(t *testing.T) {
		s := newPortals("a", "b")
		m := follow(t, s, (&rules{word: "one"}).policies())
		s.seen()
		old := view(t, m, "a")
		s.breakAt("a", broken)
		s.write("a", configured)
		synctest.Wait()
		now := view(t, m, "a")
		require.Same(t, old.Snapshot, now.Snapshot)
		require.NotSame(t, old, now, "what is cached of users counts no more")
		require.Equal(t, int64(2), now.Revision)
		ok, detail := m.Ready()
		require.True(t, ok)
		require.Equal(t, "no connection", part(t, detail, "portals", "a")["error"])
		require.NotContains(t, part(t, detail, "portals", "b"), "error")

		time.Sleep(4 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"a", "a", "a"}, s.seen(), "once, and again every two seconds")
		require.Same(t, now, view(t, m, "a"), "a retry that fails gives up nothing that is cached")

		s.breakAt("a", nil)
		s.title("a", "mended")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, "one title mended", answer(t, m, "a"))
		_, detail = m.Ready()
		require.NotContains(t, part(t, detail, "portals", "a"), "error")
	})
	inBubble(t, "keeps the last good generation whole", func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		old := view(t, m, "a")
		s.breakAt("a", broken)
		s.write("a", imported)
		synctest.Wait()
		require.Same(t, old, view(t, m, "a"))
	})
	inBubble(t, "refuses when it never was usable", func(t *testing.T) {
		s, r := newPortals("a"), &rules{word: "one", err: authz.Errorf(authz.Invalid, "x.rego:1:1: no")}
		m := follow(t, s, r.policies())
		require.Equal(t, authz.ReasonPolicyMissing, view(t, m, "a").Refusal)
		ok, detail := m.Ready()
		require.False(t, ok)
		require.Equal(t, "x.rego:1:1: no", part(t, detail, "policy")["error"])
		require.Equal(t, false, part(t, detail, "portals", "a")["usable"])

		s.breakAt("a", broken)
		r.write("one", nil)
		synctest.Wait()
		require.Equal(t, authz.ReasonNotReady, view(t, m, "a").Refusal)

		s.breakAt("a", nil)
		s.set(func(s *portals) { s.policy = "nosuch" })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, authz.ReasonPolicyMissing, view(t, m, "a").Refusal)
		_, detail = m.Ready()
		require.Contains(t, part(t, detail, "portals", "a")["error"], `no policy package "nosuch"`)

		s.set(func(s *portals) { s.policy = "x" })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, "one title ", answer(t, m, "a"))
		ok, _ = m.Ready()
		require.True(t, ok)
	})
}

func TestChangesOfPolicies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := newPortals("a", "b"), &rules{word: "one"}
		m := follow(t, s, r.policies())
		s.seen()
		r.write("two", nil)
		synctest.Wait()
		require.Equal(t, "two title ", answer(t, m, "a"))
		require.Equal(t, "two title ", answer(t, m, "b"))
		require.Empty(t, s.seen(), "the configuration is in memory already")

		tries := r.tried()
		r.write("three", errors.New("x.rego:1:1: no"))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, "two title ", answer(t, m, "a"), "those that compiled last stay in force")
		require.Equal(t, tries+3, r.tried(), "once, and again every two seconds")
		ok, detail := m.Ready()
		require.True(t, ok)
		require.Equal(t, "x.rego:1:1: no", part(t, detail, "policy")["error"])
		require.NotEmpty(t, part(t, detail, "policy")["revision"])
		require.NotEmpty(t, part(t, detail, "policy")["tried_at"])

		s.title("a", "new")
		s.write("a", configured)
		synctest.Wait()
		require.Equal(t, "two title new", answer(t, m, "a"), "portals go on changing under them")

		r.write("three", nil)
		synctest.Wait()
		require.Equal(t, "three title new", answer(t, m, "a"))
		_, detail = m.Ready()
		require.NotContains(t, part(t, detail, "policy"), "error")
	})
}

func TestReadyFollowsTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		ready := func() bool { ok, _ := m.Ready(); return ok }
		require.True(t, ready())
		_, detail := m.Ready()
		require.NotContains(t, part(t, detail, "store"), "error")
		require.NotEmpty(t, part(t, detail, "store")["changed_at"])
		require.Equal(t, int64(1), part(t, detail, "portals", "a")["revision"])
		require.NotEmpty(t, part(t, detail, "portals", "a")["loaded_at"])

		down := errors.New("no connection")
		s.failed(down)
		_, detail = m.Ready()
		require.Equal(t, "no connection", part(t, detail, "store")["error"])
		since := part(t, detail, "store")["failing_since"]
		time.Sleep(15 * time.Second)
		s.failed(down)
		require.True(t, ready(), "for a while what is loaded will do")
		time.Sleep(time.Nanosecond)
		require.False(t, ready())
		_, detail = m.Ready()
		require.Equal(t, since, part(t, detail, "store")["failing_since"])
		require.Equal(t, "one title ", answer(t, m, "a"), "who asks all the same is answered")

		s.announce()
		require.True(t, ready())
		time.Sleep(time.Hour)
		s.failed(down)
		require.True(t, ready(), "a new failure counts from its own beginning")
	})
}

func TestBeforeTheStoreIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := follow(t, silent{}, (&rules{word: "one"}).policies())
		_, err := m.View("")
		require.ErrorContains(t, err, "there is no portal yet")
		ok, detail := m.Ready()
		require.False(t, ok)
		require.NotContains(t, part(t, detail, "store"), "changed_at")
	})
}

// silent is a store that never says anything.
type silent struct{}

func (silent) Renewed(context.Context, string, *authz.Bundle) (*authz.Bundle, error) {
	return nil, errors.New("nobody asks for what was never announced")
}

func (silent) Portals(context.Context) ([]authz.PortalRevision, error) {
	return nil, errors.New("nobody asks where portals stand that nobody waits for")
}

func (silent) Watch(ctx context.Context, _ time.Duration, _ func([]authz.PortalRevision), _ func(error)) error {
	<-ctx.Done()
	return ctx.Err()
}

// refusing is a store that cannot be followed.
type refusing struct{ silent }

func (refusing) Watch(context.Context, time.Duration, func([]authz.PortalRevision), func(error)) error {
	return authz.Errorf(authz.Invalid, "poll must be positive")
}

func TestRunFailsWithItsStore(t *testing.T) {
	m := live.NewManager(refusing{}, (&rules{word: "one"}).policies(), live.Options{
		Model: policies.RBACModel, Retry: time.Second, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	require.ErrorContains(t, m.Run(t.Context()), "poll must be positive")
}
