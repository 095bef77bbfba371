package pdp

import (
	"context"
	"hash/maphash"
	"sync/atomic"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
)

// View is what is published of one portal at one revision. It is immutable.
type View struct {
	// Snapshot decides. It is nil while the portal has no usable configuration
	// and policy; then every question is refused for the reason in Refusal, or as
	// not ready when that is empty.
	Snapshot *engine.Snapshot
	Refusal  string

	Generation string // of the store, to which the entities belong
	Revision   int64  // of the portal's data

	// Reads says which costly facts the policy reads.
	Reads authz.Reads
	// Changes judges changes by the same policy. Nil: every change is refused.
	Changes ChangePolicy

	key        *viewKey
	principals *viewKey // of the role graphs and reads by which principals are kept
	number     int64    // among the views of the key, in the order of their making
	writes     *writes  // nil: none since the key is
}

// ChangePolicy judges changes. The judgements must be safe for concurrent use,
// must not keep or change what they are given, and must refuse, or give an error,
// for whatever they cannot judge. A rule that the policy does not have reads
// nothing.
type ChangePolicy interface {
	Admit(ctx context.Context, c *authz.Change, f *authz.ChangeFacts) authz.Admission
	AdmissionReads() authz.ChangeReads
	Provision(ctx context.Context, c *authz.Change, f *authz.ChangeFacts) authz.Provisioning
	ProvisioningReads() authz.ChangeReads
	// Plain reports whether Admit accepts the change with nothing added and Provision
	// wants nothing. It may say false where it does not know.
	Plain(ctx context.Context, c *authz.Change, f *authz.ChangeFacts) bool
	PlainReads() authz.ChangeReads
	// AnyRoleCalls reports whether the decision on a call about a right is the same for
	// every role, as long as nothing else of the call, of the subject or of the right is
	// another, and AnyRoleChanges whether Plain is, for changes of rights at nodes of a
	// kind. They may say false where it is not known.
	AnyRoleCalls(q *authz.Query) bool
	AnyRoleChanges(c *authz.Change, node authz.NodeKind) bool
}

// viewKey stands for a line of views in the keys of the cache: for a view and those
// that [View.After] makes of it. It does not keep a view's snapshot in memory.
type viewKey struct {
	portal, generation string
	seed               maphash.Seed
	views              atomic.Int64 // made so far
}

func newViewKey(portal, generation string) *viewKey {
	return &viewKey{portal: portal, generation: generation, seed: maphash.MakeSeed()}
}

// NewView returns v ready to be published. What is cached of the portal under
// earlier views does not count for it.
func NewView(portal string, v View) *View {
	if v.Snapshot == nil && v.Refusal == "" {
		v.Refusal = authz.ReasonNotReady
	}
	v.key, v.writes = newViewKey(portal, v.Generation), nil
	v.principals, v.number = v.key, v.key.views.Add(1)
	return &v
}

// After returns v ready to be published in the place of old, whose data differs
// from its own in the changes alone: what is cached under old counts for v but for
// what the changes touch. The store must hold the changes already. Of another
// generation, all is to be read anew.
func (v View) After(old *View, changes []authz.EntityWrite) *View {
	if v.Generation != old.Generation || v.Snapshot == nil || old.Snapshot == nil {
		return NewView(old.key.portal, v)
	}
	v.key, v.principals = old.key, old.principals
	v.number = v.key.views.Add(1)
	if !v.Snapshot.Knows(old.Snapshot) || v.Reads != old.Reads {
		v.principals = newViewKey(v.key.portal, v.Generation)
	}
	v.writes = old.writes.with(v.key.seed, v.number, changes)
	return &v
}

// Portal returns the id of the portal.
func (v *View) Portal() string { return v.key.portal }

// Views publishes the portals.
type Views interface {
	// View returns what is published of the portal, or of the default portal for
	// "". An unknown portal is an authz.NotFound error.
	View(portal string) (*View, error)
}
