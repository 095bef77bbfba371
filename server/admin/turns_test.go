package admin

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
)

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x turns
		give, err := x.take(t.Context(), "p", time.Second)
		require.NoError(t, err)
		other, err := x.take(t.Context(), "q", time.Second)
		require.NoError(t, err, "portals do not wait for one another")
		other()

		start := time.Now()
		_, err = x.take(t.Context(), "p", 10*time.Second)
		require.Equal(t, authz.Unavailable, authz.KindOf(err))
		require.Equal(t, 10*time.Second, time.Since(start), "the wait is bounded")

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = x.take(ctx, "p", time.Hour)
		require.Equal(t, authz.Unavailable, authz.KindOf(err))
		require.ErrorIs(t, err, context.Canceled)

		got := make(chan struct{})
		go func() {
			give, err := x.take(t.Context(), "p", time.Hour)
			require.NoError(t, err)
			give()
			close(got)
		}()
		synctest.Wait()
		give()
		<-got
		synctest.Wait()
		require.Empty(t, x.of, "nothing is kept of portals that nobody writes to")
	})
}

func TestMatches(t *testing.T) {
	for _, tc := range []struct {
		condition, etag string
		want            authz.Kind // Internal: it holds
	}{
		{"", "r1", authz.Unconditional}, {"", "", authz.Internal},
		{"*", "r1", authz.Internal}, {"*", "", authz.Stale},
		{None, "", authz.Internal}, {None, "r1", authz.Stale},
		{"r1", "r1", authz.Internal}, {`"r1"`, "r1", authz.Internal}, {`"r0", "r1"`, "r1", authz.Internal},
		{`W/"r1"`, "r1", authz.Stale}, {"r2", "r1", authz.Stale}, {"r1", "", authz.Stale}, {",", "r1", authz.Stale}, {`""`, "r1", authz.Stale},
	} {
		err := matches(tc.condition, tc.etag, "user x")
		if tc.want == authz.Internal {
			require.Nil(t, err, "%q %q", tc.condition, tc.etag)
			continue
		}
		require.NotNil(t, err, "%q %q", tc.condition, tc.etag)
		require.Equal(t, tc.want, err.Kind, "%q %q", tc.condition, tc.etag)
	}
}

func TestJoined(t *testing.T) {
	first := map[string]any{"a": 1, "b": map[string]any{"x": 1, "y": nil}, "c": "text"}
	second := map[string]any{"a": nil, "b": map[string]any{"y": 2}, "c": map[string]any{"z": 1}}
	require.Equal(t, map[string]any{"a": nil, "b": map[string]any{"x": 1, "y": 2}, "c": map[string]any{"z": 1}}, joined(first, second))
	require.Equal(t, map[string]any{"x": 1, "y": nil}, first["b"], "neither is written to")
}

// TestReconfigured: what is not touched is shared, and what is new stands with its
// like.
func TestReconfigured(t *testing.T) {
	b := &authz.Bundle{
		Portal: authz.Portal{ID: "p"}, Roles: []authz.Role{{ID: "a"}, {ID: "b"}, {ID: "c"}},
		Rights: []authz.Right{{Role: "a", Node: "1"}, {Role: "a", Node: "3"}, {Role: "b", Node: "1"}},
	}
	right := func(role, node string, l authz.Level) authz.EntityWrite {
		r := authz.Right{Role: role, Node: node, Level: l}
		return authz.EntityWrite{Entity: r.Key(), New: r}
	}
	gone := authz.EntityWrite{Entity: authz.Right{Role: "b", Node: "1"}.Key()}
	next := reconfigured(b, authz.PendingOf(right("c", "2", 1), right("a", "2", 2), right("a", "1", 3), gone))
	require.Equal(t, []authz.Right{{Role: "a", Node: "1", Level: 3}, {Role: "a", Node: "3"}, {Role: "a", Node: "2", Level: 2}, {Role: "c", Node: "2", Level: 1}}, next.Rights)
	require.Same(t, &b.Roles[0], &next.Roles[0])
	require.Equal(t, authz.Level(0), b.Rights[0].Level, "the published one is left alone")

	next = reconfigured(b, authz.PendingOf(authz.EntityWrite{Entity: authz.Role{ID: "b"}.Key()}, authz.EntityWrite{Entity: authz.Role{ID: "d"}.Key(), New: authz.Role{ID: "d"}}))
	require.Equal(t, []authz.Role{{ID: "a"}, {ID: "c"}, {ID: "d"}}, next.Roles)
	require.Len(t, b.Roles, 3)
}

// TestEditedAsOneByOne holds lists that are edited against what comes of it slowly, for
// any writes: the same rights, what is kept in its order, and those of a role together
// where they were.
func TestEditedAsOneByOne(t *testing.T) {
	rand := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var list []authz.Right
		for role := range rand.IntN(5) {
			for node := range 5 {
				if rand.IntN(2) == 0 {
					list = append(list, authz.Right{Role: fmt.Sprint(role), Node: fmt.Sprint(node)})
				}
			}
		}
		was := slices.Clone(list)
		want := map[authz.Key]authz.Right{}
		for _, r := range list {
			want[r.Key()] = r
		}
		writes := &authz.Pending{}
		for range rand.IntN(12) {
			r := authz.Right{Role: fmt.Sprint(rand.IntN(6)), Node: fmt.Sprint(rand.IntN(6)), Level: authz.Level(1 + rand.IntN(5))}
			w := authz.EntityWrite{Entity: r.Key(), New: r}
			if want[r.Key()] = r; rand.IntN(3) == 0 {
				w.New = nil
				delete(want, r.Key())
			}
			writes.Put(w)
		}
		got := edited(list, writes)
		require.Equal(t, was, list)
		found := map[authz.Key]authz.Right{}
		var kept, of []string
		fresh := false
		for i, r := range got {
			found[r.Key()] = r
			old := slices.ContainsFunc(list, func(old authz.Right) bool { return old.Key() == r.Key() })
			if old {
				kept = append(kept, r.Key().String())
			}
			if i == 0 || got[i-1].Role != r.Role {
				of, fresh = append(of, r.Role), false
			}
			require.False(t, old && fresh, "what is new stands behind the others of its role")
			fresh = !old
		}
		require.Equal(t, want, found)
		require.Len(t, got, len(want), "none twice")
		slices.Sort(of)
		require.Equal(t, slices.Compact(slices.Clone(of)), of, "those of a role stay together")
		stays := slices.DeleteFunc(slices.Clone(list), func(r authz.Right) bool { _, there := want[r.Key()]; return !there })
		require.Len(t, kept, len(stays))
		for i, r := range stays {
			require.Equal(t, r.Key().String(), kept[i])
		}
	}
}
