package mongodb_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// waiting stores a task of the portal that is due at that time and returns its
// name.
func waiting(t *testing.T, db *mongo.Collection, portal, id string, due time.Time) string {
	t.Helper()
	name := uuid.Must(uuid.NewV7()).String()
	_, err := db.InsertOne(t.Context(), bson.D{
		{Key: "_id", Value: portal + "/" + name}, {Key: "portal", Value: portal}, {Key: "revision", Value: int64(1)},
		{Key: "updated_at", Value: day(1)}, {Key: "updated_by", Value: "test"}, {Key: "task", Value: id}, {Key: "kind", Value: "mail"},
		{Key: "state", Value: "pending"}, {Key: "created_at", Value: day(1)}, {Key: "due", Value: due}, {Key: "attempts", Value: int64(0)},
	})
	require.NoError(t, err)
	return portal + "~" + name
}

func tasksOf(t *testing.T, o mongodb.Options) *mongo.Collection { return raw(t, o).Collection("tasks") }

func due(t *testing.T, s *mongodb.Store, q authz.DueQuery) []string {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	list, err := s.DueTasks(t.Context(), q)
	require.NoError(t, err)
	names := []string{}
	for i := range list {
		names = append(names, list[i].Name)
	}
	return names
}

func claim(t *testing.T, s *mongodb.Store, name string, now, until time.Time) *authz.StoredTask {
	t.Helper()
	task, err := s.ClaimTask(t.Context(), name, now, until)
	require.NoError(t, err)
	return task
}

func TestDueTasks(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s, db := open(t, o), tasksOf(t, o)
		late := waiting(t, db, "p", "late", day(3))
		first := waiting(t, db, "q", "first", day(1))
		second := waiting(t, db, "p", "second", day(2))
		same := waiting(t, db, "p", "same time", day(2))
		require.Empty(t, due(t, s, authz.DueQuery{Now: day(1).Add(-time.Millisecond)}))
		require.Equal(t, []string{first}, due(t, s, authz.DueQuery{Now: day(1)}))
		require.Equal(t, []string{first, second, same}, due(t, s, authz.DueQuery{Now: day(2)}))
		require.Equal(t, []string{first, second}, due(t, s, authz.DueQuery{Now: day(9), Limit: 2}))
		require.Equal(t, []string{second, same, late}, due(t, s, authz.DueQuery{Now: day(9), But: []string{"q", "x"}}))
		require.Empty(t, due(t, s, authz.DueQuery{Now: day(9), But: []string{"q", "p"}}))

		for _, limit := range []int{0, -1, authz.MaxPage + 1} {
			_, err := s.DueTasks(t.Context(), authz.DueQuery{Now: day(9), Limit: limit})
			kindOf(t, authz.Invalid, err)
		}
		_, err := s.DueTasks(t.Context(), authz.DueQuery{Limit: 1, But: make([]string, authz.MaxPage+1)})
		kindOf(t, authz.TooLarge, err)
	})
}

func TestClaims(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s, db := open(t, o), tasksOf(t, o)
		name := waiting(t, db, "p", "x", day(2))
		require.Nil(t, claim(t, s, name, day(1), day(2)), "not before its time")
		require.Nil(t, claim(t, s, "p~none", day(9), day(10)))
		require.Nil(t, claim(t, s, "", day(9), day(10)))

		got := claim(t, s, name, day(2), day(3))
		require.Equal(t, &authz.StoredTask{
			Task: authz.Task{ID: "x", Kind: authz.MailTask}, Name: name, Portal: "p", CreatedAt: day(1), Due: day(2),
			State: authz.TaskPending, Attempts: 1, Since: day(2),
		}, got)
		require.Nil(t, claim(t, s, name, day(3).Add(-time.Millisecond), day(4)), "someone is at it")
		require.Empty(t, due(t, s, authz.DueQuery{Now: day(3).Add(-time.Millisecond)}))

		require.Equal(t, []string{name}, due(t, s, authz.DueQuery{Now: day(3)}), "the claim has ended")
		got = claim(t, s, name, day(3), day(4))
		require.Equal(t, 2, got.Attempts)
		require.Equal(t, day(2), got.Since)

		// Failed: it waits for its next time, whatever the claim's end was.
		require.NoError(t, s.SettleTask(t.Context(), authz.TaskOutcome{
			Name: name, State: authz.TaskPending, Attempts: 2, Error: "no answer", Due: day(5), At: day(3),
		}))
		kindOf(t, authz.Conflict, s.SettleTask(t.Context(), authz.TaskOutcome{Name: name, State: authz.TaskDone, At: day(3)}))
		require.Empty(t, due(t, s, authz.DueQuery{Now: day(4)}))
		require.Nil(t, claim(t, s, name, day(4), day(5)))
		got = claim(t, s, name, day(5), day(6))
		require.Equal(t, "no answer", got.Error)

		require.NoError(t, s.SettleTask(t.Context(), authz.TaskOutcome{Name: name, State: authz.TaskDone, Attempts: 3, At: day(5)}))
		require.Empty(t, due(t, s, authz.DueQuery{Now: day(30)}))
		require.Nil(t, claim(t, s, name, day(30), day(31)))
		page, err := s.Tasks(t.Context(), authz.TaskQuery{Portal: "p", Limit: 10})
		require.NoError(t, err)
		require.Equal(t, []authz.StoredTask{{
			Task: authz.Task{ID: "x", Kind: authz.MailTask}, Name: name, Portal: "p", CreatedAt: day(1), Due: day(5),
			State: authz.TaskDone, Attempts: 3, Since: day(2), DoneAt: day(5),
		}}, page.Tasks)
		kindOf(t, authz.NotFound, s.SettleTask(t.Context(), authz.TaskOutcome{Name: "p~none"}))
	})
}

// TestOneClaimAtATime lets many goroutines, and on a replica set several stores,
// take tasks from each other.
func TestOneClaimAtATime(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		stores, db := []*mongodb.Store{open(t, o)}, tasksOf(t, o)
		if !o.Embedded {
			stores = append(stores, open(t, o), open(t, o))
		}
		var names []string
		for i := range 20 {
			names = append(names, waiting(t, db, "p", fmt.Sprint(i), day(1)))
		}
		claimed := make([]atomic.Int32, len(names))
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				for n := range names {
					task, err := stores[i%len(stores)].ClaimTask(t.Context(), names[(n+i)%len(names)], day(2), day(3))
					if err == nil && task != nil {
						claimed[(n+i)%len(names)].Add(1)
					}
				}
			})
		}
		all.Wait()
		for i := range claimed {
			require.EqualValues(t, 1, claimed[i].Load(), "task %d", i)
		}
	})
}

// TestClaimOfADeadProcess: on a replica set another Store takes over when the claim
// ends, and who had it cannot settle it any more. The embedded database has one
// Store at a time, so that a claim of another is void at once.
func TestClaimOfADeadProcess(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		o.Sole = false
		dead, db := open(t, o), tasksOf(t, o)
		name := waiting(t, db, "p", "x", day(1))
		require.NotNil(t, claim(t, dead, name, day(1), day(2)))
		s := open(t, o)
		if !o.Embedded {
			require.Empty(t, due(t, s, authz.DueQuery{Now: day(1)}))
			require.Nil(t, claim(t, s, name, day(1), day(2)))
			kindOf(t, authz.Conflict, s.SettleTask(t.Context(), authz.TaskOutcome{Name: name, State: authz.TaskDone}))
		}
		now := day(1)
		if !o.Embedded {
			now = day(2)
		}
		require.Equal(t, []string{name}, due(t, s, authz.DueQuery{Now: now}))
		require.Equal(t, 2, claim(t, s, name, now, day(3)).Attempts)
		msg := kindOf(t, authz.Conflict, dead.SettleTask(t.Context(), authz.TaskOutcome{Name: name, State: authz.TaskDead, At: day(2)}))
		require.Contains(t, msg, "another process is at it")
		require.NoError(t, s.SettleTask(t.Context(), authz.TaskOutcome{Name: name, State: authz.TaskDone, Attempts: 2, At: day(2)}))
	})
}

func TestHeldTasks(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s, db := open(t, o), tasksOf(t, o)
		held, other := waiting(t, db, "p", "held", day(1)), waiting(t, db, "p", "other", day(2))
		require.NotNil(t, claim(t, s, held, day(1), day(2)))
		require.NoError(t, s.SettleTask(t.Context(), authz.TaskOutcome{Name: held, State: authz.TaskPending, Error: "no webhook", Due: day(1), At: day(1)}))
		require.Equal(t, []string{other}, due(t, s, authz.DueQuery{Now: day(3), Held: "no webhook"}))
		require.Empty(t, due(t, s, authz.DueQuery{Now: day(1), Held: "no webhook"}))
		require.Equal(t, []string{held}, due(t, s, authz.DueQuery{Now: day(1)}), "what was found for the other query says nothing of this one")
		require.Equal(t, []string{held, other}, due(t, s, authz.DueQuery{Now: day(3)}))
		require.Equal(t, day(3), claim(t, s, held, day(3), day(4)).Since, "what was held was not tried")
	})
}

func TestRetryTask(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s, db := open(t, o), tasksOf(t, o)
		for _, state := range []authz.TaskState{authz.TaskDead, authz.TaskRefused} {
			name := waiting(t, db, "p", string(state), day(1))
			require.Contains(t, kindOf(t, authz.Conflict, s.Retry(t.Context(), "p", name)), "is pending")
			require.NotNil(t, claim(t, s, name, day(1), day(2)))
			require.NoError(t, s.SettleTask(t.Context(), authz.TaskOutcome{Name: name, State: state, Attempts: 12, Error: "no", At: day(1)}))
			require.Empty(t, due(t, s, authz.DueQuery{Now: day(9)}))

			for _, wrong := range []struct{ portal, name string }{{"q", name}, {"p", "p~none"}, {"", name}, {"p", ""}, {"p/", name}, {"p", strings.Repeat("p~", 1000)}} {
				kindOf(t, authz.NotFound, s.Retry(t.Context(), wrong.portal, wrong.name))
			}
			news, leave := s.TaskNews()
			require.NoError(t, s.Retry(t.Context(), "p", name))
			require.Len(t, news, 1)
			leave()
			require.Equal(t, []string{name}, due(t, s, authz.DueQuery{Now: day(1)}))
			got := claim(t, s, name, day(4), day(5))
			require.Equal(t, 1, got.Attempts)
			require.Equal(t, day(4), got.Since, "the day of attempts begins anew")
			require.Empty(t, got.Error)
			require.True(t, got.DoneAt.IsZero())
			require.NoError(t, s.SettleTask(t.Context(), authz.TaskOutcome{Name: name, State: authz.TaskDone, Attempts: 1, At: day(4)}))
			require.Contains(t, kindOf(t, authz.Conflict, s.Retry(t.Context(), "p", name)), "is done")
		}
	})
}

func TestTaskPages(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s, db := open(t, o), tasksOf(t, o)
		var names []string
		for i := range 7 {
			names = append(names, waiting(t, db, "p", fmt.Sprint(i), day(1)))
			waiting(t, db, "p0", "of another", day(1))
		}
		for _, n := range names[:3] {
			require.NotNil(t, claim(t, s, n, day(1), day(2)))
			require.NoError(t, s.SettleTask(t.Context(), authz.TaskOutcome{Name: n, State: authz.TaskDone, At: day(1)}))
		}
		walk := func(state authz.TaskState, limit int) (ids string) {
			q := authz.TaskQuery{Portal: "p", State: state, Limit: limit}
			for range 10 {
				page, err := s.Tasks(t.Context(), q)
				require.NoError(t, err)
				for i := range page.Tasks {
					ids += page.Tasks[i].ID
				}
				if q.After = page.Next; q.After == "" {
					return ids
				}
				require.Len(t, page.Tasks, limit)
				ids += "|"
			}
			return ids
		}
		require.Equal(t, "65|43|21|0", walk("", 2))
		require.Equal(t, "6543210", walk("", 7))
		require.Equal(t, "21|0", walk(authz.TaskDone, 2))
		require.Equal(t, "6543", walk(authz.TaskPending, 100))
		require.Equal(t, "", walk(authz.TaskDead, 100))

		for name, q := range map[string]authz.TaskQuery{
			"no limit": {Portal: "p"}, "above the limit": {Portal: "p", Limit: authz.MaxPage + 1},
			"cursor of another portal": {Portal: "p", Limit: 1, After: "q~x"}, "no cursor": {Portal: "p", Limit: 1, After: "x"},
		} {
			_, err := s.Tasks(t.Context(), q)
			require.Equal(t, authz.Invalid, authz.KindOf(err), name)
		}
		_, err := s.Tasks(t.Context(), authz.TaskQuery{Portal: "p/", Limit: 1})
		kindOf(t, authz.NotFound, err)
	})
}

func TestForgetTasks(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s, db := open(t, o), tasksOf(t, o)
		settle := func(state authz.TaskState, at time.Time) {
			name := waiting(t, db, "p", string(state)+at.Format(" 2"), day(1))
			require.NotNil(t, claim(t, s, name, day(1), day(2)))
			require.NoError(t, s.SettleTask(t.Context(), authz.TaskOutcome{Name: name, State: state, Due: day(1), At: at}))
		}
		for d := 2; d <= 6; d++ {
			settle(authz.TaskDone, day(d))
		}
		for _, state := range []authz.TaskState{authz.TaskDead, authz.TaskRefused, authz.TaskPending} {
			settle(state, day(2))
		}
		for _, step := range []struct{ limit, want int }{{2, 2}, {2, 1}, {2, 0}} {
			n, err := s.ForgetTasks(t.Context(), day(5), step.limit)
			require.NoError(t, err)
			require.Equal(t, step.want, n)
		}
		page, err := s.Tasks(t.Context(), authz.TaskQuery{Portal: "p", Limit: 100})
		require.NoError(t, err)
		var left []string
		for i := range page.Tasks {
			left = append(left, page.Tasks[i].ID)
		}
		require.Equal(t, []string{"pending 2", "refused 2", "dead 2", "done 6", "done 5"}, left)
		_, err = s.ForgetTasks(t.Context(), day(5), 0)
		kindOf(t, authz.Invalid, err)
	})
}

// TestQuietDatabase proves that nothing is missed because it was known that nothing
// is due, and that a task which nobody can read hides none of what is known.
func TestQuietDatabase(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s, db := open(t, o), tasksOf(t, o)
		a, b := waiting(t, db, "p", "a", day(4)), waiting(t, db, "p", "b", day(6))
		for range 2 {
			require.Empty(t, due(t, s, authz.DueQuery{Now: day(3)}))
		}
		require.Equal(t, []string{a}, due(t, s, authz.DueQuery{Now: day(4)}))
		require.NotNil(t, claim(t, s, a, day(4), day(5)))
		require.Empty(t, due(t, s, authz.DueQuery{Now: day(4)}))
		require.Equal(t, []string{a}, due(t, s, authz.DueQuery{Now: day(5)}), "the claim has ended")
		require.NotNil(t, claim(t, s, a, day(5), day(6)))
		require.Empty(t, due(t, s, authz.DueQuery{Now: day(5)}))
		require.NoError(t, s.SettleTask(t.Context(), authz.TaskOutcome{Name: a, State: authz.TaskPending, Due: day(5), At: day(5)}))
		require.Equal(t, []string{a}, due(t, s, authz.DueQuery{Now: day(5)}), "it was given back")
		require.NotNil(t, claim(t, s, a, day(5), day(6)))
		require.NoError(t, s.SettleTask(t.Context(), authz.TaskOutcome{Name: a, State: authz.TaskDone, At: day(5)}))
		require.Empty(t, due(t, s, authz.DueQuery{Now: day(5)}))
		require.Equal(t, []string{b}, due(t, s, authz.DueQuery{Now: day(6)}))
	})
}

// TestTasksOfAWrite: what a write stores is due at once, and who waits is told.
func TestTasksOfAWrite(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, authz.World{Bundle: authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "presets.crm_service"}}})
		require.Empty(t, due(t, s, authz.DueQuery{Now: day(2)}))
		news, leave := s.TaskNews()
		defer leave()
		commit := func(c authz.Changeset) error {
			base, err := s.Head(t.Context(), "p")
			require.NoError(t, err)
			c.Base, c.Entry = base, authz.AuditEntry{At: day(1), Actor: "test", Operation: "update"}
			_, err = s.Commit(t.Context(), "p", &c)
			return err
		}
		task := authz.StoredTask{
			Task: authz.Task{
				ID: "give", Kind: authz.UpdateTask, Entity: authz.Key{Kind: authz.RecordEntity, Of: "case", ID: "1/2"}, After: time.Hour, Once: true,
				Set: map[string]any{"flags": map[string]any{"a.b": true}, "n": json.Number("1.50")},
			},
			Cause: authz.Key{Kind: authz.ContactEntity, ID: "ann"}, Actor: "user/ray", CreatedAt: day(1), Due: day(2), State: authz.TaskPending, Depth: 3,
		}
		require.NoError(t, commit(authz.Changeset{Tasks: []authz.StoredTask{task}}))
		require.Len(t, news, 1)
		names := due(t, s, authz.DueQuery{Now: day(2)})
		require.Len(t, names, 1)
		got := claim(t, s, names[0], day(2), day(3))
		task.Name, task.Portal, task.Attempts, task.Since = names[0], "p", 1, day(2)
		require.Equal(t, &task, got)

		done := authz.TaskOutcome{Name: task.Name, State: authz.TaskDone, Attempts: 1, At: day(2)}
		require.NoError(t, commit(authz.Changeset{Settle: &done}))
		kindOf(t, authz.Conflict, commit(authz.Changeset{Settle: &done}))
		kindOf(t, authz.Conflict, s.SettleTask(t.Context(), done))
		require.Empty(t, due(t, s, authz.DueQuery{Now: day(9)}))
	})
}
