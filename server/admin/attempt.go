package admin

import (
	"context"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// writing is one attempt at an order: what is stored, what is to become of it, and
// what speaks against that.
type writing struct {
	s     *Service
	call  *Call
	order *order
	now   time.Time

	base     authz.PortalRevision
	config   *authz.Bundle // as published at base; empty for a portal that is being made
	creating bool          // there is no such portal yet
	left     int64         // revision at which a portal of the id was deleted; 0: there was none
	next     *authz.Bundle // with all that is ordered and pending; nil: not needed yet
	broken   bool          // next cannot be decided on
	stale    bool          // next lacks something that is pending
	renewed  bool          // next holds more than was ordered
	places   *places       // roles and nodes of next, for rights

	changes []*change
	alike   *authz.Alike  // of many cells of rights; nil: there are few
	pending authz.Pending // accepted
	rights  []int         // places of what is pending, if it is what was foreseen; nil: not known
	grid    *grid         // of the cells; nil: none are ordered
	stored  map[authz.Key]authz.Versioned
	kept    map[authz.Key][]string // latches as stored

	tag      string // ETag of the range of rights that is written
	decision string // id of the first

	malformed authz.Faults // of what the caller sent

	faults   authz.Faults
	refusals []Refusal

	tasks   []Task
	later   []authz.StoredTask
	latches []authz.Latch
	settle  *authz.TaskOutcome

	policy  authz.PolicyState // as stored, of a write that is about the policy
	publish *published        // what comes into force with the write; nil: nothing does
}

// change is one entity that is ordered to be written.
type change struct {
	number  int // among the items or cells of the order
	key     authz.Key
	item    *Item
	was     authz.Versioned // as stored, without a Stored when it is not
	new     authz.Stored    // as ordered; nil: not to be there
	missing bool            // what is to be changed is not there
	taken   bool            // what is to be created is there
	unread  bool            // its document is none
	same    bool            // it is so already, and is only to be kept so
	right   int             // place of a cell's right in the configuration, or nowhere
	also    []authz.EntityWrite
	added   map[string]any // what the policy added
}

// operation is what becomes of the entity.
func (c *change) operation() authz.Operation { return operation(c.was.Stored, c.new) }

func operation(old, changed authz.Stored) authz.Operation {
	switch {
	case old == nil:
		return authz.CreateEntity
	case changed == nil:
		return authz.DeleteEntity
	}
	return authz.UpdateEntity
}

// begin finds out where the portal stands, and waits until it is published so.
func (s *Service) begin(ctx context.Context, call *Call, o *order) (*writing, error) {
	w := &writing{s: s, call: call, order: o, now: s.now(), stored: map[authz.Key]authz.Versioned{}, kept: map[authz.Key][]string{}}
	var err error
	w.base, err = s.store.Head(ctx, call.Portal)
	if err != nil && authz.KindOf(err) == authz.NotFound && o.makesPortal() {
		w.base, w.creating, w.config = authz.PortalRevision{}, true, &authz.Bundle{}
		w.left, err = s.leftAt(ctx, call.Portal)
		return w, err
	}
	if err != nil {
		return nil, err
	}
	if err := s.live.Await(ctx, call.Portal, w.base.Revision); err != nil {
		return nil, err
	}
	if w.config, err = s.decider.Configuration(call.Portal); err != nil {
		return nil, err
	}
	if w.config.Generation != w.base.Generation || w.config.Revision < w.base.ConfigRevision {
		return nil, authz.Errorf(authz.Unavailable, "the stored configuration of portal %q is not in force: see why in the log, and mend it by an import", call.Portal)
	}
	return w, nil
}

// leftAt returns the revision at which a portal that is not there any more was
// deleted, which its revisions go on from should it be made again.
func (s *Service) leftAt(ctx context.Context, portal string) (int64, error) {
	chain, err := s.store.Chain(ctx, portal)
	switch {
	case authz.KindOf(err) == authz.NotFound, err == nil && chain.Seq == 0:
		return 0, nil
	case err != nil:
		return 0, err
	}
	last, err := s.store.Entries(ctx, portal, chain.Seq-1, 1)
	if err != nil || len(last) == 0 {
		return 0, err
	}
	return last[0].Revision, nil
}

// makesPortal reports whether the order may make the portal itself.
func (o *order) makesPortal() bool {
	for _, item := range o.items {
		if item.Key.Kind == authz.PortalEntity && (item.Operation == CreateItem || item.Operation == ReplaceItem) {
			return true
		}
	}
	return false
}

// read finds what is ordered to be written, and what it is to become. What is wrong
// with the documents themselves is kept until it is known that the caller is let in:
// whether a patch can be read may depend on what is stored.
func (w *writing) read(ctx context.Context) error {
	if w.order.rights != nil {
		return w.readCells(ctx)
	}
	for i := range w.order.items {
		item := &w.order.items[i]
		c := &change{number: i, key: item.Key, item: item}
		var err error
		if c.was, err = w.entity(ctx, item.Key); err != nil {
			return err
		}
		if err := w.ordered(c); err != nil {
			return err
		}
		w.changes = append(w.changes, c)
	}
	return nil
}

// invalid returns the faults as an error of what the caller sent, or nil.
func invalid(faults authz.Faults) error {
	if len(faults) == 0 {
		return nil
	}
	return authz.Errorf(authz.Invalid, "%s", faults[0].Msg).At(faults[0].Path).Because(faults)
}

// ordered says what the entity is to become.
func (w *writing) ordered(c *change) (err error) {
	old := c.was.Stored
	c.taken = c.item.Operation == CreateItem && old != nil
	c.missing = old == nil && (c.item.Operation == PatchItem || c.item.Operation == DeleteItem)
	switch {
	case c.item.Operation == DeleteItem:
		if c.key.Kind == authz.RoleEntity {
			c.also = rightsOf(w.config, c.key.ID)
		}
		return nil
	case c.missing:
		return nil
	case c.item.Operation == PatchItem:
		c.new, err = authz.FromDocument(c.key, authz.MergePatch(authz.Document(old), c.item.Document))
	default:
		c.new, err = authz.FromDocument(c.key, c.item.Document)
	}
	c.unread = err != nil
	return w.documentFaults(w.order.place(c.number), err)
}

// documentFaults keeps what is wrong with a document, and returns any other error.
func (w *writing) documentFaults(place string, err error) error {
	faults, ok := errorsAs(err)
	if !ok {
		return err
	}
	for _, f := range faults {
		w.malformed = append(w.malformed, authz.Fault{Path: join(place, f.Path), Msg: f.Msg})
	}
	return nil
}

// rightsOf returns the writes that take all rights of the role away.
func rightsOf(b *authz.Bundle, role string) []authz.EntityWrite {
	var all []authz.EntityWrite
	for _, r := range b.Rights {
		if r.Role == role {
			all = append(all, authz.EntityWrite{Entity: r.Key(), Old: r})
		}
	}
	return all
}

// entity returns what is stored, once read the same to the end of the attempt.
func (w *writing) entity(ctx context.Context, k authz.Key) (authz.Versioned, error) {
	if v, ok := w.stored[k]; ok || w.creating {
		return v, nil
	}
	if r, ok := w.ofGrid(k); ok {
		return authz.Versioned{Stored: r}, nil
	}
	v, err := w.s.stored(ctx, w.call.Portal, k)
	if err == nil {
		w.stored[k] = v
	}
	return v, err
}

// ofGrid returns the right of the key, nil when there is none, and whether it is one of the
// range of the cells.
func (w *writing) ofGrid(k authz.Key) (authz.Stored, bool) {
	if w.grid == nil {
		return nil, false
	}
	return w.grid.right(k)
}

// current returns the entity as it is with all that is pending; nil: it is not there.
func (w *writing) current(ctx context.Context, k authz.Key) (authz.Stored, error) {
	if e := w.pending.Of(k); e != nil {
		return e.New, nil
	}
	if r, ok := w.ofGrid(k); ok {
		return r, nil
	}
	if _, read := w.stored[k]; !read && configures(k.Kind) {
		return configured(w.config, k), nil
	}
	v, err := w.entity(ctx, k)
	return v.Stored, err
}

// decide puts every change to the policy as a call. All that are not let in are
// refused together.
func (w *writing) decide(ctx context.Context) error {
	if w.creating {
		if err := invalid(w.malformed); err != nil {
			return err
		}
		if err := w.precheck(ctx); err != nil || w.broken {
			return firstError(err, w.refused)
		}
	}
	asked := w.different()
	answers, err := w.s.decideAll(ctx, w.call, asked, w.question)
	if err != nil {
		return err
	}
	var denied Refused
	for i, c := range asked {
		if w.decision == "" {
			w.decision = answers[i].id
		}
		if err := denied.add(w.order, c, answers[i]); err != nil {
			return err
		}
	}
	if denied.Kind != authz.Forbidden {
		return invalid(w.malformed)
	}
	if !w.order.several() {
		denied.Refusals = nil
	}
	return &denied
}

// different returns the changes that are not so already.
func (w *writing) different() []*change {
	all := make([]*change, 0, len(w.changes))
	for _, c := range w.changes {
		if !c.same {
			all = append(all, c)
		}
	}
	return all
}

// question is what the policy is asked of the change as a call.
func (w *writing) question(c *change) question {
	q := about(authz.CallAction(c.operation()), c.key, c.was.Stored, c.new)
	q.alike = w.alike
	switch {
	case c.unread && c.was.Stored != nil:
		q.action = authz.UpdateCall
	case c.taken:
		q = about(authz.CreateCall, c.key, nil, c.new)
	case c.missing:
		q.action = missingAction(c.item.Operation)
	}
	if w.creating {
		q.config = w.next
	}
	return q
}

func missingAction(op Operation) string {
	if op == DeleteItem {
		return authz.DeleteCall
	}
	return authz.UpdateCall
}

func firstError(err error, next func() error) error {
	if err != nil {
		return err
	}
	return next()
}

// several reports whether refusals have to say which change they are about.
func (o *order) several() bool { return o.batch || o.rights != nil }

// ruleDecision is the rule of refusals that say which changes of a call the policy
// does not let in.
const ruleDecision = "decision"

// add takes a decision down that is no allow. One that hides what the change is
// about is an error by itself.
func (r *Refused) add(o *order, c *change, d *decided) error {
	switch d.Outcome {
	case authz.Allow:
		return nil
	case authz.Hide:
		return o.absentAt(c)
	}
	if r.Kind != authz.Forbidden {
		*r = Refused{Kind: authz.Forbidden, Decision: d.id, Outcome: d.Outcome, Reason: d.Reason}
	}
	r.Refusals = append(r.Refusals, Refusal{Place: o.place(c.number), Refusal: authz.Refusal{Rule: ruleDecision, Reason: d.Reason}})
	return nil
}

func (o *order) absentAt(c *change) error {
	return absent(authz.CallResource(c.key)).At(o.place(c.number))
}

// meet checks what the call says must be so: that what it changes is there, and as
// the caller has seen it.
func (w *writing) meet(context.Context) error {
	if w.order.rights != nil {
		if err := matches(w.call.IfMatch, w.tag, "the range of rights"); err != nil {
			return err
		}
		return nil
	}
	for _, c := range w.changes {
		switch {
		case c.missing:
			return w.order.absentAt(c)
		case c.taken:
			return authz.Errorf(authz.Conflict, "%s is there already: update it, or choose another id", c.key).At(w.order.place(c.number))
		case c.item.Operation == CreateItem:
			continue
		}
		if w.order.supposed {
			continue
		}
		condition, etag := c.item.IfMatch, ""
		if condition == "" {
			condition = w.call.IfMatch
		}
		if c.was.Stored != nil {
			etag = entityTag(c.was.Revision)
		}
		if err := matches(condition, etag, c.key.String()); err != nil {
			err.Field = join(w.order.place(c.number), err.Field)
			return err
		}
	}
	return nil
}
