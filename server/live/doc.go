// Package live publishes the portals: for each, an immutable view of its
// configuration and policy, built aside and swapped whole. Readers never lock and
// never wait; what cannot be built leaves the last good view in force and the
// fault where operators see it.
//
// A [Manager] follows a store and a source of policies. It knows neither the
// database nor HTTP.
package live
