package mongodb_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/ferret"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// TestStandaloneServerIsRefused shows the embedded database, which says hello as
// a standalone server does, for one.
func TestStandaloneServerIsRefused(t *testing.T) {
	_, err := mongodb.Open(t.Context(), mongodb.Options{URI: embeddedURI, Database: "x"})
	msg := kindOf(t, authz.Invalid, err)
	for _, want := range []string{"standalone", "--replSet", "rs.initiate()", "?replicaSet="} {
		require.Contains(t, msg, want)
	}
}

func TestBadURIIsRefused(t *testing.T) {
	_, err := mongodb.Open(t.Context(), mongodb.Options{URI: "postgres://x", Database: "x"})
	kindOf(t, authz.Invalid, err)
}

func TestSilentServerIsUnavailableInTime(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	for _, addr := range []string{silent.Addr().String(), closed.Addr().String()} {
		began := time.Now()
		_, err := mongodb.Open(t.Context(), mongodb.Options{URI: "mongodb://" + addr, Database: "x", Timeout: 300 * time.Millisecond})
		require.NotContains(t, kindOf(t, authz.Unavailable, err), addr, "the cause is for logs")
		require.Less(t, time.Since(began), 30*time.Second)
	}
}

// TestStoreThatGoesAwayIsUnavailable stops the database under a store in use.
func TestStoreThatGoesAwayIsUnavailable(t *testing.T) {
	f, err := ferret.Start(t.Context(), t.TempDir(), quiet())
	require.NoError(t, err)
	o := mongodb.Options{URI: f.URI(), Database: "x", Embedded: true, Timeout: 300 * time.Millisecond}
	s, err := mongodb.Open(t.Context(), o)
	require.NoError(t, err)
	defer s.Close(context.Background())
	require.NoError(t, s.Import(t.Context(), []authz.World{full("p")}, "test", nil))
	b, err := s.Bundle(t.Context(), "p")
	require.NoError(t, err)
	require.NoError(t, f.Stop(t.Context()))

	_, err = s.User(t.Context(), "p", b.Generation, "ann@acme")
	kindOf(t, authz.Unavailable, err)
	_, err = s.Bundle(t.Context(), "p")
	kindOf(t, authz.Unavailable, err)
	_, err = s.SameLogin(t.Context(), "p", b.Generation, "ann", "")
	kindOf(t, authz.Unavailable, err)
	_, err = s.Portals(t.Context())
	kindOf(t, authz.Unavailable, err)
	kindOf(t, authz.Unavailable, put(t.Context(), s, "p", "admin", authz.User{ID: "x"}))
	kindOf(t, authz.Unavailable, s.Import(t.Context(), []authz.World{full("p")}, "test", nil))

	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	var failures atomic.Int32
	err = s.Watch(ctx, 20*time.Millisecond, func([]authz.PortalRevision) { t.Error("nothing is known") }, func(err error) {
		failures.Add(1)
		require.Equal(t, authz.Unavailable, authz.KindOf(err))
	})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Greater(t, failures.Load(), int32(1))
	require.Less(t, failures.Load(), int32(12), "the time between attempts grows")
}

func TestEndedContextIsUnavailable(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.User(ctx, "p", "", "ann@acme")
		kindOf(t, authz.Unavailable, err)
		kindOf(t, authz.Unavailable, put(ctx, s, "p", "x", authz.User{ID: "x"}))
	})
}

// TestDamagedDocumentIsUnavailable reads what no Store wrote: it refuses, and
// does not guess.
func TestDamagedDocumentIsUnavailable(t *testing.T) {
	f, err := ferret.Start(t.Context(), t.TempDir(), quiet())
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Stop(context.Background())) }()
	o := mongodb.Options{URI: f.URI(), Database: "x", Embedded: true}
	func() {
		s, err := mongodb.Open(t.Context(), o)
		require.NoError(t, err)
		defer s.Close(context.Background())
		require.NoError(t, s.Import(t.Context(), []authz.World{full("p")}, "test", nil))
		b, err := s.Bundle(t.Context(), "p")
		require.NoError(t, err)
		for name, field := range map[string]any{"active": "yes", "flags": bson.A{}, "attributes": bson.M{"re": bson.Regex{Pattern: "x"}}, "grants": "guest"} {
			id := "p/" + b.Generation + "/bad-" + name
			_, err := raw(t, o).Collection("users").InsertOne(t.Context(), bson.M{"_id": id, name: field})
			require.NoError(t, err)
			_, err = s.User(t.Context(), "p", b.Generation, "bad-"+name)
			kindOf(t, authz.Unavailable, err)
		}
		_, err = raw(t, o).Collection("rights").InsertOne(t.Context(), bson.M{"_id": "p/" + b.Generation + "/zebra", "levels": bson.M{"god": bson.A{"W"}}})
		require.NoError(t, err)
		_, err = s.Bundle(t.Context(), "p")
		require.Error(t, err)
	}()
}

// TestServerHoldsOthersToTheSchema is about servers that have validators; the
// embedded database has none, and nobody but this process writes to it.
func TestServerHoldsOthersToTheSchema(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		if o.Embedded {
			open(t, o)
			_, err := raw(t, o).Collection("users").InsertOne(t.Context(), bson.M{"_id": "p/g/u", "active": "yes"})
			require.NoError(t, err)
			return
		}
		open(t, o)
		open(t, o) // a second Open finds the collections
		doc := func() bson.M {
			return bson.M{"_id": "p/g/u", "portal": "p", "revision": int64(1), "updated_at": time.Now(), "updated_by": "x"}
		}
		_, err := raw(t, o).Collection("users").InsertOne(t.Context(), doc())
		require.NoError(t, err)
		for field, v := range map[string]any{"active": "yes", "revision": "1", "login": int64(1), "grants": bson.A{bson.M{"by": "x"}}, "updated_by": nil} {
			bad := doc()
			bad["_id"], bad[field] = "p/g/"+field, v
			_, err := raw(t, o).Collection("users").InsertOne(t.Context(), bad)
			require.ErrorContains(t, err, "alidation", field)
		}
		_, err = raw(t, o).Collection("rights").InsertOne(t.Context(), bson.M{"_id": "p/g/r", "portal": "p", "revision": int64(1),
			"updated_at": time.Now(), "updated_by": "x", "levels": bson.M{"god": bson.A{"W"}}})
		require.ErrorContains(t, err, "alidation")
	})
}

// TestWatchSeesOthersWrites watches with one Store what another writes.
func TestWatchSeesOthersWrites(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		o.Sole = false
		watcher, writer := open(t, o), open(t, o)
		ctx, cancel := context.WithCancel(t.Context())
		seen, ended := make(chan []authz.PortalRevision, 16), make(chan error, 1)
		go func() {
			ended <- watcher.Watch(ctx, 500*time.Millisecond, func(p []authz.PortalRevision) { seen <- p }, func(err error) { t.Error(err) })
		}()
		next := func(within time.Duration) []authz.PortalRevision {
			t.Helper()
			select {
			case p := <-seen:
				return p
			case <-time.After(within):
				require.Fail(t, "not seen in time")
				return nil
			}
		}
		require.Empty(t, next(2*time.Second), "the first state comes at once")
		require.NoError(t, writer.Import(t.Context(), []authz.World{full("p")}, "test", nil))
		state := next(2 * time.Second)
		require.Equal(t, "p", state[0].ID)
		require.NoError(t, put(t.Context(), writer, "p", "x", authz.User{ID: "x"}))
		require.Equal(t, state[0].Revision+1, next(2 * time.Second)[0].Revision)
		require.NoError(t, del(t.Context(), writer, "p", "x", authz.Key{Kind: authz.PortalEntity, ID: "p"}))
		require.Empty(t, next(2*time.Second))
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// TestWatchIsNudgedByOwnWrites would wait an hour otherwise.
func TestWatchIsNudgedByOwnWrites(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := open(t, o)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		calls := 0
		first := make(chan struct{})
		go func() {
			<-first
			_ = s.Import(context.Background(), []authz.World{full("p")}, "test", nil)
		}()
		err := s.Watch(ctx, time.Hour, func(p []authz.PortalRevision) {
			if calls++; calls == 1 {
				close(first)
				return
			}
			require.Len(t, p, 1)
			cancel()
		}, nil)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 2, calls)
	})
}

// TestWatchTellsThatTheStoreIsBack spoils a head for a while, so that the heads
// cannot be read; nothing else changes meanwhile.
func TestWatchTellsThatTheStoreIsBack(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		seen, failed := make(chan []authz.PortalRevision, 16), make(chan error, 1024)
		go func() {
			_ = s.Watch(ctx, 10*time.Millisecond, func(p []authz.PortalRevision) { seen <- p }, func(err error) { failed <- err })
		}()
		before := <-seen
		heads := raw(t, o).Collection("portals")
		_, err := heads.InsertOne(ctx, bson.M{"_id": "spoilt", "revision": bson.A{}}, options.InsertOne().SetBypassDocumentValidation(true))
		require.NoError(t, err)
		require.Equal(t, authz.Unavailable, authz.KindOf(<-failed))
		_, err = heads.DeleteOne(ctx, bson.M{"_id": "spoilt"})
		require.NoError(t, err)
		select {
		case after := <-seen:
			require.Equal(t, before, after)
		case <-ctx.Done():
			require.Fail(t, "the store is back and nobody was told")
		}
	})
}

// TestOpenPrepares: the database is made ready when its collections are there, and a
// store for which that fails is not opened.
func TestOpenPrepares(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		prepare, prepared := o.Prepare, ""
		o.Prepare = func(ctx context.Context, database string) error {
			names, err := raw(t, o).ListCollectionNames(ctx, bson.D{})
			require.NoError(t, err)
			require.Contains(t, names, "users")
			prepared = database
			if prepare != nil {
				return prepare(ctx, database)
			}
			return nil
		}
		open(t, o)
		require.Equal(t, o.Database, prepared)

		o.Prepare = func(context.Context, string) error { return errors.New("no room") }
		_, err := mongodb.Open(t.Context(), o)
		require.ErrorContains(t, err, "no room")
	})
}
