//go:build !race

package storetest

import (
	"context"
	"log/slog"
	"testing"

	"github.com/portcullis-authz/portcullis/server/ferret"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// Database returns where the store of a test is. end ends what is there, and is to be
// called when the store is closed.
func Database(t testing.TB) (o mongodb.Options, end func() error) {
	t.Helper()
	db, err := ferret.Start(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return mongodb.Options{URI: db.URI(), Database: "portcullis", Embedded: true, Sole: true, Prepare: db.Index}, func() error { return db.Stop(context.Background()) }
}
