package mongodb_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// TestSameLoginOverManyWrites counts logins after writes of any kind, and holds them
// against a loop; others count all the time.
func TestSameLoginOverManyWrites(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		ctx := t.Context()
		s := holding(t, o, full("a"))
		done := make(chan struct{})
		var counting sync.WaitGroup
		counting.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(5 * time.Millisecond):
				}
				if _, err := s.SameLogin(ctx, "a", "", "l1", ""); err != nil {
					t.Errorf("a count failed: %v", err)
				}
			}
		})
		users := map[string]authz.User{}
		for range 40 {
			u := authz.User{ID: fmt.Sprint("u", rand.IntN(8)), Login: fmt.Sprint([]string{"l", "L"}[rand.IntN(2)], rand.IntN(3)), Active: rand.IntN(4) > 0}
			w := authz.EntityWrite{Entity: u.Key(), New: u}
			old, there := users[u.ID]
			if users[u.ID] = u; there {
				w.Old = old
			}
			if there && rand.IntN(4) == 0 {
				w.New = nil
				delete(users, u.ID)
			}
			base, err := s.Head(ctx, "a")
			require.NoError(t, err)
			_, err = s.Commit(ctx, "a", &authz.Changeset{Base: base, Changes: []authz.EntityWrite{w}, Entry: authz.AuditEntry{Actor: "test", Operation: "test"}})
			require.NoError(t, err)
			for i := range 3 {
				want := 0
				for _, u := range users {
					if u.Active && authz.FoldLogin(u.Login) == fmt.Sprint("l", i) && u.ID != "u0" {
						want++
					}
				}
				got, err := s.SameLogin(ctx, "a", "", fmt.Sprint("l", i), "u0")
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
		}
		close(done)
		counting.Wait()
	})
}

// BenchmarkSameLoginAfterWrite counts a login right after a write to one of 5,000
// users.
func BenchmarkSameLoginAfterWrite(b *testing.B) {
	s, err := mongodb.Open(b.Context(), mongodb.Options{URI: embeddedURI, Database: "bench_login", Embedded: true, Sole: true})
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close(b.Context())) }()
	w := sized("p", "x", 1, 1, 1, 5000, 0)
	require.NoError(b, s.Import(b.Context(), []authz.World{w}, "test", nil))
	old := w.Users[7]
	for b.Loop() {
		b.StopTimer()
		base, err := s.Head(b.Context(), "p")
		require.NoError(b, err)
		u := old
		u.Login += "x"
		_, err = s.Commit(b.Context(), "p", &authz.Changeset{Base: base, Changes: []authz.EntityWrite{{Entity: u.Key(), Old: old, New: u}}, Entry: authz.AuditEntry{Actor: "test", Operation: "test"}})
		require.NoError(b, err)
		old = u
		b.StartTimer()
		_, err = s.SameLogin(b.Context(), "p", "", u.Login, "")
		require.NoError(b, err)
	}
}
