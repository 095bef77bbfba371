//go:build !race

package httpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAllocations holds an evaluation to the allocations that it is meant to
// need. The bound leaves room for what pools lose to the collector. The race
// detector allocates, and drops what is pooled.
func TestAllocations(t *testing.T) {
	x := newExchanger(t, "/access/v1/evaluation", realistic)
	x.exchange(t)
	require.LessOrEqual(t, testing.AllocsPerRun(500, func() { x.exchange(t) }), 60.0)
}
