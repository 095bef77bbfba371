package mongodb

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// maxWrite bounds the bytes of all documents of one write, its audit entry included:
// the embedded database's journal holds them in one document.
const maxWrite = maxDocument

// Commit makes what the changeset says of the portal, whole or not at all, with the
// audit entry, and counts one revision. It gives tasks without a name one, in c.
//
// The judgement of the configuration is the caller's: the store takes c.Config for
// valid. What users, accounts, contacts and records refer to is checked here, with
// the changeset's other writes made; so is that nothing refers to what is deleted.
// With a role go its rights; with a portal goes all that it holds but its audit
// entries, tasks, latches, replies and the revisions of its policy, none of which is
// in force then.
//
// A revision of the policy is created under the number after the last, and is never
// deleted; what is written in its place differs in what has come of it alone. With
// c.Publish it comes into force, and c.Config is the configuration with it.
//
// The errors: Conflict because of authz.ErrMoved when the portal is not at c.Base,
// because of authz.ErrReplayed when c.Once has been answered; Conflict when a latch
// or an entity to be created is there already, when the task to be settled no longer
// waits, when something is in use, or while an import holds the portal; NotFound for
// what is to be changed and is not there; TooLarge; Invalid because of authz.Faults
// for references, all at once, whose paths begin with "changes[i]". When Commit
// returns an error, nothing has changed, with one exception: an Unavailable error
// that says so may be of a write that is stored, or will be.
func (s *Store) Commit(ctx context.Context, portal string, c *authz.Changeset) (authz.Committed, error) {
	if err := checkChangeset(portal, c); err != nil {
		return authz.Committed{}, err
	}
	var w *write
	err := s.again(ctx, func() (err error) {
		if w, err = s.plan(ctx, portal, c); err != nil {
			return err
		}
		return s.land(ctx, w)
	})
	s.tasksWritten(len(c.Tasks)) // even of a write that failed: it may be stored
	if err != nil {
		return authz.Committed{}, unavailable("written", err)
	}
	s.rosters.follow(c.Base, w.after.revisions(), c.Changes)
	for i := range c.Changes {
		if r, ok := c.Changes[i].New.(authz.PolicyRevision); ok && c.Changes[i].Old == nil {
			s.files.keep(r.Digest(), &r)
		}
	}
	s.nudges.all()
	return authz.Committed{At: w.after.revisions(), Entry: w.entry}, nil
}

// Check returns the error that Commit would return for what the changeset is, or nil,
// and writes nothing.
func (s *Store) Check(ctx context.Context, portal string, c *authz.Changeset) error {
	if err := checkChangeset(portal, c); err != nil {
		return err
	}
	err := s.again(ctx, func() error {
		_, err := s.plan(ctx, portal, c)
		return err
	})
	if err != nil {
		return unavailable("read", err)
	}
	return nil
}

// checkChangeset refuses what no portal could take, and names tasks.
func checkChangeset(portal string, c *authz.Changeset) error {
	if !plausible(portal) {
		return noPortal(portal)
	}
	if n := max(len(c.Changes), len(c.Tasks), len(c.Latches)); n > authz.MaxChanges {
		return authz.Errorf(authz.TooLarge, "the write is of %d entities or tasks: at most %d, make several of it", n, authz.MaxChanges)
	}
	seen := make(map[authz.Key]bool, len(c.Changes))
	for i := range c.Changes {
		w := &c.Changes[i]
		if err := checkWrite(w); err != nil {
			return err
		}
		if seen[w.Entity] {
			return authz.Errorf(authz.Internal, "%s is in one changeset twice", w.Entity)
		}
		if seen[w.Entity] = true; configures(w.Entity.Kind) && c.Config == nil && !deletesPortal(w) {
			return authz.Errorf(authz.Internal, "a changeset of %s comes without the configuration", w.Entity)
		}
		if w.Entity.Kind == authz.PolicyEntity {
			if err := checkRevision(w); err != nil {
				return err
			}
		}
		if w.Entity.Kind == authz.PortalEntity && w.Entity.ID != portal {
			return authz.Errorf(authz.Invalid, "is %q, and the portal to be written is %q: make them the same", w.Entity.ID, portal).At("id")
		}
	}
	if c.Publish != nil && c.Config == nil {
		return authz.Errorf(authz.Internal, "a policy is published without the configuration")
	}
	for i := range c.Tasks {
		c.Tasks[i].Portal, c.Tasks[i].Name = portal, cmp.Or(c.Tasks[i].Name, newTaskName(portal))
	}
	return nil
}

// checkWrite refuses a write whose parts do not fit together.
func checkWrite(w *authz.EntityWrite) error {
	switch {
	case w.Old == nil && w.New == nil:
		return authz.Errorf(authz.NotFound, "there is no %s", w.Entity)
	case w.Old != nil && w.Old.Key() != w.Entity, w.New != nil && w.New.Key() != w.Entity:
		return authz.Errorf(authz.Internal, "a write of %s comes with another entity", w.Entity)
	}
	return nil
}

// configures reports whether entities of the kind are configuration.
func configures(kind authz.EntityKind) bool {
	switch kind {
	case authz.PortalEntity, authz.UserTypeEntity, authz.RoleEntity, authz.NodeEntity, authz.RightEntity:
		return true
	}
	return false
}

// generationalKind reports whether entities of the kind belong to a generation.
func generationalKind(kind authz.EntityKind) bool {
	return kind != authz.PortalEntity && kind != authz.PolicyEntity
}

func deletesPortal(w *authz.EntityWrite) bool {
	return w.Entity.Kind == authz.PortalEntity && w.New == nil
}

// plan judges the changeset on the portal as it is.
func (s *Store) plan(ctx context.Context, portal string, c *authz.Changeset) (*write, error) {
	if err := s.unanswered(ctx, portal, c.Once); err != nil {
		return nil, err
	}
	h, err := s.writable(ctx, portal)
	if err != nil {
		return nil, err
	}
	if !h.isAt(c.Base) {
		return nil, authz.Errorf(authz.Conflict, "portal %q was changed by another write meanwhile: try again", portal).Because(authz.ErrMoved)
	}
	p := newPlanner(s, h, c)
	if err := p.run(ctx); err != nil {
		return nil, err
	}
	return p.sealed()
}

// unanswered refuses a write that has been made already.
func (s *Store) unanswered(ctx context.Context, portal string, o *authz.Idempotency) error {
	if o == nil {
		return nil
	}
	d, err := findIn[replyDoc](ctx, s, replies, replyID(portal, o.Key))
	if err != nil || d == nil || !d.kept(now()) {
		return err
	}
	return authz.Errorf(authz.Conflict, "a write with this idempotency key has been made already").Because(authz.ErrReplayed)
}

// writable returns the portal's head for a single write: a fresh one when there
// is none.
func (s *Store) writable(ctx context.Context, portal string) (*head, error) {
	if err := cmp.Or(s.completed(ctx), s.settle(ctx, portal)); err != nil {
		return nil, err
	}
	h, err := s.findHead(ctx, portal)
	if err != nil {
		return nil, err
	}
	if h == nil {
		h = newHead(portal)
	}
	if h.Lease != nil {
		return nil, h.busy()
	}
	return h, nil
}

// planner turns a changeset into documents.
type planner struct {
	s      *Store
	c      *authz.Changeset
	entry  authz.AuditEntry
	before *head
	after  head
	sc     scope // which is written
	st     stamp
	writes map[authz.Key]*authz.EntityWrite
	stored map[authz.Key]*glimpse // what is there of what is written, but for rights
	ops    []op
}

func newPlanner(s *Store, h *head, c *authz.Changeset) *planner {
	entry := c.Entry
	entry.Changes = authz.ChangesOf(c.Changes)
	if entry.At.IsZero() {
		entry.At = now()
	}
	structure := false
	p := &planner{
		s: s, c: c, entry: entry, before: h, after: *h,
		st:     stamp{revision: h.Revision + 1, at: entry.At, by: entry.Actor},
		writes: make(map[authz.Key]*authz.EntityWrite, len(c.Changes)), stored: make(map[authz.Key]*glimpse, len(c.Changes)),
	}
	for i := range c.Changes {
		e := c.Changes[i].Entity
		p.writes[e] = &c.Changes[i]
		structure = structure || configures(e.Kind) && e.Kind != authz.PortalEntity
	}
	p.after.Version++
	p.after.changed(p.st, c.Config != nil, structure)
	return p
}

func (p *planner) run(ctx context.Context) error {
	if err := p.portal(); err != nil {
		return err
	}
	if p.after.Generation != "" { // else the portal goes, with all that it holds
		for _, step := range []func(context.Context) error{p.glimpses, p.references, p.referrers, p.policies} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		if err := p.documents(); err != nil {
			return err
		}
	}
	if err := p.tasks(); err != nil {
		return err
	}
	return cmp.Or(p.latches(ctx), p.reply())
}

// portal makes what the changeset says of the portal itself, in its head.
func (p *planner) portal() error {
	w := p.writes[authz.Key{Kind: authz.PortalEntity, ID: p.before.ID}]
	there := p.before.Generation != ""
	switch {
	case !there && (w == nil || w.New == nil):
		return noPortal(p.before.ID)
	case w == nil:
	case w.New == nil && (len(p.c.Changes) > 1 || p.c.Publish != nil):
		return authz.Errorf(authz.Invalid, "a portal is deleted by itself: leave out the other changes")
	case w.New == nil:
		p.after.vacate()
		p.after.ConfigRevision = p.after.Revision
	case there != (w.Old != nil):
		return present(w.Entity, p.before.ID, there)
	default:
		return p.ownFields(w.New.(authz.Portal))
	}
	p.sc = p.after.scope()
	return nil
}

func (p *planner) ownFields(e authz.Portal) error {
	p.after.Fields = portalFieldsOf(&e)
	p.after.Generation = cmp.Or(p.after.Generation, newGeneration())
	p.sc = p.after.scope()
	_, err := encode(p.after.Fields, e.Key())
	return err
}

// vacate leaves a head without data, so that its revision and its chain go on
// should the portal come back.
func (h *head) vacate() {
	h.Garbage = slices.Clone(h.Garbage)
	h.discard(h.Previous)
	h.discard(h.Generation)
	h.Generation, h.Structure, h.Previous, h.Fields, h.PolicyRevision = "", "", "", portalFields{}, 0
}

// present is the error for an entity that is there, or not, against what its write
// says.
func present(k authz.Key, portal string, there bool) error {
	if there {
		return authz.Errorf(authz.Conflict, "%s is in portal %q already: change it instead of creating it", k, portal)
	}
	return absent(k, portal)
}

// glimpse is what the planner has to know of a document that it replaces or that
// is referred to.
type glimpse struct {
	ID      string `bson:"_id"`
	Order   int64  `bson:"order"`
	Account string `bson:"account"`
	Parent  string `bson:"parent"`
}

// glimpses looks at what is written, and refuses when it is not what the writes
// say. The rights are in Config.
func (p *planner) glimpses(ctx context.Context) error {
	byKind := make(map[authz.EntityKind][]authz.Key)
	for i := range p.c.Changes {
		if k := p.c.Changes[i].Entity; k.Kind != authz.RightEntity && generationalKind(k.Kind) {
			byKind[k.Kind] = append(byKind[k.Kind], k)
		}
	}
	for kind, keys := range byKind {
		found, err := p.stand(ctx, kind, keys)
		if err != nil {
			return err
		}
		for _, k := range keys {
			w, g := p.writes[k], found[p.sc.id(k)]
			if (w.Old != nil) != (g != nil) {
				return present(k, p.before.ID, g != nil)
			}
			if g != nil {
				p.stored[k] = g
			}
		}
	}
	return nil
}

// stand returns what is stored of the keys, by _id; nothing of a portal that is new.
func (p *planner) stand(ctx context.Context, kind authz.EntityKind, keys []authz.Key) (map[string]*glimpse, error) {
	if p.before.Generation == "" {
		return nil, nil
	}
	return several[glimpse](ctx, p.s, p.sc, kind, keys)
}

func (p *planner) tasks() error {
	for i := range p.c.Tasks {
		d, err := taskDocOf(&p.c.Tasks[i], p.st)
		if err != nil {
			return err
		}
		if err := p.create(tasks, d.Meta.ID, d, "task "+d.Task); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) latches(ctx context.Context) error {
	docs := make(map[authz.Key]*latchDoc)
	for _, l := range p.c.Latches {
		d := docs[l.Entity]
		if d == nil {
			var err error
			if d, err = findIn[latchDoc](ctx, p.s, latches, latchID(p.before.ID, l.Entity)); err != nil {
				return err
			}
			if d == nil {
				d = newLatchDoc(p.before.ID, l.Entity)
			}
			docs[l.Entity] = d
		}
		if !d.add(l.Task, p.st) {
			return authz.Errorf(authz.Conflict, "task %q has been stored or done for %s already, and runs once", l.Task, l.Entity)
		}
	}
	for k, d := range docs {
		if err := p.put(latches, d.Meta.ID, d, k.String()); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) reply() error {
	if p.c.Once == nil {
		return nil
	}
	d := replyDocOf(p.before.ID, p.c.Once, p.st)
	return p.put(replies, d.Meta.ID, d, "the answer to be given again")
}

// put stores the document in the place of what has its _id.
func (p *planner) put(collection, id string, doc any, what string) error {
	raw, err := encodeWithin(maxDocument, doc, what)
	p.ops = append(p.ops, op{Collection: collection, ID: id, Doc: raw})
	return err
}

// create stores the document where none is.
func (p *planner) create(collection, id string, doc any, what string) error {
	err := p.put(collection, id, doc, what)
	p.ops[len(p.ops)-1].New = true
	return err
}

func (p *planner) drop(collection, id string) {
	p.ops = append(p.ops, op{Collection: collection, ID: id})
}

// sealed adds the audit entry, and returns the write if it is not too large.
func (p *planner) sealed() (*write, error) {
	return seal(&write{version: p.before.Version, after: p.after, ops: p.ops, settle: p.c.Settle}, p.entry)
}

// seal adds the entry of the write.
func seal(w *write, e authz.AuditEntry) (*write, error) {
	entry, o, err := w.after.seal(e)
	if err != nil {
		return nil, err
	}
	w.entry, w.ops = entry, append(w.ops, o)
	return w, w.fits()
}

// seal makes e the next entry of the chain, as it will be read.
func (h *head) seal(e authz.AuditEntry) (authz.AuditEntry, op, error) {
	const what = "the audit entry"
	e.Chain, e.Revision = h.ID, h.Revision
	for _, text := range []*string{&e.Actor, &e.OnBehalfOf, &e.Decision, &e.Request, &e.Operation, &e.Note} {
		*text = strings.ToValidUTF8(*text, "\uFFFD") // as the embedded database would
	}
	raw, err := encodeWithin(maxDocument, auditDocOf(&e), what)
	if err != nil {
		return e, op{}, err
	}
	var d auditDoc
	if err := bson.Unmarshal(raw, &d); err != nil {
		return e, op{}, err
	}
	e = d.entry().Sealed(h.AuditSeq, h.AuditHash)
	h.AuditSeq, h.AuditHash = e.Seq, e.Hash
	doc := auditDocOf(&e)
	raw, err = encodeWithin(maxDocument, doc, what)
	return e, op{Collection: audit, ID: doc.Meta.ID, Doc: raw, New: true}, err
}

// fits refuses a write that one journal could not hold.
func (w *write) fits() error {
	total := 0
	if raw, err := bson.Marshal(&w.after); err == nil {
		total = len(raw)
	}
	for i := range w.ops {
		total += len(w.ops[i].Doc) + len(w.ops[i].ID)
	}
	if total > maxWrite {
		return authz.Errorf(authz.TooLarge, "the write takes %d bytes in the store: at most %d, make several of it", total, maxWrite)
	}
	return nil
}
