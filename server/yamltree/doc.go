// Package yamltree reads YAML into trees whose every value knows its line and
// column, and decodes such trees with all that is wrong reported at once. What
// people write by hand comes through here: fixtures, and suites of cases.
//
// # YAML
//
// The files are YAML without its surprises. Anchors, aliases, merge keys, tags,
// directives, several documents in a file, "?" keys and repeated keys are
// refused. A number is written in decimal as in JSON; 007, 0x1F, 1_000 and +1,
// and the words yes, no, on and off, which YAML's versions read differently,
// are refused unless quoted. Text over several lines needs quotes, or one of the
// headers |, |-, > and >- with no space at the end of its lines. Where text is
// wanted, a number, a Boolean or null must be quoted.
//
// # Values
//
// Free values have the one form that YAML, BSON and JSON all keep: nil, bool,
// string, int64 for every number that is whole and fits 64 bits (2.0 too: JSON
// cannot tell it from 2), float64 for every other finite number, []any and
// map[string]any. A whole number beyond 64 bits is refused where it is written
// without a fraction or exponent.
package yamltree
