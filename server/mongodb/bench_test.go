package mongodb_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// BenchmarkBundle loads 5,000 roles, 200 screens and 20,000 rights that lie
// beside 10,000 records. peak-MiB is the greatest heap in use during a load, the
// embedded database's included.
func BenchmarkBundle(b *testing.B) {
	for _, db := range []struct {
		name, uri string
		embedded  bool
	}{{"embedded", embeddedURI, true}, {"mongodb", os.Getenv(uriVariable), false}} {
		b.Run(db.name, func(b *testing.B) {
			if db.uri == "" {
				b.Skipf("set %s", uriVariable)
			}
			s, err := mongodb.Open(b.Context(), mongodb.Options{URI: db.uri, Database: "bench_" + uuid.NewString()[:8], Embedded: db.embedded, Sole: db.embedded})
			require.NoError(b, err)
			defer func() { require.NoError(b, s.Close(context.Background())) }()
			began := time.Now()
			require.NoError(b, s.Import(b.Context(), []authz.World{sized("big", "x", 5000, 200, 20_000, 1000, 10_000)}, "bench", nil))
			imported := time.Since(began)
			debug.FreeOSMemory()
			peak := watchHeap(b)
			b.ReportAllocs()
			for b.Loop() {
				bundle, err := s.Bundle(b.Context(), "big")
				require.NoError(b, err)
				require.Len(b, bundle.Rights, 20_000)
			}
			b.ReportMetric(float64(peak())/(1<<20), "peak-MiB")
			b.ReportMetric(imported.Seconds(), "import-s")
		})
	}
}

// watchHeap samples the heap until the returned function is called, which
// returns the greatest size above the one at the start.
func watchHeap(b *testing.B) func() uint64 {
	b.Helper()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	start, most := m.HeapInuse, uint64(0)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapInuse)
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-done
		return most - min(start, most)
	}
}

// BenchmarkUser reads one user by its key.
func BenchmarkUser(b *testing.B) {
	s, err := mongodb.Open(b.Context(), mongodb.Options{URI: embeddedURI, Database: "bench_" + uuid.NewString()[:8], Embedded: true, Sole: true, Prepare: index})
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close(context.Background())) }()
	require.NoError(b, s.Import(b.Context(), []authz.World{sized("big", "x", 10, 10, 10, 20_000, 0)}, "bench", nil))
	bundle, err := s.Bundle(b.Context(), "big")
	require.NoError(b, err)
	for b.Loop() {
		_, err := s.User(b.Context(), "big", bundle.Generation, "user-00007")
		require.NoError(b, err)
	}
}

// BenchmarkList reads pages of 100 out of 20,000 users, of all and of those with a
// login, and of 20,000 rights.
func BenchmarkList(b *testing.B) {
	queries := map[string]authz.ListQuery{
		"users":          {Kind: authz.UserEntity, Limit: 100},
		"users by login": {Kind: authz.UserEntity, Limit: 100, Filter: map[string]string{"login": "login-00007"}},
		"rights":         {Kind: authz.RightEntity, Limit: 100},
		"rights of one":  {Kind: authz.RightEntity, Of: "role-00007", Limit: 100},
	}
	for _, db := range []struct {
		name, uri string
		embedded  bool
	}{{"embedded", embeddedURI, true}, {"mongodb", os.Getenv(uriVariable), false}} {
		b.Run(db.name, func(b *testing.B) {
			if db.uri == "" {
				b.Skipf("set %s", uriVariable)
			}
			s, err := mongodb.Open(b.Context(), mongodb.Options{URI: db.uri, Database: "bench_" + uuid.NewString()[:8], Embedded: db.embedded, Sole: db.embedded})
			require.NoError(b, err)
			defer func() { require.NoError(b, s.Close(context.Background())) }()
			require.NoError(b, s.Import(b.Context(), []authz.World{sized("big", "x", 5000, 200, 20_000, 20_000, 10)}, "bench", nil))
			for name, q := range queries {
				b.Run(name, func(b *testing.B) {
					for b.Loop() {
						got, err := s.List(b.Context(), "big", q)
						require.NoError(b, err)
						require.NotEmpty(b, got.Items)
						q.After = got.Next
					}
				})
			}
		})
	}
}

// BenchmarkCommit writes beside 5,000 roles, 200 screens and 20,000 rights: one
// user, one right, and a screen's rights of all roles.
func BenchmarkCommit(b *testing.B) {
	for _, db := range []struct {
		name, uri string
		embedded  bool
	}{{"embedded", embeddedURI, true}, {"mongodb", os.Getenv(uriVariable), false}} {
		if db.uri == "" {
			continue
		}
		database := "bench_" + uuid.NewString()[:8]
		o := mongodb.Options{URI: db.uri, Database: database, Embedded: db.embedded, Sole: db.embedded}
		if db.embedded {
			o.Prepare = index
		}
		s, err := mongodb.Open(b.Context(), o)
		require.NoError(b, err)
		require.NoError(b, s.Import(b.Context(), []authz.World{sized("big", "x", 5000, 200, 20_000, 1000, 0)}, "bench", nil))
		w, err := s.World(b.Context(), "big")
		require.NoError(b, err)
		column := make([]authz.EntityWrite, len(w.Roles))
		for _, bench := range []struct {
			name   string
			writes func(i int) []authz.EntityWrite
		}{
			{"user", func(i int) []authz.EntityWrite {
				u := w.Users[i%len(w.Users)]
				u.Position = fmt.Sprint(i)
				return []authz.EntityWrite{{Entity: u.Key(), New: u}}
			}},
			{"right", func(i int) []authz.EntityWrite {
				r := w.Rights[i%len(w.Rights)]
				r.Level = authz.Level(1 + i%5)
				return []authz.EntityWrite{{Entity: r.Key(), New: r}}
			}},
			{"column", func(i int) []authz.EntityWrite {
				for n := range column {
					r := authz.Right{Role: w.Roles[n].ID, Node: w.Screens[0].ID, Level: authz.Level(1 + i%5)}
					column[n] = authz.EntityWrite{Entity: r.Key(), New: r}
				}
				return column
			}},
		} {
			b.Run(db.name+"/"+bench.name, func(b *testing.B) {
				i := 0
				for b.Loop() {
					b.StopTimer()
					base, err := s.Head(b.Context(), "big")
					require.NoError(b, err)
					c, err := judgedQuickly(base, w, bench.writes(i))
					require.NoError(b, err)
					b.StartTimer()
					_, err = s.Commit(b.Context(), "big", c)
					require.NoError(b, err)
					i++
				}
			})
		}
		require.NoError(b, s.Close(b.Context()))
	}
}

// judgedQuickly is judged for many rights at once: their configuration is taken for
// valid.
func judgedQuickly(base authz.PortalRevision, w *authz.World, writes []authz.EntityWrite) (*authz.Changeset, error) {
	if writes[0].Entity.Kind != authz.RightEntity {
		return judged(base, w, "bench", writes...)
	}
	c := &authz.Changeset{Base: base, Changes: writes, Config: &authz.Bundle{Portal: w.Portal}, Entry: authz.AuditEntry{Actor: "bench"}}
	levels := make(map[authz.Key]authz.Right, len(w.Rights))
	for _, r := range w.Rights {
		levels[r.Key()] = r
	}
	for i := range writes {
		r := writes[i].New.(authz.Right)
		if old, ok := levels[r.Key()]; ok {
			writes[i].Old = old
		}
		levels[r.Key()] = r
	}
	for _, r := range levels {
		c.Config.Rights = append(c.Config.Rights, r)
	}
	return c, nil
}

// BenchmarkSameLoginAfterWrite counts a login right after a write to one of 5,000
// users.
func BenchmarkSameLoginAfterWrite(b *testing.B) {
	s, err := mongodb.Open(b.Context(), mongodb.Options{URI: embeddedURI, Database: "bench_login", Embedded: true, Sole: true, Prepare: index})
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
