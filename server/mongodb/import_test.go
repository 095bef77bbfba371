package mongodb_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// marks returns what the documents of a sized world say, each mark once.
func marks(w *authz.World) map[string]int {
	m := map[string]int{w.Portal.Title: 1}
	for _, x := range w.UserTypes {
		m[x.Title]++
	}
	for _, x := range w.Roles {
		m[x.Title]++
	}
	for _, x := range w.Screens {
		m[x.Title]++
	}
	for _, x := range w.Accounts {
		m[x.Name]++
	}
	for _, x := range w.Users {
		m[x.Position]++
	}
	for _, x := range w.Records {
		m[x.Owner]++
	}
	return m
}

func world(t *testing.T, s *mongodb.Store, portal string) *authz.World {
	t.Helper()
	w, err := s.World(t.Context(), portal)
	require.NoError(t, err)
	return w
}

func count(t *testing.T, o mongodb.Options, collection string) int64 {
	t.Helper()
	n, err := raw(t, o).Collection(collection).CountDocuments(t.Context(), bson.D{})
	require.NoError(t, err)
	return n
}

func TestImportReplacesItsPortalsAndNoOther(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		o.Grace = time.Nanosecond
		untouched := full("other")
		s := holding(t, o, sized("p", "old", 30, 5, 60, 20, 40), untouched)
		var told [][2]int
		next := sized("p", "new", 3, 2, 6, 2, 4)
		require.NoError(t, s.Import(t.Context(), []authz.World{next}, "test", func(done, total int) { told = append(told, [2]int{done, total}) }))
		same(t, &untouched, world(t, s, "other"))
		got := world(t, s, "p")
		require.Equal(t, map[string]int{"new": 14}, marks(got))
		require.Len(t, got.Rights, 6)
		require.Equal(t, [2]int{16, 16}, told[len(told)-1], "each role's rights are one document")

		require.NoError(t, s.Sweep(t.Context()))
		require.EqualValues(t, 3+len(untouched.Roles), count(t, o, "roles"))
		require.EqualValues(t, 4+len(untouched.Records), count(t, o, "records"))
	})
}

func TestImportTellsAllFaultsAtOnce(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, sized("p", "old", 3, 2, 6, 2, 4))
		a, b := full("p"), full("q")
		a.Users[0].Grants[0].Role, a.Rights[1].Node = "nobody", "nowhere"
		b.Roles[0].Inherits = []string{"clerk"}
		err := s.Import(t.Context(), []authz.World{a, b, full("q")}, "test", nil)
		var faults authz.Faults
		require.ErrorAs(t, err, &faults)
		for _, path := range []string{"p: users[0].grants[0]", "p: rights[1].node", "q: roles", "q: portal.id"} {
			require.Contains(t, err.Error(), path)
		}
		require.Equal(t, map[string]int{"old": 14}, marks(world(t, s, "p")))
		_, err = s.World(t.Context(), "q")
		kindOf(t, authz.NotFound, err)
		require.NoError(t, s.Import(t.Context(), nil, "test", nil))
	})
}

func TestBatchesAreBounded(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s, last := open(t, o), 0
		inSteps := func(w authz.World, most int) {
			t.Helper()
			last = 0
			require.NoError(t, s.Import(t.Context(), []authz.World{w}, "test", func(done, _ int) {
				require.LessOrEqual(t, done-last, most)
				last = done
			}))
		}
		inSteps(sized("many", "x", 1, 1, 1, 0, 2500), 1000)
		heavy := sized("heavy", "x", 1, 1, 1, 0, 5)
		for i := range heavy.Records {
			heavy.Records[i].Properties = map[string]any{"blob": strings.Repeat("x", 3<<20)}
		}
		inSteps(heavy, 1)

		heavy.Records[3].Properties["blob"] = strings.Repeat("x", 12<<20)
		msg := kindOf(t, authz.TooLarge, s.Import(t.Context(), []authz.World{heavy}, "test", nil))
		require.Contains(t, msg, `case "000003"`)
		heavy.Portal.Settings = map[string]any{"blob": strings.Repeat("x", 4<<20)}
		kindOf(t, authz.TooLarge, s.Import(t.Context(), []authz.World{heavy}, "test", nil))
		require.Len(t, world(t, s, "heavy").Records, 5)
		require.NoError(t, s.Sweep(t.Context()))
		require.EqualValues(t, 2505, count(t, o, "records"), "what the refused import wrote is gone")
	})
}

// TestOneImportAtATime stops an import between two documents.
func TestOneImportAtATime(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		o.Sole = false
		a, b := holding(t, o, sized("p", "old", 3, 2, 6, 2, 4)), open(t, o)
		reached, resume, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		var once sync.Once
		go func() {
			ended <- a.Import(context.Background(), []authz.World{sized("p", "a", 3, 2, 6, 2, 4), sized("q", "a", 3, 2, 6, 2, 4)}, "ann", func(int, int) {
				once.Do(func() { close(reached); <-resume })
			})
		}()
		<-reached
		msg := kindOf(t, authz.Conflict, b.Import(t.Context(), []authz.World{sized("p", "b", 3, 2, 6, 2, 4)}, "bob", nil))
		require.Contains(t, msg, `another import, by "ann"`)
		kindOf(t, authz.Conflict, put(t.Context(), b, "p", "bob", authz.User{ID: "u"}))
		kindOf(t, authz.Conflict, del(t.Context(), b, "p", "bob", authz.Key{Kind: authz.UserEntity, ID: "user-00000"}))
		require.NoError(t, b.Import(t.Context(), []authz.World{sized("r", "b", 3, 2, 6, 2, 4)}, "bob", nil), "another portal")
		require.NoError(t, b.Sweep(t.Context()))
		require.Equal(t, map[string]int{"old": 14}, marks(world(t, b, "p")))
		close(resume)
		require.NoError(t, <-ended)
		require.Equal(t, map[string]int{"a": 14}, marks(world(t, b, "p")))
		require.Equal(t, map[string]int{"a": 14}, marks(world(t, b, "q")))
		require.NoError(t, b.Import(t.Context(), []authz.World{sized("p", "b", 3, 2, 6, 2, 4)}, "bob", nil), "the lease went with its import")
	})
}

// TestLeaseRunsOut lets an import sleep until another has taken its place; what
// the sleeper wrote must never become current.
func TestLeaseRunsOut(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		o.Lease = 150 * time.Millisecond
		o.Sole = false
		a, b := holding(t, o, sized("p", "old", 3, 2, 6, 2, 4)), open(t, o)
		reached, resume, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		var once sync.Once
		go func() {
			ended <- a.Import(context.Background(), []authz.World{sized("p", "a", 3, 2, 6, 2, 4), sized("q", "a", 3, 2, 6, 2, 4)}, "ann", func(int, int) {
				once.Do(func() { close(reached); <-resume })
			})
		}()
		<-reached
		time.Sleep(200 * time.Millisecond)
		require.NoError(t, b.Import(t.Context(), []authz.World{sized("p", "b", 3, 2, 6, 2, 4)}, "bob", nil))
		require.NoError(t, b.Sweep(t.Context()))
		close(resume)
		kindOf(t, authz.Conflict, <-ended)
		require.Equal(t, map[string]int{"b": 14}, marks(world(t, b, "p")))
		_, err := b.World(t.Context(), "q")
		kindOf(t, authz.NotFound, err)
	})
}

// TestLeaseIsRenewed imports for longer than a lease lasts.
func TestLeaseIsRenewed(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		o.Lease = 600 * time.Millisecond
		o.Sole = false
		a, b := holding(t, o, sized("p", "old", 3, 2, 6, 2, 4)), open(t, o)
		err := a.Import(t.Context(), []authz.World{sized("p", "a", 3, 2, 6, 2, 4)}, "ann", func(int, int) {
			time.Sleep(170 * time.Millisecond) // there are eight lists
			kindOf(t, authz.Conflict, b.Import(t.Context(), []authz.World{sized("p", "b", 3, 2, 6, 2, 4)}, "bob", nil))
		})
		require.NoError(t, err)
		require.Equal(t, map[string]int{"a": 14}, marks(world(t, b, "p")))
	})
}

// rewind puts the portal's head back to before its last import took effect, as a
// crash would leave it.
func rewind(t *testing.T, o mongodb.Options, portal string, until time.Time) (old, staged string) {
	t.Helper()
	heads := raw(t, o).Collection("portals")
	var h bson.M
	require.NoError(t, heads.FindOne(t.Context(), bson.D{{Key: "_id", Value: portal}}).Decode(&h))
	old, staged = h["previous"].(string), h["generation"].(string)
	set := bson.M{"generation": old, "title": "old", "lease": bson.M{
		"import": "crashed", "generation": staged, "by": "test", "until": until,
		"next": bson.M{"title": h["title"], "policy": h["policy"]},
	}}
	_, err := heads.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: portal}}, bson.M{"$set": set, "$unset": bson.M{"previous": "", "retired_at": ""}})
	require.NoError(t, err)
	return old, staged
}

func TestCommittedImportIsCompleted(t *testing.T) {
	for _, by := range []string{"open", "poll", "import"} {
		t.Run(by, func(t *testing.T) {
			contract(t, func(t *testing.T, o mongodb.Options) {
				o.Sole = false
				s := holding(t, o, sized("p", "old", 3, 2, 6, 2, 4), sized("q", "old", 3, 2, 6, 2, 4))
				require.NoError(t, s.Import(t.Context(), []authz.World{sized("p", "new", 3, 2, 6, 2, 4), sized("q", "new", 3, 2, 6, 2, 4)}, "test", nil))
				// The crash came after the first of two flips, and long ago. The lease
				// ends after the intent is there: until then it is any import's, which
				// the store in the background takes away.
				_, to := rewind(t, o, "q", time.Now().Add(time.Hour))
				before := world(t, s, "p")
				_, err := raw(t, o).Collection("portals").InsertOne(t.Context(), bson.M{
					"_id": "~import", "import": "crashed", "by": "test", "at": time.Now(),
					"flips": bson.A{bson.M{"portal": "p", "to": before.Generation}, bson.M{"portal": "q", "to": to}},
				})
				require.NoError(t, err)
				_, err = raw(t, o).Collection("portals").UpdateOne(t.Context(), bson.D{{Key: "_id", Value: "q"}}, bson.M{"$set": bson.M{"lease.until": time.Now().Add(-time.Hour)}})
				require.NoError(t, err)
				switch by {
				case "open":
					s = open(t, o)
				case "poll":
					_, err = s.Portals(t.Context())
				case "import":
					err = s.Import(t.Context(), []authz.World{sized("r", "x", 1, 1, 1, 1, 1)}, "test", nil)
				}
				require.NoError(t, err)
				require.Equal(t, map[string]int{"new": 14}, marks(world(t, s, "p")))
				require.Equal(t, map[string]int{"new": 14}, marks(world(t, s, "q")))
				require.Equal(t, before.Revision, world(t, s, "p").Revision, "a flip counts once")
				require.EqualValues(t, 0, intents(t, o))
			})
		})
	}
}

func intents(t *testing.T, o mongodb.Options) int64 {
	t.Helper()
	n, err := raw(t, o).Collection("portals").CountDocuments(t.Context(), bson.D{{Key: "_id", Value: "~import"}})
	require.NoError(t, err)
	return n
}

func TestUncommittedImportIsSwept(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		o.Sole = false
		s := holding(t, o, sized("p", "old", 3, 2, 6, 2, 4))
		require.NoError(t, s.Import(t.Context(), []authz.World{sized("p", "new", 3, 2, 6, 2, 4)}, "test", nil))
		rewind(t, o, "p", time.Now().Add(time.Hour))
		require.NoError(t, s.Sweep(t.Context()))
		require.EqualValues(t, 8, count(t, o, "records"), "a live lease keeps what is being written")

		_, err := raw(t, o).Collection("portals").UpdateOne(t.Context(), bson.D{{Key: "_id", Value: "p"}},
			bson.M{"$set": bson.M{"lease.until": time.Now().Add(-time.Second)}})
		require.NoError(t, err)
		require.NoError(t, s.Sweep(t.Context()))
		require.EqualValues(t, 4, count(t, o, "records"))
		require.Equal(t, map[string]int{"old": 14}, marks(world(t, s, "p")))
	})
}

// TestReplacedGenerationIsNeverMistakenForNobody is about decisions that began
// before an import.
func TestReplacedGenerationIsNeverMistakenForNobody(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, sized("p", "old", 3, 2, 6, 2, 4))
		before, err := s.Bundle(t.Context(), "p")
		require.NoError(t, err)
		require.NoError(t, s.Import(t.Context(), []authz.World{sized("p", "new", 3, 2, 6, 1, 4)}, "test", nil))
		require.NoError(t, s.Sweep(t.Context()))

		u, err := s.User(t.Context(), "p", before.Generation, "user-00001")
		require.NoError(t, err)
		require.Equal(t, "old", u.Position)
		n, err := s.SameLogin(t.Context(), "p", before.Generation, "login-00000", "user-00001")
		require.NoError(t, err)
		require.Equal(t, 1, n)
		_, err = s.User(t.Context(), "p", before.Generation, "nobody")
		kindOf(t, authz.NotFound, err)
		_, err = s.User(t.Context(), "p", "", "user-00001")
		kindOf(t, authz.NotFound, err)

		require.NoError(t, s.Import(t.Context(), []authz.World{sized("p", "newer", 3, 2, 6, 1, 4)}, "test", nil))
		require.NoError(t, s.Sweep(t.Context()))
		_, err = s.User(t.Context(), "p", before.Generation, "user-00001")
		require.Contains(t, kindOf(t, authz.Unavailable, err), "imported anew")
		_, err = s.SameLogin(t.Context(), "p", before.Generation, "login-00000", "user-00001")
		kindOf(t, authz.Unavailable, err)
	})
}

// TestBundleIsOfOneMoment reads while imports replace the portal.
func TestBundleIsOfOneMoment(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		o.Grace = time.Nanosecond // the harshest: what is replaced goes at once
		s, done := holding(t, o, sized("p", "0", 40, 10, 80, 1, 1)), make(chan error, 1)
		go func() {
			for _, mark := range strings.Split("abcdefghijkl", "") {
				if err := s.Import(context.Background(), []authz.World{sized("p", mark, 40, 10, 80, 1, 1)}, "test", nil); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		for revision := int64(0); ; {
			b, err := s.Bundle(t.Context(), "p")
			if authz.KindOf(err) != authz.Unavailable { // a reader may be outrun, not misled
				require.NoError(t, err)
				require.Equal(t, map[string]int{b.Portal.Title: 52}, marks(&authz.World{Bundle: *b}))
				require.Len(t, b.Rights, 80)
				require.GreaterOrEqual(t, b.Revision, revision)
				revision = b.Revision
			}
			select {
			case err := <-done:
				require.NoError(t, err)
				return
			default:
			}
		}
	})
}
