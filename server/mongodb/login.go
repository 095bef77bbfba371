package mongodb

import (
	"context"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// maxLoginMaps bounds of how many portals the logins are kept.
const maxLoginMaps = 8

// logins are the active users of portals by login, for the embedded database,
// which would scan all users for each answer. Each map is good for one revision.
type logins struct {
	mu    sync.Mutex // held while a map is made, so that it is made once
	known map[string]loginMap
}

type loginMap struct {
	scope    scope
	revision int64
	users    map[string][]string
}

// SameLogin counts the active users of the portal, other than except, that have
// this login, as authz.FoldLogin compares it; users without a login have it in
// common with nobody. An empty generation stands for the current one.
func (s *Store) SameLogin(ctx context.Context, portal, generation, login, except string) (int, error) {
	if authz.FoldLogin(login) == "" {
		return 0, nil
	}
	sc, err := s.resolve(ctx, scope{portal, generation})
	if err != nil {
		return 0, err
	}
	n, err := s.countLogin(ctx, sc, login, except)
	if err != nil {
		return 0, unavailable("read", err)
	}
	return n, s.still(ctx, sc)
}

func (s *Store) countLogin(ctx context.Context, sc scope, login, except string) (int, error) {
	if s.opts.Embedded {
		return s.countKnown(ctx, sc, login, except)
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	n, err := s.db.Collection(users).CountDocuments(ctx, append(sc.but(except), active(), hasLogin(login)))
	return int(n), err
}

func active() bson.E { return bson.E{Key: "active", Value: true} }

// hasLogin matches the users with the login. One whom another program has stored
// has no login_key, and counts when the login is written alike.
func hasLogin(login string) bson.E {
	folded := authz.FoldLogin(login)
	return bson.E{Key: "$or", Value: bson.A{
		bson.D{{Key: "login_key", Value: folded}},
		bson.D{{Key: "login", Value: bson.D{{Key: "$in", Value: bson.A{login, folded}}}}},
	}}
}

// still fails when the generation is no longer kept: a count over what is being
// swept is too low.
func (s *Store) still(ctx context.Context, sc scope) error {
	h, err := s.current(ctx, sc.portal)
	if err != nil {
		return err
	}
	if !h.readable(sc.generation) {
		return replaced(sc.portal)
	}
	return nil
}

func (s *Store) countKnown(ctx context.Context, sc scope, login, except string) (int, error) {
	s.logins.mu.Lock()
	defer s.logins.mu.Unlock()
	h, err := s.current(ctx, sc.portal)
	if err != nil {
		return 0, err
	}
	m, ok := s.logins.known[sc.portal]
	if !ok || m.scope != sc || m.revision != h.Revision {
		if m, err = s.loginsOf(ctx, sc, h.Revision); err != nil {
			return 0, err
		}
		s.logins.keep(m)
	}
	n := 0
	for _, id := range m.users[authz.FoldLogin(login)] {
		if id != except {
			n++
		}
	}
	return n, nil
}

func (l *logins) keep(m loginMap) {
	if l.known == nil {
		l.known = make(map[string]loginMap)
	}
	for p := range l.known {
		if len(l.known) < maxLoginMaps {
			break
		}
		delete(l.known, p)
	}
	l.known[m.scope.portal] = m
}

// follow brings the portal's map to where a write took the portal, or leaves it to be
// made anew. It never waits for one that is being made, which may have the write
// already: what it does, it can do twice.
func (l *logins) follow(from, to authz.PortalRevision, changes []authz.EntityWrite) {
	if !l.mu.TryLock() {
		return
	}
	defer l.mu.Unlock()
	m, ok := l.known[to.ID]
	if !ok || m.scope != (scope{from.ID, from.Generation}) || m.revision != from.Revision || to.Generation != from.Generation {
		return
	}
	for i := range changes {
		if c := &changes[i]; c.Entity.Kind == authz.UserEntity {
			m.move(c.Entity.ID, loginOf(c.Old), loginOf(c.New))
		}
	}
	m.revision = to.Revision
	l.known[to.ID] = m
}

// loginOf returns the folded login that an active user has; none of what is not one.
func loginOf(e authz.Stored) string {
	if u, ok := e.(authz.User); ok && u.Active {
		return authz.FoldLogin(u.Login)
	}
	return ""
}

// move takes the user from one login to another; "" is none.
func (m *loginMap) move(id, from, to string) {
	if from != "" {
		m.users[from] = slices.DeleteFunc(m.users[from], func(x string) bool { return x == id })
		if len(m.users[from]) == 0 {
			delete(m.users, from)
		}
	}
	if to != "" && !slices.Contains(m.users[to], id) {
		m.users[to] = append(m.users[to], id)
	}
}

func (s *Store) loginsOf(ctx context.Context, sc scope, revision int64) (loginMap, error) {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	m := loginMap{scope: sc, revision: revision, users: make(map[string][]string)}
	err := scan(ctx, s, users, sc, func(d *userDoc) error {
		if login := authz.FoldLogin(d.Login); d.Active && login != "" {
			m.users[login] = append(m.users[login], sc.key(d.Meta.ID))
		}
		return nil
	})
	return m, err
}
