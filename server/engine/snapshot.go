package engine

import (
	"context"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/rbac"
)

// Policy judges facts. Decide must be safe for concurrent use, must not keep or
// change q or f, and must return a Deny for whatever it cannot judge.
type Policy interface {
	Decide(ctx context.Context, q *authz.Query, f *authz.Facts) authz.Decision
}

// PolicyFunc lets a func be a Policy.
type PolicyFunc func(ctx context.Context, q *authz.Query, f *authz.Facts) authz.Decision

// Decide calls f.
func (f PolicyFunc) Decide(ctx context.Context, q *authz.Query, facts *authz.Facts) authz.Decision {
	return f(ctx, q, facts)
}

// Snapshot is one portal's configuration at one revision, indexed for decisions.
// It is immutable.
type Snapshot struct {
	bundle  *authz.Bundle
	model   string // Casbin's
	policy  Policy
	graphs  *rbac.Graphs
	manages [][]string // ids that each user type manages, by its number
	tree    tree
	rights  rights
	places  *places
	// mark tells the principals of these role graphs from those of others, without
	// keeping a replaced snapshot in memory for as long as they are cached.
	mark     *mark
	byNumber numbered
}

// Build indexes b for decisions by p. The model is the text of the Casbin model.
// Build takes b over: nobody may write to it or to what it holds afterwards. A
// bundle with faults is refused with an authz.Invalid error that carries the
// authz.Faults as its cause, and one whose role graphs grow beyond their bound
// with authz.TooLarge.
func Build(b *authz.Bundle, model string, p Policy) (*Snapshot, error) {
	return Rebuild(nil, b, model, p)
}

// names returns the ids in each set of c.
func names(c *rbac.Closure) [][]string {
	all := make([][]string, c.Len())
	for i := range all {
		all[i] = idsOf(c, c.Of(int32(i)))
	}
	return all
}

// idsOf returns the ids of members, or nil when there are none.
func idsOf(c *rbac.Closure, members []int32) []string {
	if len(members) == 0 {
		return nil
	}
	ids := make([]string, len(members))
	for i, m := range members {
		ids[i] = c.ID(m)
	}
	return ids
}

// Portal returns the portal's settings. Nobody may write to them.
func (s *Snapshot) Portal() *authz.Portal { return &s.bundle.Portal }

// Bundle returns the configuration that the snapshot was built from. Nobody may
// write to it.
func (s *Snapshot) Bundle() *authz.Bundle { return s.bundle }

// Policy returns the policy that decides.
func (s *Snapshot) Policy() Policy { return s.policy }

// Revision returns the revision of the store that the snapshot was read at.
func (s *Snapshot) Revision() int64 { return s.bundle.Revision }

// PolicyRevision returns the number of the authz.PolicyRevision that decides; 0: it is
// the folder's policy.
func (s *Snapshot) PolicyRevision() int64 {
	if s.bundle.Published == nil {
		return 0
	}
	return s.bundle.Published.Number
}

// Knows reports whether principals that the other snapshot made hold for this one.
func (s *Snapshot) Knows(other *Snapshot) bool { return other != nil && s.mark == other.mark }

// Counts are the sizes of a snapshot, for logs.
type Counts struct{ UserTypes, Roles, Nodes, Rights int }

// Counts returns how many entities the snapshot holds.
func (s *Snapshot) Counts() Counts {
	b := s.bundle
	return Counts{UserTypes: len(b.UserTypes), Roles: len(b.Roles), Nodes: len(b.Screens), Rights: len(b.Rights)}
}

// Decide states the facts of q and returns what the policy makes of them, under
// the snapshot's revisions and the query's time.
func (s *Snapshot) Decide(ctx context.Context, q *authz.Query, ents Entities) authz.Decision {
	f := s.Facts(q, ents)
	d := s.policy.Decide(ctx, q, &f)
	d.Revision, d.PolicyRevision, d.Now = s.bundle.Revision, s.PolicyRevision(), q.Now
	return d
}
