package mongodb

import (
	"cmp"
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Replay returns what a write with the idempotency key was answered, and the
// fingerprint of its request. NotFound is a key that no write had in the last
// authz.IdempotencyTime.
func (s *Store) Replay(ctx context.Context, portal, key string) (fingerprint string, answer []byte, err error) {
	d, err := findIn[replyDoc](ctx, s, replies, replyID(portal, key))
	if err != nil {
		return "", nil, unavailable("read", err)
	}
	if d == nil || !d.kept(now()) {
		return "", nil, authz.Errorf(authz.NotFound, "no write has had this idempotency key")
	}
	return d.Fingerprint, d.Answer, nil
}

// Latches returns the ids of the tasks with Once that are stored or done for the
// entity, none for one that has none.
func (s *Store) Latches(ctx context.Context, portal string, entity authz.Key) ([]string, error) {
	d, err := findIn[latchDoc](ctx, s, latches, latchID(portal, entity))
	if err != nil {
		return nil, unavailable("read", err)
	}
	if d == nil {
		return nil, nil
	}
	return d.Tasks, nil
}

// Chain returns where the chain ends; the zero value is one without entries. The
// chain of a portal outlives it.
func (s *Store) Chain(ctx context.Context, chain string) (authz.ChainState, error) {
	if err := checkChain(chain); err != nil {
		return authz.ChainState{}, err
	}
	h, err := s.findHead(ctx, chain)
	if err != nil {
		return authz.ChainState{}, unavailable("read", err)
	}
	if h == nil {
		return authz.ChainState{}, nil
	}
	return authz.ChainState{Seq: h.AuditSeq, Hash: h.AuditHash}, nil
}

func checkChain(chain string) error {
	if chain != authz.ServiceChain && !plausible(chain) {
		return noPortal(chain)
	}
	return nil
}

// Entries returns up to limit entries of the chain after the one with the sequence
// number, in their order: what is there, with whatever is missing between.
func (s *Store) Entries(ctx context.Context, chain string, after int64, limit int) ([]authz.AuditEntry, error) {
	if err := checkChain(chain); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	within := bson.D{{Key: "$gt", Value: auditID(chain, after)}, {Key: "$lt", Value: chain + "0"}}
	opts := options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit))
	cur, err := s.db.Collection(audit).Find(ctx, bson.D{{Key: "_id", Value: within}}, opts)
	if err != nil {
		return nil, unavailable("read", err)
	}
	var docs []auditDoc
	if err := cur.All(ctx, &docs); err != nil {
		return nil, unavailable("read", err)
	}
	return each(docs, func(d auditDoc) authz.AuditEntry { return d.entry() }), nil
}

// commitService makes the documents that plan returns together with the entry of
// authz.ServiceChain, whole or not at all. An op stores its Doc under its _id, or
// deletes what is there when it has none. plan reads what is stored and may refuse;
// it is asked anew when another write to the chain comes between, so that what it
// has read is so when its ops are made.
func (s *Store) commitService(ctx context.Context, entry authz.AuditEntry, plan func(context.Context) ([]op, error)) error {
	if entry.At.IsZero() {
		entry.At = now()
	}
	err := s.again(ctx, func() error {
		h, err := s.findHead(ctx, authz.ServiceChain)
		if err != nil {
			return err
		}
		before := cmp.Or(h, newHead(authz.ServiceChain))
		w := &write{version: before.Version, after: *before}
		w.after.Version++
		w.after.changed(stamp{at: entry.At, by: entry.Actor}, false, false)
		if w.ops, err = plan(ctx); err != nil {
			return err
		}
		if w, err = seal(w, entry); err != nil {
			return err
		}
		return s.land(ctx, w)
	})
	if err != nil {
		return unavailable("written", err)
	}
	return nil
}
