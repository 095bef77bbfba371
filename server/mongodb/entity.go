package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Entity returns what is stored under the key, with its last write. That of a right
// is the last write to any right of the role, that of a portal the last to any of
// its configuration. What is not there is authz.NotFound. A revision of a policy is
// there even when its portal is not.
func (s *Store) Entity(ctx context.Context, portal string, k authz.Key) (authz.Versioned, error) {
	if k.Kind == authz.PolicyEntity {
		return s.policyEntity(ctx, portal, k)
	}
	h, err := s.current(ctx, portal)
	if err != nil {
		return authz.Versioned{}, err
	}
	v, err := s.entity(ctx, h, k)
	switch {
	case err != nil:
		return authz.Versioned{}, unavailable("read", err)
	case v.Stored == nil:
		return authz.Versioned{}, s.missing(ctx, h.scope(), k)
	}
	return v, nil
}

// entity returns the entity of the head's generation, without a Stored when there is
// none.
func (s *Store) entity(ctx context.Context, h *head, k authz.Key) (authz.Versioned, error) {
	switch {
	case k.Kind == authz.PortalEntity && k.ID != h.ID, !storable(k):
		return authz.Versioned{}, nil
	case k.Kind == authz.PortalEntity:
		return h.versioned(), nil
	case k.Kind == authz.RightEntity:
		d, err := find[rightsDoc](ctx, s, h.scope(), k)
		if err != nil || d == nil {
			return authz.Versioned{}, err
		}
		return d.right(k)
	}
	read := readers[k.Kind]
	if read == nil {
		return authz.Versioned{}, authz.Errorf(authz.Invalid, "nothing stored is of the kind %q", k.Kind).At("kind")
	}
	d, err := find[bson.Raw](ctx, s, h.scope(), k)
	if err != nil || d == nil {
		return authz.Versioned{}, err
	}
	return read(*d, h.scope())
}

func (h *head) versioned() authz.Versioned {
	return authz.Versioned{Stored: h.Fields.entity(h.ID), Revision: h.ConfigRevision, UpdatedAt: h.UpdatedAt.UTC(), UpdatedBy: h.UpdatedBy}
}

func (m *meta) versioned(e authz.Stored) authz.Versioned {
	return authz.Versioned{Stored: e, Revision: m.Revision, UpdatedAt: m.UpdatedAt.UTC(), UpdatedBy: m.UpdatedBy}
}

// right returns the role's right at the node, without a Stored when there is none.
func (d *rightsDoc) right(k authz.Key) (authz.Versioned, error) {
	all, err := d.entities(k.Of, nil)
	for _, r := range all {
		if r.Node == k.ID {
			return d.Meta.versioned(r), nil
		}
	}
	return authz.Versioned{}, err
}

// readers read the documents of each kind that has one to each entity.
var readers = map[authz.EntityKind]func(bson.Raw, scope) (authz.Versioned, error){
	authz.UserTypeEntity: reader((*userTypeDoc).entity, func(d *userTypeDoc) *meta { return &d.Meta }),
	authz.RoleEntity:     reader((*roleDoc).entity, func(d *roleDoc) *meta { return &d.Meta }),
	authz.NodeEntity:     reader((*nodeDoc).entity, func(d *nodeDoc) *meta { return &d.Meta }),
	authz.UserEntity:     reader((*userDoc).entity, func(d *userDoc) *meta { return &d.Meta }),
	authz.AccountEntity:  reader((*accountDoc).entity, func(d *accountDoc) *meta { return &d.Meta }),
	authz.ContactEntity:  reader((*contactDoc).entity, func(d *contactDoc) *meta { return &d.Meta }),
	authz.RecordEntity:   reader((*recordDoc).entity, func(d *recordDoc) *meta { return &d.Meta }),
}

func reader[D any, E authz.Stored](entity func(*D, string) E, of func(*D) *meta) func(bson.Raw, scope) (authz.Versioned, error) {
	return func(raw bson.Raw, sc scope) (authz.Versioned, error) {
		var d D
		if err := bson.Unmarshal(raw, &d); err != nil {
			return authz.Versioned{}, err
		}
		m := of(&d)
		return m.versioned(entity(&d, sc.key(m.ID))), nil
	}
}
