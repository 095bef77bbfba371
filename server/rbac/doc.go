// Package rbac turns the role graphs of a portal into frozen closures by way of
// Casbin, and is the only importer of Casbin.
//
// Two graphs are compiled from one Casbin model, each with the portal as
// domain: role inherits role (g) and user type manages user type (g2). Casbin's
// role managers are loaded and asked while a snapshot is built; afterwards
// nothing of Casbin is left on the way of a decision. A [Closure] is immutable,
// needs no lock, and numbers its members in the order of their ids.
//
// A graph with a cycle, with a chain longer than [authz.MaxChain] or whose
// closure outgrows its bound is refused. So is a graph that names a member
// which does not exist.
//
// The package never imports policy, a store or a transport, and never holds
// users: what a user holds is joined with the closures elsewhere.
package rbac
