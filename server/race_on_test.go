//go:build race

package server_test

import "testing"

// embedded leaves out a test that starts the embedded database: built with the race
// detector, FerretDB is a debug build, and crashes on errors that it handles otherwise.
// .ci/run tests this package without the race detector, where nothing is left out.
func embedded(t testing.TB) {
	t.Helper()
	t.Skip("FerretDB built with the race detector crashes on errors that it handles otherwise: run this package without -race, as .ci/run does")
}
