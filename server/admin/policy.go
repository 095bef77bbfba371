package admin

import (
	"context"

	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// Policies examines policies before they come into force.
type Policies interface {
	// Seed returns the files of which a policy in the store can be made that decides as
	// the package of the folder does.
	Seed(pkg string) (map[string]string, error)
	// Check says whether the files could be the policy of the portal of config. When
	// and under which revision is not its to say.
	Check(ctx context.Context, config *authz.Bundle, files map[string]string) (authz.PolicyCheck, error)
	// Compare returns whose access differs between two states of a portal, whose
	// policies are those that their bundles name. Nobody may write to them afterwards.
	Compare(ctx context.Context, before, after *authz.World, progress func(done, total int64)) (*accessdiff.Report, error)
}

// PolicyView is where a portal's policy stands.
type PolicyView struct {
	Package   string // of Rego, that decides
	Published *authz.PolicyRevision
	Last      int64 // greatest number given so far
	// ConfigRevision is that of the portal's configuration, which what is published is
	// tested against.
	ConfigRevision int64
}

// policyKey returns the key of the revision with the number.
func policyKey(number int64) authz.Key { return authz.PolicyRevision{Number: number}.Key() }

// Policy returns where the portal's policy stands. Published is nil when it is the
// folder's, and comes without its files.
func (s *Service) Policy(ctx context.Context, call Call) (PolicyView, error) {
	if err := s.mayReadPolicies(ctx, &call); err != nil {
		return PolicyView{}, err
	}
	config, err := s.decider.Configuration(call.Portal)
	if err != nil {
		return PolicyView{}, err
	}
	head, err := s.store.Head(ctx, call.Portal)
	if err != nil {
		return PolicyView{}, err
	}
	state, err := s.store.PolicyState(ctx, call.Portal)
	if err != nil {
		return PolicyView{}, err
	}
	view := PolicyView{Package: config.Portal.Policy, Last: state.Last, ConfigRevision: head.ConfigRevision}
	if state.Published > 0 {
		r, err := s.store.Revision(ctx, call.Portal, state.Published)
		if err != nil {
			return PolicyView{}, err
		}
		view.Published = &r
	}
	return view, nil
}

// Revisions returns revisions of the portal's policy, newest first and without their
// files, those before the number; 0: from the newest.
func (s *Service) Revisions(ctx context.Context, call Call, before int64, limit int) ([]authz.PolicyRevision, error) {
	limit, err := pageSize(limit)
	if err != nil {
		return nil, err
	}
	if err := s.mayReadPolicies(ctx, &call); err != nil {
		return nil, err
	}
	return s.store.Revisions(ctx, call.Portal, before, limit)
}

func (s *Service) mayReadPolicies(ctx context.Context, call *Call) error {
	if call.Portal == "" {
		return authz.Errorf(authz.Invalid, "is missing: name the portal").At("portal")
	}
	_, err := s.permit(ctx, call, general(authz.ReadCall, string(authz.PolicyEntity)))
	return err
}

// Revision returns a revision of the portal's policy with its files.
func (s *Service) Revision(ctx context.Context, call Call, number int64) (authz.PolicyRevision, error) {
	r, err := s.revision(ctx, call.Portal, number)
	if err != nil {
		return authz.PolicyRevision{}, err
	}
	return s.shownRevision(ctx, &call, number, r)
}

// shownRevision returns the revision to who may read it; nil: it is not there.
func (s *Service) shownRevision(ctx context.Context, call *Call, number int64, r *authz.PolicyRevision) (authz.PolicyRevision, error) {
	if _, err := s.permit(ctx, call, about(authz.ReadCall, policyKey(number), asStored(r), nil)); err != nil {
		return authz.PolicyRevision{}, err
	}
	if r == nil {
		return authz.PolicyRevision{}, absent(authz.CallResource(policyKey(number)))
	}
	return *r, nil
}

// revision returns the revision as it is stored, or nil when it is not there.
func (s *Service) revision(ctx context.Context, portal string, number int64) (*authz.PolicyRevision, error) {
	if number < 1 {
		return nil, nil
	}
	r, err := s.store.Revision(ctx, portal, number)
	if err != nil && authz.KindOf(err) == authz.NotFound {
		return nil, nil
	}
	return &r, err
}

// asStored returns the revision as an entity, or none for nil.
func asStored(r *authz.PolicyRevision) authz.Stored {
	if r == nil {
		return nil
	}
	return *r
}
