package admin_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// TestAPortalFromNothing makes a portal with what it holds in one batch, by the
// command line, and takes it away.
func TestAPortalFromNothing(t *testing.T) {
	s := started(t, rules)
	call := admin.Call{Portal: "new"}
	portal, role := key(authz.PortalEntity, "new"), key(authz.RoleEntity, "r")
	_, err := s.Create(t.Context(), call, role, map[string]any{})
	require.Equal(t, authz.NotFound, authz.KindOf(err))

	_, err = s.Create(t.Context(), call, portal, map[string]any{"policy": "nowhere"})
	require.Contains(t, refusedFor(t, err, authz.Rejected)["policy"], "nowhere")
	_, err = s.Create(t.Context(), call, portal, map[string]any{"title": "x"})
	require.Contains(t, refusedFor(t, err, authz.Rejected)["policy"], "is missing")

	stranger := call
	stranger.Acting.User = "root"
	_, err = s.Create(t.Context(), stranger, portal, map[string]any{"policy": "test"})
	require.Equal(t, authz.Forbidden, authz.KindOf(err), "no portal has the user yet")

	r, err := s.Batch(t.Context(), call, []admin.Item{
		{Operation: admin.CreateItem, Key: portal, Document: map[string]any{"policy": "test", "limits": map[string]any{"users": 5}}},
		{Operation: admin.CreateItem, Key: role, Document: map[string]any{"guest": true}},
		{Operation: admin.CreateItem, Key: key(authz.NodeEntity, "home"), Document: map[string]any{"kind": "screen"}},
		{Operation: admin.CreateItem, Key: authz.Key{Kind: authz.RightEntity, Of: "r", ID: "home"}, Document: map[string]any{"level": "view"}},
		{Operation: admin.CreateItem, Key: user("root"), Document: map[string]any{"active": true, "grants": []any{"r"}, "flags": map[string]any{"admin": true}}},
	})
	require.NoError(t, err)
	require.Len(t, r.Items, 5)
	require.Equal(t, "view", r.Items[3].Document["level"])
	call.Acting.User, call.IfMatch = "root", admin.Whatever
	v, err := s.Rights(t.Context(), call, admin.RightsQuery{Role: "r"})
	require.NoError(t, err, "the user who was made with it administers it")
	require.Equal(t, []string{"r home view"}, shown(v))

	_, err = s.Delete(t.Context(), call, portal)
	require.NoError(t, err)
	_, err = s.Read(t.Context(), call, portal)
	require.Equal(t, authz.NotFound, authz.KindOf(err))
	verdict, err := s.Verify(t.Context(), "new")
	require.NoError(t, err)
	require.Empty(t, verdict.Faults)
	require.Equal(t, int64(2), verdict.Entries)

	again, err := s.Create(t.Context(), admin.Call{Portal: "new", IdempotencyKey: "again"}, portal, map[string]any{"policy": "test"})
	require.NoError(t, err, "a portal may come back")
	read, err := s.Read(t.Context(), admin.Call{Portal: "new"}, portal)
	require.NoError(t, err)
	require.Equal(t, read.ETag, again.Entity.ETag, "its revisions go on from where they ended")
	require.Equal(t, read.Revision, again.Revision)
	replayed, err := s.Create(t.Context(), admin.Call{Portal: "new", IdempotencyKey: "again"}, portal, map[string]any{"policy": "test"})
	require.NoError(t, err)
	require.True(t, replayed.Replayed)
	require.Equal(t, read.ETag, replayed.Entity.ETag)
}

func TestConfiguration(t *testing.T) {
	s := started(t, rules, world())
	call := byRoot()
	role := func(id string) authz.Key { return key(authz.RoleEntity, id) }
	patch := func(k authz.Key, doc map[string]any) error {
		_, err := s.Patch(t.Context(), call, k, doc)
		return err
	}
	remove := func(k authz.Key) error { _, err := s.Delete(t.Context(), call, k); return err }

	require.Contains(t, refusedFor(t, patch(key(authz.PortalEntity, "p"), map[string]any{"policy": "gone"}), authz.Rejected)["policy"], "gone",
		"a portal cannot be given a policy that there is not")
	require.Contains(t, refusedFor(t, patch(role("clerk"), map[string]any{"inherits": []any{"boss"}}), authz.Rejected)[""], "cycle")
	require.Contains(t, refusedFor(t, patch(key(authz.NodeEntity, "desk"), map[string]any{"parent": "alone"}), authz.Rejected)["parent"], "cannot lie under it")
	require.Equal(t, authz.Invalid, authz.KindOf(patch(authz.Key{Kind: authz.RightEntity, Of: "clerk", ID: "desk"}, map[string]any{"level": "edit", "node": "mail"})))

	err := remove(role("clerk"))
	require.Equal(t, authz.Conflict, authz.KindOf(err))
	require.Contains(t, err.Error(), `inherits[0]`)
	require.Equal(t, authz.Conflict, authz.KindOf(remove(key(authz.NodeEntity, "mail"))), "a right is there")
	require.Equal(t, authz.Conflict, authz.KindOf(remove(key(authz.AccountEntity, "A"))))

	r, err := s.Delete(t.Context(), call, role("spare"))
	require.NoError(t, err)
	entries, err := s.store.Entries(t.Context(), "p", r.Entry-1, 1)
	require.NoError(t, err)
	require.Len(t, entries[0].Changes, 2, "the rights of a role go with it, on record")
	require.NoError(t, remove(key(authz.NodeEntity, "mail")))

	r, err = s.Create(t.Context(), call, authz.Key{Kind: authz.RightEntity, Of: "boss", ID: "nowhere"}, map[string]any{"level": 1})
	require.Equal(t, map[string]string{"node": `screen node "nowhere" does not exist`}, refusedFor(t, err, authz.Rejected))
	require.Zero(t, r)
	_, err = s.Create(t.Context(), call, authz.Key{Kind: authz.RightEntity, Of: "boss", ID: "desk"}, map[string]any{"level": 1})
	require.NoError(t, err)
	v, err := s.Verify(t.Context(), "p")
	require.NoError(t, err)
	require.Empty(t, v.Faults)
}

// TestABatchCountsOneAfterAnother: the limit of users is the one that the batch sets
// before, and each user counts for the next.
func TestABatchCountsOneAfterAnother(t *testing.T) {
	s := started(t, rules, world())
	item := func(id string) admin.Item {
		return admin.Item{Operation: admin.CreateItem, Key: user(id), Document: map[string]any{"active": true, "login": id}}
	}
	limit := admin.Item{Operation: admin.PatchItem, Key: key(authz.PortalEntity, "p"), Document: map[string]any{"limits": map[string]any{"users": 4}}}
	_, err := s.Batch(t.Context(), byRoot(), []admin.Item{limit, item("u1"), item("u2"), item("u3")})
	require.Equal(t, map[string]string{"items[3]": "few too_many"}, refusedFor(t, err, authz.Rejected))
	twins := []admin.Item{item("u1"), item("u2")}
	twins[1].Document["login"] = "U1"
	_, err = s.Batch(t.Context(), byRoot(), twins)
	require.Equal(t, map[string]string{"items[1].login": "login_unique login_taken"}, refusedFor(t, err, authz.Rejected))
	r, err := s.Batch(t.Context(), byRoot(), []admin.Item{limit, item("u1"), item("u2")})
	require.NoError(t, err)
	require.Equal(t, int64(2), r.Revision, "all is one change")

	for name, tc := range map[string]struct {
		items []admin.Item
		kind  authz.Kind
	}{
		"one entity twice": {[]admin.Item{item("a"), item("a")}, authz.Invalid},
		"none":             {nil, authz.Invalid},
		"too many":         {make([]admin.Item, admin.MaxItems+1), authz.TooLarge},
		"no operation":     {[]admin.Item{{Key: user("a")}}, authz.Invalid},
		"no entity":        {[]admin.Item{{Operation: admin.DeleteItem, Key: key("caller", "x")}}, authz.Invalid},
		"another portal":   {[]admin.Item{{Operation: admin.PatchItem, Key: key(authz.PortalEntity, "q")}}, authz.Invalid},
	} {
		_, err := s.Batch(t.Context(), byRoot(), tc.items)
		require.Equal(t, tc.kind, authz.KindOf(err), name)
	}
}

func TestDryRun(t *testing.T) {
	s := started(t, rules, world())
	call := byRoot()
	call.DryRun, call.IdempotencyKey = true, "x"
	r, err := s.Patch(t.Context(), call, key(authz.ContactEntity, "c1"), map[string]any{"flags": map[string]any{"portal": true}})
	require.NoError(t, err)
	require.True(t, r.DryRun)
	require.Len(t, r.Tasks, 2)
	require.Equal(t, int64(1), r.Revision)
	require.Zero(t, r.Entry)
	require.Equal(t, map[string]any{"portal": true}, r.Entity.Document["flags"])
	_, err = s.Read(t.Context(), call, user("of-c1"))
	require.Equal(t, authz.NotFound, authz.KindOf(err))
	_, err = s.Create(t.Context(), call, user("x"), map[string]any{"active": true, "login": "root"})
	require.Equal(t, "login_unique login_taken", refusedFor(t, err, authz.Rejected)["login"])
	head, err := s.store.Head(t.Context(), "p")
	require.NoError(t, err)
	require.Equal(t, int64(1), head.Revision)
}

// TestStructure: a write of this process that changes roles or rights leaves a
// configuration of which the store does not say what structure it has, and so none that
// is taken for the same as another; a setting leaves it as it is.
func TestStructure(t *testing.T) {
	s := started(t, rules, world())
	structure := func() string {
		b, err := s.decider.Configuration("p")
		require.NoError(t, err)
		return b.Structure
	}
	write := func(item admin.Item) {
		_, err := s.Batch(t.Context(), byRoot(), []admin.Item{item})
		require.NoError(t, err)
	}
	first := structure()
	require.NotEmpty(t, first)
	write(admin.Item{Operation: admin.PatchItem, Key: key(authz.PortalEntity, "p"), Document: map[string]any{"title": "Other"}})
	require.Equal(t, first, structure())
	write(admin.Item{Operation: admin.PatchItem, Key: key(authz.RoleEntity, "clerk"), Document: map[string]any{"title": "Other"}})
	require.Empty(t, structure())
}
