// Package storetest gives tests of other packages a database for a store: an embedded one
// each, or with the race detector a fresh one on the replica set that
// PORTCULLIS_TEST_MONGODB_URI names.
package storetest
