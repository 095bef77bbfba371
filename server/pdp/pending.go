package pdp

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
)

// pending are the writes that a change is judged over: of each entity what it is
// as stored and as it will be, and none of the entity that the change is to.
type pending map[authz.Key]authz.EntityWrite

// newPending joins the writes of each entity.
func newPending(writes []authz.EntityWrite, but authz.Key) pending {
	if len(writes) == 0 {
		return nil
	}
	p := make(pending, len(writes))
	for _, w := range writes {
		if w.Entity == but {
			continue
		}
		if first, ok := p[w.Entity]; ok {
			w.Old = first.Old
		}
		p[w.Entity] = w
	}
	return p
}

// reconfigures reports whether a change to an entity of the kind is to be judged by
// another configuration than the published one. Roles and rights are laid over the
// facts instead where that does, and so is the number of screens.
func (p pending) reconfigures(kind authz.EntityKind) bool {
	for k := range p {
		switch k.Kind {
		case authz.PortalEntity, authz.UserTypeEntity:
			return true
		case authz.NodeEntity:
			if kind == authz.RightEntity || kind == authz.PortalEntity {
				return true
			}
		case authz.RoleEntity, authz.RightEntity:
			if kind == authz.PortalEntity {
				return true
			}
		}
	}
	return false
}

// written returns the entity as it will be, nil when it will not be there, and false
// when nothing is pending for it.
func written[E authz.Stored](p pending, k authz.Key) (*E, bool) {
	w, ok := p[k]
	if e, is := w.New.(E); is {
		return &e, true
	}
	return nil, ok
}

func (x *resolver) contactOf(ctx context.Context, id string) (*authz.ContactFacts, error) {
	c, ok := written[authz.Contact](x.pending, authz.Key{Kind: authz.ContactEntity, ID: id})
	switch {
	case !ok:
		return x.dir.contact(ctx, x.stored, id)
	case c == nil:
		return nil, nil
	}
	return &authz.ContactFacts{Contact: c}, nil
}

func (x *resolver) accountOf(ctx context.Context, id string) (*authz.AccountFacts, error) {
	a, ok := written[authz.Account](x.pending, authz.Key{Kind: authz.AccountEntity, ID: id})
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
	u, ok := written[authz.User](x.pending, authz.Key{Kind: authz.UserEntity, ID: id})
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
func (p pending) difference(of func(authz.Stored) int) (n int) {
	for _, w := range p {
		n += of(w.New) - of(w.Old)
	}
	return n
}

func number(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// more is by how much what is pending changes a count.
func (p pending) more(c authz.Count) int {
	if len(p) == 0 {
		return 0
	}
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
func (p pending) users(stored []*authz.User, meant func(*authz.User) bool) []*authz.User {
	if !p.any(authz.UserEntity) {
		return stored
	}
	all := slices.DeleteFunc(slices.Clone(stored), func(u *authz.User) bool { return p.has(u.Key()) })
	for _, w := range p {
		if u, ok := w.New.(authz.User); ok && meant(&u) {
			all = append(all, &u)
		}
	}
	slices.SortFunc(all, func(a, b *authz.User) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

func (p pending) has(k authz.Key) bool { _, ok := p[k]; return ok }

// roles returns those of the roles that there will be, with all that they will
// inherit.
func (p pending) roles(s *engine.Snapshot, ids []string) map[string]*authz.Role {
	if !p.any(authz.RoleEntity) {
		return s.Roles(ids)
	}
	found := make(map[string]*authz.Role, len(ids))
	seen := make(map[string]bool, len(ids))
	for len(ids) > 0 {
		id := ids[len(ids)-1]
		ids = ids[:len(ids)-1]
		if seen[id] {
			continue
		}
		seen[id] = true
		r, ok := written[authz.Role](p, authz.Key{Kind: authz.RoleEntity, ID: id})
		if !ok {
			r = s.Roles([]string{id})[id]
		}
		if r != nil {
			found[id] = r
			ids = append(ids, r.Inherits...)
		}
	}
	return found
}

// levels returns the explicit levels at the node and below it as they will be.
func (p pending) levels(s *engine.Snapshot, node string) []authz.NodeRights {
	there := s.Levels(node)
	at := s.Node(node)
	if at == nil || !p.any(authz.RightEntity) {
		return there
	}
	nodes := append([]authz.PathNode{{ID: node}}, at.Below...)
	levels := make(map[string]map[string]authz.Level, len(nodes))
	for _, n := range nodes {
		levels[n.ID] = map[string]authz.Level{}
	}
	for _, n := range there {
		for _, l := range n.Levels {
			levels[n.Node][l.Role] = l.Level
		}
	}
	for k, w := range p {
		if of := levels[k.ID]; k.Kind == authz.RightEntity && of != nil {
			delete(of, k.Of)
			if r, ok := w.New.(authz.Right); ok {
				of[k.Of] = r.Level
			}
		}
	}
	var all []authz.NodeRights
	for _, n := range nodes {
		if of := levels[n.ID]; len(of) > 0 {
			all = append(all, authz.NodeRights{Node: n.ID, Levels: sorted(of)})
		}
	}
	return all
}

func (p pending) any(kind authz.EntityKind) bool {
	for k := range p {
		if k.Kind == kind {
			return true
		}
	}
	return false
}

func sorted(of map[string]authz.Level) []authz.RoleLevel {
	list := make([]authz.RoleLevel, 0, len(of))
	for _, role := range slices.Sorted(maps.Keys(of)) {
		list = append(list, authz.RoleLevel{Role: role, Level: of[role]})
	}
	return list
}
