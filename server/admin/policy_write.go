package admin

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// revising is what a call makes of a revision of the policy, or of which one is in
// force.
type revising struct {
	word   string // that the audit has for it
	action string // of the decision
	number int64  // of the revision; 0: a new one, or the folder's policy
	making bool   // number is given by the write

	request any // what makes the call another one, for idempotency
	// change returns the revision as it is to be. Its error counts once the caller is
	// let in.
	change func(ctx context.Context, w *writing, old *authz.PolicyRevision) (*authz.PolicyRevision, error)
	// gate says what speaks against the call besides the policy, to who may read the
	// revision; nil: nothing does.
	gate func(ctx context.Context, w *writing, old *authz.PolicyRevision) error
	// publishes says that the revision comes into force with the write.
	publishes bool
}

// revise judges what is ordered of a revision and makes it.
func (w *writing) revise(ctx context.Context, once *authz.Idempotency) (Result, error) {
	o := w.order.revising
	var err error
	if w.policy, err = w.s.store.PolicyState(ctx, w.call.Portal); err != nil {
		return Result{}, err
	}
	number := o.number
	if o.making {
		number = w.policy.Last + 1
	}
	old, err := w.s.revision(ctx, w.call.Portal, number)
	if err != nil {
		return Result{}, err
	}
	if o.gate != nil {
		if err := w.pass(ctx, number, old); err != nil {
			return Result{}, err
		}
	}
	changed, wrong := w.revised(ctx, number, old)
	if w.decision, err = w.s.permit(ctx, w.call, about(o.action, policyKey(number), asStored(old), asStored(changed))); err != nil {
		return Result{}, err
	}
	switch {
	case wrong != nil:
		return Result{}, wrong
	case changed == nil && number > 0:
		return Result{}, absent(authz.CallResource(policyKey(number)))
	}
	w.changes = []*change{{key: policyKey(number), item: noItem, was: authz.Versioned{Stored: asStored(old)}, new: asStored(changed)}}
	if changed != nil {
		w.pending.Put(authz.EntityWrite{Entity: changed.Key(), Old: asStored(old), New: *changed})
	}
	if o.publishes {
		w.publish = &published{number: number, revision: changed}
	}
	return w.finish(ctx, once)
}

// pass holds the call against its gate, as far as the caller may know of that.
func (w *writing) pass(ctx context.Context, number int64, old *authz.PolicyRevision) error {
	if number > 0 {
		if _, err := w.s.shownRevision(ctx, w.call, number, old); err != nil {
			return err
		}
	} else if err := w.s.mayReadPolicies(ctx, w.call); err != nil {
		return err
	}
	return w.order.revising.gate(ctx, w, old)
}

func (w *writing) revised(ctx context.Context, number int64, old *authz.PolicyRevision) (*authz.PolicyRevision, error) {
	if old == nil && !w.order.revising.making {
		return nil, nil
	}
	r, err := w.order.revising.change(ctx, w, old)
	if r != nil {
		r.Number = number
	}
	return r, err
}

// published is what comes into force with a write; without a revision, the folder's
// policy.
type published struct {
	number   int64
	revision *authz.PolicyRevision
}

// config returns the configuration with what comes into force.
func (p *published) config(b *authz.Bundle) *authz.Bundle {
	next := *b
	next.Published = p.revision
	return &next
}

// Draft is a revision that is to be made.
type Draft struct {
	// Parent is the number of the revision that it is made from; nil: of the one in
	// force, if there is any.
	Parent  *int64
	Message string
	// Files are all files of the revision; nil: those of the parent, or without one of
	// the folder's policy, so that it decides as that does.
	Files map[string]string
}

// DraftPolicy makes a revision that is not in force.
func (s *Service) DraftPolicy(ctx context.Context, call Call, d Draft) (Result, error) {
	if err := invalid(d.faults()); err != nil {
		return Result{}, err
	}
	var seeded map[string]string // once for all attempts
	return s.write(ctx, &call, &order{revising: &revising{
		word: "draft", action: authz.CreateCall, making: true, request: d,
		change: func(ctx context.Context, w *writing, _ *authz.PolicyRevision) (*authz.PolicyRevision, error) {
			actor, _ := w.actor()
			r := &authz.PolicyRevision{Parent: w.policy.Published, Author: actor, User: w.call.Acting.User, Message: d.Message, At: w.now, Files: d.Files}
			if d.Parent != nil {
				r.Parent = *d.Parent
			}
			if d.Files == nil && r.Parent == 0 && seeded != nil {
				r.Files = seeded
				return r, nil
			}
			err := w.inherit(ctx, r)
			if r.Parent == 0 && d.Files == nil {
				seeded = r.Files
			}
			return r, err
		},
	}})
}

// inherit takes over the files of the draft's parent where it has none of its own.
func (w *writing) inherit(ctx context.Context, r *authz.PolicyRevision) error {
	if r.Parent == 0 {
		if r.Files == nil {
			var err error
			r.Files, err = w.s.opts.Policies.Seed(w.config.Portal.Policy)
			return err
		}
		return nil
	}
	parent, err := w.s.revision(ctx, w.call.Portal, r.Parent)
	switch {
	case err != nil:
		return err
	case parent == nil:
		return authz.Errorf(authz.Invalid, "is %d: there is no such revision", r.Parent).At("parent")
	case r.Files == nil:
		r.Files = parent.Files
	}
	return nil
}

// faults says what is wrong with the draft whatever is stored.
func (d *Draft) faults() authz.Faults {
	var faults authz.Faults
	if strings.TrimSpace(d.Message) == "" {
		faults = append(faults, authz.Fault{Path: "message", Msg: "is missing: say what the revision is for"})
	}
	r := authz.PolicyRevision{Number: math.MaxInt64, Message: d.Message, Files: d.Files}
	if d.Parent != nil {
		r.Parent = *d.Parent
	}
	return append(faults, slices.DeleteFunc(r.Validate(), func(f authz.Fault) bool { return d.Files == nil && f.Path == "files" })...)
}

// ApprovePolicy takes down that who calls has looked at the revision and is for it.
// Saying so twice is saying it once.
func (s *Service) ApprovePolicy(ctx context.Context, call Call, number int64) (Result, error) {
	return s.write(ctx, &call, &order{revising: &revising{
		word: "approve", action: authz.ApproveCall, number: number, request: number,
		change: func(_ context.Context, w *writing, old *authz.PolicyRevision) (*authz.PolicyRevision, error) {
			r := *old
			by, _ := w.actor()
			a := authz.PolicyApproval{By: by, User: w.call.Acting.User, At: w.now, Note: w.call.Note}
			if !slices.ContainsFunc(old.Approvals, func(x authz.PolicyApproval) bool { return x.By == a.By && x.User == a.User }) {
				r.Approvals = append(slices.Clip(r.Approvals), a)
			}
			return &r, nil
		},
	}})
}
