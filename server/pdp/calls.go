package pdp

import (
	"context"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
)

// call is an administration call that is being made, with what it finds and what it
// leaves. Either may be nil.
type call struct{ before, after authz.Stored }

// DecideCall answers whether an administration call may be made: q as for
// [Decider.Decide], about the entity that the call finds and leaves as before and
// after, each nil where it does not exist. They are stated to the policy, and
// nothing is looked up in their place. portal "" is the default one.
//
// Of a call about a right that is one of many, with q.Alike, anyRole reports that the
// answer is the same for the right of any other role at the node from and to the same
// levels, as long as the subject, the context and the configuration are. It may be false
// where that is not known.
//
// A question that is about no call, or about another entity than the two, is an
// authz.Invalid error, and an unknown portal authz.NotFound. Whatever else goes wrong
// denies.
func (d *Decider) DecideCall(ctx context.Context, portal string, q authz.Query, before, after authz.Stored) (decision authz.Decision, anyRole bool, err error) {
	if !q.IsCall() {
		return decision, false, authz.Errorf(authz.Invalid, "is no administration call: want admin:read, admin:create, admin:update or admin:delete").At("action.name")
	}
	for _, s := range []authz.Stored{before, after} {
		if err := named(&q, s); err != nil {
			return decision, false, err
		}
	}
	v, err := d.views.View(portal)
	if err != nil {
		return decision, false, err
	}
	q.Now = d.now()
	decision = d.decide(ctx, v, &q, &call{before, after})
	return decision, decision.Err == nil && v.anyRole(&q, before, after), nil
}

// named returns an error when the resource of q is not s. A judgement of one entity
// must not let another be written.
func named(q *authz.Query, s authz.Stored) error {
	if s == nil {
		return nil
	}
	if !authz.IsStored(s) {
		return authz.Errorf(authz.Invalid, "%T is no stored entity", s)
	}
	if r := authz.CallResource(s.Key()); r.Type != q.Resource.Type || r.ID != q.Resource.ID {
		return authz.Errorf(authz.Invalid, "the call is about %s, but the question is not: ask about it", s.Key()).At("resource")
	}
	return nil
}

// called states what a call is about, and reads what that refers to. Of a call that
// is not being made, what is stored is what it would find.
func (d *Decider) called(ctx context.Context, v *View, q *authz.Query, made *call, ents *engine.Entities) (err error) {
	var t authz.Target
	var entity bool
	if t.Key, entity = made.key(q); !entity {
		return nil
	}
	if made != nil {
		t.Before, t.After = made.before, made.after
	} else if t.Before, err = d.stored(ctx, v, t.Key, q.Now); err != nil {
		return err
	}
	ents.Target = &t
	switch e := t.Before.(type) {
	case authz.User:
		t.User = &e
	case authz.Contact:
		t.Contact = &e
	case authz.Record:
		ents.Record = &authz.RecordFacts{Record: &e}
	}
	rightOf(v, &t)
	return d.aroundCall(ctx, v, q.Now, ents)
}

// rightOf states what lies below the node of a right, and the levels that its role
// has there.
func rightOf(v *View, t *authz.Target) {
	if t.Key.Kind != authz.RightEntity {
		return
	}
	if v.Reads.Node || v.Reads.Levels { // levels are shown where there is a node
		t.Node = v.Snapshot.Node(t.Key.ID)
	}
	if v.Reads.Levels {
		t.Levels = v.Snapshot.LevelsOf(t.Key.Of, t.Key.ID)
	}
}

// key returns the entity that the question is about, and false when it is about
// none.
func (c *call) key(q *authz.Query) (authz.Key, bool) {
	switch {
	case c != nil && c.before != nil:
		return c.before.Key(), true
	case c != nil && c.after != nil:
		return c.after.Key(), true
	}
	return authz.CallKey(q.Resource)
}

// stored returns the user, account, contact or record as it is, and nil when there
// is none, or for what is configuration.
func (d *Decider) stored(ctx context.Context, v *View, k authz.Key, now time.Time) (s authz.Stored, err error) {
	var e entity
	switch k.Kind {
	case authz.UserEntity:
		e.principal, err = d.dir.principal(ctx, v, k.ID, now)
	case authz.AccountEntity:
		e.account, err = d.dir.account(ctx, v, k.ID)
	case authz.ContactEntity:
		e.contact, err = d.dir.contact(ctx, v, k.ID)
	case authz.RecordEntity:
		e.record, err = d.dir.record(ctx, v, k.Of, k.ID)
	}
	if err != nil {
		return nil, err
	}
	return e.stored(), nil
}

// stored returns what the entity holds, or nil when it holds nothing.
func (e *entity) stored() authz.Stored {
	switch {
	case e.principal != nil:
		return *e.principal.User
	case e.account != nil:
		return *e.account.Account
	case e.contact != nil:
		return *e.contact.Contact
	case e.record != nil:
		return *e.record.Record
	}
	return nil
}

// aroundCall reads what the entity refers to that is there, or else the one that is
// to be there.
func (d *Decider) aroundCall(ctx context.Context, v *View, now time.Time, ents *engine.Entities) (err error) {
	s := ents.Target.Before
	if s == nil {
		s = ents.Target.After
	}
	var contact, account string
	switch e := s.(type) {
	case authz.Record:
		return d.around(ctx, v, &e, now, ents)
	case authz.User:
		contact, account = e.Contact, e.Account
	case authz.Contact:
		contact, account = e.ID, e.Account
	case authz.Account:
		account = e.ID
	}
	if ents.Account, err = d.dir.account(ctx, v, account); err != nil || !v.Reads.Contact {
		return err
	}
	ents.Contact, err = d.dir.contact(ctx, v, contact)
	return err
}
