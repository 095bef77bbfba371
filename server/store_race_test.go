//go:build race

package server_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/storetest"
)

// freshStore is where the store of a test is: on the replica set, as a test that has the
// race detector takes it.
func freshStore(t testing.TB) server.StoreOptions {
	t.Helper()
	o, end := storetest.Database(t)
	t.Cleanup(func() { require.NoError(t, end()) })
	return server.StoreOptions{URI: o.URI, Database: o.Database, Log: server.Discard()}
}
