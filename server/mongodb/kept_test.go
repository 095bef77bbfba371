package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// sole opens a Store that has an embedded database to itself, with the portal p.
func sole(t *testing.T) *Store {
	t.Helper()
	s := alone(t, true)
	require.NoError(t, s.Import(t.Context(), []authz.World{{Bundle: authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "x"}}}}, "test", nil))
	give, err := take(t.Context(), s.broom) // the sweeper writes to heads, and finishes imports
	require.NoError(t, err)
	t.Cleanup(give)
	return s
}

// behind sets the portal's revision as nobody may who is not the Store.
func behind(t *testing.T, s *Store, revision int64) {
	t.Helper()
	_, err := s.db.Collection(portals).UpdateOne(t.Context(), byID("p"), bson.M{"$set": bson.M{"revision": revision}})
	require.NoError(t, err)
}

func revisionOf(t *testing.T, s *Store) int64 {
	t.Helper()
	at, err := s.Head(t.Context(), "p")
	require.NoError(t, err)
	return at.Revision
}

// TestHeadsAreKept tells what is kept from what is read by a change behind the Store.
func TestHeadsAreKept(t *testing.T) {
	s := sole(t)
	require.EqualValues(t, 1, revisionOf(t, s))
	behind(t, s, 70)
	require.EqualValues(t, 1, revisionOf(t, s), "it is not read again")
	none, err := s.findHead(t.Context(), "q")
	require.NoError(t, err)
	require.Nil(t, none)

	h, err := s.findHead(t.Context(), "p")
	require.NoError(t, err)
	h.Revision, h.Garbage = 2, []string{"mine"}
	again, err := s.findHead(t.Context(), "p")
	require.NoError(t, err)
	require.EqualValues(t, 1, again.Revision, "a head is its reader's")
	require.NotContains(t, again.Garbage, "mine")

	require.NoError(t, s.changeHead(t.Context(), "p", func(h *head) error { h.Revision = 3; return nil }))
	require.EqualValues(t, 3, revisionOf(t, s))
	behind(t, s, 71)
	require.EqualValues(t, 3, revisionOf(t, s), "what is written is not read")
	require.NoError(t, s.changeHead(t.Context(), "p", func(h *head) error { h.UpdatedBy = "\xff"; return nil }))
	h, err = s.findHead(t.Context(), "p")
	require.NoError(t, err)
	require.Equal(t, "\uFFFD", h.UpdatedBy, "as it is stored, and so as it will be found")
	require.NoError(t, s.changeHead(t.Context(), "q", func(*head) error { return nil }))
	there, err := s.findHead(t.Context(), "q")
	require.NoError(t, err)
	require.NotNil(t, there, "what was not there is, once it is written")
}

// TestHeadsAreListedFromMemory tells by changes behind the Store where a list comes from.
func TestHeadsAreListedFromMemory(t *testing.T) {
	s := sole(t)
	list := func(heads func(context.Context) ([]head, bool, error)) (all []string, pending bool) {
		t.Helper()
		found, pending, err := heads(t.Context())
		require.NoError(t, err)
		for i := range found {
			all = append(all, fmt.Sprint(found[i].ID, " ", found[i].Revision))
		}
		return all, pending
	}
	known, _ := list(s.knownHeads)
	require.Equal(t, []string{"p 1"}, known)
	behind(t, s, 70)
	known, _ = list(s.knownHeads)
	require.Equal(t, []string{"p 1"}, known)
	read, _ := list(s.heads)
	require.Equal(t, []string{"p 70"}, read)
	behind(t, s, 1)

	require.NoError(t, s.changeHead(t.Context(), "a", func(h *head) error { h.Revision = 5; return nil }))
	known, _ = list(s.knownHeads)
	require.Equal(t, []string{"a 5", "p 1"}, known, "a new one shows")
	require.NoError(t, s.changeHead(t.Context(), "a", func(h *head) error { h.Revision = 6; return nil }))
	known, _ = list(s.knownHeads)
	require.Equal(t, []string{"a 6", "p 1"}, known)

	for i := range maxKept {
		s.kept.put(place{policies, fmt.Sprint(i)}, nil, s.kept.count())
	}
	known, pending := list(s.knownHeads)
	require.Equal(t, []string{"a 6", "p 1"}, known, "what is kept no longer is read")
	require.False(t, pending)
	require.NoError(t, s.commit(t.Context(), &intent{ID: intentID, Import: "x"}, nil))
	_, pending = list(s.knownHeads)
	require.True(t, pending)
	_, err := s.Portals(t.Context())
	require.NoError(t, err)
	_, pending = list(s.knownHeads)
	require.False(t, pending, "it is finished")

	require.ErrorIs(t, s.kept.writing(map[place]bson.Raw{{portals, "p"}: nil}, func() error { return context.Canceled }), context.Canceled)
	behind(t, s, 71)
	known, _ = list(s.knownHeads)
	require.Equal(t, []string{"a 6", "p 71"}, known)
}

// TestNothingIsKeptAfterAnUnknownOutcome has a write fail that the database may make
// yet, and then one that says what came of it.
func TestNothingIsKeptAfterAnUnknownOutcome(t *testing.T) {
	s := sole(t)
	require.ErrorIs(t, s.kept.writing(map[place]bson.Raw{{portals, "p"}: nil}, func() error { return errRaced }), errRaced)
	require.EqualValues(t, 1, revisionOf(t, s))
	behind(t, s, 70)
	require.EqualValues(t, 1, revisionOf(t, s), "who lost a race knows that nothing was written")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h, err := s.findHead(t.Context(), "p")
	require.NoError(t, err)
	require.ErrorIs(t, s.saveHead(ctx, h, false), context.Canceled)
	for revision := range int64(3) {
		behind(t, s, 71+revision)
		require.Equal(t, 71+revision, revisionOf(t, s))
	}
}

func TestKept(t *testing.T) {
	doc := func(n int) bson.Raw { return make(bson.Raw, n) }
	p, q := place{portals, "p"}, place{policies, "q"}
	t.Run("what was read across a write is not kept", func(t *testing.T) {
		k := kept{on: true}
		_, _, before := k.get(p)
		require.NoError(t, k.writing(map[place]bson.Raw{q: nil}, func() error {
			_, _, during := k.get(p)
			k.put(p, doc(1), before)
			_, known, _ := k.get(p)
			require.False(t, known)
			k.put(p, doc(1), during)
			return nil
		}))
		_, known, after := k.get(p)
		require.True(t, known, "a write of another document ends nothing that was kept meanwhile")
		require.NoError(t, k.writing(map[place]bson.Raw{p: nil}, func() error { return nil }))
		_, known, _ = k.get(p)
		require.False(t, known)
		k.put(p, doc(2), after)
		_, known, _ = k.get(p)
		require.False(t, known)
	})
	t.Run("documents", func(t *testing.T) {
		k := kept{on: true}
		for i := range 3 * maxKept {
			k.put(place{portals, fmt.Sprint(i)}, nil, 0)
			require.LessOrEqual(t, len(k.docs), maxKept)
			_, known, _ := k.get(place{portals, fmt.Sprint(i)})
			require.True(t, known)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		k := kept{on: true}
		for i := range 20 {
			k.put(place{policies, fmt.Sprint(i % 7)}, doc(maxKeptBytes/5+i), 0)
			sum := 0
			for _, raw := range k.docs {
				sum += len(raw)
			}
			require.Equal(t, sum, k.bytes)
			require.LessOrEqual(t, sum, maxKeptBytes)
		}
		k.put(q, doc(maxKeptBytes+1), 0)
		_, known, _ := k.get(q)
		require.False(t, known)
	})
	t.Run("off", func(t *testing.T) {
		var k kept
		k.put(p, doc(1), 0)
		_, known, _ := k.get(p)
		require.False(t, known)
		k.on = true
		k.put(p, doc(1), 0)
		require.Error(t, k.writing(map[place]bson.Raw{q: nil}, func() error { return errors.New("no answer") }))
		_, known, n := k.get(p)
		require.False(t, known)
		k.put(p, doc(1), n)
		_, known, _ = k.get(p)
		require.False(t, known)
	})
}

// TestKeptIsWhatIsThere has readers and writers of two documents at once: what is read
// after a write has ended is never older than it.
func TestKeptIsWhatIsThere(t *testing.T) {
	numbered := func(n int) bson.Raw {
		raw, err := bson.Marshal(bson.D{{Key: "n", Value: int64(n)}})
		require.NoError(t, err)
		return raw
	}
	k := kept{on: true}
	var mu sync.Mutex
	there := map[string]bson.Raw{"p": numbered(0), "q": numbered(0)}
	look := func(id string) int {
		at := place{portals, id}
		raw, known, writes := k.get(at)
		if !known {
			mu.Lock()
			raw = there[id]
			mu.Unlock()
			k.put(at, raw, writes)
		}
		return int(raw.Lookup("n").Int64())
	}
	const last = 1000
	var all sync.WaitGroup
	for id, said := range map[string]bool{"p": true, "q": false} {
		at := place{portals, id}
		all.Go(func() {
			for n := range last + 1 {
				raw := numbered(n)
				become := raw
				if !said {
					become = nil
				}
				err := k.writing(map[place]bson.Raw{at: become}, func() error {
					mu.Lock()
					defer mu.Unlock()
					there[id] = raw
					return nil
				})
				if err != nil || look(id) != n {
					t.Errorf("%s: not %d", id, n)
				}
			}
		})
		for range 4 {
			all.Go(func() {
				for before := 0; before < last; {
					now := look(id)
					if now < before {
						t.Errorf("%s: %d after %d", id, now, before)
						return
					}
					before = now
				}
			})
		}
	}
	all.Wait()
}

func TestStoredAsIs(t *testing.T) {
	for _, tc := range []struct {
		doc  any
		want bool
	}{
		{bson.D{}, true},
		{bson.D{{Key: "a", Value: "ü"}, {Key: "b", Value: bson.D{{Key: "c", Value: bson.A{"x", int64(1), 1.5, nil, true, time.Now()}}}}}, true},
		{bson.D{{Key: "a", Value: "\xff"}}, false},
		{bson.D{{Key: "\xff", Value: 1}}, false},
		{bson.D{{Key: "a", Value: bson.D{{Key: "b", Value: "\xff"}}}}, false},
		{bson.D{{Key: "a", Value: bson.A{"x", bson.A{bson.D{{Key: "b", Value: "\xff"}}}}}}, false},
	} {
		raw, err := bson.Marshal(tc.doc)
		require.NoError(t, err)
		require.Equal(t, tc.want, storedAsIs(raw), tc.doc)
	}
	require.False(t, storedAsIs(bson.Raw{1}))
}

func TestFileSets(t *testing.T) {
	revision := func(text string) *authz.PolicyRevision {
		return &authz.PolicyRevision{Files: map[string]string{"a.rego": text}}
	}
	var f fileSets
	r := revision("package a")
	digest := r.Digest()
	require.Nil(t, f.get(digest))
	f.keep(digest, r)
	r.Files["a.rego"] = "package b"
	f.get(digest)["a.rego"] = "package c"
	require.Equal(t, map[string]string{"a.rego": "package a"}, f.get(digest), "it is nobody else's")

	for i := range 3 * maxFileSets {
		f.keep(fmt.Sprint(i), revision("x"))
		require.LessOrEqual(t, len(f.sets), maxFileSets)
	}
	for i := range 20 {
		f.keep(fmt.Sprint("large ", i), revision(strings.Repeat("x", maxFileSetBytes/3)))
		sum := 0
		for _, files := range f.sets {
			sum += len(files["a.rego"])
		}
		require.Equal(t, sum, f.bytes)
		require.LessOrEqual(t, sum, maxFileSetBytes)
	}
	f.keep("huge", revision(strings.Repeat("x", maxFileSetBytes+1)))
	require.Nil(t, f.get("huge"))
}

// TestAReaderThatIsOvertakenTakesATurn writes after every read of a reader, until writes
// have to wait for it.
func TestAReaderThatIsOvertakenTakesATurn(t *testing.T) {
	s := sole(t)
	write := func() error { return s.changeHead(t.Context(), "p", func(h *head) error { h.Revision++; return nil }) }
	reads, written := 0, make(chan error, 1)
	h, err := s.steady(t.Context(), "p", func(h *head) int64 { return h.Revision }, func(_ context.Context, h *head) error {
		if reads++; reads <= maxTorn {
			return write()
		}
		go func() { written <- write() }()
		select {
		case <-written:
			t.Error("written while it is read")
		case <-time.After(100 * time.Millisecond):
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, maxTorn+1, reads)
	require.EqualValues(t, 1+maxTorn, h.Revision)
	require.NoError(t, <-written)
	require.EqualValues(t, 2+maxTorn, revisionOf(t, s))

	gone := errors.New("gone")
	_, err = s.steadyInTurn(t.Context(), "p", func(context.Context, *head) error { return gone })
	require.Equal(t, authz.Unavailable, authz.KindOf(err))
	require.ErrorIs(t, err, gone)
	_, err = s.steadyInTurn(t.Context(), "q", func(context.Context, *head) error { return nil })
	require.Equal(t, authz.NotFound, authz.KindOf(err))
}

func TestRostersAreBounded(t *testing.T) {
	var all rosters
	first := all.of("p")
	require.Same(t, first, all.of("p"))
	for i := range 3 * maxRosters {
		all.of(fmt.Sprint(i))
		require.LessOrEqual(t, len(all.known), maxRosters)
	}
}
