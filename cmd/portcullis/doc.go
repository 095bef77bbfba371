// Command portcullis decides who may do what in customer portals. See the README.
//
// It turns arguments, environment and signals into values for package server,
// and what comes back into text and an exit code. It judges nothing itself and
// imports no policy engine, no database and no web framework.
package main
