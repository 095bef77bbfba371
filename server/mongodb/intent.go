package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// intentID is the _id of the intent among the portals' heads. No portal can have
// this id.
const intentID = "~import"

// intent is an import's commit point: once it is stored, the import has
// happened, and whoever finds it completes it. There is one at a time.
type intent struct {
	ID     string    `bson:"_id"`
	Import string    `bson:"import"`
	By     string    `bson:"by"`
	At     time.Time `bson:"at"`
	Flips  []flip    `bson:"flips"`
}

// flip makes a generation current.
type flip struct {
	Portal string           `bson:"portal"`
	To     string           `bson:"to"`
	Counts map[string]int64 `bson:"counts,omitempty"` // for the audit
}

// findIntent returns the intent, or nil when no import waits to be finished.
func (s *Store) findIntent(ctx context.Context) (*intent, error) {
	return findKept[intent](ctx, s, place{portals, intentID})
}

// finish completes a committed import, if there is one. It may be called by
// several processes at once, and again after a crash at any point of it.
func (s *Store) finish(ctx context.Context) error {
	in, err := s.findIntent(ctx)
	if err != nil {
		return unavailable("read", err)
	}
	if in == nil {
		return nil
	}
	for _, f := range in.Flips {
		if err := s.flip(ctx, in, f); err != nil {
			return unavailable("written", err)
		}
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	err = s.kept.writing(map[place]bson.Raw{{portals, intentID}: nil}, func() error {
		// By the import's own token: the intent of a later import stays.
		_, err := s.db.Collection(portals).DeleteOne(ctx, bson.D{{Key: "_id", Value: intentID}, {Key: "import", Value: in.Import}})
		return err
	})
	if err != nil {
		return unavailable("written", err)
	}
	return nil
}

// flip makes one flip with its audit entry. The embedded database writes the entry
// first: as long as the flip is not made, the intent and the head stay as they are,
// and whoever makes it again writes the very same entry.
func (s *Store) flip(ctx context.Context, in *intent, f flip) error {
	return s.again(ctx, func() error {
		return s.atomically(ctx, func(ctx context.Context) error {
			return s.tryHead(ctx, f.Portal, func(h *head) error {
				if err := f.apply(h, in); err != nil {
					return err
				}
				_, entry, err := h.seal(authz.AuditEntry{At: in.At, Actor: in.By, Operation: "import", Counts: countsOf[int](f.Counts)})
				if err != nil {
					return err
				}
				return s.do(ctx, []op{entry})
			})
		})
	})
}

// apply makes the flip in h, once: the lease that names the generation goes with
// it, so a flip that comes late or again changes nothing.
func (f flip) apply(h *head, in *intent) error {
	if h.Lease == nil || h.Lease.Generation != f.To || h.Lease.Next == nil {
		return errNoChange
	}
	h.retire(in.At)
	h.Generation, h.Fields, h.Lease = f.To, *h.Lease.Next, nil
	h.changed(stamp{at: in.At, by: in.By}, true, true)
	return nil
}

// commit stores the intent and, in the same transaction, proves that every lease
// is held still and stores the portals' own fields. The embedded database makes
// these steps one by one: before the last of them nothing has happened.
func (s *Store) commit(ctx context.Context, in *intent, next map[string]portalFields) error {
	return s.again(ctx, func() error {
		err := s.atomically(ctx, func(ctx context.Context) error {
			for _, f := range in.Flips {
				if err := s.tryHead(ctx, f.Portal, func(h *head) error { return s.hold(h, in.Import, next[f.Portal]) }); err != nil {
					return err
				}
			}
			ctx, cancel := s.bounded(ctx)
			defer cancel()
			return s.kept.writing(map[place]bson.Raw{{portals, intentID}: nil}, func() error {
				_, err := s.db.Collection(portals).InsertOne(ctx, in)
				return err
			})
		})
		if mongo.IsDuplicateKeyError(err) { // another import of other portals is between its commit and its end
			return errors.Join(errRaced, s.finish(ctx))
		}
		return err
	})
}

// hold renews the import's lease on h, with the fields to come.
func (s *Store) hold(h *head, token string, next portalFields) error {
	if h.Lease == nil || h.Lease.Import != token {
		return lostLease(h.ID)
	}
	h.Lease.Until = now().Add(s.opts.Lease)
	h.Lease.Next = &next
	return nil
}

func lostLease(portal string) error {
	return authz.Errorf(authz.Conflict, "the import of portal %q took too long between two steps, and another took its place: nothing was changed; import again", portal)
}
