package mongodb_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// entries returns every page of the search, put together.
func entries(t *testing.T, s *mongodb.Store, q authz.AuditQuery) (all []int64) {
	t.Helper()
	for {
		got, err := s.Audit(t.Context(), "a", q)
		require.NoError(t, err)
		for i := range got.Entries {
			require.True(t, got.Entries[i].Intact())
			all = append(all, got.Entries[i].Seq)
		}
		if q.After = got.Next; q.After == "" {
			return all
		}
		require.Len(t, got.Entries, q.Limit, "only the last page is short")
	}
}

// TestAuditSearch makes more writes than are looked at one by one, and holds any
// search, by pages of any size, against a loop.
func TestAuditSearch(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		ctx := t.Context()
		s := holding(t, o, full("a"), full("a-b"))
		base, err := s.Head(ctx, "a")
		require.NoError(t, err)
		start := day(1)
		users := map[string]authz.User{}
		for i := range 300 {
			at := start.Add(time.Duration(i/2) * time.Second)
			c := &authz.Changeset{Base: base, Entry: authz.AuditEntry{At: at, Actor: fmt.Sprint("user/", i%5), Operation: "create"}}
			if i%3 == 0 {
				c.Entry.OnBehalfOf = fmt.Sprint("user/", i%7)
			}
			for _, id := range []string{fmt.Sprint("u", i%11), fmt.Sprint("v", i%13)}[:1+i%2] {
				u, there := users[id]
				w := authz.EntityWrite{Entity: authz.Key{Kind: authz.UserEntity, ID: id}}
				if w.Old = nil; there {
					w.Old = u
				}
				u.ID, u.Position = id, fmt.Sprint(i)
				if i%4 == 0 {
					u.Login = fmt.Sprint("login ", i)
				}
				users[id], w.New = u, u
				c.Changes = append(c.Changes, w)
			}
			done, err := s.Commit(ctx, "a", c)
			require.NoError(t, err)
			base = done.At
		}
		chain, err := s.Entries(ctx, "a", 0, 1000)
		require.NoError(t, err)
		require.Len(t, chain, 301, "with the import's")
		for n := range 16 {
			draw := func(from ...string) string { return from[rand.IntN(len(from))] }
			q := authz.AuditQuery{
				Actor: draw("", "", "user/1", "user/6", "test", "nobody"), Entity: draw("", "", "user/u3", "user/v12", "user/none"),
				Field: draw("", "", "login", "position", "account"), Limit: 20 + rand.IntN(400),
			}
			if n == 0 {
				q = authz.AuditQuery{Limit: 290}
			}
			if n > 0 && rand.IntN(3) == 0 {
				q.From = start.Add(time.Duration(rand.IntN(150_000_000)) * time.Microsecond)
			}
			if n > 0 && rand.IntN(3) == 0 {
				q.Until = start.Add(time.Duration(rand.IntN(150)) * time.Second)
			}
			var want []int64
			for _, e := range slices.Backward(chain) {
				if fits(&e, &q) {
					want = append(want, e.Seq)
				}
			}
			require.Equal(t, want, entries(t, s, q), "%+v", q)
		}
	})
}

func fits(e *authz.AuditEntry, q *authz.AuditQuery) bool {
	entity, field := q.Entity == "", q.Field == ""
	for _, c := range e.Changes {
		entity = entity || c.Entity.Ref() == q.Entity
		field = field || fmt.Sprint(c.Before[q.Field]) != fmt.Sprint(c.After[q.Field])
	}
	return entity && field && (q.Actor == "" || q.Actor == e.Actor || q.Actor == e.OnBehalfOf) &&
		(q.From.IsZero() || !e.At.Before(q.From)) && (q.Until.IsZero() || e.At.Before(q.Until))
}

func TestAuditSearchRefuses(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := holding(t, o, full("a"))
		for at, q := range map[string]authz.AuditQuery{"limit": {}, "after": {Limit: 1, After: "x"}, "entity": {Limit: 1, Entity: "\xff"}} {
			_, err := s.Audit(t.Context(), "a", q)
			kindOf(t, authz.Invalid, err)
			require.Equal(t, at, err.(*authz.Error).Field)
		}
		_, err := s.Audit(t.Context(), "a", authz.AuditQuery{Limit: 1, After: "0"})
		kindOf(t, authz.Invalid, err)
		_, err = s.Audit(t.Context(), "~import", authz.AuditQuery{Limit: 1})
		kindOf(t, authz.NotFound, err)
		got, err := s.Audit(t.Context(), authz.ServiceChain, authz.AuditQuery{Limit: 1})
		require.NoError(t, err)
		require.Empty(t, got.Entries)
		got, err = s.Audit(t.Context(), "a", authz.AuditQuery{Limit: 1, After: "99"})
		require.NoError(t, err)
		require.Len(t, got.Entries, 1, "a cursor beyond the end begins at it")
	})
}
