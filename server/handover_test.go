package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
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

// TestExaminationsUnderAHandover: a server whose policies are handed over keeps none in
// the store, but previews and checks them all the same.
func TestExaminationsUnderAHandover(t *testing.T) {
	own := `package a

decision := {"outcome": "allow", "reason": "open"}
`
	worlds := []authz.World{{Bundle: authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "a"}, Screens: []authz.Node{{ID: "home", Kind: authz.Screen}}}}}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.rego"), []byte(own), 0o600))
	srv := start(t, worlds, func(o *server.Options) {
		o.Handover, o.Policies = server.NewHandover(saying(t, "a")), dir
	})
	key, _ := srv.give(t, srv.Callers(), authz.Caller{Name: "editor", Portals: []string{"p"}, Permissions: []authz.Permission{authz.PermitAdmin}})
	policyPath := srv.base + "/admin/v1/portals/p/policy"
	send := func(method, path, body string) map[string]any {
		req, err := http.NewRequestWithContext(t.Context(), method, policyPath+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+key)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		answer := map[string]any{}
		require.NoError(t, json.NewDecoder(res.Body).Decode(&answer))
		require.Less(t, res.StatusCode, 300, "%v", answer)
		return answer
	}
	over := func(begun map[string]any) (found map[string]any) {
		require.Eventually(t, func() bool {
			found = send(http.MethodGet, "/examinations/"+begun["id"].(string), "")
			return found["state"] != "running"
		}, soon, 5*time.Millisecond)
		return found
	}
	require.Eventually(t, func() bool { ok, _ := srv.Ready(); return ok }, soon, 5*time.Millisecond)
	require.Equal(t, "done", over(send(http.MethodPost, "/revisions/0/preview", "{}"))["state"])
	send(http.MethodPost, "/revisions", `{"message": "m"}`)
	require.Equal(t, "done", over(send(http.MethodPost, "/revisions/1/check", ""))["state"])
}
