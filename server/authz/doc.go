// Package authz is the vocabulary of Portcullis: the entities of a customer
// portal, the question that a portal asks, the facts that bear on it and the
// decision that answers it. Every other package speaks in these types, and this
// one imports the standard library alone.
//
// The types hold no judgement. Whether a user may do something is said by a
// portal's Rego policy; what is here only states what the portal's
// administrators have stored ([World]), what was asked ([Query]) and what came
// of it ([Decision]).
package authz
