package mongodb

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// scanBatch is how many documents one answer of the database carries at most.
const scanBatch = 2000

// maxTorn bounds how often a read is made again because the data moved under it.
const maxTorn = 6

// User returns the user, as the generation has it; an empty generation stands
// for the current one. A user that is not there is authz.NotFound; a generation
// that is no longer kept is authz.Unavailable, and the caller goes on with a new
// Bundle. The other single reads are alike.
func (s *Store) User(ctx context.Context, portal, generation, id string) (*authz.User, error) {
	return one(ctx, s, scope{portal, generation}, authz.Key{Kind: authz.UserEntity, ID: id}, (*userDoc).entity)
}

// Account returns the account; see [Store.User].
func (s *Store) Account(ctx context.Context, portal, generation, id string) (*authz.Account, error) {
	return one(ctx, s, scope{portal, generation}, authz.Key{Kind: authz.AccountEntity, ID: id}, (*accountDoc).entity)
}

// Contact returns the contact; see [Store.User].
func (s *Store) Contact(ctx context.Context, portal, generation, id string) (*authz.Contact, error) {
	return one(ctx, s, scope{portal, generation}, authz.Key{Kind: authz.ContactEntity, ID: id}, (*contactDoc).entity)
}

// Record returns the record of the type; see [Store.User].
func (s *Store) Record(ctx context.Context, portal, generation, typ, id string) (*authz.Record, error) {
	return one(ctx, s, scope{portal, generation}, authz.Key{Kind: authz.RecordEntity, Of: typ, ID: id}, (*recordDoc).entity)
}

// one reads an entity by its key, with one query when it is there.
func one[D, E any](ctx context.Context, s *Store, sc scope, k authz.Key, entity func(*D, string) E) (*E, error) {
	sc, err := s.resolve(ctx, sc)
	if err != nil {
		return nil, err
	}
	d, err := find[D](ctx, s, sc, k)
	if err != nil {
		return nil, unavailable("read", err)
	}
	if d == nil {
		return nil, s.missing(ctx, sc, k)
	}
	e := entity(d, k.ID)
	return &e, nil
}

// resolve puts the current generation in the place of none.
func (s *Store) resolve(ctx context.Context, sc scope) (scope, error) {
	if !plausible(sc.portal) {
		return sc, noPortal(sc.portal)
	}
	if sc.generation != "" {
		return sc, nil
	}
	h, err := s.current(ctx, sc.portal)
	if err != nil {
		return sc, err
	}
	return h.scope(), nil
}

// find returns the document, or nil when there is none. No entity has an id
// longer than authz.MaxID, or a type with a slash, and none is asked for.
func find[D any](ctx context.Context, s *Store, sc scope, k authz.Key) (*D, error) {
	if !storable(k) {
		return nil, nil
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	var d D
	err := s.db.Collection(collectionOf[k.Kind]).FindOne(ctx, byID(sc.id(k))).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	return &d, err
}

// missing tells a thing that is not there from one that cannot be known.
func (s *Store) missing(ctx context.Context, sc scope, k authz.Key) error {
	if err := s.still(ctx, sc); err != nil {
		return err
	}
	return absent(k, sc.portal)
}

// Bundle returns the portal's configuration and the policy in force, if it is kept
// here, all of it of one moment; what has come of the policy since it was published
// may be later. A portal that does not exist is authz.NotFound.
func (s *Store) Bundle(ctx context.Context, portal string) (*authz.Bundle, error) {
	return s.Renewed(ctx, portal, nil)
}

// Renewed is Bundle for a caller that has an earlier one, or nil. What it holds of user
// types, roles, screens and rights is taken from there when nothing of it has changed
// since: what another process publishes or sets is read as fast in a large portal as
// in a small one.
func (s *Store) Renewed(ctx context.Context, portal string, known *authz.Bundle) (*authz.Bundle, error) {
	b, _, err := s.bundle(ctx, portal, known)
	return b, err
}

// bundle returns the configuration with the head that it belongs to.
func (s *Store) bundle(ctx context.Context, portal string, known *authz.Bundle) (*authz.Bundle, *head, error) {
	var b *authz.Bundle
	h, err := s.steady(ctx, portal, func(h *head) int64 { return h.ConfigRevision }, func(ctx context.Context, h *head) (err error) {
		b, err = s.loadBundle(ctx, h, known)
		return err
	})
	return b, h, err
}

// World returns all that the portal holds, of one moment and in memory: entities
// in the order of their ids, user types, roles and screens in the order of the
// import. An Import of what it returns changes nothing but the revision.
func (s *Store) World(ctx context.Context, portal string) (*authz.World, error) {
	var w *authz.World
	_, err := s.steady(ctx, portal, func(h *head) int64 { return h.Revision }, func(ctx context.Context, h *head) (err error) {
		w, err = s.loadWorld(ctx, h)
		return err
	})
	return w, err
}

// steady calls read with the portal's head until the generation and the revision
// that matters are the same after it as before. A reader that is overtaken time and
// again takes a writer's turn, where all writers take turns.
func (s *Store) steady(ctx context.Context, portal string, revision func(*head) int64, read func(context.Context, *head) error) (*head, error) {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	before, err := s.current(ctx, portal)
	if err != nil {
		return nil, err
	}
	for i := range maxTorn {
		if err := read(ctx, before); err != nil {
			return nil, unavailable("read", err)
		}
		whole, err := s.whole(ctx, portal)
		if err != nil {
			return nil, unavailable("read", err)
		}
		after, err := s.current(ctx, portal)
		if err != nil {
			return nil, err
		}
		if whole && after.Generation == before.Generation && revision(after) == revision(before) {
			return before, nil
		}
		before = after
		if err := pause(ctx, time.Duration(i)*20*time.Millisecond); err != nil {
			return nil, unavailable("read", err)
		}
	}
	if s.opts.Sole {
		return s.steadyInTurn(ctx, portal, read)
	}
	return nil, authz.Errorf(authz.Unavailable, "portal %q changes faster than it can be read: try again later", portal)
}

// steadyInTurn has every write wait while the portal is read.
func (s *Store) steadyInTurn(ctx context.Context, portal string, read func(context.Context, *head) error) (h *head, err error) {
	err = s.inTurn(ctx, func(ctx context.Context) error {
		if h, err = s.current(ctx, portal); err != nil {
			return err
		}
		return read(ctx, h)
	})
	if err != nil {
		return nil, unavailable("read", err)
	}
	return h, nil
}

func (s *Store) loadBundle(ctx context.Context, h *head, known *authz.Bundle) (*authz.Bundle, error) {
	b := &authz.Bundle{Portal: h.Fields.entity(h.ID), Revision: h.Revision, Generation: h.Generation, Structure: h.Structure}
	if known != nil && h.Structure != "" && known.Structure == h.Structure && known.Generation == h.Generation {
		b.UserTypes, b.Roles, b.Screens, b.Rights = known.UserTypes, known.Roles, known.Screens, known.Rights
		var err error
		b.Published, err = s.published(ctx, h)
		return b, err
	}
	sc := h.scope()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		b.UserTypes, err = inOrder(ctx, s, userTypes, sc, func(d *userTypeDoc) (int64, authz.UserType) { return d.Order, d.entity(sc.key(d.Meta.ID)) })
		return err
	})
	g.Go(func() (err error) {
		b.Roles, err = inOrder(ctx, s, roles, sc, func(d *roleDoc) (int64, authz.Role) { return d.Order, d.entity(sc.key(d.Meta.ID)) })
		return err
	})
	g.Go(func() (err error) {
		b.Screens, err = inOrder(ctx, s, screens, sc, func(d *nodeDoc) (int64, authz.Node) { return d.Order, d.entity(sc.key(d.Meta.ID)) })
		return err
	})
	g.Go(func() (err error) {
		b.Rights, err = s.loadRights(ctx, sc)
		return err
	})
	g.Go(func() (err error) {
		b.Published, err = s.published(ctx, h)
		return err
	})
	return b, g.Wait()
}

func (s *Store) loadRights(ctx context.Context, sc scope) (list []authz.Right, err error) {
	err = scan(ctx, s, rights, sc, func(d *rightsDoc) (err error) {
		list, err = d.entities(sc.key(d.Meta.ID), list)
		return err
	})
	slices.SortStableFunc(list, func(a, b authz.Right) int { return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Node, b.Node)) })
	return list, err
}

func (s *Store) loadWorld(ctx context.Context, h *head) (*authz.World, error) {
	b, err := s.loadBundle(ctx, h, nil)
	if err != nil {
		return nil, err
	}
	w, sc := &authz.World{Bundle: *b}, h.scope()
	if w.Accounts, err = byKey(ctx, s, accounts, sc, (*accountDoc).entity, func(d *accountDoc) string { return d.Meta.ID }); err != nil {
		return nil, err
	}
	if w.Contacts, err = byKey(ctx, s, contacts, sc, (*contactDoc).entity, func(d *contactDoc) string { return d.Meta.ID }); err != nil {
		return nil, err
	}
	if w.Users, err = byKey(ctx, s, users, sc, (*userDoc).entity, func(d *userDoc) string { return d.Meta.ID }); err != nil {
		return nil, err
	}
	w.Records, err = byKey(ctx, s, records, sc, (*recordDoc).entity, func(d *recordDoc) string { return d.Meta.ID })
	return w, err
}

// inOrder reads a list whose order means something.
func inOrder[D, E any](ctx context.Context, s *Store, collection string, sc scope, entity func(*D) (int64, E)) ([]E, error) {
	type at struct {
		order int64
		e     E
	}
	var found []at
	err := scan(ctx, s, collection, sc, func(d *D) error {
		order, e := entity(d)
		found = append(found, at{order, e})
		return nil
	})
	slices.SortStableFunc(found, func(a, b at) int { return cmp.Compare(a.order, b.order) })
	return each(found, func(a at) E { return a.e }), err
}

// byKey reads a list and sorts it by _id.
func byKey[D, E any](ctx context.Context, s *Store, collection string, sc scope, entity func(*D, string) E, id func(*D) string) ([]E, error) {
	type at struct {
		id string
		e  E
	}
	var found []at
	err := scan(ctx, s, collection, sc, func(d *D) error {
		found = append(found, at{id(d), entity(d, sc.key(id(d)))})
		return nil
	})
	slices.SortFunc(found, func(a, b at) int { return cmp.Compare(a.id, b.id) })
	return each(found, func(a at) E { return a.e }), err
}

// scan calls visit for every document of the scope.
func scan[D any](ctx context.Context, s *Store, collection string, sc scope, visit func(*D) error) error {
	cur, err := s.db.Collection(collection).Find(ctx, sc.all(), options.Find().SetBatchSize(scanBatch))
	if err != nil {
		return err
	}
	defer func() { _ = cur.Close(context.WithoutCancel(ctx)) }()
	for cur.Next(ctx) {
		var d D
		if err := bson.Unmarshal(cur.Current, &d); err != nil {
			return err
		}
		if err := visit(&d); err != nil {
			return err
		}
	}
	return cur.Err()
}
