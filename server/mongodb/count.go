package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// UsersOfContact returns the users of the contact in the order of their ids, for
// the judgement of changes. More than authz.MaxUsersOfContact are an
// authz.TooLarge error. An empty generation stands for the current one.
func (s *Store) UsersOfContact(ctx context.Context, portal, generation, contact string) ([]*authz.User, error) {
	if contact == "" {
		return nil, nil
	}
	sc, err := s.resolve(ctx, scope{portal, generation})
	if err != nil {
		return nil, err
	}
	found, err := s.usersWith(ctx, sc, "contact", contact, authz.MaxUsersOfContact)
	if err != nil {
		return nil, err
	}
	if len(found) > authz.MaxUsersOfContact {
		return nil, authz.Errorf(authz.TooLarge, "contact %q has more than %d users", contact, authz.MaxUsersOfContact)
	}
	return found, s.still(ctx, sc)
}

// UsersOfType returns the users of the user type in the order of their ids, for the
// judgement of changes; never nil without an error. More than authz.MaxUsersOfType
// are an authz.TooLarge error. An empty generation stands for the current one.
func (s *Store) UsersOfType(ctx context.Context, portal, generation, userType string) ([]*authz.User, error) {
	sc, err := s.resolve(ctx, scope{portal, generation})
	if err != nil {
		return nil, err
	}
	found, err := s.usersWith(ctx, sc, "user_type", userType, authz.MaxUsersOfType)
	if err != nil {
		return nil, err
	}
	if len(found) > authz.MaxUsersOfType {
		return nil, authz.Errorf(authz.TooLarge, "there are more than %d users of type %q", authz.MaxUsersOfType, userType)
	}
	return found, s.still(ctx, sc)
}

// usersWith returns the users who have the value in the field, by id, and one more
// than limit at most.
func (s *Store) usersWith(ctx context.Context, sc scope, field, value string, limit int64) ([]*authz.User, error) {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	filter := append(sc.all(), bson.E{Key: field, Value: value})
	opts := options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(limit + 1)
	cur, err := s.db.Collection(users).Find(ctx, filter, opts)
	if err != nil {
		return nil, unavailable("read", err)
	}
	var docs []userDoc
	if err := cur.All(ctx, &docs); err != nil {
		return nil, unavailable("read", err)
	}
	found := make([]*authz.User, len(docs))
	for i := range docs {
		u := docs[i].entity(sc.key(docs[i].Meta.ID))
		found[i] = &u
	}
	return found, nil
}

// Count returns how many entities there are, for the judgement of changes. Screens
// are not counted here: they are configuration. An empty generation stands for the
// current one.
func (s *Store) Count(ctx context.Context, portal, generation string, c authz.Count) (int, error) {
	sc, err := s.resolve(ctx, scope{portal, generation})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	n, err := s.count(ctx, sc, c)
	if err != nil {
		return 0, unavailable("read", err)
	}
	return n, s.still(ctx, sc)
}

// count asks a server, which counts on an index; the embedded database would scan
// whatever it is asked, and is scanned here.
func (s *Store) count(ctx context.Context, sc scope, c authz.Count) (int, error) {
	switch c.Name {
	case authz.CountPositions:
		return s.positions(ctx, sc, c.Except)
	case authz.CountUsers:
		return s.countUsers(ctx, sc, c, "", nil)
	case authz.CountUsersOfType:
		return s.countUsers(ctx, sc, c, "user_type", func(d *userDoc) string { return d.UserType })
	case authz.CountUsersOfAccount:
		return s.countUsers(ctx, sc, c, "account", func(d *userDoc) string { return d.Account })
	case authz.CountAccountsOfOwner:
		return s.countAccounts(ctx, sc, c)
	}
	return 0, authz.Errorf(authz.Invalid, "the store does not count %q", c.Name)
}

// countUsers counts the active users, of those whose field says c.Of where one is
// named.
func (s *Store) countUsers(ctx context.Context, sc scope, c authz.Count, field string, of func(*userDoc) string) (int, error) {
	if s.opts.Embedded {
		return countIn(ctx, s, users, sc, c.Except, func(d *userDoc) (string, int) {
			return d.Meta.ID, tally(d.Active && (of == nil || of(d) == c.Of))
		})
	}
	filter := append(sc.but(c.Except), active())
	if of != nil {
		filter = append(filter, bson.E{Key: field, Value: c.Of})
	}
	n, err := s.db.Collection(users).CountDocuments(ctx, filter)
	return int(n), err
}

func (s *Store) countAccounts(ctx context.Context, sc scope, c authz.Count) (int, error) {
	if s.opts.Embedded {
		return countIn(ctx, s, accounts, sc, c.Except, func(d *accountDoc) (string, int) { return d.Meta.ID, tally(d.Owner == c.Of) })
	}
	n, err := s.db.Collection(accounts).CountDocuments(ctx, append(sc.but(c.Except), bson.E{Key: "owner", Value: c.Of}))
	return int(n), err
}

// positions adds up the lists of all accounts.
func (s *Store) positions(ctx context.Context, sc scope, except string) (int, error) {
	return countIn(ctx, s, accounts, sc, except, func(d *accountDoc) (string, int) {
		a := d.entity("")
		return d.Meta.ID, a.PositionsOf()
	})
}

// countIn adds up what each document of the scope counts, but for the one named.
func countIn[D any](ctx context.Context, s *Store, collection string, sc scope, except string, each func(*D) (id string, n int)) (int, error) {
	total := 0
	err := scan(ctx, s, collection, sc, func(d *D) error {
		if id, n := each(d); except == "" || sc.key(id) != except {
			total += n
		}
		return nil
	})
	return total, err
}

// tally counts a thing that is, and not one that is not.
func tally(is bool) int {
	if is {
		return 1
	}
	return 0
}
