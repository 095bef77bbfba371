// Package schema holds JSON schemas (draft-07, which editors' YAML servers take) of
// what people write by hand: a portal's files and suites of cases; and that of input,
// which policies are checked against.
//
// They describe shape: keys, types and words. What refers to what is for loading to
// say. Tests hold them to the decoders of packages fixture and policytest, key by key.
package schema
