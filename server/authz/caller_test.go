package authz_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
)

func TestCallerOpens(t *testing.T) {
	c := authz.Caller{Portals: []string{"a", ""}, Permissions: []authz.Permission{authz.PermitDecide, authz.PermitLog}}
	all := c
	all.Portals = []string{authz.Any}
	for _, p := range authz.Permissions() {
		has := slices.Contains(c.Permissions, p)
		require.Equal(t, has, c.Opens(p, "a"), p)
		require.False(t, c.Opens(p, "b"), p)
		require.False(t, c.Opens(p, authz.Any), p)
		require.False(t, c.Opens(p, ""), "no portal takes a key to all, whatever the list holds: %s", p)
		require.Equal(t, has, all.Opens(p, "b"), p)
		require.Equal(t, has, all.Opens(p, ""), p)
	}
	require.False(t, all.Opens("", "a"))
	require.False(t, (&authz.Caller{}).Opens(authz.PermitDecide, "a"))
}

func TestCallerEnds(t *testing.T) {
	end := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	c := authz.Caller{Until: end}
	require.True(t, c.InForce(end.Add(-1)))
	require.False(t, c.InForce(end))
	require.True(t, (&authz.Caller{}).InForce(end))
}

func TestCallerMayActFor(t *testing.T) {
	for name, c := range map[string]struct {
		caller authz.Caller
		may    []string
	}{
		"nobody":   {authz.Caller{}, nil},
		"bound":    {authz.Caller{User: "ann"}, []string{"ann"}},
		"some":     {authz.Caller{ActsFor: []string{"bob", "", "cy"}}, []string{"bob", "cy"}},
		"everyone": {authz.Caller{ActsFor: []string{authz.Any}}, []string{"ann", "bob", "cy"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, user := range []string{"", "ann", "bob", "cy"} {
				require.Equal(t, slices.Contains(c.may, user), c.caller.MayActFor(user), "%q", user)
			}
		})
	}
}

func TestCallerDocument(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.FixedZone("", 3600))
	full := authz.Caller{
		ID: "k", Name: "crm", Hash: []byte("secret"), Portals: []string{"a"}, Permissions: []authz.Permission{authz.PermitAdmin},
		ActsFor: []string{"u"}, CreatedAt: at, CreatedBy: "me", Until: at,
	}
	require.Equal(t, map[string]any{
		"id": "k", "name": "crm", "portals": []any{"a"}, "permissions": []any{"admin"}, "acts_for": []any{"u"},
		"created_at": "2026-03-01T08:00:00Z", "created_by": "me", "until": "2026-03-01T08:00:00Z",
	}, full.Document())
	bound := authz.Caller{ID: "k", Name: "n", User: "u", CreatedAt: at}
	require.Equal(t, map[string]any{
		"id": "k", "name": "n", "user": "u", "portals": []any{}, "permissions": []any{}, "acts_for": []any{}, "created_at": "2026-03-01T08:00:00Z",
	}, bound.Document())
	change := authz.CallerChange(&bound, nil)
	require.Equal(t, "caller/k", change.Entity.Ref())
	require.Nil(t, change.After)
	change = authz.CallerChange(nil, &full)
	require.Nil(t, change.Before)
	require.Equal(t, full.Document(), change.After)
}

func TestCallerValidate(t *testing.T) {
	good := func() authz.Caller {
		return authz.Caller{ID: "k", Name: "crm", Portals: []string{"a", authz.Any}, Permissions: authz.Permissions(), ActsFor: []string{"ray.newman", authz.Any}}
	}
	long := strings.Repeat("x", authz.MaxID+1)
	for name, c := range map[string]struct {
		change func(*authz.Caller)
		want   []string // the beginnings of the faults
	}{
		"good":                  {func(*authz.Caller) {}, nil},
		"bound":                 {func(c *authz.Caller) { c.User, c.ActsFor = "u", nil }, nil},
		"empty":                 {func(c *authz.Caller) { *c = authz.Caller{} }, []string{"name: is missing", "portals: is empty", "permissions: is empty"}},
		"long name":             {func(c *authz.Caller) { c.Name = long }, []string{"name: "}},
		"control":               {func(c *authz.Caller) { c.Name = "a\nb" }, []string{"name: "}},
		"no portal's id":        {func(c *authz.Caller) { c.Portals = []string{"A/B", ""} }, []string{`portals[0]: "A/B" cannot be`, "portals[1]: "}},
		"unknown permission":    {func(c *authz.Caller) { c.Permissions = []authz.Permission{"decide", "root"} }, []string{`permissions[1]: there is no permission "root"`}},
		"too many permissions":  {func(c *authz.Caller) { c.Permissions = append(c.Permissions, "admin") }, []string{"permissions: has 6 items"}},
		"user and acts for":     {func(c *authz.Caller) { c.User = "u" }, []string{"acts_for: cannot stand beside user"}},
		"any user":              {func(c *authz.Caller) { c.User, c.ActsFor = "*", nil }, []string{"user: must be one user's id"}},
		"empty user to act for": {func(c *authz.Caller) { c.ActsFor = []string{""} }, []string{"acts_for[0]: is missing"}},
		"too many":              {func(c *authz.Caller) { c.ActsFor = make([]string, authz.MaxCallerNames+1) }, []string{"acts_for: has 1001 items: at most 1000"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := good()
			c.change(&k)
			err := k.Validate()
			if len(c.want) == 0 {
				require.NoError(t, err)
				return
			}
			lines := strings.Split(err.Error(), "\n")
			require.Len(t, lines, len(c.want), "%s", err)
			for i, want := range c.want {
				require.True(t, strings.HasPrefix(lines[i], want), "%q, want %q", lines[i], want)
			}
		})
	}
}
