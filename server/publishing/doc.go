// Package publishing examines policies before they come into force: what a portal's
// own policy begins from, whether a revision of it compiles and passes its suites
// under the portal's configuration, and whose access it would change.
//
// It judges nothing and writes nothing. Who may publish what is said by the portal's
// policy, and asked for by package admin.
package publishing
