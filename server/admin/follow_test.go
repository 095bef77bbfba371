package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// states returns the tasks of a result as "kind entity state".
func states(r *admin.Result) []string {
	var all []string
	for _, t := range r.Tasks {
		all = append(all, strings.TrimSpace(string(t.Kind)+" "+t.Entity.Ref())+" "+string(t.State))
	}
	return all
}

// TestTasksAreMadeWithTheWrite: a contact gets its user in the same changeset, who is
// admitted, takes defaults and leads to a mail.
func TestTasksAreMadeWithTheWrite(t *testing.T) {
	s := started(t, rules, world())
	r, err := s.Patch(t.Context(), byRoot(), key(authz.ContactEntity, "c1"), map[string]any{"email": "new@acme.example", "flags": map[string]any{"portal": true}})
	require.NoError(t, err)
	require.Equal(t, []string{"create user/of-c1 done", "mail pending"}, states(&r))
	e, err := s.Read(t.Context(), byRoot(), user("of-c1"))
	require.NoError(t, err)
	require.Equal(t, "new@acme.example", e.Document["login"], "the user is judged over the contact as it will be")
	require.Equal(t, r.Revision, e.Revision)

	page, err := s.Tasks(t.Context(), byRoot(), authz.TaskQuery{})
	require.NoError(t, err)
	require.Len(t, page.Tasks, 1)
	require.Equal(t, r.Tasks[1].Name, page.Tasks[0].Name)
	require.Equal(t, user("of-c1"), page.Tasks[0].Cause)
	require.Equal(t, "user/root", page.Tasks[0].Actor)
	require.Equal(t, 2, page.Tasks[0].Depth)

	entries, err := s.store.Entries(t.Context(), "p", r.Entry-1, 1)
	require.NoError(t, err)
	require.Len(t, entries[0].Changes, 2)

	r, err = s.Patch(t.Context(), byRoot(), key(authz.ContactEntity, "c1"), map[string]any{"flags": map[string]any{"portal": false}})
	require.NoError(t, err)
	require.Equal(t, []string{"deactivate user/of-c1 done"}, states(&r))
	r, err = s.Patch(t.Context(), byRoot(), key(authz.ContactEntity, "c1"), map[string]any{"flags": map[string]any{"portal": true}})
	require.NoError(t, err)
	require.Equal(t, []string{"create user/of-c1 done"}, states(&r), "the entity is there, which makes it an update; the mail goes once for ever")
	v, err := s.Verify(t.Context(), "p")
	require.NoError(t, err)
	require.Empty(t, v.Faults)
}

func TestATaskThatIsRefused(t *testing.T) {
	s := started(t, rules, world())
	r, err := s.Patch(t.Context(), byRoot(), key(authz.ContactEntity, "c2"), map[string]any{"flags": map[string]any{"portal": true}})
	require.NoError(t, err, "the write stands")
	require.Equal(t, []string{"create user/of-c2 refused"}, states(&r))
	require.Contains(t, r.Tasks[0].Error, "login_taken")
	page, err := s.Tasks(t.Context(), byRoot(), authz.TaskQuery{State: authz.TaskRefused})
	require.NoError(t, err)
	require.Len(t, page.Tasks, 1)
	require.Contains(t, page.Tasks[0].Error, "login_taken")
	_, err = s.Read(t.Context(), byRoot(), user("of-c2"))
	require.Equal(t, authz.NotFound, authz.KindOf(err))
}

func TestTasksThatLeadToTasksEnd(t *testing.T) {
	s := started(t, rules, world())
	r, err := s.Create(t.Context(), byRoot(), authz.Key{Kind: authz.RecordEntity, Of: "link", ID: "0"}, map[string]any{"properties": map[string]any{"n": 0}})
	require.NoError(t, err)
	require.Len(t, r.Tasks, authz.MaxTaskDepth+1)
	last := r.Tasks[authz.MaxTaskDepth]
	require.Equal(t, authz.TaskRefused, last.State)
	require.Contains(t, last.Error, "deeper than 8")
}

func TestDefaultsComeToAnEnd(t *testing.T) {
	s := started(t, rules, world())
	_, err := s.Create(t.Context(), byRoot(), user("new"), map[string]any{"attributes": map[string]any{"turns": 1}})
	require.Equal(t, map[string]string{"": "policy " + admin.ReasonDefaultsUnsettled}, refusedFor(t, err, authz.Rejected))
	r, err := s.Create(t.Context(), byRoot(), user("new"), map[string]any{"attributes": map[string]any{"turns": 98}})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"turns": int64(100)}, r.Entity.Document["attributes"])
	require.Equal(t, `{"attributes":{"turns":100},"flags":{"checked":true}}`, asJSON(t, r.Defaults), "of all rounds together")
	_, err = s.Create(t.Context(), byRoot(), user("another"), map[string]any{"attributes": map[string]any{"rename": true}})
	require.Equal(t, map[string]string{"": "policy " + admin.ReasonDefaultsKey}, refusedFor(t, err, authz.Rejected))
	_, err = s.Create(t.Context(), byRoot(), user("shares"), map[string]any{"contact": "c2", "active": true})
	require.Equal(t, "login_unique login_taken", refusedFor(t, err, authz.Rejected)["login"], "the login that the policy adds is judged too")
}

// TestPerform does a delayed task, which is settled with its write.
func TestPerform(t *testing.T) {
	s := started(t, rules, world())
	r, err := s.Create(t.Context(), byRoot(), user("new"), map[string]any{"attributes": map[string]any{"wait": true}})
	require.NoError(t, err)
	require.Equal(t, []string{"update user/new pending"}, states(&r))
	stored := func() authz.StoredTask {
		page, err := s.Tasks(t.Context(), byRoot(), authz.TaskQuery{})
		require.NoError(t, err)
		require.Len(t, page.Tasks, 1)
		return page.Tasks[0]
	}
	task := stored()
	require.WithinDuration(t, time.Now().Add(time.Hour), task.Due, time.Minute)
	o, err := s.Perform(t.Context(), "p", task)
	require.NoError(t, err)
	require.Equal(t, authz.TaskDone, o.State)
	require.Equal(t, authz.TaskDone, stored().State)
	e, err := s.Read(t.Context(), byRoot(), user("new"))
	require.NoError(t, err)
	require.Equal(t, true, e.Document["attributes"].(map[string]any)["settled"])
	require.Equal(t, "task/"+task.Name, e.UpdatedBy)

	_, err = s.Perform(t.Context(), "p", task)
	require.Equal(t, authz.Conflict, authz.KindOf(err), "it is done exactly once")
	again, err := s.Read(t.Context(), byRoot(), user("new"))
	require.NoError(t, err)
	require.Equal(t, e, again)
}

func TestPerformRefused(t *testing.T) {
	s := started(t, rules, world())
	_, err := s.Create(t.Context(), byRoot(), user("new"), map[string]any{"active": true, "login": "one", "attributes": map[string]any{"wait": true}})
	require.NoError(t, err)
	page, err := s.Tasks(t.Context(), byRoot(), authz.TaskQuery{})
	require.NoError(t, err)
	task := page.Tasks[0]
	task.Set = map[string]any{"login": "root"}
	o, err := s.Perform(t.Context(), "p", task)
	require.NoError(t, err)
	require.Equal(t, authz.TaskRefused, o.State)
	require.Contains(t, o.Error, "login_taken")
	page, err = s.Tasks(t.Context(), byRoot(), authz.TaskQuery{State: authz.TaskRefused})
	require.NoError(t, err)
	require.Len(t, page.Tasks, 1)
	v, err := s.Verify(t.Context(), "p")
	require.NoError(t, err)
	require.Empty(t, v.Faults)
}
