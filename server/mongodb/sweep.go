package mongodb

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// sweepChunk is how many documents one deletion in the embedded database takes:
// it puts each _id into one SQL statement, which takes 32,766.
const sweepChunk = 10_000

// settle completes a committed import and ends the portal's lease if it has run
// out, so that what follows finds either no lease or a live one.
func (s *Store) settle(ctx context.Context, portal string) error {
	if err := s.finish(ctx); err != nil {
		return err
	}
	return s.endLease(ctx, portal, func(l *lease) bool { return !now().Before(l.Until) })
}

// endLease drops the portal's lease if over says so.
func (s *Store) endLease(ctx context.Context, portal string, over func(*lease) bool) error {
	h, err := s.findHead(ctx, portal)
	if err != nil || h == nil || h.Lease == nil || !over(h.Lease) {
		return err
	}
	return s.again(ctx, func() error {
		return s.atomically(ctx, func(ctx context.Context) error {
			if err := s.noIntent(ctx); err != nil {
				return err
			}
			return s.tryHead(ctx, portal, func(h *head) error {
				if h.Lease == nil || !over(h.Lease) {
					return errNoChange
				}
				h.dropLease()
				return nil
			})
		})
	})
}

// noIntent refuses, within a transaction, to touch leases while a committed
// import still needs them.
func (s *Store) noIntent(ctx context.Context) error {
	in, err := s.findIntent(ctx)
	if err == nil && in != nil {
		return errRaced
	}
	return err
}

// breakLeases ends every lease at once. In the embedded database they are those
// of a process that is dead, since the data folder is ours.
func (s *Store) breakLeases(ctx context.Context) error {
	heads, _, err := s.heads(ctx)
	if err != nil {
		return unavailable("read", err)
	}
	for i := range heads {
		if err := s.endLease(ctx, heads[i].ID, func(*lease) bool { return true }); err != nil {
			return unavailable("written", err)
		}
	}
	return nil
}

// sweepSoon asks the sweeper to look now; it never waits.
func (s *Store) sweepSoon() {
	select {
	case s.sweep <- struct{}{}:
	default:
	}
}

// sweepUntil sweeps when asked and now and then, until ctx ends.
func (s *Store) sweepUntil(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.sweep:
		}
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.opts.Log.WarnContext(ctx, "replaced data not swept", "err", err, "cause", errors.Unwrap(err))
		}
	}
}

// Sweep deletes the documents of generations that nothing reads any more: those
// of imports that failed or died, and replaced ones when a later import has
// replaced them again or Options.Grace has passed. A generation that an import
// is writing is never swept. Replies that have expired go too. The Store does this by itself; Sweep is for who
// wants to wait for it.
func (s *Store) Sweep(ctx context.Context) error {
	give, err := take(ctx, s.broom)
	if err != nil {
		return unavailable("swept", err)
	}
	defer give()
	heads, _, err := s.heads(ctx)
	if err != nil {
		return unavailable("read", err)
	}
	for i := range heads {
		if err := s.sweepPortal(ctx, &heads[i]); err != nil {
			return unavailable("swept", err)
		}
	}
	if err := s.sweepReplies(ctx); err != nil {
		return unavailable("swept", err)
	}
	return nil
}

// sweepReplies deletes replies that have expired, which a server does by itself.
func (s *Store) sweepReplies(ctx context.Context) error {
	if !s.opts.Embedded {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	expired := bson.D{{Key: "expires_at", Value: bson.D{{Key: "$lte", Value: now()}}}}
	return s.inTurn(ctx, func(ctx context.Context) error {
		_, err := s.db.Collection(replies).DeleteMany(ctx, expired)
		return err
	})
}

func (s *Store) sweepPortal(ctx context.Context, h *head) error {
	if h.Lease != nil && !now().Before(h.Lease.Until) {
		if err := s.settle(ctx, h.ID); err != nil {
			return err
		}
	}
	garbage, err := s.garbage(ctx, h)
	if err != nil {
		return err
	}
	for _, g := range garbage {
		for _, c := range generational {
			if err := s.deleteAll(ctx, c, scope{h.ID, g}); err != nil {
				return err
			}
		}
	}
	if len(garbage) == 0 {
		return nil
	}
	return s.changeHead(ctx, h.ID, func(h *head) error {
		h.Garbage = slices.DeleteFunc(h.Garbage, func(g string) bool { return slices.Contains(garbage, g) })
		return nil
	})
}

// garbage returns what may be deleted of the portal. A replaced generation is
// taken out of the head before its first document goes, so that a reader who
// misses a document finds the generation gone too.
func (s *Store) garbage(ctx context.Context, seen *head) (garbage []string, err error) {
	if seen.Previous == "" && len(seen.Garbage) == 0 && seen.Lease == nil {
		return nil, nil
	}
	err = s.changeHead(ctx, seen.ID, func(h *head) error {
		if h.Previous == "" || now().Sub(h.RetiredAt) < s.opts.Grace {
			garbage = slices.Clone(h.Garbage)
			return errNoChange
		}
		h.discard(h.Previous)
		h.Previous, h.RetiredAt = "", time.Time{}
		garbage = slices.Clone(h.Garbage)
		return nil
	})
	return garbage, err
}

// deleteAll deletes the scope's documents of one collection.
func (s *Store) deleteAll(ctx context.Context, collection string, sc scope) error {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	c := s.db.Collection(collection)
	if !s.opts.Embedded {
		_, err := c.DeleteMany(ctx, sc.all())
		return err
	}
	ids, err := s.ids(ctx, collection, sc)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(ids, sweepChunk) {
		within := bson.D{{Key: "$gte", Value: chunk[0]}, {Key: "$lte", Value: chunk[len(chunk)-1]}}
		if _, err := c.DeleteMany(ctx, bson.D{{Key: "_id", Value: within}}); err != nil {
			return err
		}
	}
	return nil
}

// ids returns the _ids of the scope's documents of one collection, sorted.
func (s *Store) ids(ctx context.Context, collection string, sc scope) ([]string, error) {
	opts := options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}).SetBatchSize(scanBatch)
	cur, err := s.db.Collection(collection).Find(ctx, sc.all(), opts)
	if err != nil {
		return nil, err
	}
	defer func() { _ = cur.Close(context.WithoutCancel(ctx)) }()
	var ids []string
	for cur.Next(ctx) {
		ids = append(ids, cur.Current.Lookup("_id").StringValue())
	}
	slices.Sort(ids)
	return ids, cur.Err()
}
