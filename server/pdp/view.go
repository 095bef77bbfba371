package pdp

import (
	"context"

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

	key *viewKey
}

// ChangePolicy judges changes. Both judgements must be safe for concurrent use,
// must not keep or change what they are given, and must refuse, or give an error,
// for whatever they cannot judge. A rule that the policy does not have reads
// nothing.
type ChangePolicy interface {
	Admit(ctx context.Context, c *authz.Change, f *authz.ChangeFacts) authz.Admission
	AdmissionReads() authz.ChangeReads
	Provision(ctx context.Context, c *authz.Change, f *authz.ChangeFacts) authz.Provisioning
	ProvisioningReads() authz.ChangeReads
}

// viewKey stands for a view in the keys of the cache: it is as unique as the view,
// and does not keep the view's snapshot in memory.
type viewKey struct{ portal, generation string }

// NewView returns v ready to be published. What is cached of the portal under
// earlier views does not count for it.
func NewView(portal string, v View) *View {
	if v.Snapshot == nil && v.Refusal == "" {
		v.Refusal = authz.ReasonNotReady
	}
	v.key = &viewKey{portal: portal, generation: v.Generation}
	return &v
}

// Views publishes the portals.
type Views interface {
	// View returns what is published of the portal, or of the default portal for
	// "". An unknown portal is an authz.NotFound error.
	View(portal string) (*View, error)
}
