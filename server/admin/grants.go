package admin

import (
	"context"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// GrantQuery asks who holds what. Temporary asks for grants that end, Guest for
// those of roles for outside users.
type GrantQuery struct {
	Role, User       string // empty: any
	Temporary, Guest bool
	After            string // GrantPage.Next of the page before
	Limit            int    // users to look at, 1 to authz.MaxPage; 0: 100
}

// HeldGrant is one grant of one user.
type HeldGrant struct {
	User, Account string
	Role          string
	By, Why       string
	From, Until   time.Time // zero: always, for ever
	InForce       bool      // now, and the user is active
	Guest         bool      // the role is for outside users
}

// GrantPage is one page, by user.
type GrantPage struct {
	Grants []HeldGrant
	Next   string // empty after the last
	Looked int    // how many users were looked at
}

// Grants returns who holds which roles, of those users that the caller may read. A
// page may be empty and have a next one.
func (s *Service) Grants(ctx context.Context, call Call, q GrantQuery) (GrantPage, error) {
	if _, err := s.permit(ctx, &call, general(authz.ReadCall, authz.GrantsResource)); err != nil {
		return GrantPage{}, err
	}
	b, err := s.decider.Configuration(call.Portal)
	if err != nil {
		return GrantPage{}, err
	}
	f := grantFilter{GrantQuery: q, now: s.now(), guests: map[string]bool{}}
	for i := range b.Roles {
		f.guests[b.Roles[i].ID] = b.Roles[i].Guest
	}
	users, page, err := s.holders(ctx, &call, q)
	if err != nil {
		return GrantPage{}, err
	}
	for _, v := range users {
		u, ok := v.Stored.(authz.User)
		if !ok || len(u.Grants) == 0 {
			continue
		}
		if page.Grants, err = s.grantsOf(ctx, &call, &f, v, page.Grants); err != nil {
			return GrantPage{}, err
		}
	}
	return page, nil
}

// holders returns the users to look at, and the page without its grants.
func (s *Service) holders(ctx context.Context, call *Call, q GrantQuery) ([]authz.Versioned, GrantPage, error) {
	if q.User != "" {
		v, err := s.stored(ctx, call.Portal, authz.Key{Kind: authz.UserEntity, ID: q.User})
		return []authz.Versioned{v}, GrantPage{Looked: 1}, err
	}
	limit, err := pageSize(q.Limit)
	if err != nil {
		return nil, GrantPage{}, err
	}
	list := authz.ListQuery{Kind: authz.UserEntity, After: q.After, Limit: limit}
	if q.Role != "" {
		list.Filter = map[string]string{"role": q.Role}
	}
	got, err := s.store.List(ctx, call.Portal, list)
	return got.Items, GrantPage{Next: got.Next, Looked: len(got.Items)}, err
}

// grantFilter says which grants are asked for.
type grantFilter struct {
	GrantQuery
	now    time.Time
	guests map[string]bool // by role
}

func (f *grantFilter) wants(g *authz.Grant) bool {
	return (f.Role == "" || g.Role == f.Role) && (!f.Temporary || !g.Until.IsZero()) && (!f.Guest || f.guests[g.Role])
}

// grantsOf appends the grants of the user that are asked for, if the caller may read
// the user.
func (s *Service) grantsOf(ctx context.Context, call *Call, f *grantFilter, v authz.Versioned, to []HeldGrant) ([]HeldGrant, error) {
	u := v.Stored.(authz.User)
	var found []HeldGrant
	for i := range u.Grants {
		g := &u.Grants[i]
		if f.wants(g) {
			found = append(found, HeldGrant{User: u.ID, Account: u.Account, Role: g.Role, By: g.By, Why: g.Why,
				From: g.From, Until: g.Until, InForce: u.Active && g.InForce(f.now), Guest: f.guests[g.Role]})
		}
	}
	if len(found) == 0 {
		return to, nil
	}
	d, _, err := s.decide(ctx, call, about(authz.ReadCall, u.Key(), u, nil))
	if err != nil || !d.Allowed() {
		return to, err
	}
	return append(to, found...), nil
}
