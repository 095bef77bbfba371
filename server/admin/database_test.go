//go:build !race

package admin_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/ferret"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// database returns where the store of a test is: in an embedded database of its own.
// end ends that, and is called when the store is closed.
func database(t testing.TB) (o mongodb.Options, end func() error) {
	t.Helper()
	db, err := ferret.Start(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return mongodb.Options{URI: db.URI(), Database: "portcullis", Embedded: true}, func() error { return db.Stop(context.Background()) }
}
