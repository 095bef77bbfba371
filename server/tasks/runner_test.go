package tasks_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a store in memory, so that tests can have a clock of their own: a real
// one waits for a network, for which no fake clock stops.
type shelf struct {
	mu      sync.Mutex
	tasks   map[string]*authz.StoredTask
	claims  map[string]time.Time
	news    chan struct{}
	broken  error // what every call fails with
	looks   int
	settled int
	largest int // Limit of a query
}

func newShelf() *shelf {
	return &shelf{tasks: map[string]*authz.StoredTask{}, claims: map[string]time.Time{}, news: make(chan struct{}, 1)}
}

// put stores a task without telling anyone.
func (s *shelf) put(portal, name string, kind authz.TaskKind, due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks[name] = &authz.StoredTask{Task: authz.Task{ID: name, Kind: kind}, Name: name, Portal: portal, Due: due, State: authz.TaskPending}
}

func (s *shelf) task(name string) authz.StoredTask {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.tasks[name]
}

// count returns a number that a runner may be changing.
func (s *shelf) count(of func() int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return of()
}

func (s *shelf) len() int { return s.count(func() int { return len(s.tasks) }) }

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

func (s *shelf) DueTasks(_ context.Context, q authz.DueQuery) (due []authz.StoredTask, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	s.largest = max(s.largest, q.Limit)
	for _, t := range s.tasks {
		held := q.Held != "" && t.Error == q.Held
		if t.State == authz.TaskPending && !t.Due.After(q.Now) && !s.claims[t.Name].After(q.Now) && !slices.Contains(q.But, t.Portal) && !held {
			due = append(due, *t)
		}
	}
	slices.SortFunc(due, func(a, b authz.StoredTask) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Name, b.Name)) })
	return due[:min(len(due), q.Limit)], s.broken
}

func (s *shelf) ClaimTask(_ context.Context, name string, now, until time.Time) (*authz.StoredTask, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[name]
	if s.broken != nil || t.State != authz.TaskPending || t.Due.After(now) || s.claims[name].After(now) {
		return nil, s.broken
	}
	s.claims[name] = until
	if t.Attempts++; t.Since.IsZero() {
		t.Since = now
	}
	claimed := *t
	return &claimed, nil
}

func (s *shelf) SettleTask(ctx context.Context, o authz.TaskOutcome) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[o.Name]
	if err := cmp.Or(s.broken, ctx.Err()); err != nil {
		return err
	}
	if t.State != authz.TaskPending {
		return authz.Errorf(authz.Conflict, "settled")
	}
	s.settled++
	delete(s.claims, o.Name)
	t.State, t.Attempts, t.Error = o.State, o.Attempts, o.Error
	if o.Attempts == 0 {
		t.Since = time.Time{}
	}
	if o.State == authz.TaskPending {
		t.Due = o.Due
	} else {
		t.DoneAt = o.At
	}
	return nil
}

func (s *shelf) ForgetTasks(_ context.Context, before time.Time, limit int) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, t := range s.tasks {
		if t.State == authz.TaskDone && t.DoneAt.Before(before) && n < limit {
			delete(s.tasks, name)
			n++
		}
	}
	return n, s.broken
}

func (s *shelf) TaskNews() (<-chan struct{}, func()) { return s.news, func() {} }

// perform is a Performer that settles as done what do does not refuse.
type perform struct {
	store *shelf
	do    func(context.Context, authz.StoredTask) error
}

func (p perform) Perform(ctx context.Context, _ string, t authz.StoredTask) (authz.TaskOutcome, error) {
	if err := p.do(ctx, t); err != nil {
		return authz.TaskOutcome{}, err
	}
	o := authz.TaskOutcome{Name: t.Name, State: authz.TaskDone, Attempts: t.Attempts, At: time.Now()}
	return o, p.store.SettleTask(ctx, o)
}

type deliver func(context.Context, authz.StoredTask) error

func (d deliver) Deliver(ctx context.Context, t authz.StoredTask) error { return d(ctx, t) }

// setback is a receiver's answer.
type setback struct {
	final bool
	wait  time.Duration
}

func (setback) Error() string               { return "the receiver answered 503" }
func (s setback) Final() bool               { return s.final }
func (s setback) RetryAfter() time.Duration { return s.wait }

// run runs a runner within a bubble until stop is called.
func run(t *testing.T, r *tasks.Runner) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); require.NoError(t, <-done) })
	t.Cleanup(stop)
	synctest.Wait()
	return stop
}

// TestTime does tasks at their time, not before, and at once after a write.
func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, began := newShelf(), time.Now()
		var at []time.Duration
		p := perform{s, func(context.Context, authz.StoredTask) error { at = append(at, time.Since(began)); return nil }}
		s.put("p", "late", authz.UpdateTask, began.Add(90*time.Minute+300*time.Millisecond))
		s.put("p", "now", authz.UpdateTask, began)
		stop := run(t, tasks.New(s, p, nil, tasks.Options{}))
		require.Equal(t, []time.Duration{0}, at)

		time.Sleep(500 * time.Millisecond)
		s.put("p", "written here", authz.UpdateTask, time.Now())
		s.news <- struct{}{}
		synctest.Wait()
		require.Equal(t, []time.Duration{0, 500 * time.Millisecond}, at, "at once")

		s.put("p", "written elsewhere", authz.UpdateTask, time.Now())
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, at, 3, "within a second")

		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, at, 3)
		stop()
		run(t, tasks.New(s, p, nil, tasks.Options{}))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, at, 4)
		require.GreaterOrEqual(t, at[3], 90*time.Minute+300*time.Millisecond)
		require.Less(t, at[3], 90*time.Minute+1300*time.Millisecond)
		require.Less(t, s.count(func() int { return s.looks }), 9500, "about one a second")
	})
}

// TestBackOff: a failure is tried again later and later, and given up after twelve
// attempts.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, began := newShelf(), time.Now()
		s.put("p", "mail", authz.MailTask, began)
		var at []time.Time
		d := deliver(func(context.Context, authz.StoredTask) error { at = append(at, time.Now()); return setback{} })
		var log bytes.Buffer
		stop := run(t, tasks.New(s, nil, d, tasks.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}))
		require.Equal(t, "the receiver answered 503", s.task("mail").Error)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		stop()
		require.Len(t, at, 12)
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600} {
			waited := at[i+1].Sub(at[i])
			require.GreaterOrEqual(t, waited, want*time.Second)
			require.LessOrEqual(t, waited, want*time.Second*5/4+time.Second, "%d: with its jitter and the next look", i)
		}
		got := s.task("mail")
		require.Equal(t, authz.TaskDead, got.State)
		require.Equal(t, 12, got.Attempts)
		require.Equal(t, "given up after 12 attempts: the receiver answered 503", got.Error)
		require.Equal(t, 11, strings.Count(log.String(), "task is tried again later"))
		require.Equal(t, 1, strings.Count(log.String(), "task given up"))
	})
}

func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, waits := newShelf(), map[time.Duration]bool{}
		for i := range 20 {
			s.put("p", fmt.Sprint(i), authz.MailTask, time.Now())
		}
		stop := run(t, tasks.New(s, nil, deliver(func(context.Context, authz.StoredTask) error { return setback{} }), tasks.Options{}))
		stop()
		for i := range 20 {
			waits[time.Until(s.task(fmt.Sprint(i)).Due)] = true
		}
		require.Greater(t, len(waits), 15, "tasks that fail together do not come back together")
	})
}

// TestGiveUp: a task that fails again a day after its first attempt is given up.
func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.put("p", "mail", authz.MailTask, time.Now())
		d := deliver(func(context.Context, authz.StoredTask) error { return setback{wait: 100 * time.Hour} })
		stop := run(t, tasks.New(s, nil, d, tasks.Options{}))
		require.Equal(t, time.Hour, time.Until(s.task("mail").Due), "no receiver asks for more than an hour")
		stop()
		time.Sleep(25 * time.Hour)
		run(t, tasks.New(s, nil, d, tasks.Options{}))
		got := s.task("mail")
		require.Equal(t, authz.TaskDead, got.State)
		require.Equal(t, 2, got.Attempts)
	})
}

// TestUnreliableReceiver: what fails some times is delivered, under one name.
func TestUnreliableReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, seen := newShelf(), map[string]int{}
		for i := range 5 {
			s.put("p", fmt.Sprint(i), authz.MailTask, time.Now())
		}
		d := deliver(func(_ context.Context, m authz.StoredTask) error {
			if seen[m.Name]++; seen[m.Name] <= int(m.Name[0]-'0') {
				return setback{wait: 30 * time.Second}
			}
			return nil
		})
		run(t, tasks.New(s, nil, d, tasks.Options{}))
		time.Sleep(time.Hour)
		synctest.Wait()
		for i := range 5 {
			got := s.task(fmt.Sprint(i))
			require.Equal(t, authz.TaskDone, got.State)
			require.Equal(t, i+1, got.Attempts)
			require.Equal(t, i+1, seen[fmt.Sprint(i)])
			require.Empty(t, got.Error)
			require.GreaterOrEqual(t, got.DoneAt.Sub(got.Since), time.Duration(i)*30*time.Second, "Retry-After")
		}
	})
}

// TestOutcomes says what becomes of a task after each kind of error.
func TestOutcomes(t *testing.T) {
	for name, tc := range map[string]struct {
		kind  authz.TaskKind
		err   error
		state authz.TaskState
		text  string
	}{
		"done":               {authz.UpdateTask, nil, authz.TaskDone, ""},
		"invalid":            {authz.UpdateTask, authz.Errorf(authz.Invalid, "is no user").At("login"), authz.TaskRefused, "login: is no user"},
		"gone":               {authz.DeleteTask, authz.Errorf(authz.NotFound, "there is no user"), authz.TaskRefused, "there is no user"},
		"rejected":           {authz.CreateTask, authz.Errorf(authz.Rejected, "against a rule"), authz.TaskRefused, "against a rule"},
		"forbidden":          {authz.CreateTask, authz.Errorf(authz.Forbidden, "not allowed"), authz.TaskRefused, "not allowed"},
		"too large":          {authz.CreateTask, authz.Errorf(authz.TooLarge, "too many"), authz.TaskRefused, "too many"},
		"faults":             {authz.CreateTask, authz.Faults{{Path: "login", Msg: "is missing"}}, authz.TaskRefused, "login: is missing"},
		"wrapped":            {authz.CreateTask, fmt.Errorf("why: %w", authz.Errorf(authz.Rejected, "no")), authz.TaskRefused, "no"},
		"store":              {authz.UpdateTask, authz.Errorf(authz.Unavailable, "cannot be read now").Because(errors.New("hunter2")), authz.TaskPending, "cannot be read now"},
		"raced":              {authz.UpdateTask, authz.Errorf(authz.Conflict, "changed by others"), authz.TaskPending, "changed by others"},
		"internal":           {authz.UpdateTask, errors.New("hunter2"), authz.TaskPending, "internal error: the log of the service says more"},
		"mail":               {authz.MailTask, nil, authz.TaskDone, ""},
		"mail, later":        {authz.MailTask, setback{}, authz.TaskPending, "the receiver answered 503"},
		"mail, never":        {authz.MailTask, setback{final: true}, authz.TaskDead, "the receiver answered 503"},
		"mail, an odd error": {authz.MailTask, authz.Errorf(authz.Invalid, "odd"), authz.TaskPending, "odd"},
		"long":               {authz.MailTask, errors.New(strings.Repeat("é", 400)), authz.TaskPending, strings.Repeat("é", 248) + "..."},
		"long, at a border":  {authz.MailTask, errors.New("x" + strings.Repeat("é", 400)), authz.TaskPending, "x" + strings.Repeat("é", 248) + "..."},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf()
				s.put("p", "x", tc.kind, time.Now())
				do := func(context.Context, authz.StoredTask) error { return tc.err }
				run(t, tasks.New(s, perform{s, do}, deliver(do), tasks.Options{}))()
				got := s.task("x")
				require.Equal(t, tc.state, got.State)
				require.Equal(t, tc.text, got.Error)
				require.LessOrEqual(t, len(got.Error), 500)
				require.Equal(t, 1, got.Attempts)
				require.Equal(t, tc.state == authz.TaskPending, got.Due.After(time.Now()))
			})
		})
	}
}

// TestCrashingTask: a task during which process after process dies is given up.
func TestCrashingTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.put("p", "x", authz.UpdateTask, time.Now())
		for range 12 {
			_, err := s.ClaimTask(t.Context(), "x", time.Now(), time.Now())
			require.NoError(t, err)
		}
		run(t, tasks.New(s, nil, nil, tasks.Options{}))
		require.Equal(t, authz.TaskDead, s.task("x").State)
		require.Equal(t, "given up after 12 attempts: no attempt came to an end", s.task("x").Error)
	})
}

// TestNoWebhook: mails wait without being tried, cost nothing, and are delivered
// however late there is a webhook.
func TestNoWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		for i := range 300 {
			s.put("p", fmt.Sprint(i), authz.MailTask, time.Now())
		}
		var done int
		p := perform{s, func(context.Context, authz.StoredTask) error { done++; return nil }}
		stop := run(t, tasks.New(s, p, nil, tasks.Options{Poll: time.Minute}))
		require.Equal(t, "no webhook is configured", s.task("7").Error)
		require.Equal(t, 0, s.task("7").Attempts)
		time.Sleep(time.Hour)
		s.put("p", "entity", authz.UpdateTask, time.Now())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 1, done)
		require.Equal(t, 301, s.count(func() int { return s.settled }), "each is marked once")
		time.Sleep(72 * time.Hour)
		stop()

		failed := false
		run(t, tasks.New(s, p, deliver(func(_ context.Context, m authz.StoredTask) error {
			if m.Name == "7" && !failed {
				failed = true
				return setback{}
			}
			return nil
		}), tasks.Options{Poll: time.Minute}))
		time.Sleep(time.Minute)
		synctest.Wait()
		for i := range 300 {
			require.Equal(t, authz.TaskDone, s.task(fmt.Sprint(i)).State, "%d", i)
			require.Empty(t, s.task(fmt.Sprint(i)).Error)
		}
		require.True(t, failed)
	})
}

// TestTurns: one task at a time of each portal, in the order in which they were
// due, and four portals at a time; a portal with very many tasks, or with slow ones,
// keeps nobody from theirs.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, began := newShelf(), time.Now()
		for i := range 1000 {
			s.put("many", fmt.Sprintf("many %04d", i), authz.UpdateTask, began.Add(time.Duration(i-2000)*time.Second))
		}
		for p := range 9 {
			for i := range 5 {
				s.put(fmt.Sprintf("p%d", p), fmt.Sprintf("p%d %d", p, i), authz.UpdateTask, began.Add(time.Duration(-i)*time.Second))
			}
		}
		var mu sync.Mutex
		running, most, order := map[string]int{}, 0, map[string][]string{}
		p := perform{s, func(_ context.Context, task authz.StoredTask) error {
			mu.Lock()
			running[task.Portal]++
			require.Equal(t, 1, running[task.Portal])
			most = max(most, len(running))
			order[task.Portal] = append(order[task.Portal], task.Name)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			delete(running, task.Portal)
			mu.Unlock()
			return nil
		}}
		run(t, tasks.New(s, p, nil, tasks.Options{}))
		time.Sleep(25 * time.Second)
		synctest.Wait()
		mu.Lock()
		for p := range 9 {
			name := fmt.Sprintf("p%d", p)
			require.Equal(t, []string{name + " 4", name + " 3", name + " 2", name + " 1", name + " 0"}, order[name], "done in the order in which they were due")
		}
		require.Equal(t, 4, most)
		mu.Unlock()
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		require.True(t, slices.IsSorted(order["many"]))
		require.Len(t, order["many"], 1000)
		require.Equal(t, 100, s.count(func() int { return s.largest }))
	})
}

// TestOneAfterAnother: with room for one portal, those whose tasks have been due for
// longest do not keep the others waiting until all theirs are done.
func TestOneAfterAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, began := newShelf(), time.Now()
		for i := range 400 {
			s.put("a", fmt.Sprintf("a %d", i), authz.UpdateTask, began.Add(-3*time.Hour))
			s.put("b", fmt.Sprintf("b %d", i), authz.UpdateTask, began.Add(-2*time.Hour))
		}
		s.put("c", "c", authz.UpdateTask, began)
		p := perform{s, func(context.Context, authz.StoredTask) error { time.Sleep(time.Second); return nil }}
		run(t, tasks.New(s, p, nil, tasks.Options{Portals: 1}))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.Equal(t, authz.TaskDone, s.task("c").State)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		require.Equal(t, 801, s.count(func() int { return s.settled }))
	})
}

// TestTwoRunners share one store: each task is done once.
func TestTwoRunners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		for i := range 200 {
			s.put(fmt.Sprint(i%7), fmt.Sprint(i), authz.UpdateTask, time.Now())
		}
		var mu sync.Mutex
		times := map[string]int{}
		p := perform{s, func(_ context.Context, task authz.StoredTask) error {
			mu.Lock()
			times[task.Name]++
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			return nil
		}}
		run(t, tasks.New(s, p, nil, tasks.Options{}))
		run(t, tasks.New(s, p, nil, tasks.Options{}))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, times, 200)
		for name, n := range times {
			require.Equal(t, 1, n, name)
		}
	})
}

// TestStop: what runs ends within the grace, or is given back as if it had not begun;
// nothing begins any more.
func TestStop(t *testing.T) {
	for name, tc := range map[string]struct {
		takes    time.Duration
		state    authz.TaskState
		attempts int
		stopped  time.Duration
	}{
		"ends":       {3 * time.Second, authz.TaskDone, 1, 3 * time.Second},
		"given back": {time.Hour, authz.TaskPending, 0, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf()
				s.put("p", "1", authz.UpdateTask, time.Now())
				s.put("p", "2", authz.UpdateTask, time.Now().Add(time.Millisecond))
				time.Sleep(time.Second)
				p := perform{s, func(ctx context.Context, _ authz.StoredTask) error {
					select {
					case <-time.After(tc.takes):
						return nil
					case <-ctx.Done():
						return authz.Errorf(authz.Unavailable, "stopped").Because(ctx.Err())
					}
				}}
				stop := run(t, tasks.New(s, p, nil, tasks.Options{}))
				began := time.Now()
				stop()
				require.Equal(t, tc.stopped, time.Since(began))
				got := s.task("1")
				require.Equal(t, tc.state, got.State)
				require.Equal(t, tc.attempts, got.Attempts)
				require.Empty(t, got.Error)
				require.Empty(t, s.claims["1"], "nobody has to wait for the end of the claim")
				require.Zero(t, s.task("2").Attempts)
			})
		})
	}
}

// TestSlowAttempt: an attempt ends before others may take the task.
func TestSlowAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.put("p", "x", authz.MailTask, time.Now())
		run(t, tasks.New(s, nil, deliver(func(ctx context.Context, _ authz.StoredTask) error { <-ctx.Done(); return ctx.Err() }), tasks.Options{}))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.Equal(t, "it was not done within 30s", s.task("x").Error)
		require.Equal(t, 1, s.task("x").Attempts)
	})
}

// TestStoreFails: the store is asked ever more seldom, whatever is written, and
// tasks go on when it is back.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.fail(authz.Errorf(authz.Unavailable, "the store cannot be read now"))
		done := false
		p := perform{s, func(context.Context, authz.StoredTask) error { done = true; return nil }}
		var log bytes.Buffer
		stop := run(t, tasks.New(s, p, nil, tasks.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}))
		s.put("p", "x", authz.UpdateTask, time.Now())
		for range 600 {
			time.Sleep(time.Second)
			select {
			case s.news <- struct{}{}:
			default:
			}
		}
		require.Less(t, s.count(func() int { return s.looks }), 70)
		s.fail(nil)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		stop()
		require.True(t, done)
		require.Contains(t, log.String(), "tasks cannot be done now")
	})
}

func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		for i := range 2500 {
			s.put("p", fmt.Sprint(i), authz.MailTask, time.Now())
		}
		run(t, tasks.New(s, nil, deliver(func(context.Context, authz.StoredTask) error { return nil }), tasks.Options{Poll: time.Hour}))
		require.Equal(t, 2500, s.len())
		time.Sleep(30 * 24 * time.Hour)
		synctest.Wait()
		require.Equal(t, 2500, s.len(), "kept for thirty days")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Zero(t, s.len())
	})
}
