package mongodb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/ferret"
)

// alone opens a Store on an embedded database of its own.
func alone(t *testing.T, sole bool) *Store {
	t.Helper()
	f, err := ferret.Start(t.Context(), t.TempDir(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Stop(context.Background())) })
	s, err := Open(t.Context(), Options{URI: f.URI(), Database: "x", Embedded: true, Sole: sole, Timeout: time.Minute})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	return s
}

// planned opens a Store on an embedded database of its own, with a portal and one
// user, and returns a write of the user that is planned and not made.
func planned(t *testing.T) (*Store, *journalDoc) {
	t.Helper()
	s := alone(t, false)
	old := authz.User{ID: "u", Position: "old"}
	require.NoError(t, s.Import(t.Context(), []authz.World{{Bundle: authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "x"}}, Users: []authz.User{old}}}, "test", nil))
	base, err := s.Head(t.Context(), "p")
	require.NoError(t, err)
	next := old
	next.Position = "new"
	w, err := s.plan(t.Context(), "p", &authz.Changeset{
		Base: base, Entry: authz.AuditEntry{Actor: "user/ann", Operation: "update"},
		Changes: []authz.EntityWrite{{Entity: old.Key(), Old: old, New: next}, {Entity: authz.User{ID: "v"}.Key(), New: authz.User{ID: "v"}}},
		Tasks:   []authz.StoredTask{{Name: "p~1", Portal: "p", Task: authz.Task{ID: "t", Kind: authz.MailTask}, State: authz.TaskPending}},
	})
	require.NoError(t, err)
	return s, &journalDoc{ID: "p", Version: w.version, Head: w.after, Ops: w.ops}
}

// store puts the journal where a process that died has left it.
func (j *journalDoc) store(t *testing.T, s *Store) {
	t.Helper()
	data, err := bson.Marshal(j)
	require.NoError(t, err)
	require.NoError(t, s.insertJournal(t.Context(), &sealedJournal{j.ID, data}))
}

// requireMade requires that the planned write, and nothing else, has been made.
func requireMade(t *testing.T, s *Store) {
	t.Helper()
	w, err := s.World(t.Context(), "p")
	require.NoError(t, err)
	require.EqualValues(t, 2, w.Revision)
	require.Len(t, w.Users, 2)
	require.Equal(t, "new", w.Users[0].Position)
	state, err := s.Chain(t.Context(), "p")
	require.NoError(t, err)
	require.EqualValues(t, 2, state.Seq)
	entries, err := s.Entries(t.Context(), "p", 0, 10)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.Equal(t, state.Hash, entries[1].Hash)
	left, err := s.db.Collection(journal).CountDocuments(t.Context(), bson.D{})
	require.NoError(t, err)
	require.Zero(t, left)
}

// TestJournalIsCompletedFromEveryPoint stops after each document of a write, after
// its head, and has the rest made by whatever comes next.
func TestJournalIsCompletedFromEveryPoint(t *testing.T) {
	next := []struct {
		name string
		do   func(t *testing.T, s *Store)
	}{
		{"open", func(t *testing.T, s *Store) {
			again, err := Open(t.Context(), *s.opts)
			require.NoError(t, err)
			require.NoError(t, again.Close(context.Background()))
		}},
		{"reader", func(t *testing.T, s *Store) {
			w, err := s.World(t.Context(), "p")
			require.NoError(t, err)
			require.EqualValues(t, 2, w.Revision, "a reader of all waits for the write")
		}},
		{"poll", func(t *testing.T, s *Store) {
			s.unfinished.Store(true)
			_, err := s.Portals(t.Context())
			require.NoError(t, err)
		}},
		{"write", func(t *testing.T, s *Store) {
			s.unfinished.Store(true)
			_, err := s.Commit(t.Context(), "p", &authz.Changeset{})
			require.ErrorIs(t, err, authz.ErrMoved)
		}},
		{"task", func(t *testing.T, s *Store) {
			s.unfinished.Store(true)
			_, err := s.ClaimTask(t.Context(), "p~1", time.Now(), time.Now().Add(time.Minute))
			require.NoError(t, err)
		}},
	}
	s, j := planned(t)
	require.Len(t, j.Ops, 4)
	for point := range len(j.Ops) + 2 {
		t.Run(fmt.Sprint("after ", point), func(t *testing.T) {
			s, j := s, j
			if point > 0 {
				s, j = planned(t)
			}
			j.store(t, s)
			require.NoError(t, s.do(t.Context(), j.Ops[:min(point, len(j.Ops))]))
			if point > len(j.Ops) {
				require.NoError(t, s.saveHead(t.Context(), &j.Head, false))
			}
			next[point%len(next)].do(t, s)
			require.NoError(t, s.inTurn(t.Context(), func(context.Context) error { return nil }))
			requireMade(t, s)
		})
	}
}

// TestFailedWriteIsCompletedBeforeAnything has the database refuse a document for a
// while, after the commit point.
func TestFailedWriteIsCompletedBeforeAnything(t *testing.T) {
	s, j := planned(t)
	good := j.Ops[1]
	j.Ops[1].Collection = "no$name"
	err := s.inTurn(t.Context(), func(ctx context.Context) error { return s.journalled(ctx, j) })
	require.Equal(t, authz.Unavailable, authz.KindOf(err))
	require.ErrorContains(t, err, "the write is stored")

	for name, call := range map[string]func() error{
		"commit": func() error {
			_, err := s.Commit(t.Context(), "p", &authz.Changeset{Base: j.Head.revisions()})
			return err
		},
		"import": func() error {
			return s.Import(t.Context(), []authz.World{{Bundle: authz.Bundle{Portal: authz.Portal{ID: "q", Policy: "x"}}}}, "x", nil)
		},
		"portals": func() error { _, err := s.Portals(t.Context()); return err },
		"world":   func() error { _, err := s.World(t.Context(), "p"); return err },
		"task":    func() error { _, err := s.ClaimTask(t.Context(), "p~1", time.Now(), time.Now()); return err },
		"service": func() error {
			return s.commitService(t.Context(), authz.AuditEntry{}, func(context.Context) ([]op, error) { return nil, nil })
		},
	} {
		require.Equal(t, authz.Unavailable, authz.KindOf(call()), name)
	}
	head, err := s.Head(t.Context(), "p")
	require.NoError(t, err)
	require.EqualValues(t, 1, head.Revision)

	j.Ops[1] = good
	_, err = s.db.Collection(journal).DeleteOne(t.Context(), byID("p"))
	require.NoError(t, err)
	j.store(t, s)
	_, err = s.Portals(t.Context())
	require.NoError(t, err)
	requireMade(t, s)
}

func TestServiceChainIsNoPortals(t *testing.T) {
	s, _ := planned(t)
	refused := errors.New("refused")
	err := s.commitService(t.Context(), authz.AuditEntry{Actor: "cli"}, func(context.Context) ([]op, error) { return nil, refused })
	require.ErrorIs(t, err, refused)
	doc, err := bson.Marshal(meta{ID: "k", UpdatedBy: "cli"})
	require.NoError(t, err)
	for _, doc := range []bson.Raw{doc, nil} {
		require.NoError(t, s.commitService(t.Context(), authz.AuditEntry{Actor: "cli", Operation: "create"}, func(context.Context) ([]op, error) {
			return []op{{Collection: callers, ID: "k", Doc: doc}}, nil
		}))
		d, err := findIn[meta](t.Context(), s, callers, "k")
		require.NoError(t, err)
		require.Equal(t, doc != nil, d != nil)
	}
	entries, err := s.Entries(t.Context(), authz.ServiceChain, 0, 10)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.True(t, entries[1].Intact())
	require.Equal(t, entries[0].Hash, entries[1].Prev)
	state, err := s.Portals(t.Context())
	require.NoError(t, err)
	require.Len(t, state, 1)
	require.NoError(t, s.Sweep(t.Context()))
}
