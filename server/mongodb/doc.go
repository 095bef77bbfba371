// Package mongodb is the store: what a portal's administrators have written,
// kept in MongoDB or in the embedded FerretDB. It is the only importer of the
// driver, and the same code serves both databases. Where they differ, it says so
// beside the difference.
//
// Every document's _id is "<portal>/<generation>/<key>". An import writes a new
// generation aside and makes it current by one pointer in the portal's head, so
// a reader sees the old data or the new, and never both; a process killed at any
// moment of an import leaves all of its portals old or all of them new. The
// replaced generation stays readable for a while ([Options].Grace) for decisions
// that began with it. A document missing from a generation that is gone is an
// error, never an absent user.
//
// Single writes are changesets, which [Store.Commit] makes whole or not at all,
// together with an entry in the portal's chain of audit entries, with tasks and with
// the answer to be given again: on a replica set in one transaction, in the embedded
// database by a redo journal, which is completed before anything else is written.
// The head is where all of it meets: it holds the revision, the end of the chain and
// the version that writers compare and set. Imports have their entries too. Entries,
// tasks, latches, replies and callers belong to no generation.
//
// Nor do the revisions of a portal's policy, which are numbered and never change: of
// their documents only what has come of them does, and their files are a document
// apart that is written once. The head names the one in force, and so a publication is
// a change of the configuration like any other: whoever reads a Bundle has the policy
// that goes with the rest of it. What another process publishes or sets is read without
// the roles, screens and rights that have not changed since ([Store.Renewed]).
//
// Where the embedded database is written to by one process alone ([Options].Sole), a
// portal's head is kept in memory as it is stored, and so, on every database, are the
// files of revisions, by their digest.
//
// A reader passes the generation of the [authz.Bundle] that it decides with.
//
// Failures to read are authz.Unavailable errors, which refuse; nothing here
// judges access. The package imports no own package but authz.
package mongodb
