// Package pdp decides: it fetches the stored entities that a question names,
// takes the portal's published view, and asks its snapshot. It is the policy
// decision point that the HTTP surface, the command line and the decision tables
// share.
//
// Entities are read from a [Directory] and cached within a bound, under the
// revision of the portal's data. A change of the data is a new revision, so that
// nothing stale is ever found and nothing has to be invalidated.
//
// Whatever cannot be read denies, with a reason of its own. The package knows
// neither the database, nor OPA, nor Casbin, nor HTTP.
package pdp
