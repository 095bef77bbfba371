package admin_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

func TestList(t *testing.T) {
	w := world()
	for i := range 30 {
		id := fmt.Sprintf("u%02d", i)
		if i%3 == 0 {
			id = "hidden " + id
		}
		w.Users = append(w.Users, authz.User{ID: id, Login: id})
	}
	s := started(t, rules, w)
	var ids []string
	looked := 0
	q := authz.ListQuery{Kind: authz.UserEntity, Limit: 7}
	for {
		p, err := s.List(t.Context(), byRoot(), q)
		require.NoError(t, err)
		for _, e := range p.Items {
			ids = append(ids, e.Key.ID)
			require.NotEmpty(t, e.ETag)
		}
		looked += p.Looked
		require.LessOrEqual(t, len(p.Items), 7)
		if q.After = p.Next; p.Next == "" {
			break
		}
		require.Len(t, p.Items, 7, "what is left out is made up for")
	}
	require.Equal(t, 32, looked)
	require.Len(t, ids, 22)
	require.True(t, slices.IsSorted(ids))
	require.False(t, slices.ContainsFunc(ids, func(id string) bool { return id[0] == 'h' }))

	p, err := s.List(t.Context(), byRoot(), authz.ListQuery{Kind: authz.UserEntity, Filter: map[string]string{"role": "clerk"}})
	require.NoError(t, err)
	require.Len(t, p.Items, 1)
	_, err = s.List(t.Context(), byRoot(), authz.ListQuery{Kind: authz.UserEntity, Limit: authz.MaxPage + 1})
	require.Equal(t, authz.Invalid, authz.KindOf(err))
	ann := byRoot()
	ann.Acting.User = "ann"
	p, err = s.List(t.Context(), ann, authz.ListQuery{Kind: authz.UserEntity})
	require.NoError(t, err)
	require.Empty(t, p.Items, "who may read none sees none")
}

// TestListIsWhole: an entity about which the policy fails is not left out in silence.
func TestListIsWhole(t *testing.T) {
	w := world()
	w.Users = append(w.Users, authz.User{ID: "broken"})
	s := started(t, rules+`
decision := {"outcome": "deny", "reason": "another"} if input.resource.id == "broken"
`, w)
	_, err := s.List(t.Context(), byRoot(), authz.ListQuery{Kind: authz.UserEntity})
	require.Equal(t, authz.Unavailable, authz.KindOf(err))
	require.ErrorContains(t, err, `user "broken"`)
}

// TestListLooksAtSoMany: a caller who may read next to nothing does not have all
// read for one page.
func TestListLooksAtSoMany(t *testing.T) {
	w := world()
	for i := range 2500 {
		w.Records = append(w.Records, authz.Record{Type: "case", ID: fmt.Sprintf("hidden %04d", i)})
	}
	w.Records = append(w.Records, authz.Record{Type: "case", ID: "last"})
	s := started(t, rules, w)
	q := authz.ListQuery{Kind: authz.RecordEntity, Of: "case", Limit: 500}
	p, err := s.List(t.Context(), byRoot(), q)
	require.NoError(t, err)
	require.Equal(t, 2000, p.Looked)
	require.Empty(t, p.Items)
	q.After = p.Next
	p, err = s.List(t.Context(), byRoot(), q)
	require.NoError(t, err)
	require.Len(t, p.Items, 1)
	require.Empty(t, p.Next)
}

func TestListOfPortals(t *testing.T) {
	second := world()
	second.Portal.ID = "second"
	s := started(t, rules, world(), second)
	ids := func(a authz.Acting) (ids []string) {
		p, err := s.List(t.Context(), admin.Call{Acting: a}, authz.ListQuery{Kind: authz.PortalEntity})
		require.NoError(t, err)
		for _, e := range p.Items {
			ids = append(ids, e.Key.ID)
		}
		return ids
	}
	require.Equal(t, []string{"p", "second"}, ids(authz.Acting{}))
	require.Equal(t, []string{"p", "second"}, ids(authz.Acting{User: "root"}), "the user of that id in either")
	require.Empty(t, ids(authz.Acting{User: "ann"}))
	require.Equal(t, []string{"second"}, ids(authz.Acting{Caller: &authz.Caller{ID: "k", Portals: []string{"second"}, Permissions: []authz.Permission{authz.PermitAdmin}}}))
}

func TestGrants(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	w := world()
	w.Users = append(w.Users,
		authz.User{ID: "ben", Active: true, Account: "A", Grants: []authz.Grant{
			{Role: "clerk", By: "root", Why: "audit", From: now.Add(-time.Hour), Until: now.Add(time.Hour)}, {Role: "boss"}}},
		authz.User{ID: "cid", Grants: []authz.Grant{{Role: "boss", Until: now.Add(-time.Hour)}}},
		authz.User{ID: "hidden", Active: true, Grants: []authz.Grant{{Role: "clerk", Until: now.Add(time.Hour)}}})
	s := started(t, rules, w)
	got := func(q admin.GrantQuery) (all []string) {
		p, err := s.Grants(t.Context(), byRoot(), q)
		require.NoError(t, err)
		for _, g := range p.Grants {
			all = append(all, fmt.Sprintf("%s %s %s %s force=%t guest=%t", g.User, g.Role, g.By, g.Why, g.InForce, g.Guest))
		}
		return all
	}
	ann, ben := "ann clerk   force=true guest=true", "ben clerk root audit force=true guest=true"
	boss, cid := "ben boss   force=true guest=false", "cid boss   force=false guest=false"
	require.Equal(t, []string{ann, ben, boss, cid}, got(admin.GrantQuery{}))
	require.Equal(t, []string{ben, cid}, got(admin.GrantQuery{Temporary: true}))
	require.Equal(t, []string{ann, ben}, got(admin.GrantQuery{Guest: true}))
	require.Equal(t, []string{boss, cid}, got(admin.GrantQuery{Role: "boss"}))
	require.Equal(t, []string{ben, boss}, got(admin.GrantQuery{User: "ben"}))
	require.Empty(t, got(admin.GrantQuery{User: "nobody"}))
	p, err := s.Grants(t.Context(), byRoot(), admin.GrantQuery{Limit: 2})
	require.NoError(t, err)
	require.NotEmpty(t, p.Next)
	require.Equal(t, 2, p.Looked)
}

// tampered is a store whose audit somebody has been at.
type tampered struct {
	admin.Store
	entries func([]authz.AuditEntry) []authz.AuditEntry
	head    func(*authz.ChainState)
}

func (s *tampered) Entries(ctx context.Context, chain string, after int64, limit int) ([]authz.AuditEntry, error) {
	all, err := s.Store.Entries(ctx, chain, 0, limit)
	all = slices.DeleteFunc(s.entries(all), func(e authz.AuditEntry) bool { return e.Seq <= after })
	return all, err
}

func (s *tampered) Chain(ctx context.Context, chain string) (authz.ChainState, error) {
	c, err := s.Store.Chain(ctx, chain)
	s.head(&c)
	return c, err
}

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	s := started(t, rules, world())
	for i := range 4 {
		_, err := s.Patch(t.Context(), byRoot(), key(authz.AccountEntity, "B"), map[string]any{"attributes": map[string]any{"n": i}})
		require.NoError(t, err)
	}
	type all = []authz.AuditEntry
	same := func(e all) all { return e }
	for name, tc := range map[string]struct {
		entries func(all) all
		head    func(*authz.ChainState)
		want    []string
	}{
		"nothing":              {same, nil, nil},
		"an entry changed":     {func(e all) all { e[2].Actor = "user/eve"; return e }, nil, []string{"changed 3"}},
		"changed and resealed": {func(e all) all { e[2].Actor = "user/eve"; e[2] = e[2].Sealed(2, e[1].Hash); return e }, nil, []string{"out_of_order 4"}},
		"an entry taken out":   {func(e all) all { return slices.Delete(e, 2, 3) }, nil, []string{"missing 3"}},
		"the last taken out":   {func(e all) all { return e[:4] }, nil, []string{"missing 5", "state 4"}},
		"all taken out":        {func(all) all { return nil }, nil, []string{"missing 1"}},
		"two changed places":   {func(e all) all { e[2], e[3] = e[3], e[2]; return e }, nil, []string{"missing 3", "out_of_order 3", "missing 4"}},
		"one too many":         {func(e all) all { return append(e, authz.AuditEntry{Chain: "p"}.Sealed(5, e[4].Hash)) }, nil, []string{"beyond_head 6"}},
		"another head":         {same, func(c *authz.ChainState) { c.Hash = "00" }, []string{"changed 5"}},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.head == nil {
				tc.head = func(*authz.ChainState) {}
			}
			v, err := admin.New(&tampered{s.store, tc.entries, tc.head}, nil, nil, admin.Options{}).Verify(t.Context(), "p")
			require.NoError(t, err)
			var got []string
			for _, f := range v.Faults {
				got = append(got, fmt.Sprintf("%s %d", f.Kind, f.Seq))
			}
			require.Equal(t, tc.want, got)
		})
	}
}
