package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// PublishPolicy has a revision come into force that never was: one that compiles,
// passes its suites under the configuration as it is now, and whose difference to
// what is in force is known. expected is the number of the revision that the caller
// has seen in force, 0 for the folder's policy; nil: the one that the difference is
// to. A revision that has come into force meanwhile is a Conflict that names both.
func (s *Service) PublishPolicy(ctx context.Context, call Call, number int64, expected *int64) (Result, error) {
	return s.write(ctx, &call, &order{revising: &revising{
		word: "publish", action: authz.PublishCall, number: number, publishes: true, request: []any{"publish", number, expected},
		change: publication,
		gate: func(ctx context.Context, w *writing, r *authz.PolicyRevision) error {
			if err := w.unraced(ctx, r, expected); err != nil {
				return err
			}
			if err := w.examined(ctx, r); err != nil {
				return err
			}
			return w.decides(r)
		},
	}})
}

// ReturnPolicy has a revision come into force again that was before, or with number 0
// the folder's policy. expected is as for PublishPolicy, and nil for whatever is in
// force. It is neither tested nor compared anew: it was in force once.
func (s *Service) ReturnPolicy(ctx context.Context, call Call, number int64, expected *int64) (Result, error) {
	return s.write(ctx, &call, &order{revising: &revising{
		word: authz.ReturnOperation, action: authz.PublishCall, number: number, publishes: true, request: []any{"return", number, expected},
		change: publication,
		gate: func(ctx context.Context, w *writing, r *authz.PolicyRevision) error {
			if err := w.unraced(ctx, r, expected); err != nil {
				return err
			}
			switch {
			case w.policy.Published == number && number == 0:
				return authz.Errorf(authz.Conflict, "the folder's policy is in force already")
			case w.policy.Published == number:
				return authz.Errorf(authz.Conflict, "policy %d is in force already", number)
			case r != nil && len(r.Publications) == 0:
				return authz.Errorf(authz.Conflict, "policy %d was never in force: publish it", number)
			}
			return w.decides(r)
		},
	}})
}

// publication returns the revision with the publication that the write makes.
func publication(_ context.Context, w *writing, old *authz.PolicyRevision) (*authz.PolicyRevision, error) {
	by, behalf := w.actor()
	if behalf != "" {
		by = behalf // the audit has the key that was used
	}
	r := old.PublishedBy(authz.Publication{At: w.now, By: by, From: w.policy.Published})
	return &r, nil
}

// unraced says that another revision is in force than the caller has seen.
func (w *writing) unraced(ctx context.Context, r *authz.PolicyRevision, expected *int64) error {
	if expected == nil || *expected == w.policy.Published {
		return nil
	}
	return w.raced(ctx, r, *expected)
}

// raced is the Conflict of two publications.
func (w *writing) raced(ctx context.Context, r *authz.PolicyRevision, seen int64) error {
	force, err := w.inForce(ctx)
	if err != nil {
		return err
	}
	wanted := "the folder's policy"
	if r != nil {
		wanted = fmt.Sprintf("policy %d (%s)", r.Number, r.Message)
	}
	return authz.Errorf(authz.Conflict, "%s is in force, and no more %s, over which %s was to come: look at it, and preview again",
		force, policyName(seen), wanted).At("expected")
}

func policyName(number int64) string {
	if number == 0 {
		return "the folder's policy"
	}
	return fmt.Sprintf("policy %d", number)
}

// inForce names what is in force, with who published it and when.
func (w *writing) inForce(ctx context.Context) (string, error) {
	name := policyName(w.policy.Published)
	if w.policy.Published == 0 {
		return name, nil
	}
	r, err := w.s.store.Revision(ctx, w.call.Portal, w.policy.Published)
	if err != nil || len(r.Publications) == 0 {
		return name, err
	}
	last := r.Publications[len(r.Publications)-1]
	return fmt.Sprintf("%s (%s), published by %s at %s,", name, r.Message, last.By, last.At.UTC().Format(time.RFC3339)), nil
}

// examined says what is missing of the examinations that a revision passes before it
// comes into force for the first time.
func (w *writing) examined(ctx context.Context, r *authz.PolicyRevision) error {
	n, c, d, config := r.Number, r.Checked, r.Difference, w.base.ConfigRevision
	switch {
	case len(r.Publications) > 0 && w.policy.Published == n:
		return authz.Errorf(authz.Conflict, "policy %d is in force already", n)
	case len(r.Publications) > 0:
		return authz.Errorf(authz.Conflict, "policy %d was in force before: return to it", n)
	case c == nil:
		return authz.Errorf(authz.Conflict, "policy %d is not checked: check it first", n)
	case !c.OK:
		return unfit(r)
	case c.ConfigRevision != config:
		return authz.Errorf(authz.Conflict, "policy %d was checked under the configuration of revision %d, and that of revision %d is in force: check it again", n, c.ConfigRevision, config)
	case d == nil:
		return authz.Errorf(authz.Conflict, "whose access policy %d changes is not known: preview it first", n)
	case d.Against != w.policy.Published:
		return w.raced(ctx, r, d.Against)
	case d.ConfigRevision != config:
		return authz.Errorf(authz.Conflict, "policy %d was previewed under the configuration of revision %d, and that of revision %d is in force: preview it again", n, d.ConfigRevision, config)
	}
	return nil
}

// unfit is the refusal of a revision whose check has faults, with all of them.
func unfit(r *authz.PolicyRevision) error {
	refused := &Refused{Kind: authz.Rejected}
	for _, f := range r.Checked.Faults {
		refused.Faults = append(refused.Faults, authz.Fault{Msg: f})
	}
	return refused
}

// decides says that the portal could not be decided on by the revision; nil is the
// folder's policy.
func (w *writing) decides(r *authz.PolicyRevision) error {
	p := published{revision: r}
	if err := w.s.decider.Usable(p.config(w.config)); err != nil {
		if kind := authz.KindOf(err); kind != authz.Invalid && kind != authz.Rejected {
			return err
		}
		return authz.Errorf(authz.Rejected, "the portal cannot be decided on by it: %v", err).Because(err)
	}
	return nil
}
