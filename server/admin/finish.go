package admin

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// finish makes the write, unless it is only tried, and says what came of it.
func (w *writing) finish(ctx context.Context, once *authz.Idempotency) (Result, error) {
	c := w.changeset(once)
	r := w.result(c)
	r.DryRun = w.call.DryRun
	if len(c.Changes)+len(c.Tasks)+len(c.Latches) == 0 && c.Settle == nil && c.Publish == nil {
		return r, nil
	}
	if w.call.DryRun {
		if err := w.s.store.Check(ctx, w.call.Portal, c); err != nil {
			return Result{}, w.refusedBy(c, err)
		}
		return r, nil
	}
	if once != nil {
		if err := w.remember(ctx, once, &r); err != nil {
			return Result{}, err
		}
	}
	done, err := w.s.store.Commit(ctx, w.call.Portal, c)
	if err != nil {
		return Result{}, w.refusedBy(c, err)
	}
	r.Revision, r.Entry = done.At.Revision, done.Entry.Seq
	w.s.live.Applied(w.call.Portal, w.base, done.At, c.Changes, c.Config)
	if err := w.s.live.Await(ctx, w.call.Portal, done.At.Revision); err != nil {
		return Result{}, authz.Errorf(authz.Unavailable, "the write is made, as revision %d, and not in force yet: do not repeat it, but read it again", done.At.Revision).Because(err)
	}
	return r, nil
}

// refusedBy leads what the store has against the changeset back to what was ordered.
func (w *writing) refusedBy(c *authz.Changeset, err error) error {
	faults, ok := errorsAs(err)
	if !ok {
		return err
	}
	for _, f := range faults {
		number, rest, _ := strings.Cut(strings.TrimPrefix(f.Path, "changes["), "]")
		i, err := strconv.Atoi(number)
		if err != nil || i < 0 || i >= len(c.Changes) {
			w.faults = append(w.faults, f)
			continue
		}
		field, k := strings.TrimPrefix(rest, "."), c.Changes[i].Entity
		if x := w.changeOf(k); x != nil {
			w.faults = append(w.faults, authz.Fault{Path: join(w.order.place(x.number), field), Msg: f.Msg})
			continue
		}
		w.faults = append(w.faults, authz.Fault{Msg: fmt.Sprintf("%s: %s", join(k.String(), field), f.Msg)})
	}
	return w.refused()
}

// changeset is what the store is to make of the write.
func (w *writing) changeset(once *authz.Idempotency) *authz.Changeset {
	c := &authz.Changeset{Base: w.base, Entry: w.entry(), Tasks: w.later, Latches: w.latches, Settle: w.settle, Once: once}
	c.Changes = w.pending.All()
	if slices.ContainsFunc(c.Changes, nothing) {
		c.Changes = slices.DeleteFunc(slices.Clone(c.Changes), nothing)
	}
	configured := slices.ContainsFunc(c.Changes, func(e authz.EntityWrite) bool { return configures(e.Entity.Kind) })
	if configured && !w.deletesPortal() {
		c.Config = w.final()
	}
	if w.publish != nil {
		c.Publish, c.Config = &w.publish.number, w.publish.config(w.config)
	}
	return c
}

// nothing reports whether the write leaves what there is.
func nothing(e authz.EntityWrite) bool {
	if old, ok := e.Old.(authz.Right); ok {
		return e.New == authz.Stored(old)
	}
	return reflect.DeepEqual(e.Old, e.New)
}

// final returns the configuration with what is pending, which is valid by now.
func (w *writing) final() *authz.Bundle {
	if w.next != nil && !w.stale && w.restructured() {
		return w.next
	}
	return reconfiguredAt(w.config, &w.pending, w.rights)
}

// entry is what the audit keeps of the write, besides what the store adds to it.
func (w *writing) entry() authz.AuditEntry {
	actor, behalf := w.actor()
	return authz.AuditEntry{
		Chain: w.call.Portal, At: w.now, Actor: actor, OnBehalfOf: behalf, Decision: w.decision,
		Request: w.call.Request, Operation: w.operation(), Note: w.call.Note,
	}
}

// actor names who writes, and for whom.
func (w *writing) actor() (actor, onBehalfOf string) {
	if w.order.task != nil {
		return "task/" + w.order.task.Name, w.order.task.Actor
	}
	return actorOf(w.call.Acting)
}

// operation says in a word what the write is.
func (w *writing) operation() string {
	switch {
	case w.order.task != nil:
		return "task"
	case w.order.revising != nil:
		return w.order.revising.word
	case w.order.rights != nil:
		return "rights"
	case w.order.batch:
		return "batch"
	}
	return string(w.changes[0].operation())
}

// result says what the write comes to. It is as written at the next revision: if
// another comes first, the write is judged anew.
func (w *writing) result(c *authz.Changeset) Result {
	r := Result{Tasks: w.tasks, Revision: max(w.base.Revision, w.left), Decision: w.decision}
	if (len(c.Changes)+len(c.Tasks)+len(c.Latches) > 0 || c.Publish != nil) && !w.call.DryRun {
		r.Revision++
	}
	for _, x := range w.changes {
		if w.order.rights == nil {
			r.Items = append(r.Items, w.entityOf(x, &c.Entry, r.Revision))
		}
	}
	if !w.order.batch && len(r.Items) == 1 {
		r.Entity, r.Items, r.Defaults = r.Items[0], nil, w.changes[0].added
	}
	return r
}

// entityOf returns the entity of a change as it will be stored.
func (w *writing) entityOf(x *change, e *authz.AuditEntry, revision int64) *Entity {
	now := x.was.Stored
	if e := w.pending.Of(x.key); e != nil {
		now = e.New
	}
	if now == nil {
		return nil
	}
	v := authz.Versioned{Stored: now, Revision: revision, UpdatedAt: e.At, UpdatedBy: e.Actor}
	if reflect.DeepEqual(now, x.was.Stored) {
		v = x.was
	}
	entity := entityOf(v)
	return &entity
}
