// Package server puts Portcullis together: it is the only package that knows all
// others. Commands and end-to-end tests alone import it.
//
// A [Server] decides over HTTP on a store; a [Store] is opened for the commands
// that write one; [Offline] decides on fixtures with no store and no server.
package server
