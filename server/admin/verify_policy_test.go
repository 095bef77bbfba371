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
			Actor: "cli", Operation: "test",
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

// switched is a store in which somebody has put another number in the place of the policy
// in force.
type switched struct {
	admin.Store
	number int64
}

func (s switched) PolicyState(ctx context.Context, portal string) (authz.PolicyState, error) {
	state, err := s.Store.PolicyState(ctx, portal)
	state.Published = s.number
	return state, err
}

// TestVerifyHoldsThePolicyInForceAgainstTheEntries publishes, returns to a revision and to
// the folder, oftener than a revision remembers, and imports.
func TestVerifyHoldsThePolicyInForceAgainstTheEntries(t *testing.T) {
	s := started(t, rules, world())
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	config := world().Bundle
	revisions := map[int64]authz.PolicyRevision{}
	commit := func(number int64, operation string) {
		t.Helper()
		base, err := s.store.Head(t.Context(), "p")
		require.NoError(t, err)
		c := &authz.Changeset{Base: base, Publish: &number, Config: &config, Entry: authz.AuditEntry{Actor: "cli", Operation: operation}}
		if config.Published = nil; number > 0 {
			old, there := revisions[number]
			if !there {
				old = authz.PolicyRevision{Number: number, At: at, Files: map[string]string{"test.rego": rules}}
				for range authz.MaxPublications - 1 {
					at = at.Add(time.Minute)
					old = old.PublishedBy(authz.Publication{At: at, By: "cli"})
				}
			}
			at = at.Add(time.Minute)
			r := old.PublishedBy(authz.Publication{At: at, By: "cli"})
			revisions[number], config.Published = r, &r
			write := authz.EntityWrite{Entity: r.Key(), New: r}
			if there {
				write.Old = old
			}
			c.Changes = append(c.Changes, write)
		}
		_, err = s.store.Commit(t.Context(), "p", c)
		require.NoError(t, err)
	}
	verified := func(store admin.Store) []admin.ChainFault {
		t.Helper()
		v, err := admin.New(store, nil, nil, admin.Options{}).Verify(t.Context(), "p")
		require.NoError(t, err)
		return v.Faults
	}
	steps := []struct {
		number    int64
		operation string
	}{{1, "publish"}, {2, "publish"}, {1, authz.ReturnOperation}, {0, authz.ReturnOperation}, {2, authz.RescueOperation}, {0, authz.RescueOperation}, {2, authz.ReturnOperation}, {1, authz.ReturnOperation}}
	require.Empty(t, verified(s.store))
	require.Len(t, verified(switched{s.store, 1}), 1, "none was ever published")
	for i, step := range steps {
		commit(step.number, step.operation)
		require.Empty(t, verified(s.store), i)
		faults := verified(switched{s.store, 3 - step.number})
		require.Len(t, faults, 1, i)
		require.Equal(t, admin.StateDiffers, faults[0].Kind)
		require.Contains(t, faults[0].Msg, "is in force, and as the entries have it")
	}
	require.NoError(t, s.store.Import(t.Context(), []authz.World{world()}, "test", nil))
	require.Empty(t, verified(s.store), "an import leaves the policy in force")
	require.Len(t, verified(switched{s.store, 2}), 1)
}
