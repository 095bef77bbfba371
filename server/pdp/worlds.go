package pdp

import (
	"context"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Worlds is a Directory on fixtures held in memory. Its generation is "".
type Worlds map[string]*worldIndex

// worldIndex holds pointers into one world, which nobody writes to.
type worldIndex struct {
	entities map[authz.Key]any
	logins   map[string][]*authz.User // active users by login
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
	x := &worldIndex{entities: make(map[authz.Key]any), logins: make(map[string][]*authz.User)}
	for i := range w.Users {
		u := &w.Users[i]
		x.entities[u.Key()] = u
		if u.Active {
			x.logins[u.Login] = append(x.logins[u.Login], u)
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

// SameLogin returns the number of active users with the login but for except.
func (w Worlds) SameLogin(_ context.Context, portal, _, login, except string) (int, error) {
	n := 0
	if x := w[portal]; x != nil {
		for _, u := range x.logins[login] {
			if u.ID != except {
				n++
			}
		}
	}
	return n, nil
}
