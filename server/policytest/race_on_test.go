//go:build race

package policytest_test

// oneIn says which mutants are tried: every so many-th.
const oneIn = 20
