package live_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/live"
)

// stands returns where the portal stands in the store.
func (s *portals) stands(portal string) authz.PortalRevision {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stand[portal]
}

// commit changes a portal without a word, and returns where it stood and stands.
func (s *portals) commit(portal string, change func(*authz.PortalRevision)) (from, to authz.PortalRevision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from = s.stand[portal]
	to = from
	to.Revision++
	change(&to)
	s.stand[portal] = to
	return from, to
}

func titled(title string) *authz.Bundle {
	return &authz.Bundle{Portal: authz.Portal{ID: "a", Policy: "x", Settings: map[string]any{"title": "title " + title}}}
}

func TestApplied(t *testing.T) {
	inBubble(t, "data", func(t *testing.T) {
		s := newPortals("a", "b")
		m := follow(t, s, (&rules{word: "one"}).policies())
		s.seen()
		old, other := view(t, m, "a"), view(t, m, "b")
		from, to := s.commit("a", dataOnly)
		m.Applied("a", from, to, nil, nil)
		now := view(t, m, "a")
		require.Equal(t, int64(2), now.Revision)
		require.Same(t, old.Snapshot, now.Snapshot)
		require.Same(t, other, view(t, m, "b"))
		require.Equal(t, int64(1), old.Revision)

		s.announce()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Same(t, now, view(t, m, "a"), "its own news change nothing")
		require.Empty(t, s.seen())
	})
	inBubble(t, "configuration", func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		s.seen()
		from, to := s.commit("a", configured)
		config := titled("new")
		m.Applied("a", from, to, nil, config)
		require.Equal(t, "one title new", answer(t, m, "a"))
		now := view(t, m, "a")
		require.Equal(t, int64(2), now.Snapshot.Revision())
		require.Equal(t, titled("new"), config, "what it is given stays as it is")
		s.announce()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Same(t, now, view(t, m, "a"))
		require.Empty(t, s.seen())
		_, detail := m.Ready()
		require.Equal(t, int64(2), part(t, detail, "portals", "a")["revision"])
	})
	for name, spoil := range map[string]func(m *live.Manager, from, to authz.PortalRevision){
		"from elsewhere": func(m *live.Manager, from, to authz.PortalRevision) {
			from.Revision--
			m.Applied("a", from, to, nil, nil)
		},
		"to another generation": func(m *live.Manager, from, to authz.PortalRevision) {
			to.Generation = "g2"
			m.Applied("a", from, to, nil, nil)
		},
		"to where it is": func(m *live.Manager, from, _ authz.PortalRevision) { m.Applied("a", from, from, nil, nil) },
		"unknown portal": func(m *live.Manager, from, to authz.PortalRevision) { m.Applied("z", from, to, nil, nil) },
		"configuration that is not given": func(m *live.Manager, from, to authz.PortalRevision) {
			to.ConfigRevision = to.Revision
			m.Applied("a", from, to, nil, nil)
		},
		"configuration that cannot be used": func(m *live.Manager, from, to authz.PortalRevision) {
			to.ConfigRevision = to.Revision
			m.Applied("a", from, to, nil, &authz.Bundle{Portal: authz.Portal{ID: "a", Policy: "nosuch"}})
		},
	} {
		inBubble(t, name, func(t *testing.T) {
			s := newPortals("a")
			m := follow(t, s, (&rules{word: "one"}).policies())
			old := view(t, m, "a")
			from, to := s.commit("a", dataOnly)
			spoil(m, from, to)
			require.Same(t, old, view(t, m, "a"))
			require.NoError(t, m.Await(t.Context(), "a", to.Revision), "the news of the store bring it")
			require.Equal(t, int64(2), view(t, m, "a").Revision)
		})
	}
	inBubble(t, "over a portal that cannot be built", func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		s.breakAt("a", errors.New("no"))
		s.write("a", configured)
		synctest.Wait()
		old := view(t, m, "a")
		from, to := s.commit("a", dataOnly)
		m.Applied("a", from, to, nil, nil)
		require.Same(t, old, view(t, m, "a"))
		require.NoError(t, m.Await(t.Context(), "a", to.Revision), "the last good configuration goes on over the data as it is")
		s.breakAt("a", nil)
		s.title("a", "mended")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, "one title mended", answer(t, m, "a"))
	})
}

func TestNewsOfOwnWrites(t *testing.T) {
	inBubble(t, "early ones wait for the write", func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		from, to := s.commit("a", dataOnly)
		m.Applied("a", from, to, nil, nil)
		s.seen()
		for range 30 { // each within the time, and longer together
			from, to = s.commit("a", configured)
			s.announce()
			synctest.Wait()
			time.Sleep(40 * time.Millisecond)
			require.Equal(t, from.Revision, view(t, m, "a").Revision)
			m.Applied("a", from, to, nil, titled("new"))
			require.Equal(t, to.Revision, view(t, m, "a").Revision)
		}
		require.Empty(t, s.seen())
	})
	inBubble(t, "those of others wait for little", func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		from, to := s.commit("a", dataOnly)
		m.Applied("a", from, to, nil, nil)
		s.title("a", "theirs")
		s.write("a", configured)
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, "one title theirs", answer(t, m, "a"))
	})
	inBubble(t, "nobody who waits is kept waiting", func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		from, to := s.commit("a", dataOnly)
		m.Applied("a", from, to, nil, nil)
		_, theirs := s.commit("a", dataOnly)
		start := time.Now()
		require.NoError(t, m.Await(t.Context(), "a", theirs.Revision))
		require.Equal(t, start, time.Now())
	})
	inBubble(t, "late ones change nothing", func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		late := s.stands("a")
		from, to := s.commit("a", configured)
		m.Applied("a", from, to, nil, titled("new"))
		now := view(t, m, "a")
		s.seen()
		s.changed([]authz.PortalRevision{late})
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Same(t, now, view(t, m, "a"))
		require.Empty(t, s.seen())
	})
	inBubble(t, "a store put back to what it was is followed", func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		before := s.stands("a")
		from, to := s.commit("a", configured)
		m.Applied("a", from, to, nil, titled("new"))
		s.title("a", "restored")
		s.set(func(s *portals) { s.stand["a"] = before })
		s.announce()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, "one title restored", answer(t, m, "a"))
		require.Equal(t, int64(1), view(t, m, "a").Revision)
	})
	inBubble(t, "policies do not wait", func(t *testing.T) {
		s, r := newPortals("a"), &rules{word: "one"}
		m := follow(t, s, r.policies())
		from, to := s.commit("a", dataOnly)
		m.Applied("a", from, to, nil, nil)
		r.write("two", nil)
		synctest.Wait()
		require.Equal(t, "two title ", answer(t, m, "a"))
		require.Equal(t, to.Revision, view(t, m, "a").Revision)
	})
}

// TestOvertakenBuild has a write published while a build of it, from its news, is
// under way: the build is given up.
func TestOvertakenBuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		gate := make(chan struct{})
		s.set(func(s *portals) { s.gate = gate })
		from, to := s.commit("a", configured)
		s.announce()
		synctest.Wait() // it reads the store
		m.Applied("a", from, to, nil, titled("applied"))
		now := view(t, m, "a")
		close(gate)
		synctest.Wait()
		require.Same(t, now, view(t, m, "a"))

		s.set(func(s *portals) { s.gate = nil })
		s.title("a", "later")
		s.write("a", configured)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, "one title later", answer(t, m, "a"))
	})
}

func TestAwait(t *testing.T) {
	inBubble(t, "what is there", func(t *testing.T) {
		m := follow(t, newPortals("a"), (&rules{word: "one"}).policies())
		require.NoError(t, m.Await(t.Context(), "a", 1))
		require.NoError(t, m.Await(t.Context(), "a", 0))
	})
	inBubble(t, "a write of another process", func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		s.title("a", "theirs")
		_, to := s.commit("a", configured)
		require.NoError(t, m.Await(t.Context(), "a", to.Revision))
		require.Equal(t, "one title theirs", answer(t, m, "a"))
	})
	inBubble(t, "a new portal", func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		s.set(func(s *portals) {
			s.stand["n"] = authz.PortalRevision{ID: "n", Generation: "g", Revision: 5, ConfigRevision: 5}
		})
		require.NoError(t, m.Await(t.Context(), "n", 5))
		require.Equal(t, int64(5), view(t, m, "n").Revision)
	})
	inBubble(t, "a portal that goes", func(t *testing.T) {
		s := newPortals("a", "b")
		m := follow(t, s, (&rules{word: "one"}).policies())
		s.set(func(s *portals) { delete(s.stand, "a") })
		require.NoError(t, m.Await(t.Context(), "a", 2))
		_, err := m.View("a")
		require.Equal(t, authz.NotFound, authz.KindOf(err))
	})
	inBubble(t, "what cannot be", func(t *testing.T) {
		s := newPortals("a")
		m := follow(t, s, (&rules{word: "one"}).policies())
		s.breakAt("a", errors.New("no such role"))
		_, to := s.commit("a", imported)
		start := time.Now()
		err := m.Await(t.Context(), "a", to.Revision)
		require.Equal(t, authz.Unavailable, authz.KindOf(err))
		require.ErrorContains(t, err, "cannot be used as it was last written: no such role")
		require.Equal(t, start, time.Now())
	})
	inBubble(t, "what never comes", func(t *testing.T) {
		m := follow(t, newPortals("a"), (&rules{word: "one"}).policies())
		start := time.Now()
		err := m.Await(t.Context(), "a", 9)
		require.Equal(t, authz.Unavailable, authz.KindOf(err))
		require.Equal(t, 10*time.Second, time.Since(start))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		require.ErrorIs(t, m.Await(ctx, "a", 9), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
	})
	inBubble(t, "without a store", func(t *testing.T) {
		m := follow(t, silent{}, (&rules{word: "one"}).policies())
		require.ErrorContains(t, errors.Unwrap(m.Await(t.Context(), "a", 1)), "nobody asks where portals stand")
	})
}

// TestLateNewsOfANewPortal: news that were read before a portal was made do not pass for
// its deletion, neither for who waits for it nor for what is published.
func TestLateNewsOfANewPortal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPortals("p")
		m := follow(t, s, (&rules{word: "one"}).policies())
		late, err := s.Portals(t.Context())
		require.NoError(t, err)
		gate := make(chan struct{})
		s.set(func(s *portals) {
			s.stand["q"] = authz.PortalRevision{ID: "q", Generation: "g1", Revision: 1, ConfigRevision: 1}
			s.gate = gate
		})
		reached := make(chan error, 1)
		go func() { reached <- m.Await(t.Context(), "q", 1) }()
		synctest.Wait() // the portal is being read
		s.changed(late)
		synctest.Wait()
		require.Empty(t, reached, "who waits for the portal is told that it is there or gone")
		close(gate)
		require.NoError(t, <-reached)
		_, err = m.View("q")
		require.NoError(t, err)
		s.changed(late)
		synctest.Wait()
		_, err = m.View("q")
		require.NoError(t, err, "late news do not take the portal away")
		s.set(func(s *portals) { delete(s.stand, "q") })
		s.announce()
		synctest.Wait()
		_, err = m.View("q")
		require.Equal(t, authz.NotFound, authz.KindOf(err), "a deletion does")
		require.NoError(t, m.Await(t.Context(), "q", 2), "and there is nothing to wait for")
	})
}
