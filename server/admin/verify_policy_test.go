package admin_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// rewritten is a store in which somebody has been at the files of a policy.
type rewritten struct{ admin.Store }

func (s rewritten) Entity(ctx context.Context, portal string, k authz.Key) (authz.Versioned, error) {
	v, err := s.Store.Entity(ctx, portal, k)
	if r, ok := v.Stored.(authz.PolicyRevision); ok {
		r.Files = map[string]string{"test.rego": "package test\ndecision := {\"outcome\": \"allow\"}"}
		v.Stored = r
	}
	return v, err
}

// TestVerifyHoldsRevisionsAgainstTheirEntries: they outlive what an import and the end
// of their portal take away.
func TestVerifyHoldsRevisionsAgainstTheirEntries(t *testing.T) {
	s := started(t, rules, world())
	r := authz.PolicyRevision{Number: 1, At: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Files: map[string]string{"test.rego": rules}}
	write := func(old, changed authz.Stored) {
		t.Helper()
		base, err := s.store.Head(t.Context(), "p")
		require.NoError(t, err)
		k := authz.Key{Kind: authz.PortalEntity, ID: "p"}
		if changed != nil {
			k = changed.Key()
		}
		_, err = s.store.Commit(t.Context(), "p", &authz.Changeset{Base: base, Changes: []authz.EntityWrite{{Entity: k, Old: old, New: changed}}, Entry: authz.AuditEntry{
			Actor: "cli", Operation: "test", Changes: []authz.EntityChange{{Entity: k, Before: authz.Document(old), After: authz.Document(changed)}},
		}})
		require.NoError(t, err)
	}
	verified := func(store admin.Store, want ...admin.FaultKind) {
		t.Helper()
		v, err := admin.New(store, nil, nil, admin.Options{}).Verify(t.Context(), "p")
		require.NoError(t, err)
		var got []admin.FaultKind
		for _, f := range v.Faults {
			require.Equal(t, r.Key(), f.Entity)
			got = append(got, f.Kind)
		}
		require.Equal(t, want, got)
	}
	write(nil, r)
	checked := r
	checked.Checked = &authz.PolicyCheck{At: r.At, OK: true, Faults: []string{}}
	write(r, checked)
	for _, step := range []func(){
		func() {},
		func() { require.NoError(t, s.store.Import(t.Context(), []authz.World{world()}, "test", nil)) },
		func() { write(world().Portal, nil) },
	} {
		step()
		verified(s.store)
		verified(rewritten{s.store}, admin.StateDiffers)
	}
}
