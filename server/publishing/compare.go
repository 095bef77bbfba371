package publishing

import (
	"context"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// Compare returns whose access differs between two states of a portal, each decided by
// the revision that its bundle names, or by the folder's policies as they are now.
// Nobody may write to the worlds afterwards.
func (x *Examiner) Compare(ctx context.Context, before, after *authz.World, progress func(done, total int64)) (r *accessdiff.Report, err error) {
	x.opts.Below(func() { r, err = x.compare(ctx, before, after, progress) })
	return r, err
}

func (x *Examiner) compare(ctx context.Context, before, after *authz.World, progress func(done, total int64)) (*accessdiff.Report, error) {
	old, err := x.side("what is in force", before)
	if err != nil {
		return nil, err
	}
	if err := stopped(ctx); err != nil {
		return nil, err
	}
	next := old
	if next.Name = "the draft"; samePolicy(&before.Bundle, &after.Bundle) {
		next.World = after
	} else if next, err = x.side(next.Name, after); err != nil {
		return nil, err
	}
	return accessdiff.Compute(ctx, old, next, accessdiff.Options{
		Model: policies.RBACModel, Now: x.opts.Now(), Progress: progress, Workers: x.opts.Workers, Worker: x.opts.Below,
	})
}

// side returns a state with what decides in it.
func (x *Examiner) side(name string, w *authz.World) (accessdiff.Side, error) {
	program, err := x.program(&w.Bundle)
	if err != nil {
		return accessdiff.Side{}, err
	}
	return accessdiff.Side{Name: name, World: w, Program: program}, nil
}

// samePolicy reports whether both states are decided by the same revision, or both by
// the folder's policies.
func samePolicy(a, b *authz.Bundle) bool {
	return a.Published == b.Published || a.Published != nil && b.Published != nil && a.Published.Digest() == b.Published.Digest()
}
