//go:build !race

package server_test

import "testing"

// embedded lets a test start the embedded database.
func embedded(testing.TB) {}
