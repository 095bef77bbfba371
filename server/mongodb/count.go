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
	found, more, err := s.usersWith(ctx, sc, "contact", contact, authz.MaxUsersOfContact)
	if err != nil {
		return nil, err
	}
	if more {
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
	found, more, err := s.usersWith(ctx, sc, "user_type", userType, authz.MaxUsersOfType)
	if err != nil {
		return nil, err
	}
	if more {
		return nil, authz.Errorf(authz.TooLarge, "there are more than %d users of type %q", authz.MaxUsersOfType, userType)
	}
	return found, s.still(ctx, sc)
}

// usersWith returns the users who have the value in the field, "contact" or "user_type",
// by id, or says that there are more than limit.
func (s *Store) usersWith(ctx context.Context, sc scope, field, value string, limit int) (found []*authz.User, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	docs, err := s.docsWith(ctx, sc, field, value, limit)
	if err != nil {
		return nil, false, unavailable("read", err)
	}
	found = make([]*authz.User, len(docs))
	for i, d := range docs {
		u := d.entity(sc.key(d.Meta.ID))
		found[i] = &u
	}
	return found, len(found) > limit, nil
}

// docsWith returns up to one more than limit of the users who have the value in the field.
func (s *Store) docsWith(ctx context.Context, sc scope, field, value string, limit int) (docs []userDoc, err error) {
	if s.opts.Embedded {
		return s.rosterDocs(ctx, sc, field, value, limit)
	}
	filter := append(sc.all(), bson.E{Key: field, Value: value})
	opts := options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit) + 1)
	cur, err := s.db.Collection(users).Find(ctx, filter, opts)
	if err != nil {
		return nil, err
	}
	return docs, cur.All(ctx, &docs)
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

// count asks a server, which counts on an index, or the roster.
func (s *Store) count(ctx context.Context, sc scope, c authz.Count) (int, error) {
	switch c.Name {
	case authz.CountPositions:
		return s.positions(ctx, sc, c.Except)
	case authz.CountUsers:
		return s.countUsers(ctx, sc, c, "", func(*userLine) bool { return true })
	case authz.CountUsersOfType:
		return s.countUsers(ctx, sc, c, "user_type", func(u *userLine) bool { return u.userType == c.Of })
	case authz.CountUsersOfAccount:
		return s.countUsers(ctx, sc, c, "account", func(u *userLine) bool { return u.account == c.Of })
	case authz.CountAccountsOfOwner:
		return s.countAccounts(ctx, sc, c)
	}
	return 0, authz.Errorf(authz.Invalid, "the store does not count %q", c.Name)
}

// countUsers counts the active users, of those whose field says c.Of where one is
// named.
func (s *Store) countUsers(ctx context.Context, sc scope, c authz.Count, field string, of func(*userLine) bool) (n int, err error) {
	if s.opts.Embedded {
		err = s.ofUsers(ctx, sc, func(r *roster) { n = r.countUsers(c.Except, of) })
		return n, err
	}
	filter := append(sc.but(c.Except), active())
	if field != "" {
		filter = append(filter, bson.E{Key: field, Value: c.Of})
	}
	counted, err := s.db.Collection(users).CountDocuments(ctx, filter)
	return int(counted), err
}

func (s *Store) countAccounts(ctx context.Context, sc scope, c authz.Count) (n int, err error) {
	if s.opts.Embedded {
		err = s.ofAccounts(ctx, sc, func(r *roster) {
			n = r.addAccounts(c.Except, func(a *accountLine) int { return tally(a.owner == c.Of) })
		})
		return n, err
	}
	counted, err := s.db.Collection(accounts).CountDocuments(ctx, append(sc.but(c.Except), bson.E{Key: "owner", Value: c.Of}))
	return int(counted), err
}

// positions adds up the lists of all accounts.
func (s *Store) positions(ctx context.Context, sc scope, except string) (n int, err error) {
	if s.opts.Embedded {
		err = s.ofAccounts(ctx, sc, func(r *roster) {
			n = r.addAccounts(except, func(a *accountLine) int { return a.positions })
		})
		return n, err
	}
	err = scan(ctx, s, accounts, sc, func(d *accountDoc) error {
		if a := d.entity(sc.key(d.Meta.ID)); except == "" || a.ID != except {
			n += a.PositionsOf()
		}
		return nil
	})
	return n, err
}

// tally counts a thing that is, and not one that is not.
func tally(is bool) int {
	if is {
		return 1
	}
	return 0
}
