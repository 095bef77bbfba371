package pdp

import (
	"cmp"
	"context"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Worlds is a Directory on fixtures held in memory. Its generation is "".
type Worlds map[string]*worldIndex

// worldIndex holds pointers into one world, which nobody writes to.
type worldIndex struct {
	entities map[authz.Key]any
	logins   map[string][]*authz.User // active users by folded login
	world    *authz.World
}

// IndexWorlds returns a Directory on the worlds, which nobody may write to afterwards.
func IndexWorlds(worlds []authz.World) Worlds {
	all := make(Worlds, len(worlds))
	for i := range worlds {
		all[worlds[i].Portal.ID] = indexWorld(&worlds[i])
	}
	return all
}

func indexWorld(w *authz.World) *worldIndex {
	x := &worldIndex{entities: make(map[authz.Key]any), logins: make(map[string][]*authz.User), world: w}
	for i := range w.Users {
		u := &w.Users[i]
		x.entities[u.Key()] = u
		if login := authz.FoldLogin(u.Login); u.Active && login != "" {
			x.logins[login] = append(x.logins[login], u)
		}
	}
	for i := range w.Accounts {
		x.entities[w.Accounts[i].Key()] = &w.Accounts[i]
	}
	for i := range w.Contacts {
		x.entities[w.Contacts[i].Key()] = &w.Contacts[i]
	}
	for i := range w.Records {
		x.entities[w.Records[i].Key()] = &w.Records[i]
	}
	return x
}

func lookUp[E any](w Worlds, portal string, key authz.Key) (*E, error) {
	if x := w[portal]; x != nil {
		if e, ok := x.entities[key].(*E); ok {
			return e, nil
		}
	}
	return nil, authz.Errorf(authz.NotFound, "portal %q has no %s", portal, key)
}

// User returns the user with the id.
func (w Worlds) User(_ context.Context, portal, _, id string) (*authz.User, error) {
	return lookUp[authz.User](w, portal, authz.Key{Kind: authz.UserEntity, ID: id})
}

// Account returns the account with the id.
func (w Worlds) Account(_ context.Context, portal, _, id string) (*authz.Account, error) {
	return lookUp[authz.Account](w, portal, authz.Key{Kind: authz.AccountEntity, ID: id})
}

// Contact returns the contact with the id.
func (w Worlds) Contact(_ context.Context, portal, _, id string) (*authz.Contact, error) {
	return lookUp[authz.Contact](w, portal, authz.Key{Kind: authz.ContactEntity, ID: id})
}

// Record returns the record with the type and the id.
func (w Worlds) Record(_ context.Context, portal, _, typ, id string) (*authz.Record, error) {
	return lookUp[authz.Record](w, portal, authz.Key{Kind: authz.RecordEntity, Of: typ, ID: id})
}

// SameLogin returns the number of active users with the login, as authz.FoldLogin
// compares it, but for except.
func (w Worlds) SameLogin(_ context.Context, portal, _, login, except string) (int, error) {
	n := 0
	if x := w[portal]; x != nil {
		for _, u := range x.logins[authz.FoldLogin(login)] {
			if u.ID != except {
				n++
			}
		}
	}
	return n, nil
}

// UsersOfContact returns the users of the contact in the order of their ids. More
// than authz.MaxUsersOfContact are an authz.TooLarge error.
func (w Worlds) UsersOfContact(_ context.Context, portal, _, contact string) ([]*authz.User, error) {
	x := w[portal]
	if x == nil || contact == "" {
		return nil, nil
	}
	found := x.usersWith(func(u *authz.User) bool { return u.Contact == contact })
	if len(found) > authz.MaxUsersOfContact {
		return nil, authz.Errorf(authz.TooLarge, "contact %q has more than %d users", contact, authz.MaxUsersOfContact)
	}
	return found, nil
}

// UsersOfType returns the users of the user type in the order of their ids. More than
// authz.MaxUsersOfType are an authz.TooLarge error.
func (w Worlds) UsersOfType(_ context.Context, portal, _, userType string) ([]*authz.User, error) {
	x := w[portal]
	if x == nil {
		return []*authz.User{}, nil
	}
	found := x.usersWith(func(u *authz.User) bool { return u.UserType == userType })
	if len(found) > authz.MaxUsersOfType {
		return nil, authz.Errorf(authz.TooLarge, "there are more than %d users of type %q", authz.MaxUsersOfType, userType)
	}
	return found, nil
}

// usersWith returns the users of whom is holds, in the order of their ids; never nil.
func (x *worldIndex) usersWith(is func(*authz.User) bool) []*authz.User {
	found := []*authz.User{}
	for i := range x.world.Users {
		if u := &x.world.Users[i]; is(u) {
			found = append(found, u)
		}
	}
	slices.SortFunc(found, func(a, b *authz.User) int { return cmp.Compare(a.ID, b.ID) })
	return found
}

// Count returns how many entities there are. Screens are not counted here: they
// are configuration.
func (w Worlds) Count(_ context.Context, portal, _ string, c authz.Count) (int, error) {
	x := w[portal]
	if x == nil {
		return 0, authz.Errorf(authz.NotFound, "there is no portal %q", portal)
	}
	users := func(is func(*authz.User) bool) (n int) {
		for i := range x.world.Users {
			if u := &x.world.Users[i]; u.Active && u.ID != c.Except && is(u) {
				n++
			}
		}
		return n
	}
	accounts := func(count func(*authz.Account) int) (n int) {
		for i := range x.world.Accounts {
			if a := &x.world.Accounts[i]; a.ID != c.Except {
				n += count(a)
			}
		}
		return n
	}
	switch c.Name {
	case authz.CountUsers:
		return users(func(*authz.User) bool { return true }), nil
	case authz.CountUsersOfType:
		return users(func(u *authz.User) bool { return u.UserType == c.Of }), nil
	case authz.CountUsersOfAccount:
		return users(func(u *authz.User) bool { return u.Account == c.Of }), nil
	case authz.CountAccountsOfOwner:
		return accounts(func(a *authz.Account) int {
			if a.Owner == c.Of {
				return 1
			}
			return 0
		}), nil
	case authz.CountPositions:
		return accounts((*authz.Account).PositionsOf), nil
	}
	return 0, authz.Errorf(authz.Invalid, "the store does not count %q", c.Name)
}
