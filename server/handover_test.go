package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

func saying(t *testing.T, pkg string) *policy.Program {
	t.Helper()
	p, err := policy.Compile(policy.Modules{"a.rego": "package " + pkg + "\n\ndecision := {\"outcome\": \"allow\", \"reason\": \"open\"}\n"}, policies.InputSchema, time.Second)
	require.NoError(t, err)
	return p
}

// TestHandover: policies that are handed over come into force when they are
// announced, or with the data that is written next.
func TestHandover(t *testing.T) {
	first, second, third := saying(t, "a"), saying(t, "b"), saying(t, "c")
	h := server.NewHandover(first)
	named := func(pkg string) []authz.World {
		return []authz.World{{Bundle: authz.Bundle{Portal: authz.Portal{ID: "p", Policy: pkg}}}}
	}
	srv := start(t, named("a"), func(o *server.Options) { o.Handover = h })
	served := func(program *policy.Program) error {
		portals, err := srv.Store().Portals(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		return srv.AwaitServed(ctx, portals, program)
	}
	require.NoError(t, served(first))

	h.Next(second)
	require.Same(t, second, h.Program())
	require.NoError(t, srv.Store().Import(t.Context(), named("b"), "test", nil))
	require.NoError(t, served(second))

	h.Next(third)
	h.Announce()
	h.Announce()
	require.NoError(t, srv.Store().Import(t.Context(), named("c"), "test", nil))
	require.NoError(t, served(third))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := srv.AwaitServed(ctx, []authz.PortalRevision{{ID: "p", Revision: 1}}, first)
	require.Equal(t, authz.Unavailable, authz.KindOf(err))
	require.ErrorContains(t, err, `portal "p" is not served as it is now`)
}
