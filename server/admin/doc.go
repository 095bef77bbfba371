// Package admin is how portals are administered: every read and every write is a
// decision of the portal's own policy, a write is made whole or not at all, with
// what the policy adds to it and wants done because of it, and leaves an entry in
// the portal's audit.
//
// Who may do what is nowhere in this package. It states what a call would change,
// puts that to the policy, and has the store make what was judged.
package admin
