package admin

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// maxTasks bounds the tasks of one write, at all depths together.
const maxTasks = 10_000

// follow asks the policy what is to be done because of a change, makes at once what
// is to be made at once, and keeps the rest for later. depth counts the tasks that
// led here.
func (w *writing) follow(ctx context.Context, place string, old, changed authz.Stored, actor string, said map[string]any, depth int) error {
	c := w.changeFor(old, changed, actor, said)
	known, err := w.knownOf(ctx, c.Entity)
	if err != nil {
		return err
	}
	// What is pending is what the change is judged over, and not the change itself.
	p, err := w.s.decider.Provision(ctx, w.call.Portal, c, known)
	if err != nil {
		return err
	}
	if p.Err != nil {
		w.s.opts.Log.ErrorContext(ctx, "a change is refused because the policy cannot say what is to be done because of it", "portal", w.call.Portal, "entity", c.Entity.Ref(), "err", p.Err)
		w.refusals = append(w.refusals, Refusal{Place: place, Refusal: authz.Refusal{Rule: authz.RulePolicy, Reason: ReasonProvisioningFailed}})
		return nil
	}
	for _, t := range p.Tasks {
		if err := w.task(ctx, place, c.Entity, t, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// task takes one task up that the change of cause leads to.
func (w *writing) task(ctx context.Context, place string, cause authz.Key, t authz.Task, depth int) error {
	if len(w.tasks) >= maxTasks {
		w.refusals = append(w.refusals, Refusal{Place: place, Refusal: authz.Refusal{Rule: authz.RulePolicy, Reason: ReasonTooManyTasks}})
		return w.refused()
	}
	if t.Once {
		latched, err := w.latched(ctx, cause)
		if err != nil || slices.Contains(latched, t.ID) {
			return err
		}
		w.latches = append(w.latches, authz.Latch{Entity: cause, Task: t.ID})
	}
	switch {
	case depth > authz.MaxTaskDepth:
		w.keep(cause, t, depth, deeper(authz.MaxTaskDepth))
	case t.After > 0 || t.Kind == authz.MailTask:
		w.keep(cause, t, depth, "")
	default:
		return w.perform(ctx, place, cause, t, depth)
	}
	return nil
}

// keep stores a task: to be done later, or as refused when there is a reason.
func (w *writing) keep(cause authz.Key, t authz.Task, depth int, refused string) {
	actor, _ := w.actor()
	s := authz.StoredTask{
		Task: t, Name: w.call.Portal + "~" + newID(), Portal: w.call.Portal, Cause: cause, Actor: actor,
		CreatedAt: w.now, Due: w.now.Add(t.After), State: authz.TaskPending, Depth: depth,
	}
	if refused != "" {
		s.State, s.Error, s.DoneAt = authz.TaskRefused, refused, w.now
	}
	w.later = append(w.later, s)
	w.tasks = append(w.tasks, Task{Name: s.Name, ID: t.ID, Kind: t.Kind, Entity: t.Entity, Cause: cause, State: s.State, Due: s.Due, Error: refused})
}

// perform makes a task with the write, as the system.
func (w *writing) perform(ctx context.Context, place string, cause authz.Key, t authz.Task, depth int) error {
	old, changed, why, err := w.outcome(ctx, t)
	if err != nil {
		return err
	}
	if why == "" && !reflect.DeepEqual(old, changed) {
		var v *verdict
		if v, err = w.admit(ctx, &judged{old: old, new: changed}); err != nil {
			return err
		}
		changed, why = v.new, v.text()
	}
	if why != "" {
		w.keep(cause, t, depth, why)
		return nil
	}
	w.tasks = append(w.tasks, Task{ID: t.ID, Kind: t.Kind, Entity: t.Entity, Cause: cause, State: authz.TaskDone, Due: w.now})
	if reflect.DeepEqual(old, changed) {
		return nil
	}
	w.accept(authz.EntityWrite{Entity: t.Entity, Old: old, New: changed})
	return w.follow(ctx, place, old, changed, "", nil, depth)
}

// outcome returns the entity of a task before and after, or why the task cannot be
// done. What is gone already needs no update and no deletion.
func (w *writing) outcome(ctx context.Context, t authz.Task) (old, changed authz.Stored, why string, err error) {
	if !names(t.Entity) || t.Entity.Kind == authz.PortalEntity && t.Entity.ID != w.call.Portal {
		return nil, nil, fmt.Sprintf("%q names no entity of the portal", t.Entity.Ref()), nil
	}
	if old, err = w.current(ctx, t.Entity); err != nil {
		return nil, nil, "", err
	}
	switch {
	case old == nil && t.Kind != authz.CreateTask, t.Kind == authz.DeleteTask:
		return old, nil, "", nil
	case t.Kind == authz.DeactivateTask:
		if t.Entity.Kind != authz.UserEntity {
			return old, nil, fmt.Sprintf("%s cannot be deactivated: only users can", t.Entity), nil
		}
		t.Set = map[string]any{"active": false}
	}
	doc := map[string]any{}
	if old != nil {
		doc = authz.Document(old)
	}
	if changed, err = authz.FromDocument(t.Entity, authz.MergePatch(doc, t.Set)); err != nil {
		return old, nil, err.Error(), nil
	}
	return old, changed, "", nil
}

// text says in one line what speaks against the change, or "".
func (v *verdict) text() string {
	r := Refused{Kind: authz.Rejected, Faults: v.faults}
	for _, x := range v.refusals {
		r.Refusals = append(r.Refusals, Refusal{Refusal: x})
	}
	if v.ok() {
		return ""
	}
	return r.Error()
}

// latched returns the tasks with Once that have been stored for the entity, or are
// with this write.
func (w *writing) latched(ctx context.Context, k authz.Key) ([]string, error) {
	all, ok := w.kept[k]
	if !ok && !w.creating {
		var err error
		if all, err = w.s.store.Latches(ctx, w.call.Portal, k); err != nil && authz.KindOf(err) != authz.NotFound {
			return nil, err
		}
		w.kept[k] = all
	}
	all = slices.Clip(all)
	for _, l := range w.latches {
		if l.Entity == k {
			all = append(all, l.Task)
		}
	}
	return all, nil
}
