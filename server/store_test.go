//go:build !race

package server_test

import (
	"testing"

	"github.com/portcullis-authz/portcullis/server"
)

// freshStore is where the store of a test is: in a data folder of its own.
func freshStore(t testing.TB) server.StoreOptions {
	t.Helper()
	return server.StoreOptions{Data: t.TempDir(), Database: "test", Log: server.Discard()}
}
