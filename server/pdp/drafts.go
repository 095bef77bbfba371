package pdp

import (
	"context"
	"sync/atomic"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Drafter makes views of configurations that are not published, under the policies
// in force. Views that are none have no drafts: nothing is judged by any.
type Drafter interface {
	// Draft returns the view of b, which nobody may write to afterwards. base is the
	// published view of the portal, nil for a portal that has none.
	Draft(base *View, b *authz.Bundle) (View, error)
}

// drafts keep the newest draft: the changes of one write are judged by the same.
type drafts struct{ newest atomic.Pointer[draft] }

type draft struct {
	of   *authz.Bundle
	view *View
}

// draft returns the view of a configuration that is not published.
func (d *Decider) draft(base *View, b *authz.Bundle) (*View, error) {
	if kept := d.drafts.newest.Load(); kept != nil && kept.of == b {
		return kept.view, nil
	}
	drafter, ok := d.views.(Drafter)
	if !ok {
		return nil, authz.Errorf(authz.Internal, "there are no drafts of what is published")
	}
	v, err := drafter.Draft(base, b)
	if err != nil {
		return nil, err
	}
	view := NewView(b.Portal.ID, v)
	d.drafts.newest.Store(&draft{of: b, view: view})
	return view, nil
}

// Configuration returns the configuration that is published of the portal. Nobody
// may write to it. A portal that is unknown, or not usable yet, is an error.
func (d *Decider) Configuration(portal string) (*authz.Bundle, error) {
	v, err := d.views.View(portal)
	if err != nil {
		return nil, err
	}
	if v.Snapshot == nil {
		return nil, authz.Errorf(authz.Unavailable, "portal %q has no usable configuration: %s", portal, v.Refusal)
	}
	return v.Snapshot.Bundle(), nil
}

// Usable says why the configuration could not be decided on if it were published,
// or nil. What is wrong with the configuration itself is an error because of
// authz.Faults, all of them. Nobody may write to it afterwards.
func (d *Decider) Usable(b *authz.Bundle) error {
	base, err := d.views.View(b.Portal.ID)
	if err != nil && authz.KindOf(err) != authz.NotFound {
		return err
	}
	if _, err = d.draft(base, b); err == nil {
		return nil
	}
	if faults := b.Validate(); len(faults) > 0 {
		return authz.Errorf(authz.Invalid, "portal %q has %d faults, the first: %s", b.Portal.ID, len(faults), faults[0].Msg).At(faults[0].Path).Because(faults)
	}
	return err
}

// DecideNew is [Decider.DecideCall] for a call that makes a portal, by the policy
// that the portal is to have.
func (d *Decider) DecideNew(ctx context.Context, b *authz.Bundle, q authz.Query, after authz.Stored) (authz.Decision, error) {
	if !q.IsCall() {
		return authz.Decision{}, authz.Errorf(authz.Invalid, "is no administration call").At("action.name")
	}
	if err := named(&q, after); err != nil {
		return authz.Decision{}, err
	}
	v, err := d.draft(nil, b)
	if err != nil {
		return authz.Decision{}, err
	}
	q.Now = d.now()
	return d.decide(ctx, v, &q, &call{after: after}), nil
}
