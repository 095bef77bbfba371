// Package httpapi is the HTTP surface of Portcullis: AuthZEN's evaluation
// endpoints, the health of the process, and who is let in to what.
//
// It owns the wire: what a request may look like, how much of it there may be,
// how long it may take, and how decisions and errors are written. It guarantees
// that a malformed request never reaches a [Decider], that a status code never
// carries a decision, that nothing handed to a Decider aliases a buffer of the
// transport, and that "decision" is true only where a Decider said allow.
// Everything but the health takes a permission: that of a key, or one of those that
// callers without a key have, of which administration is none.
//
// It is the only package that imports Fiber. It holds no access judgement, and
// must never import the packages that decide, store or compile policies: they
// stand behind [Decider] and [Health].
package httpapi
