package mongodb

import (
	"context"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// PolicyState returns where the portal's policy stands. A portal that does not exist
// is authz.NotFound.
func (s *Store) PolicyState(ctx context.Context, portal string) (authz.PolicyState, error) {
	h, err := s.current(ctx, portal)
	if err != nil {
		return authz.PolicyState{}, err
	}
	return authz.PolicyState{Published: h.PolicyRevision, Last: h.PolicyLast}, nil
}

// Revision returns a revision of the portal's policy, whole. One that is not there is
// authz.NotFound; one whose files are not those that were stored is
// authz.Unavailable, and nothing may be decided by it.
func (s *Store) Revision(ctx context.Context, portal string, number int64) (authz.PolicyRevision, error) {
	if _, err := s.current(ctx, portal); err != nil {
		return authz.PolicyRevision{}, err
	}
	r, err := s.wholeRevision(ctx, portal, number)
	if err != nil {
		return authz.PolicyRevision{}, unavailable("read", err)
	}
	return *r, nil
}

// Revisions returns up to limit revisions of the portal's policy without their files,
// the newest first: those before the number, or all for 0.
func (s *Store) Revisions(ctx context.Context, portal string, before int64, limit int) ([]authz.PolicyRevision, error) {
	switch {
	case limit < 1 || limit > authz.MaxPage:
		return nil, authz.Errorf(authz.Invalid, "is %d: want 1 to %d", limit, authz.MaxPage).At("limit")
	case before < 0:
		return nil, authz.Errorf(authz.Invalid, "is %d: want the number of a revision, or 0 for the newest", before).At("before")
	}
	if _, err := s.current(ctx, portal); err != nil {
		return nil, err
	}
	docs, err := s.policyDocs(ctx, portal, before, limit)
	if err != nil {
		return nil, unavailable("read", err)
	}
	return each(docs, func(d policyDoc) authz.PolicyRevision { return d.revision() }), nil
}

func (s *Store) policyDocs(ctx context.Context, portal string, before int64, limit int) (docs []policyDoc, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	end := portal + "0" // which follows every _id of the portal
	if before > 0 {
		end = policyID(portal, before)
	}
	within := bson.D{{Key: "$gte", Value: portal + "/"}, {Key: "$lt", Value: end}}
	opts := options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(int64(limit))
	cur, err := s.db.Collection(policies).Find(ctx, bson.D{{Key: "_id", Value: within}}, opts)
	if err != nil {
		return nil, err
	}
	return docs, cur.All(ctx, &docs)
}

// published returns the policy in force at the head, or nil when it is the folder's.
func (s *Store) published(ctx context.Context, h *head) (*authz.PolicyRevision, error) {
	if h.PolicyRevision == 0 {
		return nil, nil
	}
	r, err := s.wholeRevision(ctx, h.ID, h.PolicyRevision)
	if err != nil && authz.KindOf(err) == authz.NotFound {
		return nil, torn(h.ID, h.PolicyRevision)
	}
	return r, err
}

// wholeRevision returns the revision with the very files that were stored with it.
func (s *Store) wholeRevision(ctx context.Context, portal string, number int64) (*authz.PolicyRevision, error) {
	id := policyID(portal, number)
	d, err := findKept[policyDoc](ctx, s, place{policies, id})
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, absent(authz.PolicyRevision{Number: number}.Key(), portal)
	}
	r := d.revision()
	if r.Files = s.files.get(d.Digest); r.Files != nil {
		return &r, nil
	}
	if r.Files, err = s.filesOf(ctx, id); err != nil {
		return nil, err
	}
	if r.Digest() != d.Digest {
		return nil, torn(portal, number)
	}
	s.files.keep(d.Digest, &r)
	return &r, nil
}

func torn(portal string, number int64) error {
	return authz.Errorf(authz.Unavailable, "revision %d of the policy of portal %q is not stored as it was written: publish another one", number, portal)
}

// policyEntity returns the revision as it is stored, its files whatever they are.
func (s *Store) policyEntity(ctx context.Context, portal string, k authz.Key) (authz.Versioned, error) {
	number, ok := policyNumber(k)
	if !plausible(portal) || !ok {
		return authz.Versioned{}, absent(k, portal)
	}
	id := policyID(portal, number)
	d, err := findKept[policyDoc](ctx, s, place{policies, id})
	if err != nil {
		return authz.Versioned{}, unavailable("read", err)
	}
	if d == nil {
		return authz.Versioned{}, absent(k, portal)
	}
	r := d.revision()
	if r.Files, err = s.filesOf(ctx, id); err != nil {
		return authz.Versioned{}, unavailable("read", err)
	}
	return d.Meta.versioned(r), nil
}

// policyNumber returns the number that is the id of a revision.
func policyNumber(k authz.Key) (int64, bool) {
	n, err := strconv.ParseInt(k.ID, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatInt(n, 10) == k.ID
}

// checkRevision refuses a write of a revision that could not be kept as it is.
func checkRevision(w *authz.EntityWrite) error {
	r, ok := w.New.(authz.PolicyRevision)
	switch {
	case w.New == nil:
		return authz.Errorf(authz.Invalid, "%s is kept for good: publish another one instead of deleting it", w.Entity)
	case !ok:
		return authz.Errorf(authz.Internal, "a write of %s comes with a %T", w.Entity, w.New)
	case len(r.Files) > authz.MaxPolicyFiles, r.Size() > authz.MaxPolicySize:
		return authz.Errorf(authz.TooLarge, "%d files of %d bytes together: a policy has at most %d files of %d bytes",
			len(r.Files), r.Size(), authz.MaxPolicyFiles, authz.MaxPolicySize).At("files")
	}
	if faults := r.Validate(); len(faults) > 0 {
		return authz.Errorf(authz.Invalid, "%s", faults[0].Msg).At(faults[0].Path).Because(faults)
	}
	return nil
}

// policies plans the revisions that are written, and what comes into force.
func (p *planner) policies(ctx context.Context) error {
	digests := make(map[int64]string) // of those that are written
	for i := range p.c.Changes {
		r, ok := p.c.Changes[i].New.(authz.PolicyRevision)
		if !ok {
			continue
		}
		digests[r.Number] = r.Digest()
		if err := p.revision(ctx, &p.c.Changes[i], &r, digests[r.Number]); err != nil {
			return err
		}
	}
	if p.c.Publish != nil {
		if err := p.publish(ctx, *p.c.Publish, digests); err != nil {
			return err
		}
	}
	return p.inForce()
}

// revision plans one revision.
func (p *planner) revision(ctx context.Context, w *authz.EntityWrite, r *authz.PolicyRevision, digest string) error {
	m := policyMeta(p.before.ID, r.Number, p.st)
	stored, err := findKept[policyDoc](ctx, p.s, place{policies, m.ID})
	switch {
	case err != nil:
		return err
	case w.Old == nil && r.Number <= p.after.PolicyLast, w.Old != nil && stored == nil:
		return present(w.Entity, p.before.ID, stored != nil)
	case w.Old == nil && stored != nil:
		return errRaced // by a write that is not complete: its head is not there yet
	case w.Old == nil:
		return p.draft(r, m, digest)
	}
	if field := stored.differs(r, digest); field != "" {
		return authz.Errorf(authz.Invalid, "%s is not what it was: a revision never changes; make another one of it", w.Entity).At(field)
	}
	return p.put(policies, m.ID, policyDocOf(m, r, digest), w.Entity.String())
}

// draft plans a new revision. Its files go first: whoever finds it finds them.
func (p *planner) draft(r *authz.PolicyRevision, m meta, digest string) error {
	if next := p.after.PolicyLast + 1; r.Number != next {
		return authz.Errorf(authz.Conflict, "the next revision of the policy of portal %q is %d, not %d: try again", p.before.ID, next, r.Number).
			Because(authz.ErrMoved)
	}
	p.after.PolicyLast = r.Number
	what := r.Key().String()
	if err := p.create(policyFiles, m.ID, filesDocOf(m, r.Files), "the files of "+what); err != nil {
		return err
	}
	return p.create(policies, m.ID, policyDocOf(m, r, digest), what)
}

// differs returns the member in which r is not the revision that is stored, though it
// can be no other; "" when it is.
func (d *policyDoc) differs(r *authz.PolicyRevision, digest string) string {
	switch {
	case r.Parent != d.Parent:
		return "parent"
	case r.Author != d.Author:
		return "author"
	case r.User != d.User:
		return "user"
	case r.Message != d.Message:
		return "message"
	case !r.At.Equal(d.At):
		return "at"
	case digest != d.Digest:
		return "files"
	}
	return ""
}

// publish brings a revision into force, or for 0 the folder's policy.
func (p *planner) publish(ctx context.Context, number int64, digests map[int64]string) error {
	p.after.PolicyRevision = number
	if number == 0 {
		return nil
	}
	digest, written := digests[number]
	if !written {
		d, err := findKept[policyDoc](ctx, p.s, place{policies, policyID(p.before.ID, number)})
		if err != nil {
			return err
		}
		if d == nil {
			return absent(authz.PolicyRevision{Number: number}.Key(), p.before.ID)
		}
		digest = d.Digest
	}
	if b := p.c.Config.Published; b != nil && b.Digest() != digest {
		return authz.Errorf(authz.Internal, "the configuration of a changeset has other files than revision %d that it publishes", number)
	}
	return nil
}

// inForce makes sure that the configuration to come has the policy that will be in
// force: a writer that loses it would have the portal decided by another one.
func (p *planner) inForce() error {
	b := p.c.Config
	if b == nil {
		return nil
	}
	number := int64(0)
	if b.Published != nil {
		number = b.Published.Number
	}
	if number != p.after.PolicyRevision {
		return authz.Errorf(authz.Internal, "the configuration of a changeset has revision %d of the policy, and %d is to be in force", number, p.after.PolicyRevision)
	}
	return nil
}
