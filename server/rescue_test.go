package server_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// TestRescue brings a portal back whose policy lets nobody administer it, and whose
// policy does not compile.
func TestRescue(t *testing.T) {
	ctx := t.Context()
	store, err := server.OpenStore(ctx, freshStore(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close(ctx)) }()
	commit := func(c authz.Changeset) {
		c.Base, err = store.Head(ctx, "p")
		if authz.KindOf(err) != authz.NotFound {
			require.NoError(t, err)
		}
		c.Entry.Actor, c.Entry.Operation = "test", "test"
		_, err := store.Commit(ctx, "p", &c)
		require.NoError(t, err)
	}
	portal := authz.Portal{ID: "p", Policy: "own"}
	commit(authz.Changeset{Changes: []authz.EntityWrite{{Entity: portal.Key(), New: portal}}, Config: &authz.Bundle{Portal: portal}})
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	publish := func(number int64, source string) {
		r := authz.PolicyRevision{Number: number, Author: "test", Message: "m", At: at, Files: map[string]string{"own.rego": source}}
		commit(authz.Changeset{Changes: []authz.EntityWrite{{Entity: r.Key(), New: r}}})
		next := r.PublishedBy(authz.Publication{At: at, By: "test"})
		commit(authz.Changeset{
			Changes: []authz.EntityWrite{{Entity: r.Key(), Old: r, New: next}}, Publish: &number, Config: &authz.Bundle{Portal: portal, Published: &next},
		})
	}
	publish(1, "package own\n\ndecision := {\"outcome\": \"allow\", \"reason\": \"all\"}\n")
	publish(2, "package own\n\ndecision := {\"outcome\": \"deny\", \"reason\": \"none\"}\n")
	publish(3, "package own\n\ndecision := gone(1)\n")
	unpublished := authz.PolicyRevision{Number: 4, Author: "test", Message: "m", At: at, Files: map[string]string{"own.rego": "package own\n\ndecision := 1\n"}}
	commit(authz.Changeset{Changes: []authz.EntityWrite{{Entity: unpublished.Key(), New: unpublished}}})

	for _, tc := range []struct {
		number int64
		kind   authz.Kind
		says   string
	}{
		{3, authz.Conflict, `policy "3" is in force already`},
		{4, authz.Conflict, `policy "4" was never in force`},
		{9, authz.NotFound, "9"},
	} {
		_, err := server.Rescue(ctx, store, "p", tc.number, "rescue by root", "")
		require.ErrorContains(t, err, tc.says)
		require.Equal(t, tc.kind, authz.KindOf(err))
	}
	for _, number := range []int64{1, 0, 2} {
		done, err := server.Rescue(ctx, store, "p", number, "rescue by root", "locked out")
		require.NoError(t, err)
		require.Equal(t, "rescue", done.Entry.Operation)
		b, err := store.Bundle(ctx, "p")
		require.NoError(t, err)
		require.Equal(t, number == 0, b.Published == nil)
		if number != 0 {
			require.Equal(t, number, b.Published.Number)
		}
	}
	_, err = server.Rescue(ctx, store, "p", 3, "rescue by root", "")
	require.Equal(t, authz.Invalid, authz.KindOf(err), "it does not compile: %v", err)
	b, err := store.Bundle(ctx, "p")
	require.NoError(t, err)
	require.Equal(t, int64(2), b.Published.Number, "what was in force stays")
}
