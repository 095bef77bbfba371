package mongodb_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// crm is a caller in which every field says something.
func crm() authz.Caller {
	return authz.Caller{
		ID: "abc", Name: "CRM", Hash: []byte{1, 2, 3}, Portals: []string{"a", "b"}, Permissions: []authz.Permission{authz.PermitDecide, authz.PermitAdmin},
		ActsFor: []string{"ann@acme", "*"}, CreatedAt: day(1), CreatedBy: "me", Until: day(9),
	}
}

// entryOf is the entry of a caller's write.
func entryOf(before, after *authz.Caller) authz.AuditEntry {
	e := authz.AuditEntry{Actor: "cli", Operation: "create", Changes: []authz.EntityChange{authz.CallerChange(before, after)}}
	if after == nil {
		e.Operation = "delete"
	}
	return e
}

func serviceEntries(t *testing.T, s *mongodb.Store) []authz.AuditEntry {
	t.Helper()
	entries, err := s.Entries(t.Context(), authz.ServiceChain, 0, 100)
	require.NoError(t, err)
	prev := ""
	for i := range entries {
		require.Equal(t, int64(i+1), entries[i].Seq)
		require.Equal(t, prev, entries[i].Prev)
		require.True(t, entries[i].Intact())
		prev = entries[i].Hash
	}
	state, err := s.Chain(t.Context(), authz.ServiceChain)
	require.NoError(t, err)
	require.Equal(t, authz.ChainState{Seq: int64(len(entries)), Hash: prev}, state)
	return entries
}

func TestCallers(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := open(t, o)
		all, err := s.Callers(t.Context())
		require.NoError(t, err)
		require.Empty(t, all)

		c, bound := crm(), authz.Caller{ID: "abd", Name: "ann", Hash: []byte{4}, Portals: []string{"*"}, Permissions: []authz.Permission{authz.PermitLog}, User: "ann@acme", CreatedAt: day(2)}
		require.NoError(t, s.PutCaller(t.Context(), c, entryOf(nil, &c)))
		require.NoError(t, s.PutCaller(t.Context(), bound, entryOf(nil, &bound)))
		all, err = s.Callers(t.Context())
		require.NoError(t, err)
		require.Equal(t, []authz.Caller{c, bound}, all)

		renamed := c
		renamed.Name, renamed.ActsFor, renamed.Until = "zeta", nil, time.Time{}
		require.NoError(t, s.PutCaller(t.Context(), renamed, entryOf(&c, &renamed)))
		all, err = s.Callers(t.Context())
		require.NoError(t, err)
		require.Equal(t, []authz.Caller{bound, renamed}, all)

		require.NoError(t, s.DeleteCaller(t.Context(), c.ID, entryOf(&renamed, nil)))
		all, err = s.Callers(t.Context())
		require.NoError(t, err)
		require.Equal(t, []authz.Caller{bound}, all)

		entries := serviceEntries(t, s)
		require.Len(t, entries, 4)
		require.Equal(t, []authz.EntityChange{authz.CallerChange(&renamed, nil)}, entries[3].Changes)
		require.Equal(t, "delete", entries[3].Operation)
		for _, e := range entries {
			require.NotContains(t, fmt.Sprint(e.Changes), "hash")
		}
		portals, err := s.Portals(t.Context())
		require.NoError(t, err)
		require.Empty(t, portals, "the chain of callers is no portal")
	})
}

// TestCallersRefused: what is refused leaves neither a caller nor an entry.
func TestCallersRefused(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := open(t, o)
		for name, change := range map[string]func(*authz.Caller){
			"no id":         func(c *authz.Caller) { c.ID = "" },
			"slash":         func(c *authz.Caller) { c.ID = "a/b" },
			"long":          func(c *authz.Caller) { c.ID = strings.Repeat("a", authz.MaxID+1) },
			"no permission": func(c *authz.Caller) { c.Permissions = nil },
			"two users":     func(c *authz.Caller) { c.User = "u" },
		} {
			t.Run(name, func(t *testing.T) {
				c := crm()
				change(&c)
				require.Error(t, s.PutCaller(t.Context(), c, entryOf(nil, &c)))
			})
		}
		for _, id := range []string{"", "abc", "a/b", "~", strings.Repeat("a", 2000)} {
			require.Contains(t, kindOf(t, authz.NotFound, s.DeleteCaller(t.Context(), id, authz.AuditEntry{})), "there is no caller")
		}
		all, err := s.Callers(t.Context())
		require.NoError(t, err)
		require.Empty(t, all)
		require.Empty(t, serviceEntries(t, s))
	})
}

func TestCallersAreBounded(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := open(t, o)
		var docs []any
		for i := range authz.MaxCallers {
			docs = append(docs, bson.D{
				{Key: "_id", Value: fmt.Sprint("~service/c", i)}, {Key: "portal", Value: "~service"}, {Key: "revision", Value: int64(0)},
				{Key: "updated_at", Value: day(1)}, {Key: "updated_by", Value: "x"}, {Key: "name", Value: "x"},
			})
		}
		_, err := raw(t, o).Collection("callers").InsertMany(t.Context(), docs)
		require.NoError(t, err)
		c := crm()
		require.Contains(t, kindOf(t, authz.TooLarge, s.PutCaller(t.Context(), c, entryOf(nil, &c))), "1000 callers already")
		c.ID = "c7"
		require.NoError(t, s.PutCaller(t.Context(), c, entryOf(nil, &c)), "one that is there may be changed")
		require.NoError(t, s.DeleteCaller(t.Context(), "c8", authz.AuditEntry{Actor: "cli"}))
		c.ID = "new"
		require.NoError(t, s.PutCaller(t.Context(), c, entryOf(nil, &c)))
		require.Len(t, serviceEntries(t, s), 3)
	})
}

// TestCallersAtOnce: writers of several processes leave one chain and every caller
// that they were told is stored.
func TestCallersAtOnce(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		stores := []*mongodb.Store{open(t, o)}
		if !o.Embedded {
			stores = append(stores, open(t, o), open(t, o))
		}
		const each = 5
		var wg sync.WaitGroup
		errs := make(chan error, each*len(stores))
		for n, s := range stores {
			wg.Go(func() {
				for i := range each {
					c := crm()
					c.ID = fmt.Sprintf("w%d-%d", n, i)
					errs <- s.PutCaller(context.Background(), c, entryOf(nil, &c))
				}
			})
		}
		wg.Wait()
		close(errs)
		stored := 0
		for err := range errs {
			if err == nil {
				stored++
				continue
			}
			require.Equal(t, authz.Conflict, authz.KindOf(err), "%v", err)
		}
		all, err := stores[0].Callers(t.Context())
		require.NoError(t, err)
		require.Len(t, all, stored)
		require.Len(t, serviceEntries(t, stores[0]), stored)
		require.NotZero(t, stored)
	})
}

// TestCallersOutliveImports: an import of portals leaves them alone.
func TestCallersOutliveImports(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		s := open(t, o)
		c := crm()
		require.NoError(t, s.PutCaller(t.Context(), c, entryOf(nil, &c)))
		for range 2 {
			require.NoError(t, s.Import(t.Context(), []authz.World{full("a")}, "test", nil))
		}
		all, err := s.Callers(t.Context())
		require.NoError(t, err)
		require.Equal(t, []authz.Caller{c}, all)
		require.Len(t, serviceEntries(t, s), 1)
	})
}
