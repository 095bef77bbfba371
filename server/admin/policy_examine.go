package admin

import (
	"context"
	"fmt"
	"strings"

	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// CheckPolicy begins to check a revision: whether it compiles, and its suites pass
// under the portal's configuration. What comes of it is stored with the revision.
func (s *Service) CheckPolicy(ctx context.Context, call Call, number int64) (Examination, error) {
	if _, err := s.examinable(ctx, &call, number); err != nil {
		return Examination{}, err
	}
	call = retained(call)
	return s.examinations.start(s, &call, CheckExamination, number, func(ctx context.Context, x *inquiry) error {
		c, err := s.check(ctx, &call, number)
		x.set(func(e *Examination) { e.Check = c })
		return err
	})
}

// PreviewPolicy begins to find out whose access differs when a revision, or with
// number 0 the folder's policy, comes into force, and the items are written with it.
// They are judged as by Batch and not written. Without items, the counts are stored
// with the revision.
func (s *Service) PreviewPolicy(ctx context.Context, call Call, number int64, items []Item) (Examination, error) {
	if number != 0 || len(items) == 0 {
		if _, err := s.examinable(ctx, &call, number); err != nil {
			return Examination{}, err
		}
	} else if err := s.mayReadPolicies(ctx, &call); err != nil {
		return Examination{}, err
	}
	call = retained(call)
	o := &order{items: items, batch: true}
	if len(items) > 0 {
		if err := o.check(&call); err != nil {
			return Examination{}, err
		}
		if _, err := s.supposed(ctx, &call, o); err != nil {
			return Examination{}, err
		}
	}
	return s.examinations.start(s, &call, PreviewExamination, number, func(ctx context.Context, x *inquiry) error {
		report, err := s.preview(ctx, &call, number, o, x)
		x.set(func(e *Examination) { e.Report = report })
		return err
	})
}

// examinable returns the revision to who may have it examined; nil for number 0.
func (s *Service) examinable(ctx context.Context, call *Call, number int64) (*authz.PolicyRevision, error) {
	if call.Portal == "" {
		return nil, authz.Errorf(authz.Invalid, "is missing: name the portal").At("portal")
	}
	if s.opts.Policies == nil {
		return nil, authz.Errorf(authz.Unavailable, "policies are not examined here")
	}
	r, err := s.revision(ctx, call.Portal, number)
	if err != nil {
		return nil, err
	}
	if _, err := s.permit(ctx, call, about(authz.UpdateCall, policyKey(number), asStored(r), asStored(r))); err != nil {
		return nil, err
	}
	if r == nil && number != 0 {
		return nil, absent(authz.CallResource(policyKey(number)))
	}
	return r, nil
}

// retained returns the call as it can be kept after its request: the texts of a
// request are the transport's own.
func retained(c Call) Call {
	c.Portal, c.Request, c.Note = strings.Clone(c.Portal), strings.Clone(c.Request), strings.Clone(c.Note)
	c.Acting.User = strings.Clone(c.Acting.User)
	c.IfMatch, c.IdempotencyKey, c.DryRun = "", "", false
	return c
}

// check checks the revision and stores what comes of it.
func (s *Service) check(ctx context.Context, call *Call, number int64) (*authz.PolicyCheck, error) {
	w, err := s.begin(ctx, call, &order{})
	if err != nil {
		return nil, err
	}
	r, err := s.examinable(ctx, call, number)
	if err != nil || r == nil {
		return nil, err
	}
	found, err := s.opts.Policies.Check(ctx, w.config, r.Files)
	if err != nil {
		return nil, err
	}
	found.At, found.ConfigRevision = s.now(), w.base.ConfigRevision
	return &found, s.take(ctx, call, number, "check", func(r *authz.PolicyRevision) { r.Checked = &found })
}

// take stores what an examination of the revision has found.
func (s *Service) take(ctx context.Context, call *Call, number int64, word string, found func(*authz.PolicyRevision)) error {
	_, err := s.write(ctx, call, &order{revising: &revising{
		word: word, action: authz.UpdateCall, number: number,
		change: func(_ context.Context, _ *writing, old *authz.PolicyRevision) (*authz.PolicyRevision, error) {
			r := *old
			found(&r)
			return &r, nil
		},
	}})
	return err
}

// supposed returns the writing of the items, judged and not made.
func (s *Service) supposed(ctx context.Context, call *Call, o *order) (*writing, error) {
	o.supposed = true
	w, err := s.begin(ctx, call, o)
	if err != nil || len(o.items) == 0 {
		return w, err
	}
	if w.creating {
		return nil, absent(authz.CallResource(authz.Key{Kind: authz.PortalEntity, ID: call.Portal}))
	}
	for _, step := range []func(context.Context) error{w.read, w.decide, w.meet, w.precheck, w.apply, w.recheck} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return w, w.refused()
}

// maxReads bounds how often a portal is read because it moves meanwhile.
const maxReads = 3

// preview compares what is in force with what the revision and the items would make
// of it.
func (s *Service) preview(ctx context.Context, call *Call, number int64, o *order, x *inquiry) (*accessdiff.Report, error) {
	var w *writing
	var before *authz.World
	var missing []string
	for n := range maxReads {
		var err error
		if w, err = s.supposed(ctx, call, o); err != nil {
			return nil, err
		}
		if before, missing, err = s.world(ctx, call.Portal, w.config); err != nil {
			return nil, err
		}
		now, err := s.store.Head(ctx, call.Portal)
		switch {
		case err != nil:
			return nil, err
		case now == w.base:
		case n == maxReads-1:
			missing = append(missing, "what was written while the portal's data was read may be seen in part")
		default:
			continue
		}
		break
	}
	after, err := s.changed(ctx, call.Portal, before, w, number)
	if err != nil {
		return nil, err
	}
	report, err := s.opts.Policies.Compare(ctx, before, after, x.progress)
	if err != nil {
		return nil, err
	}
	report.Portal = call.Portal
	report.Before, report.After = stateName(before.Published), stateName(after.Published)
	switch n := len(o.items); n {
	case 0:
	case 1:
		report.After += " with 1 change"
	default:
		report.After += fmt.Sprintf(" with %d changes", n)
	}
	report.Missing = append(report.Missing, missing...)
	if number == 0 || len(o.items) > 0 {
		return report, nil
	}
	sum := summary(report, w)
	sum.At = s.now()
	return report, s.take(ctx, call, number, "preview", func(r *authz.PolicyRevision) { r.Difference = sum })
}

func stateName(r *authz.PolicyRevision) string {
	if r == nil {
		return "the folder's policy"
	}
	return fmt.Sprintf("policy %d", r.Number)
}

func summary(r *accessdiff.Report, w *writing) *authz.AccessSummary {
	sum := &authz.AccessSummary{
		ConfigRevision: w.base.ConfigRevision, Complete: r.Complete(), Users: r.Users, Gained: r.Gained, Lost: r.Lost, LockedOut: r.LockedOut,
	}
	if p := w.config.Published; p != nil {
		sum.Against = p.Number
	}
	return sum
}

// changed returns the portal as the revision and what is pending would make it.
func (s *Service) changed(ctx context.Context, portal string, before *authz.World, w *writing, number int64) (*authz.World, error) {
	after := *before
	after.Bundle = *reconfigured(&before.Bundle, &w.pending)
	after.Accounts = edited(before.Accounts, &w.pending)
	after.Contacts = edited(before.Contacts, &w.pending)
	after.Users = edited(before.Users, &w.pending)
	after.Records = edited(before.Records, &w.pending)
	r, err := s.revision(ctx, portal, number)
	if err == nil && r == nil && number != 0 {
		err = absent(authz.CallResource(policyKey(number)))
	}
	after.Published = r
	if p := before.Published; p != nil && r != nil && p.Number == r.Number {
		after.Published = p
	}
	return &after, err
}

// Bounds of what is read of a portal for a preview.
const (
	maxPreviewed     = 100_000 // users; records
	maxPreviewAround = 200_000 // accounts; contacts
)

// world reads the portal whole, within bounds, and says what is beyond them.
func (s *Service) world(ctx context.Context, portal string, config *authz.Bundle) (w *authz.World, missing []string, err error) {
	w = &authz.World{Bundle: *config}
	for _, read := range []func() (string, error){
		func() (string, error) {
			return readAll(ctx, s.store, portal, "accounts", maxPreviewAround, &w.Accounts)
		},
		func() (string, error) {
			return readAll(ctx, s.store, portal, "contacts", maxPreviewAround, &w.Contacts)
		},
		func() (string, error) { return readAll(ctx, s.store, portal, "users", maxPreviewed, &w.Users) },
		func() (string, error) { return readAll(ctx, s.store, portal, "records", maxPreviewed, &w.Records) },
	} {
		beyond, err := read()
		if err != nil {
			return nil, nil, err
		}
		if beyond != "" {
			missing = append(missing, beyond)
		}
	}
	return w, missing, nil
}

// readAll appends the entities of the list's kind, and says what was left out when
// there are more than most.
func readAll[E authz.Stored](ctx context.Context, store Store, portal, things string, most int, to *[]E) (beyond string, err error) {
	var kind E
	q := authz.ListQuery{Kind: kind.Key().Kind, Limit: authz.MaxPage}
	for {
		page, err := store.List(ctx, portal, q)
		if err != nil {
			if ctx.Err() != nil {
				return "", overdue(ctx)
			}
			return "", err
		}
		for _, v := range page.Items {
			e, ok := v.Stored.(E)
			if !ok {
				return "", authz.Errorf(authz.Internal, "the store lists %T among the %s", v.Stored, things)
			}
			*to = append(*to, e)
		}
		switch q.After = page.Next; {
		case q.After == "":
			return "", nil
		case len(*to) >= most:
			return fmt.Sprintf("%s beyond the first %d were not looked at", things, len(*to)), nil
		}
	}
}
