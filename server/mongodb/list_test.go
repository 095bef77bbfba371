package mongodb_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

func TestEntity(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		w := full("a")
		s := holding(t, o, w, full("b"))
		ctx := t.Context()
		all := []authz.Stored{w.Portal, w.UserTypes[1], w.Roles[3], w.Screens[2], w.Rights[1], w.Rights[3], w.Users[0], w.Accounts[1], w.Contacts[0], w.Records[1]}
		for _, e := range all {
			v, err := s.Entity(ctx, "a", e.Key())
			require.NoError(t, err, "%s", e.Key())
			require.Equal(t, e, v.Stored)
			require.Equal(t, int64(1), v.Revision)
			require.Equal(t, "test", v.UpdatedBy)
			require.WithinDuration(t, day(1), v.UpdatedAt, 1e18)
		}
		u := w.Users[2]
		u.Login = "new"
		require.NoError(t, put(ctx, s, "a", "user/kim", u))
		v, err := s.Entity(ctx, "a", u.Key())
		require.NoError(t, err)
		require.Equal(t, authz.Versioned{Stored: u, Revision: 2, UpdatedAt: v.UpdatedAt, UpdatedBy: "user/kim"}, v)
		v, err = s.Entity(ctx, "a", w.Portal.Key())
		require.NoError(t, err)
		require.Equal(t, int64(1), v.Revision, "of its configuration")

		for _, k := range []authz.Key{
			{Kind: authz.UserEntity, ID: "none"}, {Kind: authz.UserEntity}, {Kind: authz.UserEntity, ID: strings.Repeat("x", 300)},
			{Kind: authz.PortalEntity, ID: "b"}, {Kind: authz.RightEntity, Of: "clerk", ID: "W"}, {Kind: authz.RightEntity, Of: "none", ID: "W"},
			{Kind: authz.RecordEntity, Of: "case", ID: "9"}, {Kind: authz.RecordEntity, ID: "1"},
		} {
			_, err := s.Entity(ctx, "a", k)
			kindOf(t, authz.NotFound, err)
		}
		_, err = s.Entity(ctx, "none", u.Key())
		kindOf(t, authz.NotFound, err)
		_, err = s.Entity(ctx, "a", authz.Key{Kind: "case", ID: "1"})
		kindOf(t, authz.Invalid, err)
	})
}

// list returns every page of the list, put together.
func list(t *testing.T, s *mongodb.Store, q authz.ListQuery) (all []authz.Stored) {
	t.Helper()
	for {
		got, err := s.List(t.Context(), "a", q)
		require.NoError(t, err)
		require.LessOrEqual(t, len(got.Items), q.Limit)
		for _, v := range got.Items {
			require.Positive(t, v.Revision)
			all = append(all, v.Stored)
		}
		require.Less(t, len(all), 1000, "it goes on for ever")
		if got.Next == "" {
			return all
		}
		require.Len(t, got.Items, q.Limit, "only the last page is short")
		q.After = got.Next
	}
}

// sorted returns what is wanted of a kind in the order of the keys.
func sorted[E authz.Stored](of []E, want func(E) bool) (all []authz.Stored) {
	for _, e := range of {
		if want == nil || want(e) {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b authz.Stored) int { return cmp.Compare(place(a), place(b)) })
	return all
}

func place(e authz.Stored) string {
	if k := e.Key(); k.Kind == authz.RightEntity {
		return k.Of + "\x00" + k.ID
	}
	return strings.TrimPrefix(e.Key().Of+"/"+e.Key().ID, "/")
}

func TestListOfEveryKind(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		w := full("a")
		s := holding(t, o, w, full("b"), full("a-b"))
		by := func(filter ...string) map[string]string {
			m := map[string]string{}
			for i := 0; i < len(filter); i += 2 {
				m[filter[i]] = filter[i+1]
			}
			return m
		}
		for name, tc := range map[string]struct {
			q    authz.ListQuery
			want []authz.Stored
		}{
			"user types": {authz.ListQuery{Kind: authz.UserTypeEntity}, sorted(w.UserTypes, nil)},
			"roles":      {authz.ListQuery{Kind: authz.RoleEntity}, sorted(w.Roles, nil)},
			"screens":    {authz.ListQuery{Kind: authz.NodeEntity}, sorted(w.Screens, nil)},
			"screens of a kind below": {authz.ListQuery{Kind: authz.NodeEntity, Filter: by("kind", "container", "parent", "CASES")},
				sorted(w.Screens, func(n authz.Node) bool { return n.ID == "C" })},
			"roots":              {authz.ListQuery{Kind: authz.NodeEntity, Filter: by("parent", "")}, sorted(w.Screens, func(n authz.Node) bool { return n.Parent == "" })},
			"rights":             {authz.ListQuery{Kind: authz.RightEntity}, sorted(w.Rights, nil)},
			"rights of a role":   {authz.ListQuery{Kind: authz.RightEntity, Of: "clerk"}, sorted(w.Rights, func(r authz.Right) bool { return r.Role == "clerk" })},
			"rights of none":     {authz.ListQuery{Kind: authz.RightEntity, Of: "none"}, nil},
			"rights at a node":   {authz.ListQuery{Kind: authz.RightEntity, Filter: by("node", "C")}, sorted(w.Rights, func(r authz.Right) bool { return r.Node == "C" })},
			"users":              {authz.ListQuery{Kind: authz.UserEntity}, sorted(w.Users, nil)},
			"users by login":     {authz.ListQuery{Kind: authz.UserEntity, Filter: by("login", " ANN ", "active", "true")}, sorted(w.Users[:1], nil)},
			"users off":          {authz.ListQuery{Kind: authz.UserEntity, Filter: by("active", "false")}, sorted(w.Users[1:], nil)},
			"users of a role":    {authz.ListQuery{Kind: authz.UserEntity, Filter: by("role", "zebra")}, sorted(w.Users[:1], nil)},
			"users of all":       {authz.ListQuery{Kind: authz.UserEntity, Filter: by("user_type", "customer", "account", "acme", "contact", "ann")}, sorted(w.Users[:1], nil)},
			"users of none":      {authz.ListQuery{Kind: authz.UserEntity, Filter: by("account", "")}, sorted(w.Users[1:], nil)},
			"accounts":           {authz.ListQuery{Kind: authz.AccountEntity}, sorted(w.Accounts, nil)},
			"accounts below":     {authz.ListQuery{Kind: authz.AccountEntity, Filter: by("parent", "acme")}, sorted(w.Accounts[1:], nil)},
			"accounts owned":     {authz.ListQuery{Kind: authz.AccountEntity, Filter: by("owner", "sam")}, sorted(w.Accounts[:1], nil)},
			"contacts":           {authz.ListQuery{Kind: authz.ContactEntity, Filter: by("email", "ann@acme.example", "account", "acme")}, sorted(w.Contacts[:1], nil)},
			"records":            {authz.ListQuery{Kind: authz.RecordEntity}, sorted(w.Records, nil)},
			"records of a type":  {authz.ListQuery{Kind: authz.RecordEntity, Of: "case"}, sorted(w.Records[:2], nil)},
			"records of no type": {authz.ListQuery{Kind: authz.RecordEntity, Of: "case/1"}, nil},
			"records below":      {authz.ListQuery{Kind: authz.RecordEntity, Filter: by("parent", "case/1/2")}, sorted(w.Records[2:], nil)},
			"records by owner":   {authz.ListQuery{Kind: authz.RecordEntity, Filter: by("owner", "sam", "contact", "ann", "account", "acme")}, sorted(w.Records[:1], nil)},
		} {
			t.Run(name, func(t *testing.T) {
				for limit := 1; limit <= 4; limit++ {
					tc.q.Limit = limit
					require.Equal(t, tc.want, list(t, s, tc.q), "by %d", limit)
				}
			})
		}
		require.NoError(t, del(t.Context(), s, "b", "test", authz.Key{Kind: authz.PortalEntity, ID: "b"}))
		require.Equal(t, []authz.Stored{w.Portal, full("a-b").Portal}, list(t, s, authz.ListQuery{Kind: authz.PortalEntity, Limit: 1}), "those that have data")
	})
}

func TestListRefuses(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("a"))
		for name, tc := range map[string]struct {
			q      authz.ListQuery
			at, is string
		}{
			"no kind":        {authz.ListQuery{Limit: 1}, "kind", "nothing stored"},
			"no limit":       {authz.ListQuery{Kind: authz.UserEntity}, "limit", "1 to 1000"},
			"a high limit":   {authz.ListQuery{Kind: authz.UserEntity, Limit: 1001}, "limit", "1 to 1000"},
			"of something":   {authz.ListQuery{Kind: authz.UserEntity, Limit: 1, Of: "x"}, "of", "leave it out"},
			"unknown filter": {authz.ListQuery{Kind: authz.AccountEntity, Limit: 1, Filter: map[string]string{"owner": "x", "city": "y"}}, "city", "want parent, owner"},
			"no filters":     {authz.ListQuery{Kind: authz.RoleEntity, Limit: 1, Filter: map[string]string{"title": "y"}}, "title", "it has no filters"},
			"not active":     {authz.ListQuery{Kind: authz.UserEntity, Limit: 1, Filter: map[string]string{"active": "1"}}, "active", "want true or false"},
			"no text":        {authz.ListQuery{Kind: authz.UserEntity, Limit: 1, Filter: map[string]string{"login": "\xff"}}, "login", "is no text"},
			"no cursor":      {authz.ListQuery{Kind: authz.UserEntity, Limit: 1, After: "ann"}, "after", "is no cursor"},
			"half a cursor":  {authz.ListQuery{Kind: authz.UserEntity, Limit: 1, After: "WyJhIl0"}, "after", "is no cursor"},
		} {
			t.Run(name, func(t *testing.T) {
				_, err := s.List(t.Context(), "a", tc.q)
				require.ErrorContains(t, err, tc.is)
				kindOf(t, authz.Invalid, err)
				require.Equal(t, tc.at, err.(*authz.Error).Field)
			})
		}
		_, err := s.List(t.Context(), "none", authz.ListQuery{Kind: authz.UserEntity, Limit: 1})
		kindOf(t, authz.NotFound, err)
	})
}

func TestListAfterAnImport(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		w := full("a")
		s := holding(t, o, w)
		q := authz.ListQuery{Kind: authz.UserEntity, Limit: 2}
		got, err := s.List(t.Context(), "a", q)
		require.NoError(t, err)
		require.NoError(t, s.Import(t.Context(), []authz.World{w}, "test", nil))
		q.After = got.Next
		_, err = s.List(t.Context(), "a", q)
		require.Contains(t, kindOf(t, authz.Stale, err), "imported anew since the page before: start over")
		q.After = ""
		require.Equal(t, sorted(w.Users, nil), list(t, s, q))
	})
}

// TestListWhileThingsComeAndGo pages while entities are created and deleted: nothing
// is shown twice, and nothing is missed that is there all the time.
func TestListWhileThingsComeAndGo(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		ctx := t.Context()
		w := full("a")
		w.Users, w.Rights = nil, nil
		stays := map[string]bool{}
		for i := range 40 {
			w.Users = append(w.Users, authz.User{ID: fmt.Sprintf("u%02d", 2*i), Active: i%3 == 0})
			stays[w.Users[i].ID] = i%2 == 0
		}
		s := holding(t, o, w)
		there := map[string]bool{}
		for _, u := range w.Users {
			there[u.ID] = true
		}
		for range 3 {
			q := authz.ListQuery{Kind: authz.UserEntity, Limit: 1 + rand.IntN(9)}
			seen, last, kept := map[string]bool{}, "", maps.Clone(there)
			for {
				got, err := s.List(ctx, "a", q)
				require.NoError(t, err)
				for _, v := range got.Items {
					id := v.Key().ID
					require.Greater(t, id, last)
					require.True(t, there[id])
					seen[id], last = true, id
				}
				if q.After = got.Next; q.After == "" {
					break
				}
				for range 2 {
					id := fmt.Sprintf("u%02d", rand.IntN(80))
					if stays[id] {
						continue
					}
					e := authz.User{ID: id}
					if delete(kept, id); there[id] {
						require.NoError(t, del(ctx, s, "a", "test", e.Key()))
					} else {
						require.NoError(t, put(ctx, s, "a", "test", e))
					}
					there[id] = !there[id]
				}
			}
			for id := range kept {
				require.True(t, seen[id] || !kept[id], "%s is there all the time", id)
			}
		}
	})
}

// TestListEqualsANaiveOne draws entities with ids that sort in odd ways, and holds
// lists of them with any filters, by pages of any size, against loops.
func TestListEqualsANaiveOne(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		odd := []string{"a", "A", "b", "/", "0", "-", " ", "é", "~", "%", ".", "$"}
		pick := func(from ...string) string { return from[rand.IntN(len(from))] }
		id := func() string { return "x" + pick(odd...) + pick(odd...) }
		w := authz.World{Bundle: authz.Bundle{Portal: authz.Portal{ID: "a", Policy: "p"}, Roles: []authz.Role{{ID: "r"}, {ID: "s"}}}}
		w.Accounts = []authz.Account{{ID: "one"}, {ID: "two"}}
		users, records := map[string]bool{}, map[string]bool{}
		for range 60 {
			u := authz.User{ID: id(), Login: pick("ann", "Ann", "bob", ""), Active: rand.IntN(2) == 0, Account: pick("one", "two", "")}
			for _, r := range []string{"r", "s"}[:rand.IntN(3)] {
				u.Grants = append(u.Grants, authz.Grant{Role: r})
			}
			if !users[u.ID] {
				w.Users = append(w.Users, u)
			}
			r := authz.Record{Type: pick("case", "case-x", "Case", "c"), ID: id(), Owner: pick("ann", "bob", ""), Account: pick("one", "two", "")}
			if !records[r.Type+"/"+r.ID] {
				w.Records = append(w.Records, r)
			}
			users[u.ID], records[r.Type+"/"+r.ID] = true, true
		}
		s := holding(t, o, w, full("b"))
		for range 60 {
			q := authz.ListQuery{Kind: authz.UserEntity, Filter: map[string]string{}, Limit: 1 + rand.IntN(70)}
			draw := func(name string, values ...string) (string, bool) {
				if rand.IntN(3) > 0 {
					return "", false
				}
				q.Filter[name] = pick(values...)
				return q.Filter[name], true
			}
			var want []authz.Stored
			account, byAccount := draw("account", "one", "two", "none", "")
			if rand.IntN(2) == 0 {
				q.Kind, q.Of = authz.RecordEntity, pick("", "case", "case-x", "c", "none")
				owner, byOwner := draw("owner", "ann", "eve", "")
				want = sorted(w.Records, func(r authz.Record) bool {
					return (q.Of == "" || r.Type == q.Of) && (!byAccount || r.Account == account) && (!byOwner || r.Owner == owner)
				})
			} else {
				login, byLogin := draw("login", "ann", "BOB", "eve", "")
				role, byRole := draw("role", "r", "s", "none", "")
				active, byActive := draw("active", "true", "false")
				want = sorted(w.Users, func(u authz.User) bool {
					holds := slices.ContainsFunc(u.Grants, func(g authz.Grant) bool { return g.Role == role }) || role == "" && len(u.Grants) == 0
					return (!byAccount || u.Account == account) && (!byLogin || authz.FoldLogin(u.Login) == authz.FoldLogin(login)) &&
						(!byRole || holds) && (!byActive || fmt.Sprint(u.Active) == active)
				})
			}
			require.Equal(t, want, list(t, s, q), "%+v", q)
		}
	})
}
