package keys_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/keys"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// shelf is a store in memory that can be out of order.
type shelf struct {
	mu      sync.Mutex
	callers []authz.Caller
	broken  error
	reading func() // called in the midst of a read, unless nil
}

func (s *shelf) Callers(context.Context) ([]authz.Caller, error) {
	s.mu.Lock()
	all, err, reading := slices.Clone(s.callers), s.broken, s.reading
	s.mu.Unlock()
	if reading != nil {
		reading()
	}
	return all, err
}

func (s *shelf) PutCaller(ctx context.Context, c authz.Caller, e authz.AuditEntry) error {
	_ = s.DeleteCaller(ctx, c.ID, e)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.callers = append(s.callers, c)
	}
	return s.broken
}

func (s *shelf) DeleteCaller(_ context.Context, id string, _ authz.AuditEntry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.callers = slices.DeleteFunc(s.callers, func(c authz.Caller) bool { return c.ID == id })
	}
	return s.broken
}

func (s *shelf) breaks(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

// person returns a caller with its key.
func person(name string) (key string, c authz.Caller) {
	key, id, hash := keys.New()
	return key, authz.Caller{ID: id, Name: name, Hash: hash, Portals: []string{"acme"}, Permissions: []authz.Permission{authz.PermitDecide}}
}

func fixed() time.Time { return noon }

func loaded(t testing.TB, s *shelf) *keys.Ring {
	t.Helper()
	r := keys.NewRing(s, time.Minute, fixed)
	require.NoError(t, r.Load(t.Context()))
	return r
}

func refusedAs(t *testing.T, kind authz.Kind, r *keys.Ring, token string, now time.Time) string {
	t.Helper()
	c, err := r.Authenticate(token, now)
	require.Nil(t, c)
	require.Equal(t, kind, authz.KindOf(err), "%v", err)
	return err.Error()
}

func TestAuthenticate(t *testing.T) {
	key, ann := person("ann")
	ended, bob := person("bob")
	bob.Until = noon
	other, _ := person("nobody")
	_, secret, _ := keys.Parse(other)
	r := loaded(t, &shelf{callers: []authz.Caller{ann, bob}})
	require.Equal(t, 2, r.Len())

	c, err := r.Authenticate(key, noon)
	require.NoError(t, err)
	require.Equal(t, &ann, c)
	c, err = r.Authenticate(ended, noon.Add(-1))
	require.NoError(t, err)
	require.Equal(t, "bob", c.Name)

	said := map[string]bool{}
	for name, token := range map[string]string{
		"ended": ended, "unknown": other, "secret of another": keys.Prefix + ann.ID + "_" + secret,
		"id of another": keys.Prefix + bob.ID + key[20:], "malformed": "x", "empty": "", "id alone": ann.ID,
	} {
		t.Run(name, func(t *testing.T) { said[refusedAs(t, authz.Unauthenticated, r, token, noon)] = true })
	}
	require.Len(t, said, 1, "no answer tells which part was wrong")
}

func TestNotLoaded(t *testing.T) {
	key, ann := person("ann")
	s := &shelf{callers: []authz.Caller{ann}, broken: errors.New("away")}
	r := keys.NewRing(s, time.Minute, fixed)
	require.Error(t, r.Load(t.Context()))
	require.Zero(t, r.Len())
	refusedAs(t, authz.Unavailable, r, key, noon)
}

// TestStale: while the store is away the table counts for its time, and no longer.
func TestStale(t *testing.T) {
	key, ann := person("ann")
	s := &shelf{callers: []authz.Caller{ann}}
	r := loaded(t, s)
	s.breaks(errors.New("away"))
	require.Error(t, r.Load(t.Context()))
	_, err := r.Authenticate(key, noon.Add(time.Minute))
	require.NoError(t, err)
	refusedAs(t, authz.Unavailable, r, key, noon.Add(time.Minute+1))
	refusedAs(t, authz.Unavailable, r, "x", noon.Add(time.Minute+1))
}

// TestAWriteIsNoReading: what is written through the ring does not make the rest of
// the table any newer.
func TestAWriteIsNoReading(t *testing.T) {
	key, ann := person("ann")
	_, bob := person("bob")
	now := noon
	r := keys.NewRing(&shelf{callers: []authz.Caller{ann}}, time.Minute, func() time.Time { return now })
	require.NoError(t, r.Load(t.Context()))
	now = noon.Add(time.Minute + 1)
	require.NoError(t, r.PutCaller(t.Context(), bob, authz.AuditEntry{}))
	refusedAs(t, authz.Unavailable, r, key, now)
}

func TestWritesCountAtOnce(t *testing.T) {
	key, ann := person("ann")
	s := &shelf{}
	r := loaded(t, s)
	refusedAs(t, authz.Unauthenticated, r, key, noon)
	require.NoError(t, r.PutCaller(t.Context(), ann, authz.AuditEntry{}))
	_, err := r.Authenticate(key, noon)
	require.NoError(t, err)
	all, err := r.Callers(t.Context())
	require.NoError(t, err)
	require.Equal(t, []authz.Caller{ann}, all)

	away := errors.New("away")
	s.breaks(away)
	require.ErrorIs(t, r.DeleteCaller(t.Context(), ann.ID, authz.AuditEntry{}), away)
	_, err = r.Authenticate(key, noon)
	require.NoError(t, err, "what was not revoked counts")
	later, bob := person("bob")
	require.ErrorIs(t, r.PutCaller(t.Context(), bob, authz.AuditEntry{}), away)
	refusedAs(t, authz.Unauthenticated, r, later, noon)

	s.breaks(nil)
	require.NoError(t, r.DeleteCaller(t.Context(), ann.ID, authz.AuditEntry{}))
	refusedAs(t, authz.Unauthenticated, r, key, noon)
}

// TestARevokedKeyStaysRevoked: a read of the store that began before a key was
// revoked and ends after it does not bring the key back.
func TestARevokedKeyStaysRevoked(t *testing.T) {
	key, ann := person("ann")
	s := &shelf{callers: []authz.Caller{ann}}
	r := loaded(t, s)
	reading, goOn := make(chan struct{}), make(chan struct{})
	s.reading = func() { close(reading); <-goOn }
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.Load(context.Background()) })
	<-reading
	s.mu.Lock()
	s.reading = nil
	s.mu.Unlock()
	wg.Go(func() { _ = r.DeleteCaller(context.Background(), ann.ID, authz.AuditEntry{}) })
	time.Sleep(20 * time.Millisecond) // the deletion would be through by now if it did not wait
	close(goOn)
	wg.Wait()
	refusedAs(t, authz.Unauthenticated, r, key, noon)
}

// TestRun: what others write is seen, through failures of the store too, each of
// which is told once.
func TestRun(t *testing.T) {
	key, ann := person("ann")
	s := &shelf{}
	r := loaded(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	failures := make(chan error, 100)
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx, time.Millisecond, func(err error) { failures <- err }) })
	away := errors.New("away")
	s.breaks(away)
	require.ErrorIs(t, <-failures, away)
	time.Sleep(20 * time.Millisecond)
	require.Empty(t, failures)
	s.mu.Lock()
	s.callers, s.broken = []authz.Caller{ann}, nil
	s.mu.Unlock()
	require.Eventually(t, func() bool { _, err := r.Authenticate(key, noon); return err == nil }, time.Minute, time.Millisecond)
	cancel()
	wg.Wait()
}

// TestRingIsTheStore: after any writes, those of other processes included, exactly
// the keys that the store has open something, each for its own caller.
func TestRingIsTheStore(t *testing.T) {
	type known struct {
		key string
		c   authz.Caller
	}
	var people []known
	for i := range 6 {
		key, c := person(fmt.Sprint("p", i))
		people = append(people, known{key, c})
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := &shelf{}
		r := keys.NewRing(s, time.Hour, fixed)
		require.NoError(rt, r.Load(context.Background()))
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			p := rapid.SampledFrom(people).Draw(rt, "who")
			var w keys.Store = s // another process
			own := rapid.Bool().Draw(rt, "own")
			if own {
				w = r
			}
			if rapid.Bool().Draw(rt, "put") {
				require.NoError(rt, w.PutCaller(context.Background(), p.c, authz.AuditEntry{}))
			} else {
				require.NoError(rt, w.DeleteCaller(context.Background(), p.c.ID, authz.AuditEntry{}))
			}
			if !own {
				require.NoError(rt, r.Load(context.Background()))
			}
			for _, q := range people {
				c, err := r.Authenticate(q.key, noon)
				if slices.ContainsFunc(s.callers, func(c authz.Caller) bool { return c.ID == q.c.ID }) {
					require.NoError(rt, err)
					require.Equal(rt, q.c.Name, c.Name)
				} else {
					require.Nil(rt, c)
				}
			}
		}
	})
}

func TestAuthenticateAllocatesNothing(t *testing.T) {
	key, ann := person("ann")
	r := loaded(t, &shelf{callers: []authz.Caller{ann}})
	require.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = r.Authenticate(key, noon) }))
}

func BenchmarkAuthenticate(b *testing.B) {
	key, ann := person("ann")
	unknown, _ := person("nobody")
	_, secret, _ := keys.Parse(unknown)
	s := &shelf{callers: []authz.Caller{ann}}
	for range authz.MaxCallers - 1 {
		_, c := person("x")
		s.callers = append(s.callers, c)
	}
	r := loaded(b, s)
	for name, token := range map[string]string{"right": key, "unknown id": unknown, "wrong secret": keys.Prefix + ann.ID + "_" + secret} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = r.Authenticate(token, noon)
			}
		})
	}
}
