package mongodb_test

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
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// made returns writes that create or replace the entities.
func made(entities ...authz.Stored) []authz.EntityWrite {
	writes := make([]authz.EntityWrite, len(entities))
	for i, e := range entities {
		writes[i] = authz.EntityWrite{Entity: e.Key(), New: e}
	}
	return writes
}

// gone returns writes that delete the entities.
func gone(keys ...authz.Key) []authz.EntityWrite {
	writes := make([]authz.EntityWrite, len(keys))
	for i, k := range keys {
		writes[i] = authz.EntityWrite{Entity: k}
	}
	return writes
}

func of(t *testing.T, s *mongodb.Store, portal string, writes ...authz.EntityWrite) *authz.Changeset {
	t.Helper()
	c, err := changeset(t.Context(), s, portal, "user/ann", writes...)
	require.NoError(t, err)
	return c
}

func commit(t *testing.T, s *mongodb.Store, c *authz.Changeset) authz.Committed {
	t.Helper()
	done, err := s.Commit(t.Context(), "p", c)
	require.NoError(t, err, "%v", errors.Unwrap(err))
	return done
}

// chainOf returns all entries, and requires that they are a chain that ends where
// the store says.
func chainOf(t *testing.T, s *mongodb.Store, chain string) []authz.AuditEntry {
	t.Helper()
	state, err := s.Chain(t.Context(), chain)
	require.NoError(t, err)
	entries, err := s.Entries(t.Context(), chain, 0, 100_000)
	require.NoError(t, err)
	var last authz.ChainState
	for i := range entries {
		e := &entries[i]
		require.Equal(t, last.Seq+1, e.Seq, "no gap")
		require.Equal(t, last.Hash, e.Prev)
		require.True(t, e.Intact(), "entry %d: %+v", e.Seq, e)
		require.Equal(t, chain, e.Chain)
		last = authz.ChainState{Seq: e.Seq, Hash: e.Hash}
	}
	require.Equal(t, state, last)
	return entries
}

func TestCommitJudgesWritesTogether(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"))
		ann, contact := full("p").Users[0], full("p").Contacts[0]
		ann.Account, contact.Account = "acme/east", "acme/east"
		case1 := full("p").Records[0]
		key := func(kind authz.EntityKind, id string) authz.Key { return authz.Key{Kind: kind, ID: id} }
		for _, tc := range []struct {
			name   string
			writes []authz.EntityWrite
			kind   authz.Kind // 0: it is made
			want   string
		}{
			{"a contact leaves its user behind", made(contact), authz.Conflict, `user "ann@acme"`},
			{"a user leaves its contact behind", made(ann), authz.Invalid, "make them the same"},
			{"a contact moves with its user", made(contact, ann), 0, ""},
			{"new things refer to each other", made(
				authz.User{ID: "new", Grants: []authz.Grant{{Role: "newrole"}}, UserType: "newtype", Account: "newaccount", Contact: "newcontact"},
				authz.Contact{ID: "newcontact", Account: "newaccount"}, authz.Account{ID: "newaccount", Parent: "newparent"}, authz.Account{ID: "newparent"},
				authz.Role{ID: "newrole"}, authz.UserType{ID: "newtype", Linked: authz.LinkedContact}, authz.Right{Role: "newrole", Node: "W", Level: authz.View},
				authz.Record{Type: "note", ID: "1", Parent: "note/2"}, authz.Record{Type: "note", ID: "2", Account: "newaccount", Contact: "newcontact"},
			), 0, ""},
			{"a cycle over two new parents", made(authz.Account{ID: "newparent", Parent: "a"}, authz.Account{ID: "a", Parent: "newaccount"}), authz.Invalid, "parents of one another"},
			{"what is used goes", gone(key(authz.AccountEntity, "newaccount")), authz.Conflict, "is still in use"},
			{"what is used goes, and its user refers to it still", append(gone(key(authz.ContactEntity, "newcontact")),
				made(authz.User{ID: "new", Contact: "newcontact"}, authz.Record{Type: "note", ID: "2"})...), authz.Invalid, `contact "newcontact" does not exist`},
			{"a role goes that its user holds still", append(gone(key(authz.RoleEntity, "newrole")),
				made(authz.User{ID: "new", Grants: []authz.Grant{{Role: "newrole"}}})...), authz.Invalid, "grants[0].role"},
			{"all of them go together", append(append(gone(key(authz.AccountEntity, "newaccount"), key(authz.ContactEntity, "newcontact"), key(authz.RoleEntity, "newrole"),
				key(authz.UserTypeEntity, "newtype"), key(authz.UserEntity, "new")), gone(authz.Key{Kind: authz.RecordEntity, Of: "note", ID: "2"})...),
				made(authz.Record{Type: "note", ID: "1"})...), 0, ""},
			{"a new role of the old name has no rights", made(authz.Role{ID: "newrole"}), 0, ""},
			{"creating what is there", nil, authz.Conflict, "is in portal"},
			{"changing what is not there", nil, authz.NotFound, "there is no"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				before, c := world(t, s, "p"), of(t, s, "p", tc.writes...)
				switch tc.name {
				case "creating what is there":
					c.Changes = made(case1)
				case "changing what is not there":
					c.Changes = []authz.EntityWrite{{Entity: authz.User{ID: "x"}.Key(), Old: authz.User{ID: "x"}, New: authz.User{ID: "x"}}}
				}
				_, err := s.Commit(t.Context(), "p", c)
				after := world(t, s, "p")
				if tc.kind != 0 {
					require.Contains(t, kindOf(t, tc.kind, err), tc.want)
					require.Equal(t, before, after)
					return
				}
				require.NoError(t, err, "%v", errors.Unwrap(err))
				require.Equal(t, before.Revision+1, after.Revision)
				require.Empty(t, after.Validate())
				for _, w := range c.Changes {
					require.Equal(t, w.New, entityOf(after, w.Entity))
				}
			})
		}
		for _, r := range world(t, s, "p").Rights {
			require.NotEqual(t, "newrole", r.Role)
		}
		chainOf(t, s, "p")
	})
}

func TestCommitTellsAllFaultsOfReferences(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"))
		_, err := s.Commit(t.Context(), "p", of(t, s, "p", append(gone(authz.Key{Kind: authz.UserEntity, ID: "empty"}), made(
			authz.User{ID: "x", UserType: "nobody", Grants: []authz.Grant{{Role: "guest"}, {Role: "lost"}}},
			authz.Record{Type: "case", ID: "9", Account: "nowhere"}, authz.Contact{ID: "c", Account: "void"})...)...))
		msg := kindOf(t, authz.Invalid, err)
		require.Contains(t, msg, `contact "c"`)
		var faults authz.Faults
		require.ErrorAs(t, err, &faults)
		var paths []string
		for _, f := range faults {
			paths = append(paths, f.Path)
		}
		require.ElementsMatch(t, []string{"changes[1].user_type", "changes[1].grants[1].role", "changes[2].account", "changes[3].account"}, paths)
	})
}

func TestCommitRefusesAnotherBase(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := open(t, o)
		moved := func(c *authz.Changeset) {
			t.Helper()
			_, err := s.Commit(t.Context(), "p", c)
			kindOf(t, authz.Conflict, err)
			require.ErrorIs(t, err, authz.ErrMoved)
		}
		first, second := of(t, s, "p", made(authz.Portal{ID: "p", Policy: "x"})...), of(t, s, "p", made(authz.Portal{ID: "p", Policy: "y"})...)
		done := commit(t, s, first)
		head, err := s.Head(t.Context(), "p")
		require.NoError(t, err)
		require.Equal(t, done.At, head)
		require.EqualValues(t, 1, head.Revision)
		moved(second)

		late := of(t, s, "p", made(authz.User{ID: "late"})...)
		commit(t, s, of(t, s, "p", made(authz.User{ID: "x"})...))
		moved(late)
		late = of(t, s, "p", made(authz.User{ID: "late"})...)
		require.NoError(t, s.Import(t.Context(), []authz.World{full("p")}, "test", nil))
		moved(late)
		late = of(t, s, "p", made(authz.User{ID: "late"})...)
		commit(t, s, of(t, s, "p", gone(authz.Key{Kind: authz.PortalEntity, ID: "p"})...))
		moved(late)
		_, err = s.Head(t.Context(), "p")
		kindOf(t, authz.NotFound, err)
		late.Base = authz.PortalRevision{}
		_, err = s.Commit(t.Context(), "p", late)
		kindOf(t, authz.NotFound, err)
		commit(t, s, of(t, s, "p", made(authz.Portal{ID: "p", Policy: "x"}, authz.Role{ID: "r"}, authz.User{ID: "u", Grants: []authz.Grant{{Role: "r"}}})...))
		require.Len(t, world(t, s, "p").Users, 1)
	})
}

// TestWritersAtOnceLoseNothing has fifty writers add their own mark to one user.
func TestWritersAtOnceLoseNothing(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		a := holding(t, o, authz.World{Bundle: authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "x"}}, Users: []authz.User{{ID: "u"}}})
		stores := []*mongodb.Store{a, a}
		if !o.Embedded {
			stores[1] = open(t, o)
		}
		var wg sync.WaitGroup
		errs := make(chan error, 50)
		for i := range 50 {
			wg.Go(func() { errs <- addMark(stores[i%2], fmt.Sprint("mark-", i)) })
		}
		wg.Wait()
		for range 50 {
			require.NoError(t, <-errs)
		}
		u, err := a.User(t.Context(), "p", "", "u")
		require.NoError(t, err)
		require.Len(t, u.Flags, 50)
		require.Len(t, chainOf(t, a, "p"), 51)
		require.EqualValues(t, 51, world(t, a, "p").Revision)
	})
}

func addMark(s *mongodb.Store, mark string) error {
	for {
		base, err := s.Head(context.Background(), "p")
		if err != nil {
			return err
		}
		u, err := s.User(context.Background(), "p", base.Generation, "u")
		if err != nil {
			return err
		}
		next := *u
		next.Flags = map[string]bool{mark: true}
		for m := range u.Flags {
			next.Flags[m] = true
		}
		_, err = s.Commit(context.Background(), "p", &authz.Changeset{Base: base, Changes: []authz.EntityWrite{{Entity: u.Key(), Old: *u, New: next}}})
		if !errors.Is(err, authz.ErrMoved) && !(authz.KindOf(err) == authz.Conflict && strings.Contains(err.Error(), "all the time")) {
			return err
		}
	}
}

func TestEntriesAreAChain(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"), full("q"))
		for _, e := range []authz.Stored{full("p").Portal, full("p").Users[0], full("p").Records[0], full("p").Screens[2], full("p").UserTypes[1], full("p").Rights[1]} {
			done := commit(t, s, of(t, s, "p", made(e)...))
			require.Equal(t, done.At.Revision, done.Entry.Revision)
		}
		odd := nested()
		odd["pin"] = "1234"
		c := of(t, s, "p", made(authz.User{ID: "n", Attributes: odd}, authz.Role{ID: "a/b"}, authz.Node{ID: "c/d", Kind: authz.Workspace}, authz.Right{Role: "a/b", Node: "c/d"})...)
		c.Entry = authz.AuditEntry{
			At: day(1).Add(123 * time.Microsecond), Actor: "user/ann", OnBehalfOf: "bob", Decision: "d", Request: "r", Operation: "create", Note: "why\xff",
			Counts: map[string]int{},
		}
		done := commit(t, s, c)
		commit(t, s, of(t, s, "p", gone(authz.Key{Kind: authz.PortalEntity, ID: "p"})...))
		require.NoError(t, s.Import(t.Context(), []authz.World{full("p")}, "cli", nil))
		entries := chainOf(t, s, "p")
		require.Len(t, entries, 10)
		require.Equal(t, done.Entry, entries[7])
		require.Len(t, entries[7].Changes, 4)
		for i, w := range c.Changes {
			require.Equal(t, w.Entity, entries[7].Changes[i].Entity)
		}
		require.Equal(t, authz.Redacted, entries[7].Changes[0].After["attributes"].(map[string]any)["pin"])
		for _, i := range []int{0, 9} {
			require.Equal(t, "import", entries[i].Operation)
			require.Equal(t, map[string]int{"user_type": 2, "role": 4, "screen": 5, "right": 4, "user": 3, "account": 2, "contact": 2, "record": 3}, entries[i].Counts)
		}
		require.Equal(t, "cli", entries[9].Actor)
		require.Equal(t, world(t, s, "p").Revision, entries[9].Revision)
		require.Len(t, chainOf(t, s, "q"), 1)

		page, err := s.Entries(t.Context(), "p", 3, 2)
		require.NoError(t, err)
		require.Equal(t, entries[3:5], page)
		for _, chain := range []string{"", "p/", "~import"} {
			_, err = s.Chain(t.Context(), chain)
			kindOf(t, authz.NotFound, err)
			_, err = s.Entries(t.Context(), chain, 0, 1)
			kindOf(t, authz.NotFound, err)
		}
		state, err := s.Chain(t.Context(), "nowhere")
		require.NoError(t, err)
		require.Zero(t, state)
	})
}

func TestTasksLatchesAndSettlement(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"), full("q"))
		contact := authz.Key{Kind: authz.ContactEntity, ID: "ann"}
		task := authz.StoredTask{
			Task:  authz.Task{ID: "welcome", Kind: authz.MailTask, Template: "t", To: "a@b", After: time.Hour, Once: true},
			Cause: contact, Actor: "user/ann", CreatedAt: day(1), Due: day(1), State: authz.TaskPending, Depth: 2,
		}
		c := of(t, s, "p", made(authz.User{ID: "n"})...)
		c.Tasks, c.Latches = []authz.StoredTask{task, task}, []authz.Latch{{Entity: contact, Task: "welcome"}, {Entity: contact, Task: "other"}}
		commit(t, s, c)
		require.NotEmpty(t, c.Tasks[0].Name)
		require.Less(t, c.Tasks[0].Name, c.Tasks[1].Name)
		found, err := s.Tasks(t.Context(), authz.TaskQuery{Portal: "p", Limit: 10})
		require.NoError(t, err)
		require.Equal(t, []authz.StoredTask{c.Tasks[1], c.Tasks[0]}, found.Tasks)
		latched, err := s.Latches(t.Context(), "p", contact)
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"welcome", "other"}, latched)
		for portal, k := range map[string]authz.Key{"q": contact, "p": {Kind: authz.RecordEntity, Of: "contact", ID: "ann"}} {
			latched, err := s.Latches(t.Context(), portal, k)
			require.NoError(t, err)
			require.Empty(t, latched)
		}

		again := of(t, s, "p", made(authz.User{ID: "twice"})...)
		again.Tasks, again.Latches = []authz.StoredTask{task}, []authz.Latch{{Entity: contact, Task: "third"}, {Entity: contact, Task: "welcome"}}
		_, err = s.Commit(t.Context(), "p", again)
		require.Contains(t, kindOf(t, authz.Conflict, err), "runs once")
		found, err = s.Tasks(t.Context(), authz.TaskQuery{Portal: "p", Limit: 10})
		require.NoError(t, err)
		require.Len(t, found.Tasks, 2)
		require.Nil(t, entityOf(world(t, s, "p"), authz.User{ID: "twice"}.Key()))

		settle := func(portal, name string) error {
			c := of(t, s, portal)
			c.Settle = &authz.TaskOutcome{Name: name, State: authz.TaskDone, Attempts: 1, At: day(2)}
			_, err := s.Commit(t.Context(), portal, c)
			return err
		}
		kindOf(t, authz.Conflict, settle("q", c.Tasks[0].Name))
		kindOf(t, authz.Conflict, settle("p", "p~gone"))
		entries := len(chainOf(t, s, "p"))
		require.NoError(t, settle("p", c.Tasks[0].Name))
		kindOf(t, authz.Conflict, settle("p", c.Tasks[0].Name))
		require.Len(t, chainOf(t, s, "p"), entries+1)
		found, err = s.Tasks(t.Context(), authz.TaskQuery{Portal: "p", State: authz.TaskDone, Limit: 10})
		require.NoError(t, err)
		require.Len(t, found.Tasks, 1)
		require.Equal(t, day(2), found.Tasks[0].DoneAt)
	})
}

// TestATaskIsSettledOnce has two writes that carry out one task.
func TestATaskIsSettledOnce(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"))
		for round := range 5 {
			c := of(t, s, "p")
			c.Tasks = []authz.StoredTask{{Task: authz.Task{ID: "t", Kind: authz.CreateTask}, State: authz.TaskPending, CreatedAt: day(1), Due: day(1)}}
			commit(t, s, c)
			name, errs := c.Tasks[0].Name, make(chan error, 3)
			for i := range 3 {
				go func() {
					for {
						c, err := changeset(context.Background(), s, "p", "task", made(authz.User{ID: fmt.Sprint(round, "-", i)})...)
						if err == nil {
							c.Settle = &authz.TaskOutcome{Name: name, State: authz.TaskDone, At: day(2)}
							_, err = s.Commit(context.Background(), "p", c)
						}
						if !errors.Is(err, authz.ErrMoved) {
							errs <- err
							return
						}
					}
				}()
			}
			made := 0
			for range 3 {
				if err := <-errs; err == nil {
					made++
				} else {
					kindOf(t, authz.Conflict, err)
				}
			}
			require.Equal(t, 1, made)
			require.Len(t, world(t, s, "p").Users, 3+round+1)
		}
	})
}

func TestRepliesAreGivenAgainForADay(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"))
		write := func(id string) error {
			c := of(t, s, "p", made(authz.User{ID: id})...)
			c.Once = &authz.Idempotency{Key: "k", Fingerprint: "f-" + id, Answer: []byte("answer " + id)}
			_, err := s.Commit(t.Context(), "p", c)
			return err
		}
		_, _, err := s.Replay(t.Context(), "p", "k")
		kindOf(t, authz.NotFound, err)
		require.NoError(t, write("a"))
		require.ErrorIs(t, write("b"), authz.ErrReplayed)
		stale := of(t, s, "p", made(authz.User{ID: "c"})...)
		stale.Once, stale.Base.Revision = &authz.Idempotency{Key: "k"}, 1
		_, err = s.Commit(t.Context(), "p", stale)
		require.ErrorIs(t, err, authz.ErrReplayed, "whatever has happened since")
		fingerprint, answer, err := s.Replay(t.Context(), "p", "k")
		require.NoError(t, err)
		require.Equal(t, "f-a answer a", fingerprint+" "+string(answer))
		_, _, err = s.Replay(t.Context(), "q", "k")
		kindOf(t, authz.NotFound, err)

		replies := raw(t, o).Collection("replies")
		var d struct {
			ExpiresAt time.Time `bson:"expires_at"`
			UpdatedAt time.Time `bson:"updated_at"`
		}
		require.NoError(t, replies.FindOne(t.Context(), bson.D{}).Decode(&d))
		require.Equal(t, authz.IdempotencyTime, d.ExpiresAt.Sub(d.UpdatedAt))
		expire := func() {
			_, err = replies.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: "p/k"}}, bson.M{"$set": bson.M{"expires_at": time.Now().Add(-time.Second)}})
			require.NoError(t, err)
		}
		expire()
		_, _, err = s.Replay(t.Context(), "p", "k")
		kindOf(t, authz.NotFound, err)
		require.NoError(t, write("d"), "the key is free again")
		require.NoError(t, s.Sweep(t.Context()))
		require.EqualValues(t, 1, count(t, o, "replies"))
		expire()
		if o.Embedded {
			require.NoError(t, s.Sweep(t.Context()))
			require.EqualValues(t, 0, count(t, o, "replies"))
			return
		}
		specs, err := replies.Indexes().ListSpecifications(t.Context())
		require.NoError(t, err)
		ttl := false
		for _, x := range specs {
			ttl = ttl || x.ExpireAfterSeconds != nil && *x.ExpireAfterSeconds == 0
		}
		require.True(t, ttl, "the server deletes what has expired")
	})
}

func TestCommitIsBounded(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"))
		blob := func(n int) map[string]any { return map[string]any{"blob": strings.Repeat("x", n)} }
		for name, change := range map[string]func(c *authz.Changeset){
			"changes":    func(c *authz.Changeset) { c.Changes = make([]authz.EntityWrite, authz.MaxChanges+1) },
			"tasks":      func(c *authz.Changeset) { c.Tasks = make([]authz.StoredTask, authz.MaxChanges+1) },
			"latches":    func(c *authz.Changeset) { c.Latches = make([]authz.Latch, authz.MaxChanges+1) },
			"one entity": func(c *authz.Changeset) { c.Changes = made(authz.User{ID: "u", Attributes: blob(12 << 20)}) },
			"entry":      func(c *authz.Changeset) { c.Entry.Note = strings.Repeat("x", 12<<20) },
			"answer":     func(c *authz.Changeset) { c.Once = &authz.Idempotency{Key: "k", Answer: make([]byte, 12<<20)} },
			"portal": func(c *authz.Changeset) {
				p := full("p").Portal
				p.Settings = blob(4 << 20)
				c.Changes, c.Config = []authz.EntityWrite{{Entity: p.Key(), Old: full("p").Portal, New: p}}, &authz.Bundle{Portal: p}
			},
			"all of it": func(c *authz.Changeset) {
				c.Changes = made(authz.User{ID: "u", Attributes: blob(4 << 20)}, authz.User{ID: "v", Attributes: blob(4 << 20)}, authz.User{ID: "w", Attributes: blob(4 << 20)})
			},
		} {
			t.Run(name, func(t *testing.T) {
				before, c := world(t, s, "p"), of(t, s, "p")
				change(c)
				_, err := s.Commit(t.Context(), "p", c)
				require.Contains(t, kindOf(t, authz.TooLarge, err), "at most")
				require.Equal(t, before, world(t, s, "p"))
				require.Len(t, chainOf(t, s, "p"), 1)
			})
		}
		commit(t, s, of(t, s, "p", made(authz.User{ID: "u", Attributes: blob(5 << 20)})...))
	})
}

// TestCommitRefusesWhatIsNotOfOnePiece is about callers that made a mistake.
func TestCommitRefusesWhatIsNotOfOnePiece(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("p"))
		right, configured := authz.Right{Role: "clerk", Node: "CASES", Level: authz.View}, full("p").Bundle
		for name, change := range map[string]func(c *authz.Changeset){
			"twice":                   func(c *authz.Changeset) { c.Changes = made(authz.User{ID: "u"}, authz.User{ID: "u"}) },
			"another entity":          func(c *authz.Changeset) { c.Changes[0].Entity.ID = "other" },
			"another entity before":   func(c *authz.Changeset) { c.Changes[0].Old = authz.User{ID: "other"} },
			"no configuration":        func(c *authz.Changeset) { c.Changes = made(authz.Role{ID: "r"}) },
			"right not configured":    func(c *authz.Changeset) { c.Changes, c.Config = made(right), &authz.Bundle{} },
			"right configured higher": func(c *authz.Changeset) { c.Changes, c.Config = made(right), &configured },
			"right configured, gone": func(c *authz.Changeset) {
				c.Changes, c.Config = gone(right.Key()), &configured
				c.Changes[0].Old = right
			},
		} {
			t.Run(name, func(t *testing.T) {
				c := of(t, s, "p", made(authz.User{ID: "u"})...)
				change(c)
				_, err := s.Commit(t.Context(), "p", c)
				kindOf(t, authz.Internal, err)
				require.Len(t, chainOf(t, s, "p"), 1)
			})
		}
		c := of(t, s, "p", gone(authz.Key{Kind: authz.PortalEntity, ID: "p"})...)
		c.Changes = append(c.Changes, made(authz.User{ID: "u"})...)
		_, err := s.Commit(t.Context(), "p", c)
		kindOf(t, authz.Invalid, err)
	})
}
