package config

import (
	"fmt"
	"regexp"
)

// Secret is an address with credentials in it, or all of it is secret. Every way of printing it gives
// its redacted form; [Secret.Reveal] alone gives the text.
type Secret string

const redacted = "[redacted]"

// address matches an address that can only be read in one way, so that no part
// of a password is taken for a host.
var address = regexp.MustCompile(`^(mongodb(?:\+srv)?://)([^/?#@]*@)?([A-Za-z0-9._-]+(?::[0-9]+)?(?:,[A-Za-z0-9._-]+(?::[0-9]+)?)*)(?:[/?][^@]*)?$`)

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// String returns the scheme and hosts of the address, without credentials,
// database and options, or "[redacted]" when it is no plain address.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	m := address.FindStringSubmatch(string(s))
	switch {
	case m == nil:
		return redacted
	case m[2] != "":
		return m[1] + redacted + "@" + m[3]
	}
	return m[1] + m[3]
}

// Format prints the redacted form whatever the verb.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'q' || verb == 'v' && f.Flag('#') {
		fmt.Fprintf(f, "%q", s.String())
		return
	}
	fmt.Fprint(f, s.String())
}

// MarshalText returns the redacted form, for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
