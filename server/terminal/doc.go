// Package terminal lays text out for people who read it on a terminal: it knows how
// many columns a text takes, shows what would otherwise drive the terminal, and
// writes tables.
package terminal
