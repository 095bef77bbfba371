package mongodb

import (
	"context"
	"slices"
	"sync"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// maxRosters bounds of how many portals rosters are kept.
const maxRosters = 8

// rosters are what is asked of all users and accounts of portals, for the embedded
// database, which would scan them for each answer.
type rosters struct {
	mu    sync.Mutex
	known map[string]*roster // by portal
}

// roster has the users and accounts of one revision by id. Those that nobody has asked for
// are nil.
type roster struct {
	mu       sync.Mutex // held while it is filled, so that it is filled once
	scope    scope
	revision int64
	users    map[string]userLine
	logins   map[string][]string // active users by folded login
	contacts map[string][]string // users by contact
	accounts map[string]accountLine
}

type userLine struct {
	active                            bool
	login, contact, userType, account string // login is folded, and "" of who is not active
}

func userLineOf(u *authz.User) userLine {
	l := userLine{active: u.Active, contact: u.Contact, userType: u.UserType, account: u.Account}
	if u.Active {
		l.login = authz.FoldLogin(u.Login)
	}
	return l
}

type accountLine struct {
	owner     string
	positions int
}

func accountLineOf(a *authz.Account) accountLine { return accountLine{a.Owner, a.PositionsOf()} }

// ofUsers calls ask with the portal's roster as it is now, in which users are.
func (s *Store) ofUsers(ctx context.Context, sc scope, ask func(*roster)) error {
	return s.rosters.ask(ctx, s, sc, func(ctx context.Context, r *roster) error {
		if r.users != nil {
			return nil
		}
		found := &roster{users: map[string]userLine{}, logins: map[string][]string{}, contacts: map[string][]string{}}
		err := scan(ctx, s, users, sc, func(d *userDoc) error {
			u := d.entity(sc.key(d.Meta.ID))
			found.setUser(u.ID, userLineOf(&u), true)
			return nil
		})
		if err == nil {
			r.users, r.logins, r.contacts = found.users, found.logins, found.contacts
		}
		return err
	}, ask)
}

// ofAccounts calls ask with the portal's roster as it is now, in which accounts are.
func (s *Store) ofAccounts(ctx context.Context, sc scope, ask func(*roster)) error {
	return s.rosters.ask(ctx, s, sc, func(ctx context.Context, r *roster) error {
		if r.accounts != nil {
			return nil
		}
		found := map[string]accountLine{}
		err := scan(ctx, s, accounts, sc, func(d *accountDoc) error {
			a := d.entity(sc.key(d.Meta.ID))
			found[a.ID] = accountLineOf(&a)
			return nil
		})
		if err == nil {
			r.accounts = found
		}
		return err
	}, ask)
}

func (all *rosters) ask(ctx context.Context, s *Store, sc scope, fill func(context.Context, *roster) error, ask func(*roster)) error {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	r := all.of(sc.portal)
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := s.current(ctx, sc.portal)
	if err != nil {
		return err
	}
	if r.scope != sc || r.revision != h.Revision {
		r.scope, r.revision = sc, h.Revision
		r.users, r.logins, r.contacts, r.accounts = nil, nil, nil, nil
	}
	if err := fill(ctx, r); err != nil {
		return err
	}
	ask(r)
	return nil
}

// of returns the roster of the portal, in the place of another's when there are too many.
func (all *rosters) of(portal string) *roster {
	all.mu.Lock()
	defer all.mu.Unlock()
	if r := all.known[portal]; r != nil {
		return r
	}
	if all.known == nil {
		all.known = make(map[string]*roster)
	}
	for p := range all.known {
		if len(all.known) < maxRosters {
			break
		}
		delete(all.known, p)
	}
	r := &roster{}
	all.known[portal] = r
	return r
}

// follow brings the portal's roster to where a write took the portal, or leaves it to be
// made anew. It never waits for one that is being made, which may have the write
// already: what it does, it can do twice.
func (all *rosters) follow(from, to authz.PortalRevision, changes []authz.EntityWrite) {
	all.mu.Lock()
	r := all.known[to.ID]
	all.mu.Unlock()
	if r == nil || !r.mu.TryLock() {
		return
	}
	defer r.mu.Unlock()
	if r.scope != (scope{from.ID, from.Generation}) || r.revision != from.Revision || to.Generation != from.Generation {
		return
	}
	for i := range changes {
		switch c := &changes[i]; c.Entity.Kind {
		case authz.UserEntity:
			u, there := c.New.(authz.User)
			if r.users != nil {
				r.setUser(c.Entity.ID, userLineOf(&u), there)
			}
		case authz.AccountEntity:
			a, there := c.New.(authz.Account)
			switch {
			case r.accounts == nil:
			case there:
				r.accounts[a.ID] = accountLineOf(&a)
			default:
				delete(r.accounts, c.Entity.ID)
			}
		}
	}
	r.revision = to.Revision
}

// setUser puts the user in the place of what is known of the id, or takes it away.
func (r *roster) setUser(id string, u userLine, there bool) {
	old := r.users[id]
	unlist(r.logins, old.login, id)
	unlist(r.contacts, old.contact, id)
	if !there {
		delete(r.users, id)
		return
	}
	r.users[id] = u
	enlist(r.logins, u.login, id)
	enlist(r.contacts, u.contact, id)
}

// enlist adds the id to those under the name; "" is none.
func enlist(by map[string][]string, name, id string) {
	if name != "" {
		by[name] = append(by[name], id)
	}
}

func unlist(by map[string][]string, name, id string) {
	if name == "" {
		return
	}
	by[name] = slices.DeleteFunc(by[name], func(x string) bool { return x == id })
	if len(by[name]) == 0 {
		delete(by, name)
	}
}

// countUsers counts the active users, but for the one named.
func (r *roster) countUsers(except string, counts func(*userLine) bool) (n int) {
	for id, u := range r.users {
		if u.active && id != except && counts(&u) {
			n++
		}
	}
	return n
}

// addAccounts adds up what each account counts, but for the one named.
func (r *roster) addAccounts(except string, counts func(*accountLine) int) (n int) {
	for id, a := range r.accounts {
		if id != except {
			n += counts(&a)
		}
	}
	return n
}

// others returns how many of the ids are not except.
func others(ids []string, except string) (n int) {
	for _, id := range ids {
		if id != except {
			n++
		}
	}
	return n
}

// rosterDocs returns up to one more than limit of the users who have the value in the
// field, "contact" or "user_type".
func (s *Store) rosterDocs(ctx context.Context, sc scope, field, value string, limit int) ([]userDoc, error) {
	if value == "" { // a server finds none without the field
		return nil, nil
	}
	var ids []string
	err := s.ofUsers(ctx, sc, func(r *roster) {
		if field == "contact" {
			ids = slices.Clone(r.contacts[value])
			return
		}
		for id, u := range r.users {
			if u.userType == value {
				ids = append(ids, id)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	keys := make([]authz.Key, min(len(ids), limit+1))
	for i := range keys {
		keys[i] = authz.Key{Kind: authz.UserEntity, ID: ids[i]}
	}
	found, err := several[userDoc](ctx, s, sc, authz.UserEntity, keys)
	if err != nil {
		return nil, err
	}
	docs := make([]userDoc, 0, len(keys))
	for _, k := range keys {
		// Another write may have come since.
		if d := found[sc.id(k)]; d != nil && (field == "contact" && d.Contact == value || field == "user_type" && d.UserType == value) {
			docs = append(docs, *d)
		}
	}
	return docs, nil
}
