package pdp

import (
	"context"
	"errors"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
)

// Directory reads stored entities by the portal, the generation of its data and
// the id. What does not exist is an authz.NotFound error; any other error means
// that the store cannot say.
type Directory interface {
	User(ctx context.Context, portal, generation, id string) (*authz.User, error)
	Account(ctx context.Context, portal, generation, id string) (*authz.Account, error)
	Contact(ctx context.Context, portal, generation, id string) (*authz.Contact, error)
	Record(ctx context.Context, portal, generation, typ, id string) (*authz.Record, error)
	// SameLogin returns the number of other active users of the portal with the
	// login, as authz.FoldLogin compares it; an empty login is nobody's.
	SameLogin(ctx context.Context, portal, generation, login, except string) (int, error)
	// UsersOfContact returns the users of the contact in the order of their ids, or
	// an authz.TooLarge error for more than authz.MaxUsersOfContact.
	UsersOfContact(ctx context.Context, portal, generation, contact string) ([]*authz.User, error)
	// UsersOfType returns the users of the user type in the order of their ids, not
	// nil when there are none, or an authz.TooLarge error and none for more than
	// authz.MaxUsersOfType.
	UsersOfType(ctx context.Context, portal, generation, userType string) ([]*authz.User, error)
	// Count returns how many entities there are, of all that authz.CountNames names
	// but screens.
	Count(ctx context.Context, portal, generation string, c authz.Count) (int, error)
}

// loadTimeout bounds a read whose question has no deadline of its own, or a later
// one.
const loadTimeout = 5 * time.Second

// entityKey names an entity as a line of views has it since a write. No view that
// comes after a write looks under the keys of those before it, so that a read which
// the write overtakes is kept where nobody finds it.
type entityKey struct {
	view    *viewKey
	kind    authz.EntityKind
	typ, id string
	since   int64 // number of the view with the last write; 0: none
}

// entity is one stored entity, in the member of its kind; all are nil for one
// that does not exist, which is worth keeping too.
type entity struct {
	principal *engine.Principal
	contact   *authz.ContactFacts
	account   *authz.AccountFacts
	record    *authz.RecordFacts

	// Of a principal: the folded login, and the number of the view that it was read for.
	login string
	view  int64
}

// directory reads through a cache.
type directory struct {
	source Directory
	cache  *otter.Cache[entityKey, entity]
}

func newDirectory(source Directory, size int) (*directory, error) {
	cache, err := otter.New(&otter.Options[entityKey, entity]{MaximumSize: size})
	if err != nil {
		return nil, err
	}
	return &directory{source: source, cache: cache}, nil
}

// get returns the entity of key as the view has it, which is read when it is not cached.
// What is not found is kept as nothing; an error is not kept. A user is stated at now.
func (d *directory) get(ctx context.Context, v *View, key entityKey, now time.Time) (entity, error) {
	if e, ok := d.cache.GetIfPresent(key); ok {
		return e, nil
	}
	return d.cache.Get(ctx, key, otter.LoaderFunc[entityKey, entity](func(ctx context.Context, key entityKey) (entity, error) {
		ctx, cancel := shared(ctx)
		defer cancel()
		e, err := d.read(ctx, v, key, now)
		if err != nil && authz.KindOf(err) == authz.NotFound {
			return entity{}, nil
		}
		return e, err
	}))
}

// read reads what key names from the source.
func (d *directory) read(ctx context.Context, v *View, key entityKey, now time.Time) (entity, error) {
	switch key.kind {
	case authz.UserEntity:
		return d.readUser(ctx, v, key.id, now)
	case authz.ContactEntity:
		c, err := d.source.Contact(ctx, v.key.portal, v.Generation, key.id)
		return entity{contact: &authz.ContactFacts{Contact: c}}, err
	case authz.AccountEntity:
		a, err := d.source.Account(ctx, v.key.portal, v.Generation, key.id)
		return entity{account: &authz.AccountFacts{Account: a}}, err
	}
	r, err := d.readRecord(ctx, v, key.typ, key.id)
	return entity{record: &authz.RecordFacts{Record: r}}, err
}

// shared returns the context of a read that several questions may be waiting for.
// It does not end with whoever asked first and left. It does end at that one's
// deadline, and strictly after it: only then does the cache see why the read
// failed, and has those who joined read again.
func shared(asker context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(asker), loadTimeout)
	stop := context.AfterFunc(asker, func() {
		if errors.Is(asker.Err(), context.DeadlineExceeded) {
			cancel()
		}
	})
	return ctx, func() { stop(); cancel() }
}

// principal returns the user with what follows from it, or nil when the portal has none.
func (d *directory) principal(ctx context.Context, v *View, id string, now time.Time) (*engine.Principal, error) {
	e, err := d.user(ctx, v, id, v.written(id), now)
	if err != nil || e.principal == nil || !v.Reads.Logins {
		return e.principal, err
	}
	if since := v.rewritten(e.login); since > e.view {
		e, err = d.user(ctx, v, id, since, now) // the login is as it was; who else has it is not
	}
	return e.principal, err
}

func (d *directory) user(ctx context.Context, v *View, id string, since int64, now time.Time) (entity, error) {
	return d.get(ctx, v, entityKey{v.principals, authz.UserEntity, "", id, since}, now)
}

func (d *directory) readUser(ctx context.Context, v *View, id string, now time.Time) (entity, error) {
	u, err := d.source.User(ctx, v.key.portal, v.Generation, id)
	if err != nil {
		return entity{}, err
	}
	same := 0
	if v.Reads.Logins {
		if same, err = d.source.SameLogin(ctx, v.key.portal, v.Generation, u.Login, u.ID); err != nil {
			return entity{}, err
		}
	}
	return entity{principal: v.Snapshot.Principal(u, now, same), login: authz.FoldLogin(u.Login), view: v.number}, nil
}

func (d *directory) contact(ctx context.Context, v *View, id string) (*authz.ContactFacts, error) {
	if id == "" {
		return nil, nil
	}
	e, err := d.get(ctx, v, entityKey{v.key, authz.ContactEntity, "", id, v.written(id)}, time.Time{})
	return e.contact, err
}

func (d *directory) account(ctx context.Context, v *View, id string) (*authz.AccountFacts, error) {
	if id == "" {
		return nil, nil
	}
	e, err := d.get(ctx, v, entityKey{v.key, authz.AccountEntity, "", id, v.written(id)}, time.Time{})
	return e.account, err
}

// record returns the stored record; contacts and accounts are shown as records of
// those types.
func (d *directory) record(ctx context.Context, v *View, typ, id string) (*authz.RecordFacts, error) {
	e, err := d.get(ctx, v, entityKey{v.key, authz.RecordEntity, typ, id, v.written(id)}, time.Time{})
	return e.record, err
}

func (d *directory) readRecord(ctx context.Context, v *View, typ, id string) (*authz.Record, error) {
	switch authz.EntityKind(typ) {
	case authz.ContactEntity:
		c, err := d.source.Contact(ctx, v.key.portal, v.Generation, id)
		if err != nil {
			return nil, err
		}
		return &authz.Record{Type: typ, ID: c.ID, Account: c.Account, Contact: c.ID, Flags: c.Flags, Properties: c.Attributes}, nil
	case authz.AccountEntity:
		a, err := d.source.Account(ctx, v.key.portal, v.Generation, id)
		if err != nil {
			return nil, err
		}
		return &authz.Record{Type: typ, ID: a.ID, Account: a.ID, Owner: a.Owner, Flags: a.Flags, Properties: a.Attributes}, nil
	}
	return d.source.Record(ctx, v.key.portal, v.Generation, typ, id)
}
