package admin_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/keys"
)

func TestWhoWrote(t *testing.T) {
	s := started(t, rules, world())
	bound, free := &authz.Caller{ID: "k1", User: "root"}, &authz.Caller{ID: "k2", ActsFor: []string{"root"}}
	for name, tc := range map[string]struct {
		acting        authz.Acting
		actor, behalf string
	}{
		"the command line":        {authz.Acting{}, "cli", ""},
		"a user":                  {authz.Acting{User: "root"}, "user/root", ""},
		"a key bound to a user":   {authz.Acting{Caller: bound, User: "root"}, "user/root", ""},
		"a key that names a user": {authz.Acting{Caller: free, User: "root"}, "caller/k2", "user/root"},
		"a key":                   {authz.Acting{Caller: free}, "caller/k2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			call := admin.Call{Portal: "p", Acting: tc.acting, Request: "r1", Note: "because", IfMatch: admin.Whatever}
			r, err := s.Patch(t.Context(), call, key(authz.AccountEntity, "A"), map[string]any{"attributes": map[string]any{"by": name, "api_token": name}})
			require.NoError(t, err)
			entries, err := s.store.Entries(t.Context(), "p", r.Entry-1, 1)
			require.NoError(t, err)
			e := entries[0]
			require.Equal(t, []string{tc.actor, tc.behalf, r.Decision, "r1", "because", "update"}, []string{e.Actor, e.OnBehalfOf, e.Decision, e.Request, e.Note, e.Operation})
			require.Equal(t, name, e.Changes[0].After["attributes"].(map[string]any)["by"])
			require.Equal(t, authz.Redacted, e.Changes[0].After["attributes"].(map[string]any)["api_token"])
			require.True(t, e.Intact())
		})
	}
	v, err := s.Verify(t.Context(), "p")
	require.NoError(t, err)
	require.Empty(t, v.Faults, "what is left out of entries is left out of the comparison")

	v, err = admin.New(behind{s.store}, nil, nil, admin.Options{}).Verify(t.Context(), "p")
	require.NoError(t, err)
	require.Len(t, v.Faults, 1)
	require.Equal(t, admin.StateDiffers, v.Faults[0].Kind)
	require.Equal(t, key(authz.AccountEntity, "A"), v.Faults[0].Entity)
}

// behind is a store in which somebody has renamed an account past the audit.
type behind struct{ admin.Store }

func (s behind) Entity(ctx context.Context, portal string, k authz.Key) (authz.Versioned, error) {
	v, err := s.Store.Entity(ctx, portal, k)
	if a, ok := v.Stored.(authz.Account); ok {
		a.Name = "Evil"
		v.Stored = a
	}
	return v, err
}

func TestCallers(t *testing.T) {
	s := started(t, rules, world())
	call := admin.Call{Request: "r"}
	key, made, err := s.CreateCaller(t.Context(), call, authz.Caller{Name: "shop", Portals: []string{"p"}, Permissions: []authz.Permission{authz.PermitDecide}, ActsFor: []string{"ann"}})
	require.NoError(t, err)
	id, secret, ok := keys.Parse(key)
	require.True(t, ok)
	require.Equal(t, id, made.ID)
	require.Equal(t, "cli", made.CreatedBy)
	all, err := s.Callers(t.Context(), call)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Empty(t, all[0].Hash)
	stored, err := s.store.Callers(t.Context())
	require.NoError(t, err)
	require.True(t, keys.Matches(&stored[0], secret))

	_, _, err = s.CreateCaller(t.Context(), call, authz.Caller{Portals: []string{"No Portal"}, Permissions: []authz.Permission{"all"}, Until: time.Unix(0, 0)})
	var faults authz.Faults
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults, 4)

	by := &authz.Caller{ID: "k", Portals: []string{authz.Any}, Permissions: []authz.Permission{authz.PermitAdmin}}
	_, _, err = s.CreateCaller(t.Context(), admin.Call{Acting: authz.Acting{Caller: by}}, authz.Caller{Name: "x", Portals: []string{"p"}, Permissions: []authz.Permission{authz.PermitAdmin, authz.PermitLog}})
	require.ErrorAs(t, err, &faults)
	require.Equal(t, "permissions[1]", faults[0].Path, "a key makes none that opens more")
	for name, acting := range map[string]authz.Acting{
		"a user":               {User: "root"},
		"a key of one portal":  {Caller: &authz.Caller{ID: "k", Portals: []string{"p"}, Permissions: []authz.Permission{authz.PermitAdmin}}},
		"a key that may not":   {Caller: &authz.Caller{ID: "k", Portals: []string{authz.Any}, Permissions: []authz.Permission{authz.PermitDecide}}},
		"a key that is a user": {Caller: by, User: "root"},
	} {
		c := admin.Call{Acting: acting}
		_, err := s.Callers(t.Context(), c)
		require.Equal(t, authz.Forbidden, authz.KindOf(err), name)
		_, _, err = s.CreateCaller(t.Context(), c, made)
		require.Equal(t, authz.Forbidden, authz.KindOf(err), name)
		require.Equal(t, authz.Forbidden, authz.KindOf(s.DeleteCaller(t.Context(), c, id)), name)
	}
	require.NoError(t, s.DeleteCaller(t.Context(), call, id))
	require.Equal(t, authz.NotFound, authz.KindOf(s.DeleteCaller(t.Context(), call, id)))
	v, err := s.Verify(t.Context(), authz.ServiceChain)
	require.NoError(t, err)
	require.Empty(t, v.Faults)
	require.Equal(t, int64(2), v.Entries)
	entries, err := s.store.Entries(t.Context(), authz.ServiceChain, 0, 10)
	require.NoError(t, err)
	require.NotContains(t, strings.ToLower(asJSON(t, entries)), "secret")
}

// TestCallersEndAsStored: what the audit has of the end of a key is no finer than what
// is stored.
func TestCallersEndAsStored(t *testing.T) {
	s := started(t, rules, world())
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second).Add(123_456_789)
	_, made, err := s.CreateCaller(t.Context(), admin.Call{}, authz.Caller{Name: "shop", Portals: []string{"p"}, Permissions: []authz.Permission{authz.PermitDecide}, Until: until})
	require.NoError(t, err)
	require.Equal(t, until.Truncate(time.Millisecond), made.Until)
	v, err := s.Verify(t.Context(), authz.ServiceChain)
	require.NoError(t, err)
	require.Empty(t, v.Faults)
}
