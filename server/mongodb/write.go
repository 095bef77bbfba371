package mongodb

import (
	"cmp"
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// change is one write: documents, and what becomes of the head beyond its
// revision. On the embedded database the documents are written in this order,
// before the head.
type change struct {
	ops    []op
	config bool        // the configuration changes
	head   func(*head) // nil: nothing more
}

// op stores doc under the _id, or deletes what is there when doc is nil.
type op struct {
	collection, id string
	doc            any
}

// Put stores e in the portal, in the place of what has its key, and counts one
// revision. A Portal that is not there yet is created without content; anything
// else needs its portal.
//
// What e refers to must be there, and the portal must be valid with it, or the
// error is authz.Invalid with everything that is wrong. While an import holds
// the portal the error is authz.Conflict.
func (s *Store) Put(ctx context.Context, portal, by string, e authz.Stored) error {
	return s.write(ctx, portal, by, func(ctx context.Context, h *head, st stamp) (change, error) {
		return s.planPut(ctx, h, st, e)
	})
}

// Delete takes the entity of the key out of the portal and counts one revision.
// With a role go its rights; with a portal goes all that it holds. An entity
// that another refers to is authz.Conflict, which names that other; one that is
// not there is authz.NotFound.
func (s *Store) Delete(ctx context.Context, portal, by string, k authz.Key) error {
	return s.write(ctx, portal, by, func(ctx context.Context, h *head, st stamp) (change, error) {
		return s.planDelete(ctx, h, st, k)
	})
}

// write plans a change on the portal as it is and makes it, provided that no
// other write comes between; then it plans anew.
func (s *Store) write(ctx context.Context, portal, by string, plan func(context.Context, *head, stamp) (change, error)) error {
	if !plausible(portal) {
		return noPortal(portal)
	}
	err := s.again(ctx, func() error {
		h, err := s.writable(ctx, portal)
		if err != nil {
			return err
		}
		st := stamp{revision: h.Revision + 1, at: now(), by: by}
		c, err := plan(ctx, h, st)
		if err != nil {
			return err
		}
		return s.apply(ctx, h, st, c)
	})
	if err != nil {
		return unavailable("written", err)
	}
	s.nudges.all()
	return nil
}

// writable returns the portal's head for a single write: a fresh one when there
// is none.
func (s *Store) writable(ctx context.Context, portal string) (*head, error) {
	if err := s.settle(ctx, portal); err != nil {
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

// apply makes the change if the head is still what it was planned on. The
// embedded database could not take a document back, so it is asked first, too.
func (s *Store) apply(ctx context.Context, planned *head, st stamp, c change) error {
	return s.atomically(ctx, func(ctx context.Context) error {
		if h, err := s.findHead(ctx, planned.ID); err != nil || h != nil && h.Version != planned.Version {
			return cmp.Or(err, errRaced)
		}
		for _, o := range c.ops {
			if err := s.do(ctx, o); err != nil {
				return err
			}
		}
		return s.tryHead(ctx, planned.ID, func(h *head) error {
			if h.Version != planned.Version {
				return errRaced
			}
			if c.head != nil {
				c.head(h)
			}
			h.changed(st, c.config)
			return nil
		})
	})
}

func (s *Store) do(ctx context.Context, o op) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	c := s.db.Collection(o.collection)
	if o.doc == nil {
		_, err := c.DeleteOne(ctx, byID(o.id))
		return err
	}
	_, err := c.ReplaceOne(ctx, byID(o.id), o.doc, options.Replace().SetUpsert(true))
	return err
}

func (s *Store) planPut(ctx context.Context, h *head, st stamp, e authz.Stored) (change, error) {
	if p, ok := e.(authz.Portal); ok {
		return s.putPortal(ctx, h, p)
	}
	if h.Generation == "" {
		return change{}, noPortal(h.ID)
	}
	m := h.scope().meta(e.Key(), st)
	switch e := e.(type) {
	case authz.UserType, authz.Role, authz.Node, authz.Right:
		return s.putConfig(ctx, h, m, e)
	case authz.User:
		return put(users, m, userDocOf(m, &e), e, s.checkUser(ctx, h, e))
	case authz.Account:
		return put(accounts, m, accountDocOf(m, &e), e, s.checkAccount(ctx, h, e))
	case authz.Contact:
		return put(contacts, m, contactDocOf(m, &e), e, s.checkContact(ctx, h, e))
	case authz.Record:
		return put(records, m, recordDocOf(m, &e), e, s.checkRecord(ctx, h, e))
	}
	return change{}, authz.Errorf(authz.Internal, "the store keeps no %T", e)
}

// put is the change that stores one document whose references were checked.
func put(collection string, m meta, doc any, e authz.Stored, checked error) (change, error) {
	if checked != nil {
		return change{}, checked
	}
	raw, err := encode(doc, e.Key())
	if err != nil {
		return change{}, err
	}
	return change{ops: []op{{collection, m.ID, raw}}}, nil
}

func (s *Store) putPortal(ctx context.Context, h *head, p authz.Portal) (change, error) {
	if p.ID != h.ID {
		return change{}, authz.Errorf(authz.Invalid, "is %q, and the portal to be written is %q: make them the same", p.ID, h.ID).At("id")
	}
	b, err := s.configuration(ctx, h)
	if err != nil {
		return change{}, err
	}
	b.Portal = p
	if err := refuse(p, b.Validate(), "portal"); err != nil {
		return change{}, err
	}
	fields := portalFieldsOf(&p)
	if _, err := encode(fields, p.Key()); err != nil {
		return change{}, err
	}
	return change{config: true, head: func(h *head) {
		h.Fields = fields
		if h.Generation == "" {
			h.Generation = newGeneration()
		}
	}}, nil
}

// configuration returns the bundle of the very head h, empty for a portal
// without data.
func (s *Store) configuration(ctx context.Context, h *head) (*authz.Bundle, error) {
	if h.Generation == "" {
		return &authz.Bundle{}, nil
	}
	b, at, err := s.bundle(ctx, h.ID)
	if err == nil && (at.Generation != h.Generation || at.ConfigRevision != h.ConfigRevision) {
		return nil, errRaced
	}
	return b, err
}

// putConfig changes a copy of the configuration and stores what is valid.
func (s *Store) putConfig(ctx context.Context, h *head, m meta, e authz.Stored) (change, error) {
	b, err := s.configuration(ctx, h)
	if err != nil {
		return change{}, err
	}
	at := set(b, e)
	if err := refuse(e, b.Validate(), at); err != nil {
		return change{}, err
	}
	k := e.Key()
	order, err := s.orderOf(ctx, h.scope(), k, m.Revision)
	if err != nil {
		return change{}, err
	}
	var doc any
	switch e := e.(type) {
	case authz.UserType:
		doc = userTypeDocOf(m, order, &e)
	case authz.Role:
		doc = roleDocOf(m, order, &e)
	case authz.Node:
		doc = nodeDocOf(m, order, &e)
	case authz.Right:
		doc = rightsOf(b, m, e.Role)
	}
	c, err := put(collectionOf[k.Kind], m, doc, e, nil)
	c.config = true
	return c, err
}

// rightsOf returns the document of all rights that the role has in b.
func rightsOf(b *authz.Bundle, m meta, role string) *rightsDoc {
	d := newRightsDoc(m)
	for _, r := range b.Rights {
		if r.Role == role {
			d.add(r)
		}
	}
	return d
}

// orderOf returns the position that the stored entity has, or one at the end.
func (s *Store) orderOf(ctx context.Context, sc scope, k authz.Key, revision int64) (int64, error) {
	type ordered struct {
		Order *int64 `bson:"order"`
	}
	d, err := find[ordered](ctx, s, sc, k)
	if err != nil || d == nil || d.Order == nil {
		return lateOrder + revision, err
	}
	return *d.Order, nil
}

// set puts e into b and returns the path that faults of it have.
func set(b *authz.Bundle, e authz.Stored) string {
	switch e := e.(type) {
	case authz.UserType:
		return setIn("user_types", &b.UserTypes, e)
	case authz.Role:
		return setIn("roles", &b.Roles, e)
	case authz.Node:
		return setIn("screens", &b.Screens, e)
	case authz.Right:
		return setIn("rights", &b.Rights, e)
	}
	return ""
}

func setIn[E authz.Stored](list string, in *[]E, e E) string {
	i := slices.IndexFunc(*in, func(x E) bool { return x.Key() == e.Key() })
	if i < 0 {
		i = len(*in)
		*in = append(*in, e)
	}
	(*in)[i] = e
	return position(list, i)
}

func (s *Store) planDelete(ctx context.Context, h *head, st stamp, k authz.Key) (change, error) {
	if h.Generation == "" {
		return change{}, noPortal(h.ID)
	}
	if k.Kind == authz.PortalEntity {
		return deletePortal(h, k)
	}
	c := change{ops: []op{{collection: collectionOf[k.Kind], id: h.scope().id(k)}}}
	switch k.Kind {
	case authz.RightEntity:
		return s.deleteRight(ctx, h, st, k)
	case authz.UserTypeEntity, authz.RoleEntity, authz.NodeEntity:
		c.config = true
	}
	if k.Kind == authz.RoleEntity {
		// First the rights: a later role of the same id must not find them.
		c.ops = []op{{collection: rights, id: c.ops[0].id}, c.ops[0]}
	}
	return c, s.checkDelete(ctx, h, k)
}

// deletePortal leaves a head without data, so that the revision goes on should
// the portal come back.
func deletePortal(h *head, k authz.Key) (change, error) {
	if k.ID != h.ID {
		return change{}, authz.Errorf(authz.Invalid, "is %q, and the portal to be deleted is %q: make them the same", k.ID, h.ID).At("id")
	}
	return change{config: true, head: func(h *head) {
		h.discard(h.Previous)
		h.discard(h.Generation)
		h.Generation, h.Previous, h.Fields = "", "", portalFields{}
	}}, nil
}

func (s *Store) deleteRight(ctx context.Context, h *head, st stamp, k authz.Key) (change, error) {
	d, err := find[rightsDoc](ctx, s, h.scope(), k)
	if err != nil {
		return change{}, err
	}
	if d == nil || !d.remove(k.ID) {
		return change{}, absent(k, h.ID)
	}
	o := op{collection: rights, id: d.Meta.ID}
	if len(d.Levels) > 0 {
		d.Meta, o.doc = h.scope().meta(k, st), d
	}
	return change{ops: []op{o}, config: true}, nil
}
