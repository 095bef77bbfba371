// Package policy is where Rego decides. It owns OPA: it loads modules from a
// folder and from those built in, compiles them strictly and with the built-ins
// cut down to pure ones, binds a portal's settings to them, shows them a question
// with its facts, and turns whatever comes back into a decision.
//
// Whatever is not a well-formed decision document denies, with a reason of its
// own: an undefined or malformed answer, an error, an evaluation over its time
// limit. Nothing here grants.
//
// A [Program] is the compiled policies; a [Policy] is one of its packages bound to
// one portal. Both are safe for concurrent use, and nothing that they say changes. What
// rules come to that do not need a whole question is kept, as settled.go says; a decision
// never is. [Watch] tells when the folder has changed; what to do about it is the caller's
// affair.
//
// [Mutants] changes policies in every small way, so that tests of policies can be
// tested themselves.
//
// The package knows nothing of stores, role graphs or HTTP.
package policy
