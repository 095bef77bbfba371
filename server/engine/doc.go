// Package engine holds a portal's configuration as one immutable snapshot: the
// closures of its role graphs, its screen tree with the path of every node, its
// rights by node, and the policy that decides. From a question and the stored
// entities that it is about, a snapshot states the facts and has the policy
// judge them.
//
// A snapshot is pure: it knows no clock, does no I/O and takes no lock, so that
// a decision can be cached, replayed and tested, and any number of goroutines
// may share it. Nothing that it says changes after [Build]; a change of configuration
// is another snapshot. It keeps the rights that it has stated of a node and a set of
// roles, and room beside them for what the policy makes of these alone. Facts say what
// is, never yes or no: all judgement is the [Policy]'s.
//
// The package imports authz and rbac alone. It never imports OPA, a store, a
// cache or a transport.
package engine
