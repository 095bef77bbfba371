package mongodb_test

import (
	"context"
	"errors"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// put commits a changeset of e alone, on the portal as it is.
func put(ctx context.Context, s *mongodb.Store, portal, by string, e authz.Stored) error {
	return commitOne(ctx, s, portal, by, authz.EntityWrite{Entity: e.Key(), New: e})
}

// del commits a changeset that deletes the entity alone.
func del(ctx context.Context, s *mongodb.Store, portal, by string, k authz.Key) error {
	return commitOne(ctx, s, portal, by, authz.EntityWrite{Entity: k})
}

// commitOne judges the write as the administration does, and anew when the portal
// has moved.
func commitOne(ctx context.Context, s *mongodb.Store, portal, by string, w authz.EntityWrite) error {
	for {
		c, err := changeset(ctx, s, portal, by, w)
		if err == nil {
			_, err = s.Commit(ctx, portal, c)
		}
		if !errors.Is(err, authz.ErrMoved) {
			return err
		}
	}
}

// changeset returns the writes on the portal as it is: with what they replace, the
// configuration that comes of them, which must be valid, and an entry.
func changeset(ctx context.Context, s *mongodb.Store, portal, by string, writes ...authz.EntityWrite) (*authz.Changeset, error) {
	base, err := s.Head(ctx, portal)
	if err != nil && authz.KindOf(err) != authz.NotFound {
		return nil, err
	}
	w := &authz.World{}
	if err == nil {
		if w, err = s.World(ctx, portal); err != nil {
			return nil, err
		}
		if w.Revision != base.Revision || w.Generation != base.Generation {
			return nil, authz.Errorf(authz.Conflict, "moved").Because(authz.ErrMoved)
		}
	}
	return judged(base, w, by, writes...)
}

// judged is a changeset of the writes on the world, which stands at base.
func judged(base authz.PortalRevision, w *authz.World, by string, writes ...authz.EntityWrite) (*authz.Changeset, error) {
	c := &authz.Changeset{Base: base, Changes: slices.Clone(writes), Entry: authz.AuditEntry{Actor: by, Operation: "test"}}
	next := w.Bundle
	for i := range c.Changes {
		x := &c.Changes[i]
		x.Old = entityOf(w, x.Entity)
		if configure(&next, x) {
			c.Config = &next
		}
	}
	gone := slices.ContainsFunc(writes, func(w authz.EntityWrite) bool { return w.New == nil })
	switch {
	case next.Portal.ID == "":
		c.Config = nil
	case c.Config != nil && !gone: // the store itself says what refers to what is deleted
		if faults := c.Config.Validate(); len(faults) > 0 {
			return nil, authz.Errorf(authz.Invalid, "%v", faults).Because(faults)
		}
	}
	return c, nil
}

// entityOf returns what w has of the key, or nil.
func entityOf(w *authz.World, k authz.Key) authz.Stored {
	switch k.Kind {
	case authz.PortalEntity:
		if w.Portal.ID == k.ID {
			return w.Portal
		}
		return nil
	case authz.UserTypeEntity:
		return among(w.UserTypes, k)
	case authz.RoleEntity:
		return among(w.Roles, k)
	case authz.NodeEntity:
		return among(w.Screens, k)
	case authz.RightEntity:
		return among(w.Rights, k)
	case authz.UserEntity:
		return among(w.Users, k)
	case authz.AccountEntity:
		return among(w.Accounts, k)
	case authz.ContactEntity:
		return among(w.Contacts, k)
	}
	return among(w.Records, k)
}

func among[E authz.Stored](list []E, k authz.Key) authz.Stored {
	if i := slices.IndexFunc(list, func(e E) bool { return e.Key() == k }); i >= 0 {
		return list[i]
	}
	return nil
}

// configure makes the write in b, and reports whether it is one of configuration.
func configure(b *authz.Bundle, w *authz.EntityWrite) bool {
	switch w.Entity.Kind {
	case authz.PortalEntity:
		b.Portal, _ = w.New.(authz.Portal)
	case authz.UserTypeEntity:
		b.UserTypes = with(b.UserTypes, w)
	case authz.RoleEntity:
		b.Roles = with(b.Roles, w)
		if w.New == nil {
			b.Rights = slices.DeleteFunc(slices.Clone(b.Rights), func(r authz.Right) bool { return r.Role == w.Entity.ID })
		}
	case authz.NodeEntity:
		b.Screens = with(b.Screens, w)
	case authz.RightEntity:
		b.Rights = with(b.Rights, w)
	default:
		return false
	}
	return true
}

func with[E authz.Stored](list []E, w *authz.EntityWrite) []E {
	i := slices.IndexFunc(list, func(e E) bool { return e.Key() == w.Entity })
	list = slices.Clone(list)
	switch e, ok := w.New.(E); {
	case !ok && i >= 0:
		return slices.Delete(list, i, i+1)
	case ok && i >= 0:
		list[i] = e
	case ok:
		return append(list, e)
	}
	return list
}
