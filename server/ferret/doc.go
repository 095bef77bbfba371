// Package ferret runs FerretDB with its SQLite backend inside the process, so
// that Portcullis can be tried, and small portals served, without a database
// server. The rest of the program sees a MongoDB URI and nothing else.
//
// It guarantees that one process at a time uses a data folder, that the database
// is reachable through a Unix socket of the folder's owner alone, that it opens
// no network connection, and that it says nothing below a warning.
//
// It imports no own package but authz.
package ferret
