package admin_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

func TestOneEntity(t *testing.T) {
	s := started(t, rules, world())
	call := byRoot()

	r, err := s.Create(t.Context(), call, user("bob"), map[string]any{"active": true, "contact": "c1", "login": "bob", "grants": []any{"clerk"}})
	require.NoError(t, err)
	require.Equal(t, int64(2), r.Revision)
	require.Equal(t, int64(2), r.Entry)
	require.NotEmpty(t, r.Decision)
	require.Equal(t, map[string]any{"flags": map[string]any{"checked": true}}, r.Defaults)
	require.Equal(t, "bob", r.Entity.Document["login"])

	got, err := s.Read(t.Context(), call, user("bob"))
	require.NoError(t, err)
	require.Equal(t, *r.Entity, got, "what a write answers is what is stored")

	_, err = s.Create(t.Context(), call, user("bob"), map[string]any{})
	require.Equal(t, authz.Conflict, authz.KindOf(err))

	call.IfMatch = ""
	_, err = s.Patch(t.Context(), call, user("bob"), map[string]any{"position": "x"})
	require.Equal(t, authz.Unconditional, authz.KindOf(err))
	call.IfMatch = `"` + got.ETag + `"`
	r, err = s.Patch(t.Context(), call, user("bob"), map[string]any{"position": "Manager", "login": nil})
	require.NoError(t, err)
	require.Equal(t, "Manager", r.Entity.Document["position"])
	require.NotContains(t, r.Entity.Document, "login")
	_, err = s.Patch(t.Context(), call, user("bob"), map[string]any{"position": "y"})
	require.Equal(t, authz.Stale, authz.KindOf(err))

	call.IfMatch = admin.None
	_, err = s.Replace(t.Context(), call, user("bob"), map[string]any{})
	require.Equal(t, authz.Stale, authz.KindOf(err))
	call.IfMatch = admin.Whatever
	before := r.Revision
	r, err = s.Replace(t.Context(), call, user("bob"), map[string]any{"position": "Manager", "active": true, "contact": "c1", "grants": []any{map[string]any{"role": "clerk"}}, "flags": map[string]any{"checked": true}})
	require.NoError(t, err)
	require.Equal(t, before, r.Revision, "nothing has changed, nothing is written")
	require.Zero(t, r.Entry)

	r, err = s.Delete(t.Context(), call, user("bob"))
	require.NoError(t, err)
	require.Nil(t, r.Entity)
	_, err = s.Read(t.Context(), call, user("bob"))
	require.Equal(t, authz.NotFound, authz.KindOf(err))
	_, err = s.Delete(t.Context(), call, user("bob"))
	require.Equal(t, authz.NotFound, authz.KindOf(err))

	v, err := s.Verify(t.Context(), "p")
	require.NoError(t, err)
	require.Empty(t, v.Faults)
	require.Equal(t, int64(4), v.Entries, "the import and three writes")
}

// TestTheCallIsADecision: who is not let in learns nothing of what is stored.
func TestTheCallIsADecision(t *testing.T) {
	s := started(t, rules, world())
	call := byRoot()
	call.Acting.User = "ann"
	for name, do := range map[string]func() error{
		"read":            func() error { _, err := s.Read(t.Context(), call, user("root")); return err },
		"read of nobody":  func() error { _, err := s.Read(t.Context(), call, user("nobody")); return err },
		"create":          func() error { _, err := s.Create(t.Context(), call, user("new"), nil); return err },
		"create what is":  func() error { _, err := s.Create(t.Context(), call, user("root"), nil); return err },
		"patch":           func() error { _, err := s.Patch(t.Context(), call, user("root"), nil); return err },
		"patch of nobody": func() error { _, err := s.Patch(t.Context(), call, user("nobody"), nil); return err },
		"delete":          func() error { _, err := s.Delete(t.Context(), call, user("root")); return err },
		"patch unreadable": func() error {
			_, err := s.Patch(t.Context(), call, user("root"), map[string]any{"logn": 1})
			return err
		},
		"unreadable, nobody": func() error {
			_, err := s.Patch(t.Context(), call, user("nobody"), map[string]any{"logn": 1})
			return err
		},
		"create unreadable": func() error {
			_, err := s.Create(t.Context(), call, user("new"), map[string]any{"logn": 1})
			return err
		},
		"set rights":        func() error { return setRight(t, s, call, "clerk", "mail") },
		"of no role":        func() error { return setRight(t, s, call, "none", "mail") },
		"at no node":        func() error { return setRight(t, s, call, "clerk", "none") },
		"rights":            func() error { _, err := s.Rights(t.Context(), call, admin.RightsQuery{Role: "clerk"}); return err },
		"rights of nothing": func() error { _, err := s.Rights(t.Context(), call, admin.RightsQuery{Role: "none"}); return err },
		"audit":             func() error { _, err := s.Audit(t.Context(), call, authz.AuditQuery{}); return err },
		"tasks":             func() error { _, err := s.Tasks(t.Context(), call, authz.TaskQuery{}); return err },
		"retry":             func() error { return s.RetryTask(t.Context(), call, "p~x") },
		"grants":            func() error { _, err := s.Grants(t.Context(), call, admin.GrantQuery{}); return err },
		"by nobody the user": func() error {
			c := call
			c.Acting.User = "nobody"
			_, err := s.Delete(t.Context(), c, user("root"))
			return err
		},
	} {
		s.logged.taken()
		err := do()
		refused := &admin.Refused{}
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, authz.Forbidden, authz.KindOf(err), name)
		require.Equal(t, "not_permitted", refused.Reason, name)
		require.Empty(t, refused.Faults, name)
		lines := s.logged.taken()
		require.Len(t, lines, 1, name)
		require.Equal(t, refused.Decision, lines[0]["decision"], name)
		require.Equal(t, "deny", lines[0]["outcome"], name)
		require.Equal(t, "INFO", lines[0]["level"], name)
		require.Equal(t, "req", lines[0]["request"], name)
	}
	call.Acting.User = "root"
	_, err := s.Read(t.Context(), call, user("hidden one"))
	missing := authz.KindOf(err)
	require.Equal(t, authz.NotFound, missing)
	_, err = s.Create(t.Context(), call, user("hidden two"), map[string]any{})
	require.EqualError(t, err, `there is no user "hidden two"`)
}

func TestAllRefusalsAtOnce(t *testing.T) {
	s := started(t, rules, world())
	account := key(authz.AccountEntity, "new")
	_, err := s.Create(t.Context(), byRoot(), account, map[string]any{"name": "x", "parent": "nowhere"})
	require.Equal(t, map[string]string{
		"name": "named nameless", "owner": "owned no_owner",
		"parent": `account "nowhere" does not exist: add it to accounts or remove what refers to it`,
	}, refusedFor(t, err, authz.Rejected))

	_, err = s.Batch(t.Context(), byRoot(), []admin.Item{
		{Operation: admin.CreateItem, Key: account, Document: map[string]any{"name": "x", "owner": "root"}},
		{Operation: admin.CreateItem, Key: user("new"), Document: map[string]any{"login": "TAKEN@acme.example ", "active": true, "grants": []any{"clerk", "clrk"}, "account": "new"}},
		{Operation: admin.CreateItem, Key: key(authz.RoleEntity, "new"), Document: map[string]any{"inherits": []any{"clerk", "bos"}}},
		{Operation: admin.PatchItem, Key: key(authz.RoleEntity, "clerk"), Document: map[string]any{"inherits": []any{"boss"}}},
	})
	said := refusedFor(t, err, authz.Rejected)
	require.Equal(t, "named nameless", said["items[0].name"])
	require.Equal(t, "login_unique login_taken", said["items[1].login"])
	require.Equal(t, "role_known role_unknown", said["items[1].grants"])
	require.Contains(t, said["items[1].grants[1].role"], `did you mean "clerk"`)
	require.Contains(t, said["items[2].inherits[1]"], `did you mean "boss"`)
	require.Contains(t, said[""]+said["items[3].inherits[0]"], "roles inherit in a cycle")
	require.Len(t, said, 6, "%v", said)

	_, err = s.Create(t.Context(), byRoot(), user("new"), map[string]any{"logn": "x", "grants": []any{map[string]any{"role": 7}}})
	require.Equal(t, authz.Invalid, authz.KindOf(err))
	var faults authz.Faults
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults, 2)

	_, err = s.Read(t.Context(), byRoot(), account)
	require.Equal(t, authz.NotFound, authz.KindOf(err), "nothing was written")
}

func setRight(t *testing.T, s *service, call admin.Call, role, node string) error {
	t.Helper()
	_, err := s.SetRights(t.Context(), call, admin.RightsQuery{Role: role}, []admin.Cell{{Role: role, Node: node, Level: "edit"}})
	return err
}
