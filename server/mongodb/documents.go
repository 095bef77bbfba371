package mongodb

import (
	"github.com/portcullis-authz/portcullis/server/authz"
)

// documents plans what is stored of every entity.
func (p *planner) documents() error {
	for i := range p.c.Changes {
		w := &p.c.Changes[i]
		var err error
		switch {
		case !generationalKind(w.Entity.Kind), w.Entity.Kind == authz.RightEntity:
		case !storable(w.Entity):
			err = authz.Errorf(authz.Invalid, "%s cannot be stored: its id is no name", w.Entity).At("id")
		case w.New == nil:
			p.drop(collectionOf[w.Entity.Kind], p.sc.id(w.Entity))
		default:
			err = p.document(i, w.New)
		}
		if err != nil {
			return err
		}
	}
	return p.rights()
}

func (p *planner) document(i int, e authz.Stored) error {
	k := e.Key()
	m := p.sc.meta(k, p.st)
	doc, err := documentOf(m, p.order(i, k), e)
	if err != nil {
		return err
	}
	return p.put(collectionOf[k.Kind], m.ID, doc, k.String())
}

func documentOf(m meta, order int64, e authz.Stored) (any, error) {
	switch e := e.(type) {
	case authz.UserType:
		return userTypeDocOf(m, order, &e), nil
	case authz.Role:
		return roleDocOf(m, order, &e), nil
	case authz.Node:
		return nodeDocOf(m, order, &e), nil
	case authz.User:
		return userDocOf(m, &e), nil
	case authz.Account:
		return accountDocOf(m, &e), nil
	case authz.Contact:
		return contactDocOf(m, &e), nil
	case authz.Record:
		return recordDocOf(m, &e), nil
	}
	return nil, authz.Errorf(authz.Internal, "the store keeps no %T", e)
}

// order returns the position that the stored entity has, or one at the end.
func (p *planner) order(i int, k authz.Key) int64 {
	if g := p.stored[k]; g != nil {
		return g.Order
	}
	return lateOrder + p.st.revision*authz.MaxChanges + int64(i)
}

// rights plans the documents of the roles whose rights change, from the
// configuration as it will be.
func (p *planner) rights() error {
	docs := make(map[string]*rightsDoc)
	for k, w := range p.writes {
		switch {
		case k.Kind == authz.RightEntity:
			docs[k.Of] = nil
		case k.Kind == authz.RoleEntity && w.New == nil:
			docs[k.ID] = nil // a later role of the same id must not find them
		}
	}
	if len(docs) == 0 {
		return nil
	}
	if err := p.fill(docs); err != nil {
		return err
	}
	for role, d := range docs {
		id := p.sc.id(authz.Key{Kind: authz.RightEntity, Of: role})
		if d == nil {
			p.drop(rights, id)
			continue
		}
		if err := p.put(rights, id, d, "the rights of "+authz.Key{Kind: authz.RoleEntity, ID: role}.String()); err != nil {
			return err
		}
	}
	return nil
}

// fill gathers the rights of the roles, and makes sure that they are what the
// changes say.
func (p *planner) fill(docs map[string]*rightsDoc) error {
	levels := make(map[authz.Key]authz.Level)
	for i := range p.c.Config.Rights {
		r := &p.c.Config.Rights[i]
		d, wanted := docs[r.Role]
		if !wanted {
			continue
		}
		if d == nil {
			d = newRightsDoc(p.sc.meta(r.Key(), p.st))
			docs[r.Role] = d
		}
		d.add(*r)
		levels[r.Key()] = r.Level
	}
	for k, w := range p.writes {
		if k.Kind != authz.RightEntity {
			continue
		}
		level, there := levels[k]
		r, wanted := w.New.(authz.Right)
		if there != wanted || there && level != r.Level {
			return authz.Errorf(authz.Internal, "the configuration of a changeset does not have the %s that it writes", k)
		}
	}
	return nil
}
