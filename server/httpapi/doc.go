// Package httpapi is the HTTP surface of Portcullis: AuthZEN's evaluation
// endpoints and the health of the process.
//
// It owns the wire: what a request may look like, how much of it there may be,
// how long it may take, and how decisions and errors are written. It guarantees
// that a malformed request never reaches a [Decider], that a status code never
// carries a decision, that nothing handed to a Decider aliases a buffer of the
// transport, and that "decision" is true only where a Decider said allow.
//
// It is the only package that imports Fiber. It holds no access judgement, and
// must never import the packages that decide, store or compile policies: they
// stand behind [Decider] and [Health].
package httpapi
