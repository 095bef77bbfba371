package admin

import (
	"context"
	"fmt"
	"maps"
	"reflect"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// maxRounds bounds how often a change is judged anew because of what the policy
// adds to it.
const maxRounds = 5

// Reasons of refusals by the rule authz.RulePolicy, for what a policy says that
// cannot be followed.
const (
	ReasonDefaultsUnsettled  = "defaults_unsettled"  // what it adds never comes to an end
	ReasonDefaultsMalformed  = "defaults_malformed"  // what it adds makes no entity
	ReasonDefaultsKey        = "defaults_key"        // what it adds would make it another entity
	ReasonProvisioningFailed = "provisioning_failed" // it cannot say what is to be done because of the change
	ReasonTooManyTasks       = "too_many_tasks"
)

// apply has every change admitted, over those before it, and followed by what the
// policy wants done because of it.
func (w *writing) apply(ctx context.Context) error {
	foreseen, plain, err := w.foresee(ctx)
	if err != nil {
		return err
	}
	if plain > 0 && plain == len(foreseen.All()) {
		w.pending, w.stale = foreseen, true
		for _, c := range w.different() {
			w.rights = append(w.rights, c.right)
		}
		return nil
	}
	for _, c := range w.changes {
		if err := ctx.Err(); err != nil {
			return authz.Errorf(authz.Unavailable, "the time for this request ran out: write less at a time").Because(err)
		}
		old, err := w.current(ctx, c.key)
		if err != nil {
			return err
		}
		if err := w.overPending(c, old); err != nil {
			return err
		}
		if c.same || old == nil && c.new == nil {
			if err := w.keepSame(ctx, c, old); err != nil {
				return err
			}
			if reflect.DeepEqual(old, c.new) {
				continue
			}
		}
		if plain > 0 {
			plain--
			w.accept(authz.EntityWrite{Entity: c.key, Old: old, New: c.new})
			continue
		}
		if err := w.change(ctx, c, old); err != nil {
			return err
		}
	}
	return nil
}

// change has one change admitted, and followed by what the policy wants.
func (w *writing) change(ctx context.Context, c *change, old authz.Stored) error {
	verdict, err := w.admit(ctx, &judged{old: old, new: c.new, actor: w.call.Acting.User, context: w.call.Context})
	if err != nil {
		return err
	}
	w.collect(w.order.place(c.number), verdict)
	if !verdict.ok() {
		return nil
	}
	c.new, c.added = verdict.new, verdict.added
	w.accept(authz.EntityWrite{Entity: c.key, Old: old, New: c.new})
	for _, e := range c.also {
		w.accept(e)
	}
	return w.follow(ctx, w.order.place(c.number), old, c.new, w.call.Acting.User, w.call.Context, 0)
}

// keepSame asks whether an entity that a task has changed may be changed back to
// what is ordered.
func (w *writing) keepSame(ctx context.Context, c *change, old authz.Stored) error {
	if reflect.DeepEqual(old, c.new) {
		return nil
	}
	_, err := w.s.permit(ctx, w.call, about(authz.CallAction(operation(old, c.new)), c.key, old, c.new))
	return err
}

// overPending applies a patch to what has become of the entity by the tasks of the
// changes before.
func (w *writing) overPending(c *change, old authz.Stored) (err error) {
	if c.item.Operation != PatchItem || old == nil || reflect.DeepEqual(old, c.was.Stored) {
		return nil
	}
	c.new, err = authz.FromDocument(c.key, authz.MergePatch(authz.Document(old), c.item.Document))
	return err
}

// accept makes a write pending. What is written to the configuration besides what
// was ordered makes another next one.
func (w *writing) accept(e authz.EntityWrite) {
	w.pending.Put(e)
	if e.Entity.Kind == authz.RoleEntity || e.Entity.Kind == authz.NodeEntity {
		w.places = nil
	}
	if !configures(e.Entity.Kind) || w.next == nil {
		w.stale = w.stale || configures(e.Entity.Kind)
		return
	}
	if !reflect.DeepEqual(configured(w.next, e.Entity), e.New) {
		w.stale = true
	}
}

// judged is a change that is to be admitted.
type judged struct {
	old, new authz.Stored
	actor    string
	context  map[string]any
}

func (j *judged) key() authz.Key {
	if j.new != nil {
		return j.new.Key()
	}
	return j.old.Key()
}

// verdict is what speaks against a change, and what it has become.
type verdict struct {
	new      authz.Stored
	added    map[string]any
	refusals []authz.Refusal
	faults   authz.Faults
}

func (v *verdict) ok() bool { return len(v.refusals) == 0 && len(v.faults) == 0 }

// collect keeps what speaks against the change at the place.
func (w *writing) collect(place string, v *verdict) {
	for _, r := range v.refusals {
		w.refusals = append(w.refusals, Refusal{Place: place, Refusal: r})
	}
	for _, f := range v.faults {
		w.faults = append(w.faults, authz.Fault{Path: join(place, f.Path), Msg: f.Msg})
	}
}

// admit judges a change by the data and the policy, with what the policy adds, until
// it adds nothing more.
func (w *writing) admit(ctx context.Context, j *judged) (*verdict, error) {
	v := &verdict{new: j.new}
	for range maxRounds {
		a, err := w.judge(ctx, j, v)
		if err != nil || !v.ok() || len(a.Defaults) == 0 || v.new == nil {
			return v, err
		}
		added, reason := withDefaults(v.new, a.Defaults)
		switch {
		case reason != "":
			v.refusals = []authz.Refusal{{Rule: authz.RulePolicy, Reason: reason}}
			return v, nil
		case reflect.DeepEqual(added, v.new):
			return v, nil
		}
		v.new, v.added = added, joined(v.added, a.Defaults)
	}
	v.refusals = []authz.Refusal{{Rule: authz.RulePolicy, Reason: ReasonDefaultsUnsettled}}
	return v, nil
}

// joined returns the merge patch that does what the two do one after the other.
func joined(first, second map[string]any) map[string]any {
	all := make(map[string]any, len(first)+len(second))
	maps.Copy(all, first)
	for name, v := range second {
		inner, ok := v.(map[string]any)
		if before, is := all[name].(map[string]any); ok && is {
			v = joined(before, inner)
		}
		all[name] = v
	}
	return all
}

// judge asks the data and the policy about the change as it is now.
func (w *writing) judge(ctx context.Context, j *judged, v *verdict) (authz.Admission, error) {
	var err error
	if v.faults, err = w.fits(ctx, v.new); err != nil {
		return authz.Admission{}, err
	}
	known, err := w.knownOf(ctx, j.key())
	if err != nil {
		return authz.Admission{}, err
	}
	change := w.changeFor(j.old, v.new, j.actor, j.context)
	change.Asked = j.new
	a, err := w.s.decider.Admit(ctx, w.call.Portal, change, known)
	if err != nil {
		return a, err
	}
	if a.Err != nil {
		w.s.opts.Log.ErrorContext(ctx, "a change is refused because the policy cannot judge it", "portal", w.call.Portal, "entity", j.key().Ref(), "err", a.Err)
	}
	v.refusals = a.Refusals
	if a.Err != nil && len(v.refusals) == 0 {
		v.refusals = []authz.Refusal{{Rule: authz.RulePolicy, Reason: authz.ReasonPolicyError}}
	}
	return a, nil
}

func (w *writing) changeFor(old, changed authz.Stored, actor string, said map[string]any) *authz.Change {
	c := &authz.Change{Operation: operation(old, changed), Old: old, New: changed, Actor: actor, Context: said, Now: w.now, Alike: w.alike}
	if c.Entity = keyOf(changed); changed == nil {
		c.Entity = keyOf(old)
	}
	return c
}

func keyOf(s authz.Stored) authz.Key {
	if s == nil {
		return authz.Key{}
	}
	return s.Key()
}

// withDefaults returns the entity with what the policy adds to it, or the reason why
// that cannot be.
func withDefaults(e authz.Stored, defaults map[string]any) (authz.Stored, string) {
	doc := authz.MergePatch(authz.Document(e), defaults)
	for name, v := range authz.Document(e) {
		if isName(e.Key().Kind, name) && doc[name] != v {
			return nil, ReasonDefaultsKey
		}
	}
	added, err := authz.FromDocument(e.Key(), doc)
	if err != nil {
		return nil, ReasonDefaultsMalformed
	}
	return added, ""
}

// isName reports whether the member is part of what names entities of the kind.
func isName(kind authz.EntityKind, member string) bool {
	switch kind {
	case authz.RightEntity:
		return member == "role" || member == "node"
	case authz.RecordEntity:
		return member == "type" || member == "id"
	}
	return member == "id"
}

// knownOf returns what the judgement of a change to the entity need not look up.
func (w *writing) knownOf(ctx context.Context, k authz.Key) (authz.Known, error) {
	known := authz.Known{Pending: &w.pending}
	if w.creating || w.restructured() || k.Kind == authz.PortalEntity && len(w.pending.All()) > 0 {
		known.Config = w.candidate()
	}
	var err error
	if !configures(k.Kind) {
		known.Latches, err = w.latched(ctx, k)
	}
	return known, err
}

// candidate returns the configuration with what is ordered and pending, or nil when
// it cannot be decided on.
func (w *writing) candidate() *authz.Bundle {
	if w.broken {
		return nil
	}
	if w.stale || w.next == nil {
		base := w.next
		if base == nil {
			base = w.config
		}
		w.next, w.stale, w.renewed = reconfigured(base, &w.pending), false, true
	}
	return w.next
}

// recheck looks at the configuration again when the policy, or tasks, have changed
// more of it than was ordered.
func (w *writing) recheck(context.Context) error {
	if !w.stale && !w.renewed || w.broken || len(w.faults)+len(w.refusals) > 0 || w.deletesPortal() || !w.restructured() {
		return nil
	}
	w.candidate()
	return w.usable()
}

// restructured reports whether anything but rights is pending in the configuration.
func (w *writing) restructured() bool {
	return w.pending.Number(authz.PortalEntity)+structure(&w.pending) > 0
}

// structure returns how many of the writes are of what rights are given to and at, or
// of user types.
func structure(p *authz.Pending) int {
	return p.Number(authz.UserTypeEntity) + p.Number(authz.RoleEntity) + p.Number(authz.NodeEntity)
}

// refused returns all that speaks against the write, or nil.
func (w *writing) refused() error {
	if len(w.faults)+len(w.refusals) == 0 {
		return nil
	}
	return &Refused{Kind: authz.Rejected, Decision: w.decision, Refusals: w.refusals, Faults: w.faults}
}

func deeper(depth int) string {
	return fmt.Sprintf("tasks that lead to tasks go deeper than %d", depth)
}
