package mongodb_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/ferret"
	"github.com/portcullis-authz/portcullis/server/mongodb"
	"github.com/portcullis-authz/portcullis/server/tasks"
	"github.com/portcullis-authz/portcullis/server/webhook"
)

// runnerVariable makes the test binary run tasks until none waits.
const runnerVariable = "PORTCULLIS_TEST_RUNNER_CHILD"

// runnerJob is what such a child does. Ahead sets its clock forward, so that claims
// of the children before it have ended.
type runnerJob struct {
	Dir, URI, Database, Receiver string
	Ahead                        time.Duration
}

const secret = "whsec_c2FtcGxlIHNlY3JldCBvZiAzMiBieXRlcyBpbiBhbGwu"

// openJob opens the database of the job; stop closes it.
func openJob(ctx context.Context, j runnerJob) (s *mongodb.Store, stop func() error, err error) {
	o := mongodb.Options{URI: j.URI, Database: j.Database, Timeout: patience}
	end := func(context.Context) error { return nil }
	if j.Dir != "" {
		f, err := ferret.Start(ctx, j.Dir, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, nil, err
		}
		o.URI, o.Embedded, o.Sole, o.Prepare, end = f.URI(), true, true, f.Index, f.Stop
	}
	if s, err = mongodb.Open(ctx, o); err != nil {
		return nil, nil, errors.Join(err, end(ctx))
	}
	return s, func() error { return errors.Join(s.Close(context.Background()), end(context.Background())) }, nil
}

// runnerChild does the job and ends the process.
func runnerChild(text string) {
	var j runnerJob
	must(json.Unmarshal([]byte(text), &j))
	must(runTasks(context.Background(), j))
	os.Exit(0)
}

func runTasks(ctx context.Context, j runnerJob) error {
	s, stop, err := openJob(ctx, j)
	if err != nil {
		return err
	}
	ahead := func() time.Time { return time.Now().Add(j.Ahead) }
	sender, err := webhook.New(webhook.Options{URL: j.Receiver, Secret: secret, Now: ahead})
	if err != nil {
		return err
	}
	defer sender.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- tasks.New(s, counting{s}, sender, tasks.Options{Now: ahead, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}).Run(ctx)
	}()
	fmt.Println("runs")
	for waiting := true; waiting && err == nil; time.Sleep(50 * time.Millisecond) {
		waiting, err = anyPending(ctx, s)
	}
	cancel()
	return errors.Join(err, <-ended, stop())
}

func anyPending(ctx context.Context, s *mongodb.Store) (bool, error) {
	for _, portal := range crashPortals() {
		page, err := s.Tasks(ctx, authz.TaskQuery{Portal: portal, State: authz.TaskPending, Limit: 1})
		if err != nil || len(page.Tasks) > 0 {
			return true, err
		}
	}
	return false, nil
}

func crashPortals() []string { return []string{"p", "q"} }

// counter is the account in which tasks are counted.
func counter() authz.Key { return authz.Key{Kind: authz.AccountEntity, ID: "counter"} }

// counting is a Performer that counts one more in the store, and settles the task
// with it.
type counting struct{ store *mongodb.Store }

func (c counting) Perform(ctx context.Context, portal string, t authz.StoredTask) (authz.TaskOutcome, error) {
	base, err := c.store.Head(ctx, portal)
	if err != nil {
		return authz.TaskOutcome{}, err
	}
	v, err := c.store.Entity(ctx, portal, counter())
	if err != nil {
		return authz.TaskOutcome{}, err
	}
	before := v.Stored.(authz.Account)
	after := before
	after.Attributes = map[string]any{"n": before.Attributes["n"].(int64) + 1}
	o := authz.TaskOutcome{Name: t.Name, State: authz.TaskDone, Attempts: t.Attempts, At: time.Now()}
	_, err = c.store.Commit(ctx, portal, &authz.Changeset{
		Base: base, Changes: []authz.EntityWrite{{Entity: counter(), Old: before, New: after}},
		Entry: authz.AuditEntry{At: time.Now(), Actor: "task/" + t.Name, Operation: "update"}, Settle: &o,
	})
	return o, err
}

// leastKills is how often a runner is killed when fewer are asked for, if it does not come
// to its end before.
const leastKills = 8

// perPortal is how many tasks of each of the two kinds a portal has, so that so many kills
// find some.
func perPortal(kills int) int { return 2 * kills }

// seed stores the portals, each with as many tasks, in one write, and returns the names
// of the mails.
func seed(t *testing.T, j runnerJob, ofKind int) map[string]bool {
	t.Helper()
	s, stop, err := openJob(t.Context(), j)
	require.NoError(t, err)
	defer func() { require.NoError(t, stop()) }()
	mails := map[string]bool{}
	for _, portal := range crashPortals() {
		require.NoError(t, s.Import(t.Context(), []authz.World{{
			Bundle:   authz.Bundle{Portal: authz.Portal{ID: portal, Policy: "presets.crm_service"}},
			Accounts: []authz.Account{{ID: counter().ID, Attributes: map[string]any{"n": int64(0)}}},
		}}, "test", nil))
		base, err := s.Head(t.Context(), portal)
		require.NoError(t, err)
		c := &authz.Changeset{Base: base, Entry: authz.AuditEntry{At: time.Now(), Actor: "test", Operation: "update"}}
		for i := range 2 * ofKind {
			task := authz.StoredTask{
				Task: authz.Task{ID: fmt.Sprint(i), Kind: authz.UpdateTask, Entity: counter()}, State: authz.TaskPending,
				CreatedAt: time.Now(), Due: time.Now().Add(time.Duration(i-1000) * time.Second),
			}
			if i%2 == 1 {
				task.Kind, task.Entity, task.Template, task.To = authz.MailTask, authz.Key{}, "hello", fmt.Sprint(i)
			}
			c.Tasks = append(c.Tasks, task)
		}
		_, err = s.Commit(t.Context(), portal, c)
		require.NoError(t, err)
		for _, task := range c.Tasks {
			if task.Kind == authz.MailTask {
				mails[task.Name] = true
			}
		}
	}
	return mails
}

// mailbox counts what comes, by the name under which it comes.
type mailbox struct {
	mu   sync.Mutex
	came map[string]int
	to   map[string]string
}

func (m *mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var mail struct{ ID, To string }
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&mail); err != nil || mail.ID != r.Header.Get("webhook-id") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	m.came[mail.ID]++
	m.to[mail.ID] = mail.To
	m.mu.Unlock()
	time.Sleep(rand.N(5 * time.Millisecond))
}

// runRunner runs the job, kills it the given time after it has begun, and reports
// whether it ended by itself.
func runRunner(t *testing.T, j runnerJob, kill time.Duration) (ended bool) {
	t.Helper()
	text, err := json.Marshal(j)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), runnerVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "runs" {
	}
	timer := time.AfterFunc(kill, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	return cmd.Wait() == nil
}

// TestKilledRunner kills processes in the midst of running tasks. No task is lost:
// those that write are done exactly once, mails arrive at least once, each under one
// name.
func TestKilledRunner(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		m := &mailbox{came: map[string]int{}, to: map[string]string{}}
		receiver := httptest.NewServer(m)
		defer receiver.Close()
		j := runnerJob{Receiver: receiver.URL, Database: o.Database, URI: o.URI}
		if o.Embedded {
			j.Dir = t.TempDir()
		}
		most := max(leastKills, kills(t))
		mails, kills := seed(t, j, perPortal(most)), 0
		for range most {
			if runRunner(t, j, rand.N(300*time.Millisecond)) {
				break
			}
			kills++
			j.Ahead += 2 * time.Minute
			if !o.Embedded { // the server ends the dead process's transactions within a minute
				require.NoError(t, raw(t, o).Client().Database("admin").RunCommand(t.Context(), bson.D{{Key: "killAllSessions", Value: bson.A{}}}).Err())
			}
		}
		if kills == most {
			require.True(t, runRunner(t, j, 2*time.Minute), "all tasks are done in the end")
		}
		if revived := revive(t, j); revived > 0 {
			t.Logf("%d tasks had no attempt that was not killed, and were tried again", revived)
			require.True(t, runRunner(t, j, 2*time.Minute))
		}
		require.Equal(t, len(mails), len(m.came))
		again := 0
		for name, n := range m.came {
			require.True(t, mails[name], name)
			again += n - 1
		}
		require.LessOrEqual(t, again, len(crashPortals())*kills, "a kill repeats what was under way, and no more")
		t.Logf("%d kills, %d mails came again", kills, again)
		requireDone(t, j, m, perPortal(most))
	})
}

// revive has the tasks tried again that were given up, as an administrator would, and
// returns how many. All their attempts must have been killed.
func revive(t *testing.T, j runnerJob) (dead int) {
	t.Helper()
	s, stop, err := openJob(t.Context(), j)
	require.NoError(t, err)
	defer func() { require.NoError(t, stop()) }()
	for _, portal := range crashPortals() {
		page, err := s.Tasks(t.Context(), authz.TaskQuery{Portal: portal, State: authz.TaskDead, Limit: authz.MaxPage})
		require.NoError(t, err)
		for i := range page.Tasks {
			require.Contains(t, page.Tasks[i].Error, "no attempt came to an end")
			require.NoError(t, s.Retry(t.Context(), portal, page.Tasks[i].Name))
			dead++
		}
	}
	return dead
}

// requireDone requires that every task is done, and what writes exactly once.
func requireDone(t *testing.T, j runnerJob, m *mailbox, ofKind int) {
	t.Helper()
	s, stop, err := openJob(t.Context(), j)
	require.NoError(t, err)
	defer func() { require.NoError(t, stop()) }()
	for _, portal := range crashPortals() {
		v, err := s.Entity(t.Context(), portal, counter())
		require.NoError(t, err)
		require.EqualValues(t, ofKind, v.Stored.(authz.Account).Attributes["n"])
		page, err := s.Tasks(t.Context(), authz.TaskQuery{Portal: portal, Limit: authz.MaxPage})
		require.NoError(t, err)
		require.Len(t, page.Tasks, 2*ofKind)
		for i := range page.Tasks {
			require.Equal(t, authz.TaskDone, page.Tasks[i].State, "%+v", page.Tasks[i])
			if page.Tasks[i].Kind == authz.MailTask {
				require.Equal(t, page.Tasks[i].To, m.to[page.Tasks[i].Name])
			}
		}
		entries, err := s.Entries(t.Context(), portal, 0, authz.MaxPage)
		require.NoError(t, err)
		require.Len(t, entries, 2+ofKind, "of the import, of what stored the tasks, and one of each")
		for i := range entries {
			require.True(t, entries[i].Intact())
		}
	}
}
