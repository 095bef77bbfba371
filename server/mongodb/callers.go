package mongodb

import (
	"cmp"
	"context"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Callers returns all callers in the order of their names.
func (s *Store) Callers(ctx context.Context) ([]authz.Caller, error) {
	docs, err := s.callers(ctx)
	if err != nil {
		return nil, unavailable("read", err)
	}
	all := make([]authz.Caller, len(docs))
	for i := range docs {
		all[i] = docs[i].caller()
	}
	slices.SortFunc(all, func(a, b authz.Caller) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}

func (s *Store) callers(ctx context.Context) ([]callerDoc, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	cur, err := s.db.Collection(callers).Find(ctx, allCallers())
	if err != nil {
		return nil, err
	}
	var docs []callerDoc
	return docs, cur.All(ctx, &docs)
}

// PutCaller stores the caller in the place of the one with its id, whole with the
// entry in the chain authz.ServiceChain or not at all. What is wrong with the caller
// is [authz.Faults], one caller too many is authz.TooLarge.
func (s *Store) PutCaller(ctx context.Context, c authz.Caller, entry authz.AuditEntry) error {
	if !callerID(c.ID) {
		return authz.Errorf(authz.Invalid, "%q cannot be a caller's id", c.ID).At("id")
	}
	if err := c.Validate(); err != nil {
		return err
	}
	raw, err := encodeWithin(maxDocument, callerDocOf(&c, now(), entry.Actor), "caller "+c.ID)
	if err != nil {
		return err
	}
	return s.commitService(ctx, entry, func(ctx context.Context) ([]op, error) {
		docs, err := s.callers(ctx)
		known := slices.ContainsFunc(docs, func(d callerDoc) bool { return d.Meta.ID == callerPrefix+c.ID })
		if err == nil && !known && len(docs) >= authz.MaxCallers {
			err = authz.Errorf(authz.TooLarge, "there are %d callers already: delete those that are not needed any more", len(docs))
		}
		return []op{{Collection: callers, ID: callerPrefix + c.ID, Doc: raw, New: !known}}, err
	})
}

// DeleteCaller takes the caller away, whole with the entry or not at all. One that
// is not there is authz.NotFound.
func (s *Store) DeleteCaller(ctx context.Context, id string, entry authz.AuditEntry) error {
	if !callerID(id) {
		return noCaller(id)
	}
	return s.commitService(ctx, entry, func(ctx context.Context) ([]op, error) {
		d, err := findIn[callerDoc](ctx, s, callers, callerPrefix+id)
		if err == nil && d == nil {
			err = noCaller(id)
		}
		return []op{{Collection: callers, ID: callerPrefix + id}}, err
	})
}

func noCaller(id string) error {
	return authz.Errorf(authz.NotFound, "there is no caller %q", id)
}
