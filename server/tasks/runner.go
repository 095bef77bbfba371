package tasks

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

const (
	// batch is how many tasks one look at the store brings.
	batch = 100
	// turn bounds how long one portal's tasks keep others from theirs.
	turn = 10 * time.Second
	// maxServed bounds the portals that wait for others to have their turn.
	maxServed = 500
	// claim is how long a task is kept from others, and attempt how long one attempt
	// at it may take: less, so that nobody else begins while it runs.
	claim   = time.Minute
	attempt = 30 * time.Second
	// settleTime bounds telling the store what came of an attempt.
	settleTime = 10 * time.Second
	// maxPoll bounds the time between two looks at a store that fails.
	maxPoll = 10 * time.Second
)

// Store keeps the tasks.
type Store interface {
	// DueTasks returns the tasks that the query asks for.
	DueTasks(ctx context.Context, q authz.DueQuery) ([]authz.StoredTask, error)
	// ClaimTask returns the task with the attempt that begins counted, and keeps it
	// from others until then; it returns nil when it is not due at now or is another's.
	ClaimTask(ctx context.Context, name string, now, until time.Time) (*authz.StoredTask, error)
	// SettleTask keeps what came of an attempt and ends its claim. For who holds the
	// claim no longer the error is authz.Conflict.
	SettleTask(ctx context.Context, o authz.TaskOutcome) error
	// ForgetTasks removes up to limit tasks that were done before then, and says how
	// many it has removed.
	ForgetTasks(ctx context.Context, before time.Time, limit int) (int, error)
	// TaskNews returns a channel that is sent to after writes of this process that
	// may have made tasks, and its end.
	TaskNews() (news <-chan struct{}, leave func())
}

// Performer does a task that writes an entity, as the system, and settles it as
// done or refused in the same changeset; the outcome is what it has settled. An
// error says that nothing was written and nothing settled. task.Attempts counts
// the attempt.
type Performer interface {
	Perform(ctx context.Context, portal string, task authz.StoredTask) (authz.TaskOutcome, error)
}

// Deliverer hands a mail over to who sends it. The text of its error is kept and
// shown. An error with a method Final() bool that returns true ends the attempts;
// one with RetryAfter() time.Duration says how long to wait at least.
type Deliverer interface {
	Deliver(ctx context.Context, mail authz.StoredTask) error
}

// NoWebhook is the Error of mails that are due while nobody takes them.
const NoWebhook = "no webhook is configured"

// Options of a Runner.
type Options struct {
	Poll    time.Duration // between two looks at the store; 0: 1 s
	Portals int           // whose tasks are done at a time; 0: 4
	Grace   time.Duration // for the attempts under way when it is stopped; 0: 5 s
	Log     *slog.Logger  // nil: nothing is logged
	Now     func() time.Time
}

func (o Options) withDefaults() Options {
	o.Poll = cmp.Or(o.Poll, time.Second)
	o.Portals = cmp.Or(o.Portals, 4)
	o.Grace = cmp.Or(o.Grace, 5*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Runner does tasks while it runs.
type Runner struct {
	store     Store
	performer Performer
	deliverer Deliverer
	opts      Options
}

// New returns a Runner. Without a deliverer, mails wait until a runner has one.
func New(store Store, performer Performer, deliverer Deliverer, o Options) *Runner {
	return &Runner{store: store, performer: performer, deliverer: deliverer, opts: o.withDefaults()}
}

// Run does tasks until ctx ends, and returns nil when none is under way any more:
// those that are then have the grace to end, and are given back otherwise. It runs
// once at a time.
func (r *Runner) Run(ctx context.Context) error {
	attempts, stop := r.outliving(ctx)
	defer stop()
	var working sync.WaitGroup
	defer working.Wait()
	working.Go(func() { r.forget(ctx) })
	news, leave := r.store.TaskNews()
	defer leave()
	d := dispatcher{Runner: r, attempts: attempts, busy: map[string]bool{}, served: map[string]bool{}, over: make(chan overTurn, r.opts.Portals), turns: &working}
	d.run(ctx, news)
	return nil
}

// outliving returns a context that ends the grace after ctx has.
func (r *Runner) outliving(ctx context.Context) (context.Context, context.CancelFunc) {
	attempts, stop := context.WithCancel(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(r.opts.Grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			stop()
		case <-attempts.Done():
		}
	})
	return attempts, func() { unhook(); stop() }
}
