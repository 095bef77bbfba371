package pdp

import (
	"cmp"
	"context"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
)

// pending are the writes that a change is judged over, each of another entity; the
// entity of the change itself is not among them.
type pending struct {
	all *authz.Pending
	but authz.Key
}

// each calls visit for the writes.
func (p *pending) each(visit func(*authz.EntityWrite)) {
	all := p.all.All()
	for i := range all {
		if w := &all[i]; w.Entity != p.but {
			visit(w)
		}
	}
}

// of returns the write of the entity, or nil.
func (p *pending) of(k authz.Key) *authz.EntityWrite {
	if k == p.but {
		return nil
	}
	return p.all.Of(k)
}

func (p *pending) any(kind authz.EntityKind) bool {
	n := p.all.Number(kind)
	return n > 1 || n == 1 && (p.but.Kind != kind || p.all.Of(p.but) == nil)
}

// reconfigures reports whether a change to an entity of the kind is to be judged by
// another configuration than the published one. Rights, the roles that an entity
// names and the number of screens are laid over the facts instead where that does;
// what an account's owner holds takes the roles themselves.
func (p *pending) reconfigures(kind authz.EntityKind) bool {
	switch {
	case p.any(authz.PortalEntity), p.any(authz.UserTypeEntity):
		return true
	case kind == authz.PortalEntity:
		return p.any(authz.NodeEntity) || p.any(authz.RoleEntity) || p.any(authz.RightEntity)
	case kind == authz.RightEntity:
		return p.any(authz.NodeEntity)
	case kind == authz.UserEntity, kind == authz.AccountEntity, kind == authz.ContactEntity, kind == authz.RecordEntity:
		return p.any(authz.RoleEntity)
	}
	return false
}

// written returns the entity as it will be, nil when it will not be there, and false
// when nothing is pending for it.
func written[E authz.Stored](p *pending, k authz.Key) (*E, bool) {
	w := p.of(k)
	if w == nil {
		return nil, false
	}
	if e, is := w.New.(E); is {
		return &e, true
	}
	return nil, true
}

func (x *resolver) contactOf(ctx context.Context, id string) (*authz.ContactFacts, error) {
	c, ok := written[authz.Contact](&x.pending, authz.Key{Kind: authz.ContactEntity, ID: id})
	switch {
	case !ok:
		return x.dir.contact(ctx, x.stored, id)
	case c == nil:
		return nil, nil
	}
	return &authz.ContactFacts{Contact: c}, nil
}

func (x *resolver) accountOf(ctx context.Context, id string) (*authz.AccountFacts, error) {
	a, ok := written[authz.Account](&x.pending, authz.Key{Kind: authz.AccountEntity, ID: id})
	switch {
	case !ok:
		return x.dir.account(ctx, x.stored, id)
	case a == nil:
		return nil, nil
	}
	return &authz.AccountFacts{Account: a}, nil
}

// ownerOf returns the user who owns an account, by the configuration that the
// change is judged by.
func (x *resolver) ownerOf(ctx context.Context, id string) (*authz.Principal, error) {
	s := x.view.Snapshot
	u, ok := written[authz.User](&x.pending, authz.Key{Kind: authz.UserEntity, ID: id})
	if !ok {
		p, err := x.dir.principal(ctx, x.stored, id, x.change.Now)
		return s.Current(p, x.change.Now), err
	}
	if u == nil {
		return nil, nil
	}
	same := 0
	if x.view.Reads.Logins {
		var err error
		if same, err = x.sharing(ctx, u); err != nil {
			return nil, err
		}
	}
	return s.Current(s.Principal(u, x.change.Now, same), x.change.Now), nil
}

// sharing counts the other active users with the user's login. The user who is
// written counts as stored, if it is another.
func (x *resolver) sharing(ctx context.Context, u *authz.User) (int, error) {
	n, err := x.source.SameLogin(ctx, x.stored.key.portal, x.stored.Generation, u.Login, u.ID)
	login := authz.FoldLogin(u.Login)
	if err != nil || login == "" {
		return n, err
	}
	return n + x.pending.difference(func(s authz.Stored) int {
		other, ok := s.(authz.User)
		return number(ok && other.Active && other.ID != u.ID && authz.FoldLogin(other.Login) == login)
	}), nil
}

// difference is by how much what is pending changes a sum over all entities.
func (p *pending) difference(of func(authz.Stored) int) (n int) {
	p.each(func(w *authz.EntityWrite) { n += of(w.New) - of(w.Old) })
	return n
}

func number(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// more is by how much what is pending changes a count.
func (p *pending) more(c authz.Count) int {
	return p.difference(func(s authz.Stored) int {
		if s == nil || s.Key().ID == c.Except {
			return 0
		}
		switch e := s.(type) {
		case authz.User:
			return number(e.Active && (c.Name == authz.CountUsers ||
				c.Name == authz.CountUsersOfType && e.UserType == c.Of ||
				c.Name == authz.CountUsersOfAccount && e.Account == c.Of))
		case authz.Account:
			if c.Name == authz.CountPositions {
				return e.PositionsOf()
			}
			return number(c.Name == authz.CountAccountsOfOwner && e.Owner == c.Of)
		case authz.Node:
			return number(c.Name == authz.CountScreens && e.Kind == authz.Screen && e.Flags["custom"])
		}
		return 0
	})
}

// users returns the users that are meant as they will be, in the order of their ids.
func (p *pending) users(stored []*authz.User, meant func(*authz.User) bool) []*authz.User {
	if !p.any(authz.UserEntity) {
		return stored
	}
	all := slices.DeleteFunc(slices.Clone(stored), func(u *authz.User) bool { return p.of(u.Key()) != nil })
	p.each(func(w *authz.EntityWrite) {
		if u, ok := w.New.(authz.User); ok && meant(&u) {
			all = append(all, &u)
		}
	})
	slices.SortFunc(all, func(a, b *authz.User) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// roles returns those of the roles that there will be, with all that they will
// inherit.
func (p *pending) roles(s *engine.Snapshot, ids []string) map[string]*authz.RoleFacts {
	if !p.any(authz.RoleEntity) {
		return s.Roles(ids)
	}
	found := make(map[string]*authz.RoleFacts, len(ids))
	seen := make(map[string]bool, len(ids))
	for len(ids) > 0 {
		id := ids[len(ids)-1]
		ids = ids[:len(ids)-1]
		if seen[id] {
			continue
		}
		seen[id] = true
		r, ok := written[authz.Role](p, authz.Key{Kind: authz.RoleEntity, ID: id})
		facts := &authz.RoleFacts{Role: r}
		if !ok {
			facts = s.Roles([]string{id})[id]
		}
		if facts != nil && facts.Role != nil {
			found[id] = facts
			ids = append(ids, facts.Inherits...)
		}
	}
	return found
}

// levels returns the explicit levels that the role of the right will have at its node
// and below.
func (p *pending) levels(s *engine.Snapshot, right authz.Key) []authz.NodeRights {
	there := s.LevelsOf(right.Of, right.ID)
	if !p.any(authz.RightEntity) {
		return there
	}
	at := make(map[string]authz.NodeRights, len(there))
	for _, n := range there {
		at[n.Node] = n
	}
	nodes := []authz.PathNode{{ID: right.ID}}
	if node := s.Node(right.ID); node != nil {
		nodes = append(nodes, node.Below...)
	}
	var all []authz.NodeRights
	for _, n := range nodes {
		r, ok := written[authz.Right](p, authz.Key{Kind: authz.RightEntity, ID: n.ID, Of: right.Of})
		switch stored, has := at[n.ID]; {
		case r != nil:
			all = append(all, authz.NodeRights{Node: n.ID, Levels: []authz.RoleLevel{{Role: r.Role, Level: r.Level}}})
		case has && !ok:
			all = append(all, stored)
		}
	}
	return all
}
