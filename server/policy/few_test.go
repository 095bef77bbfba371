package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFew: what is kept is kept for good, the first for each key, and only so much.
func TestFew(t *testing.T) {
	var f few[int, *int]
	values := make([]int, maxFew+1)
	require.Nil(t, f.get(0))
	for i := range maxFew {
		require.False(t, f.full())
		require.Same(t, &values[i], f.keep(i, &values[i]))
	}
	require.True(t, f.full())
	require.Same(t, &values[0], f.keep(0, &values[1]), "somebody was faster")
	require.Same(t, &values[maxFew], f.keep(maxFew, &values[maxFew]), "it can be used")
	require.Nil(t, f.get(maxFew), "but it is not kept")
	require.Same(t, &values[7], f.get(7))
}
