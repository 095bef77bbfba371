package admin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// TestNoUpdateIsLost: 50 writers add one each to a number that they read before, with
// its ETag.
func TestNoUpdateIsLost(t *testing.T) {
	s := started(t, rules, world())
	const writers, each = 50, 1
	var wg sync.WaitGroup
	failures := make(chan error, writers)
	for range writers {
		wg.Go(func() {
			for range each {
				if err := increment(t, s); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failures)
	require.NoError(t, <-failures)
	e, err := s.Read(t.Context(), byRoot(), key(authz.AccountEntity, "A"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"n": int64(writers * each)}, e.Document["attributes"])
	v, err := s.Verify(t.Context(), "p")
	require.NoError(t, err)
	require.Empty(t, v.Faults)
	require.Equal(t, int64(writers*each+1), v.Entries)
}

// increment adds one to the number of account A, as often as it takes.
func increment(t *testing.T, s *service) error {
	for {
		e, err := s.Read(t.Context(), byRoot(), key(authz.AccountEntity, "A"))
		if err != nil {
			return err
		}
		n, _ := e.Document["attributes"].(map[string]any)["n"].(int64)
		call := byRoot()
		call.IfMatch = e.ETag
		_, err = s.Patch(t.Context(), call, e.Key, map[string]any{"attributes": map[string]any{"n": json.Number(strconv.FormatInt(n+1, 10))}})
		if err == nil || authz.KindOf(err) != authz.Stale {
			return err
		}
	}
}

// TestRetriedCreations: a thousand calls with one key make one user, and all have
// one answer.
func TestRetriedCreations(t *testing.T) {
	s := started(t, rules, world())
	call := byRoot()
	call.IdempotencyKey = "once"
	const calls = 1000
	results, errs := make([]admin.Result, calls), make([]error, calls)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() { results[i], errs[i] = s.Create(t.Context(), call, user("new"), map[string]any{"login": "new"}) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	first := 0
	for i, r := range results {
		if !r.Replayed {
			first++
		}
		r.Replayed = false
		require.Equal(t, asJSON(t, results[0]), asJSON(t, r), i)
	}
	require.Equal(t, 1, first)
	v, err := s.Verify(t.Context(), "p")
	require.NoError(t, err)
	require.Equal(t, int64(2), v.Entries)
	require.Equal(t, v.Entries, results[0].Entry, "the answer that is given again names the entry too")

	_, err = s.Create(t.Context(), call, user("other"), map[string]any{})
	require.Equal(t, authz.Rejected, authz.KindOf(err), "the key was for another request")
	call.Acting.User = "ann"
	_, err = s.Create(t.Context(), call, user("new"), map[string]any{"login": "new"})
	require.Equal(t, authz.Forbidden, authz.KindOf(err), "another's key is another")
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// TestManyWriters makes different users at the same time.
func TestManyWriters(t *testing.T) {
	s := started(t, rules, world())
	errs := make([]error, 40)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			id := fmt.Sprintf("user %d", i)
			if _, errs[i] = s.Create(t.Context(), byRoot(), user(id), map[string]any{"login": id, "active": true}); errs[i] != nil {
				return
			}
			d, err := s.decider.Decide(t.Context(), "p", []authz.Query{{Subject: authz.Entity{Type: "user", ID: id}, Action: authz.Action{Name: "view"}, Resource: authz.Entity{Type: "screen", ID: "desk"}}}, make([]authz.Decision, 1), nil)
			if err != nil || d != 1 {
				errs[i] = err
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
}
