//go:build !race

package httpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/httpapi"
)

// TestAllocations holds an evaluation to the allocations that it is meant to
// need. The bound leaves room for what pools lose to the collector. The race
// detector allocates, and drops what is pooled.
func TestAllocations(t *testing.T) {
	x := newExchanger(t, httpapi.Options{Anonymous: anybody}, "/access/v1/evaluation", realistic)
	x.exchange(t)
	without := testing.AllocsPerRun(500, func() { x.exchange(t) })
	require.LessOrEqual(t, without, 60.0)

	o, header := withKey(t)
	x = newExchanger(t, o, "/portals/sweetlife/access/v1/evaluation", realistic, header)
	x.exchange(t)
	require.LessOrEqual(t, testing.AllocsPerRun(500, func() { x.exchange(t) }), without+6, "a key costs its text, the portal's name and who acts")
}
