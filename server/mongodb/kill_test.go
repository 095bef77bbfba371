package mongodb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/ferret"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// killsVariable says how often a writing process is killed on each database.
const killsVariable = "PORTCULLIS_TEST_KILLS"

func kills(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv(killsVariable))
	switch {
	case err == nil:
		return n
	case testing.Short():
		return 1
	}
	return 2
}

// writeForEver makes random writes and imports of portal p. Each entry says in its
// Note which task the write stores or carries out.
func writeForEver(s *mongodb.Store, mark string) {
	for i, told := 0, false; ; i++ {
		name := fmt.Sprintf("%s-%d", mark, i)
		err := randomWrite(s, name)
		if k := authz.KindOf(err); err != nil && k != authz.Conflict { // an import's lease, or a task that is done
			must(errors.Join(err, errors.Unwrap(err)))
		}
		if err == nil && !told {
			fmt.Println("begin")
			told = true
		}
	}
}

func randomWrite(s *mongodb.Store, name string) error {
	ctx := context.Background()
	if rand.N(12) == 0 {
		return s.Import(ctx, []authz.World{sized("p", name, 5, 5, 10, 8, 8)}, "import", nil)
	}
	w, err := s.World(ctx, "p")
	if authz.KindOf(err) == authz.NotFound {
		return s.Import(ctx, []authz.World{sized("p", name, 5, 5, 10, 8, 8)}, "import", nil)
	}
	if err != nil {
		return err
	}
	base := authz.PortalRevision{ID: "p", Generation: w.Generation, Revision: w.Revision}
	c, err := judged(base, w, "user/ann", randomChanges(w, name)...)
	if err != nil {
		return err
	}
	c.Once = &authz.Idempotency{Key: name, Fingerprint: name, Answer: []byte(name)}
	c.Entry.Request = name
	if err := addTasks(s, c, name); err != nil {
		return err
	}
	_, err = s.Commit(ctx, "p", c)
	return err
}

// randomChanges touch users, a role with its rights, and rights.
func randomChanges(w *authz.World, name string) []authz.EntityWrite {
	writes := made(authz.User{ID: name, Position: name, UserType: "customer", Grants: []authz.Grant{{Role: w.Roles[rand.N(len(w.Roles))].ID}}})
	for i := range w.Users {
		u := w.Users[i]
		switch rand.N(6) {
		case 0:
			writes = append(writes, gone(u.Key())...)
		case 1, 2:
			u.Position = name
			writes = append(writes, made(u)...)
		}
	}
	if rand.N(2) == 0 {
		role := authz.Role{ID: "role-" + name, Title: name}
		writes = append(writes, made(role, authz.Right{Role: role.ID, Node: w.Screens[0].ID, Level: authz.View})...)
	}
	for _, r := range w.Rights {
		switch rand.N(8) {
		case 0:
			writes = append(writes, gone(r.Key())...)
		case 1:
			r.Level = authz.Level(1 + (int(r.Level) % 5))
			writes = append(writes, made(r)...)
		}
	}
	return writes
}

// addTasks makes the write carry out a task that waits, or store one with a latch.
func addTasks(s *mongodb.Store, c *authz.Changeset, name string) error {
	found, err := s.Tasks(context.Background(), authz.TaskQuery{Portal: "p", State: authz.TaskPending, Limit: 100})
	if err != nil {
		return err
	}
	if len(found.Tasks) > 0 && rand.N(2) == 0 {
		task := found.Tasks[rand.N(len(found.Tasks))]
		c.Settle = &authz.TaskOutcome{Name: task.Name, State: authz.TaskDone, Attempts: 1, At: time.Now()}
		c.Entry.Note = "settles " + task.Name
		return nil
	}
	user := authz.Key{Kind: authz.UserEntity, ID: name}
	c.Tasks = []authz.StoredTask{{Task: authz.Task{ID: name, Kind: authz.MailTask, Once: true}, State: authz.TaskPending, Cause: user, CreatedAt: time.Now(), Due: time.Now()}}
	c.Latches = []authz.Latch{{Entity: user, Task: name}}
	c.Entry.Note = "stores " + name
	return nil
}

// TestKilledWritesAreAllOrNothing kills a process that writes at random moments, and
// holds what is stored against the chain of entries.
func TestKilledWritesAreAllOrNothing(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		last, imports := 0, 0
		killed(t, o, job{Writes: true}, func(o mongodb.Options) { last, imports = verify(t, o, last) })
		t.Logf("%d entries, %d of imports", last, imports)
		require.GreaterOrEqual(t, last, kills(t), "each process has made a write")
	})
}

// killed runs the job as often as is asked for, kills it at a random moment after its
// first write, and looks at what it leaves.
func killed(t *testing.T, o mongodb.Options, j job, look func(o mongodb.Options)) {
	t.Helper()
	j.Database = o.Database
	if o.Embedded {
		j.Dir = t.TempDir()
	} else {
		j.URI = o.URI
	}
	for i := range kills(t) {
		j.Mark = fmt.Sprintf("m%d", i)
		runChild(t, j, "begin", 20*time.Millisecond+rand.N(600*time.Millisecond))
		if !o.Embedded {
			require.NoError(t, raw(t, o).Client().Database("admin").RunCommand(t.Context(), bson.D{{Key: "killAllSessions", Value: bson.A{}}}).Err())
			look(o)
			continue
		}
		f, err := ferret.Start(t.Context(), j.Dir, quiet())
		require.NoError(t, err)
		o.URI, o.Prepare = f.URI(), f.Index
		look(o)
		require.NoError(t, f.Stop(context.Background()))
	}
}

// verify holds everything against the entries, of which there were so many before.
func verify(t *testing.T, o mongodb.Options, before int) (entries, imports int) {
	t.Helper()
	s, err := mongodb.Open(t.Context(), o)
	require.NoError(t, err, "%v", errors.Unwrap(err))
	defer func() { require.NoError(t, s.Close(context.Background())) }()
	all := chainOf(t, s, "p")
	require.GreaterOrEqual(t, len(all), before, "no entry is lost")
	if len(all) == 0 {
		return 0, 0
	}
	require.EqualValues(t, 0, count(t, o, "journal"))
	imports = agrees(t, world(t, s, "p"), all)
	tasksAgree(t, o, s, all)
	return len(all), imports
}

// agrees requires that the world is what the entries since the last import made of
// it.
func agrees(t *testing.T, w *authz.World, entries []authz.AuditEntry) (imports int) {
	t.Helper()
	require.Equal(t, w.Revision, entries[len(entries)-1].Revision)
	newest := map[authz.Key]map[string]any{}
	var counts map[string]int
	for _, e := range entries {
		if e.Operation == "import" {
			clear(newest)
			counts = e.Counts
			imports++
		}
		for _, c := range e.Changes {
			newest[c.Entity] = c.After
			if c.Before == nil {
				counts[string(c.Entity.Kind)]++
			}
			if c.After == nil {
				counts[string(c.Entity.Kind)]--
			}
		}
	}
	for k, want := range newest {
		require.Equal(t, text(t, want), text(t, authz.Document(entityOf(w, k))), "%s", k)
	}
	got := map[string]int{"user": len(w.Users), "role": len(w.Roles), "right": len(w.Rights), "screen": len(w.Screens),
		"account": len(w.Accounts), "contact": len(w.Contacts), "record": len(w.Records), "user_type": len(w.UserTypes)}
	require.Equal(t, counts, got)
	for _, u := range w.Users {
		if newest[u.Key()] == nil {
			require.Equal(t, w.Portal.Title, u.Position, "of the last import")
		}
	}
	return imports
}

func text(t *testing.T, doc map[string]any) string {
	t.Helper()
	if doc == nil {
		return ""
	}
	b, err := json.Marshal(doc)
	require.NoError(t, err)
	return string(b)
}

// tasksAgree requires that tasks, latches and replies are those of the entries.
func tasksAgree(t *testing.T, o mongodb.Options, s *mongodb.Store, entries []authz.AuditEntry) {
	t.Helper()
	stored := map[string]authz.StoredTask{}
	for q := (authz.TaskQuery{Portal: "p", Limit: 1000}); ; {
		page, err := s.Tasks(t.Context(), q)
		require.NoError(t, err)
		for _, x := range page.Tasks {
			stored[x.ID] = x
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	noted, settled, replied := map[string]bool{}, map[string]bool{}, 0
	for _, e := range entries {
		if id, ok := strings.CutPrefix(e.Note, "stores "); ok {
			noted[id] = true
		}
		if name, ok := strings.CutPrefix(e.Note, "settles "); ok {
			require.False(t, settled[name], "%s is done twice", name)
			settled[name] = true
		}
		if e.Request != "" {
			replied++
		}
	}
	require.Len(t, stored, len(noted))
	for id, x := range stored {
		require.True(t, noted[id], id)
		require.Equal(t, settled[x.Name], x.State == authz.TaskDone, id)
	}
	require.EqualValues(t, len(noted), count(t, o, "latches"))
	require.EqualValues(t, replied, count(t, o, "replies"))
	if last := entries[len(entries)-1]; last.Request != "" {
		_, answer, err := s.Replay(t.Context(), "p", last.Request)
		require.NoError(t, err)
		require.Equal(t, last.Request, string(answer))
	}
}
