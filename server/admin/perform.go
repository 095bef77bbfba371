package admin

import (
	"context"
	"errors"
	"reflect"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Perform does a stored task that writes an entity, as the system, in a changeset
// that settles the task too: it is done exactly once. One that the policy or the
// data refuses is settled as refused. An error means that nothing is known to have
// been done, and that it is to be tried again.
func (s *Service) Perform(ctx context.Context, portal string, t authz.StoredTask) (authz.TaskOutcome, error) {
	if t.Kind == authz.MailTask || portal == "" {
		return authz.TaskOutcome{}, authz.Errorf(authz.Invalid, "task %q writes no entity of a portal", t.Name)
	}
	give, err := s.turns.take(ctx, portal, s.opts.Wait)
	if err != nil {
		return authz.TaskOutcome{}, err
	}
	defer give()
	call := &Call{Portal: portal}
	for range maxAttempts {
		o, err := s.performOnce(ctx, call, &t)
		if !errors.Is(err, authz.ErrMoved) {
			return o, err
		}
	}
	return authz.TaskOutcome{}, authz.Errorf(authz.Unavailable, "others change portal %q all the time: try again later", portal)
}

func (s *Service) performOnce(ctx context.Context, call *Call, t *authz.StoredTask) (authz.TaskOutcome, error) {
	w, err := s.begin(ctx, call, &order{task: t})
	if err != nil {
		return authz.TaskOutcome{}, err
	}
	why, err := w.carryOut(ctx)
	if err != nil {
		return authz.TaskOutcome{}, err
	}
	w.settle = &authz.TaskOutcome{Name: t.Name, State: authz.TaskDone, Attempts: t.Attempts, At: w.now}
	if why != "" {
		w.drop()
		w.settle.State, w.settle.Error = authz.TaskRefused, why
	}
	_, err = w.finish(ctx, nil)
	return *w.settle, err
}

// carryOut makes the write of the task pending, or says why it cannot be done.
func (w *writing) carryOut(ctx context.Context) (why string, err error) {
	t := w.order.task
	old, changed, why, err := w.outcome(ctx, t.Task)
	if err != nil || why != "" || reflect.DeepEqual(old, changed) {
		return why, err
	}
	v, err := w.admit(ctx, &judged{old: old, new: changed})
	if err != nil || !v.ok() {
		return v.text(), err
	}
	w.accept(authz.EntityWrite{Entity: t.Entity, Old: old, New: v.new})
	if err := w.follow(ctx, "", old, v.new, "", nil, t.Depth); err != nil {
		return "", err
	}
	if err := w.recheck(ctx); err != nil {
		return "", err
	}
	if err := w.refused(); err != nil {
		return err.Error(), nil
	}
	return "", nil
}

// drop forgets what is pending.
func (w *writing) drop() {
	w.pending, w.tasks, w.later, w.latches = authz.Pending{}, nil, nil, nil
}
