package server_test

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// puts stores the files as the next revision of the portal's policy and brings it into
// force; no files are the folder's.
func (r *running) puts(t *testing.T, portal string, files map[string]string) (number int64) {
	t.Helper()
	store := r.Store()
	base, err := store.Head(t.Context(), portal)
	require.NoError(t, err)
	b, err := store.Bundle(t.Context(), portal)
	require.NoError(t, err)
	c := &authz.Changeset{Base: base, Publish: &number, Config: b, Entry: authz.AuditEntry{Actor: "cli", Operation: "publish"}}
	if b.Published = nil; files != nil {
		state, err := store.PolicyState(t.Context(), portal)
		require.NoError(t, err)
		number = state.Last + 1
		b.Published = &authz.PolicyRevision{Number: number, Files: files, At: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
		c.Changes = []authz.EntityWrite{{Entity: b.Published.Key(), New: *b.Published}}
	}
	_, err = store.Commit(t.Context(), portal, c)
	require.NoError(t, err)
	return number
}

// builtIn are the policies that come with the service, as a revision holds them.
func builtIn(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, fs.WalkDir(policies.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".rego") {
			return err
		}
		text, err := fs.ReadFile(policies.FS, path)
		files[path] = string(text)
		return err
	}))
	return files
}

// TestAPortalKeepsItsPolicyInTheStore goes through a server on the embedded database.
func TestAPortalKeepsItsPolicyInTheStore(t *testing.T) {
	worlds, err := server.DemoWorlds()
	require.NoError(t, err)
	var o server.Options
	r := start(t, worlds, func(opts *server.Options) { o = *opts })
	portal := worlds[0].Portal
	q := authz.Query{
		Subject: authz.Entity{Type: "user", ID: worlds[0].Users[0].ID}, Action: authz.Action{Name: "view"},
		Resource: authz.Entity{Type: "screen", ID: worlds[0].Screens[0].ID},
	}
	asked := func(number int64) authz.Decision {
		t.Helper()
		var d authz.Decision
		require.Eventually(t, func() bool {
			d, err = r.single(t.Context(), portal.ID, q)
			return err == nil && d.PolicyRevision == number
		}, soon, 10*time.Millisecond)
		return d
	}
	detail := func() map[string]any {
		_, all := r.Ready()
		return all["portals"].(map[string]any)[portal.ID].(map[string]any)
	}
	before := asked(0)
	require.NotContains(t, detail(), "policy_revision")

	own := builtIn(t)
	same := asked(r.puts(t, portal.ID, own))
	require.Equal(t, before.Reason, same.Reason)
	require.Equal(t, policy.Of(own).Revision(), same.Policy)
	require.Equal(t, int64(1), detail()["policy_revision"])

	shut := map[string]string{"shut.rego": "package " + portal.Policy + "\n\ndecision := {\"outcome\": \"deny\", \"reason\": \"shut\"}"}
	require.Equal(t, "shut", asked(r.puts(t, portal.ID, shut)).Reason)
	r.puts(t, portal.ID, map[string]string{"gone.rego": "package " + portal.Policy + "\n\ndecision := data.lib.gone.rule(1)"})
	require.Eventually(t, func() bool { _, told := detail()["error"]; return told }, soon, 10*time.Millisecond)
	require.Contains(t, detail()["error"], "revision 3 of the policy cannot be used")
	require.Equal(t, "shut", asked(2).Reason, "the last good one stays in force")

	require.NoError(t, r.stop())
	r = start(t, nil, func(opts *server.Options) { opts.Store = o.Store })
	require.Eventually(t, func() bool {
		d, err := r.single(t.Context(), portal.ID, q)
		return err == nil && d.Reason == authz.ReasonPolicyMissing
	}, soon, 10*time.Millisecond, "with none to go on with it denies, whatever the folder has")
	require.Contains(t, detail()["error"], "revision 3 of the policy cannot be used")
	r.puts(t, portal.ID, nil)
	require.Eventually(t, func() bool {
		d, err := r.single(t.Context(), portal.ID, q)
		return err == nil && d.Reason == before.Reason && d.Policy == before.Policy
	}, soon, 10*time.Millisecond)
}
