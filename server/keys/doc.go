// Package keys is the bearer keys by which callers are known: their format, how
// they are made and checked, and the table of callers that a server holds in
// memory.
//
// A key is ptc_<id>_<secret>. The id is public, names the caller in the store, in
// messages and in the audit, and may be shown; the secret is 256 random bits, of
// which the store keeps the SHA-256 alone. A hash made slow on purpose would add
// nothing: nobody guesses 256 bits.
//
// What a key opens is for [authz.Caller] to say, and what the user behind it may
// do for the policies. The package imports no own package but authz.
package keys
