package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
)

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

func (s *Store) countLogin(ctx context.Context, sc scope, login, except string) (count int, err error) {
	if s.opts.Embedded {
		err = s.ofUsers(ctx, sc, func(r *roster) { count = others(r.logins[authz.FoldLogin(login)], except) })
		return count, err
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
