package admin

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
)

func TestInPartsUntil(t *testing.T) {
	for _, tc := range []struct {
		n    int
		ends []int // numbers that do not go on
		want int
	}{{0, nil, 0}, {1, nil, 1}, {1, []int{0}, 0}, {7, nil, 7}, {7, []int{6}, 6}, {7, []int{5, 2}, 2}, {7, []int{0, 6}, 0}, {1000, []int{999, 500, 501}, 500}} {
		got, err := inPartsUntil(t.Context(), "the test", tc.n, func(_ context.Context, i int) (bool, error) { return !slices.Contains(tc.ends, i), nil })
		require.NoError(t, err)
		require.Equal(t, tc.want, got, "%d without %v", tc.n, tc.ends)
	}
	_, err := inPartsUntil(t.Context(), "the test", 100, func(_ context.Context, i int) (bool, error) {
		if i == 7 {
			return true, errors.ErrUnsupported
		}
		return true, nil
	})
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// TestByStep holds what is judged by steps against a loop over all changes, where what is
// said of a change depends on its step, and of some steps on the role.
func TestByStep(t *testing.T) {
	rand := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		changes := make([]*change, rand.IntN(40))
		for i := range changes {
			r := authz.Right{Role: fmt.Sprint(i), Node: fmt.Sprint(rand.IntN(2)), Level: authz.Level(rand.IntN(3))}
			changes[i] = &change{key: r.Key(), new: r}
			if rand.IntN(2) == 0 {
				r.Level = authz.Level(rand.IntN(2))
				changes[i].was.Stored = r
			}
		}
		depends, refused := rand.IntN(3), authz.Level(rand.IntN(9))
		anyRole := func(i int) bool { return int(changes[i].step().after) != depends }
		goesOn := func(i int) bool {
			return changes[i].step().after != refused || !anyRole(i) && i%3 != 0
		}
		var asked atomic.Int64
		by, err := byStep(t.Context(), "the test", changes, func(_ context.Context, i int) (judgement, error) {
			asked.Add(1)
			return judgement{goesOn(i), anyRole(i)}, nil
		})
		require.NoError(t, err)

		want := len(changes)
		if i := slices.IndexFunc(changes, func(c *change) bool { return !goesOn(int(slices.Index(changes, c))) }); i >= 0 {
			want = i
		}
		require.Len(t, by, want)
		for i, judged := range by {
			require.LessOrEqual(t, judged, i)
			require.Equal(t, changes[i].step(), changes[judged].step())
			require.True(t, judged == i || anyRole(judged), "%d has to be asked about itself", i)
		}
		if want < len(changes) {
			continue
		}
		steps, alone := map[step]bool{}, 0
		for i, c := range changes {
			if steps[c.step()] = true; !anyRole(i) {
				alone++
			}
		}
		for s := range steps {
			if int(s.after) == depends {
				delete(steps, s)
			}
		}
		require.EqualValues(t, len(steps)+alone, asked.Load(), "one of each step where roles do not count, and every other")
	}
}
