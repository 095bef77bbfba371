package pdp

import (
	"context"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
)

// Decider answers questions. It is safe for concurrent use.
type Decider struct {
	views  Views
	drafts drafts
	dir    *directory
	now    func() time.Time
}

// New returns a Decider on the published views and the entities of source, of
// which it caches at most size. The clock is now.
func New(views Views, source Directory, size int, now func() time.Time) (*Decider, error) {
	if size < 1 {
		return nil, authz.Errorf(authz.Invalid, "the cache of entities must hold at least one, got %d", size)
	}
	dir, err := newDirectory(source, size)
	if err != nil {
		return nil, authz.Errorf(authz.Internal, "the cache of entities cannot be made").Because(err)
	}
	return &Decider{views: views, dir: dir, now: now}, nil
}

// Decide answers qs, all put to one portal ("": the default), in order and into
// out, which is as long. All are decided on one view and for one moment, so that
// a change halfway cannot make two answers contradict each other. When stop is
// not nil it is asked after each decision and ends the batch when it returns true.
// It returns how many were answered.
//
// An unknown portal is an authz.NotFound error; a context that ended is an
// authz.Unavailable one.
func (d *Decider) Decide(ctx context.Context, portal string, qs []authz.Query, out []authz.Decision, stop func(*authz.Decision) bool) (int, error) {
	v, err := d.views.View(portal)
	if err != nil {
		return 0, err
	}
	now := d.now()
	for i := range qs {
		if err := ctx.Err(); err != nil {
			return i, authz.Errorf(authz.Unavailable, "the time for this request ran out after %d of %d decisions", i, len(qs)).Because(err)
		}
		q := &qs[i]
		q.Now = now
		out[i] = d.decide(ctx, v, q, nil)
		if stop != nil && stop(&out[i]) {
			return i + 1, nil
		}
	}
	return len(qs), nil
}

// decide answers one question. made is the call that it is about, when one is being
// made.
func (d *Decider) decide(ctx context.Context, v *View, q *authz.Query, made *call) authz.Decision {
	decision := authz.Refuse(v.Refusal, nil)
	if v.Snapshot != nil {
		switch ents, err := d.entities(ctx, v, q, made); {
		case err != nil:
			decision = authz.Refuse(authz.ReasonStoreUnavailable, err)
		default:
			decision = v.Snapshot.Decide(ctx, q, ents)
		}
	}
	decision.Revision, decision.Now = v.Revision, q.Now
	return decision
}

// subjectUser is the type of the subjects that are stored users.
const subjectUser = "user"

// entities reads what the question names.
func (d *Decider) entities(ctx context.Context, v *View, q *authz.Query, made *call) (ents engine.Entities, err error) {
	if q.Subject.Type == subjectUser {
		if ents.User, err = d.dir.principal(ctx, v, q.Subject.ID, q.Now); err != nil {
			return ents, err
		}
	}
	if actor, ok := q.Actor(); ok && actor != "" {
		if ents.Actor, err = d.dir.principal(ctx, v, actor, q.Now); err != nil {
			return ents, err
		}
	}
	ents.Fields = v.Reads.Fields
	switch {
	case q.IsCall():
		err = d.called(ctx, v, q, made, &ents)
		return ents, err
	case authz.NodeKind(q.Resource.Type).Valid():
		return ents, nil
	case authz.EntityKind(q.Resource.Type) == authz.UserEntity:
		err = d.target(ctx, v, q, &ents)
		return ents, err
	}
	if ents.Record, err = d.dir.record(ctx, v, q.Resource.Type, q.Resource.ID); err != nil || ents.Record == nil {
		return ents, err
	}
	err = d.around(ctx, v, ents.Record.Record, q.Now, &ents)
	return ents, err
}

// around reads what the record refers to, as far as the policy reads it.
func (d *Decider) around(ctx context.Context, v *View, r *authz.Record, now time.Time, ents *engine.Entities) (err error) {
	if ents.Account, err = d.dir.account(ctx, v, r.Account); err != nil {
		return err
	}
	if v.Reads.Contact {
		if ents.Contact, err = d.dir.contact(ctx, v, r.Contact); err != nil {
			return err
		}
	}
	if v.Reads.Owner && r.Owner != "" {
		if ents.Owner, err = d.dir.principal(ctx, v, r.Owner, now); err != nil {
			return err
		}
	}
	if up, ok := r.ParentKey(); ok && v.Reads.Parent {
		ents.Parent, err = d.dir.record(ctx, v, up.Of, up.ID)
	}
	return err
}

// target reads the user that is managed, or else the contact that the caller
// names for a new one.
func (d *Decider) target(ctx context.Context, v *View, q *authz.Query, ents *engine.Entities) error {
	p, err := d.dir.principal(ctx, v, q.Resource.ID, q.Now)
	if err != nil {
		return err
	}
	if p == nil {
		return d.targetContact(ctx, v, q, ents)
	}
	ents.Target = &authz.Target{User: p.User}
	if ents.Account, err = d.dir.account(ctx, v, p.Account); err != nil || !v.Reads.Contact {
		return err
	}
	ents.Contact, err = d.dir.contact(ctx, v, p.Contact)
	return err
}

func (d *Decider) targetContact(ctx context.Context, v *View, q *authz.Query, ents *engine.Entities) error {
	id, _ := q.Resource.Properties["contact"].(string)
	c, err := d.dir.contact(ctx, v, id)
	if err != nil || c == nil {
		return err
	}
	ents.Target = &authz.Target{Contact: c.Contact}
	if v.Reads.Contact {
		ents.Contact = c
	}
	ents.Account, err = d.dir.account(ctx, v, c.Account)
	return err
}
