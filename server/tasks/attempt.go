package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// do makes one attempt at the task, unless someone else is at it, and tells the
// store what came of it. It fails when the store does.
func (r *Runner) do(ctx context.Context, name string) error {
	now := r.opts.Now()
	task, err := r.store.ClaimTask(ctx, name, now, now.Add(claim))
	if err != nil || task == nil {
		return err
	}
	outcome, settled := r.attempt(ctx, task)
	if settled {
		r.log(ctx, task, &outcome)
		return nil
	}
	// The claim is given up even when there is no more time for attempts.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	switch err := r.store.SettleTask(ctx, outcome); {
	case err == nil:
		r.log(ctx, task, &outcome)
		return nil
	case authz.KindOf(err) == authz.Conflict:
		r.opts.Log.InfoContext(ctx, "the task is settled already, or another process has taken it over", "task", task.Name, "portal", task.Portal)
		return nil
	default:
		return err
	}
}

// attempt makes the attempt that is counted in the task already. settled says that
// the store knows the outcome.
func (r *Runner) attempt(ctx context.Context, task *authz.StoredTask) (o authz.TaskOutcome, settled bool) {
	if task.Attempts > maxAttempts { // processes have died in the midst of it, over and over
		return r.dead(task, "no attempt came to an end"), false
	}
	limited, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	var err error
	switch {
	case task.Kind != authz.MailTask:
		if o, err = r.performer.Perform(limited, task.Portal, *task); err == nil {
			return o, true
		}
	case r.deliverer == nil:
		return r.back(task, NoWebhook), false
	default:
		if err = r.deliverer.Deliver(limited, *task); err == nil {
			return r.outcome(task, authz.TaskDone, ""), false
		}
	}
	if ctx.Err() != nil { // no fault of the task's: the runner has stopped
		return r.back(task, task.Error), false
	}
	return r.failed(ctx, task, err), false
}

// failed says what becomes of the task after an attempt that failed.
func (r *Runner) failed(ctx context.Context, task *authz.StoredTask, err error) authz.TaskOutcome {
	text := r.text(ctx, task, err)
	switch {
	case task.Kind != authz.MailTask && refused(err):
		return r.outcome(task, authz.TaskRefused, text)
	case task.Kind == authz.MailTask && final(err):
		return r.outcome(task, authz.TaskDead, text)
	case task.Attempts >= maxAttempts:
		return r.dead(task, text)
	case r.opts.Now().Sub(task.Since) >= giveUp:
		return r.dead(task, text)
	}
	o := r.outcome(task, authz.TaskPending, text)
	o.Due = o.At.Add(max(backoff(task.Attempts), retryAfter(err)))
	return o
}

// text returns what is kept of the error: of a performer's, what callers may see.
func (r *Runner) text(ctx context.Context, task *authz.StoredTask, err error) string {
	e, ours := errors.AsType[*authz.Error](err)
	faults, many := errors.AsType[authz.Faults](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("it was not done within %s", attempt)
	case ours:
		return e.Error()
	case many:
		return faults.Error()
	case task.Kind == authz.MailTask:
		return err.Error()
	}
	r.opts.Log.ErrorContext(ctx, "task failed for a reason that is not shown", "task", task.Name, "portal", task.Portal, "err", err)
	return "internal error: the log of the service says more"
}

func (r *Runner) outcome(task *authz.StoredTask, state authz.TaskState, text string) authz.TaskOutcome {
	return authz.TaskOutcome{
		Name: task.Name, State: state, Attempts: task.Attempts, Error: clip(text), Due: task.Due, At: r.opts.Now(),
	}
}

// dead gives the task up.
func (r *Runner) dead(task *authz.StoredTask, text string) authz.TaskOutcome {
	return r.outcome(task, authz.TaskDead, fmt.Sprintf("given up after %d attempts: %s", min(task.Attempts, maxAttempts), text))
}

// back gives the task back as if the attempt had not begun.
func (r *Runner) back(task *authz.StoredTask, text string) authz.TaskOutcome {
	o := r.outcome(task, authz.TaskPending, text)
	o.Attempts--
	return o
}

// log tells the operator of what is not done.
func (r *Runner) log(ctx context.Context, task *authz.StoredTask, o *authz.TaskOutcome) {
	if o.State == authz.TaskDone || o.State == authz.TaskPending && o.Attempts < task.Attempts {
		return
	}
	what := map[authz.TaskState]string{
		authz.TaskPending: "task is tried again later", authz.TaskRefused: "task refused", authz.TaskDead: "task given up",
	}[o.State]
	args := []any{"task", task.Name, "portal", task.Portal, "kind", task.Kind, "id", task.ID, "attempts", o.Attempts, "reason", o.Error}
	if o.State == authz.TaskPending {
		args = append(args, "again_in", o.Due.Sub(o.At).Round(time.Millisecond))
	}
	r.opts.Log.WarnContext(ctx, what, args...)
}
