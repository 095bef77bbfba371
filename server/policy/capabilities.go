package policy

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// impure are the built-ins, or with a trailing dot families of built-ins, that a
// policy must not call beside those that OPA itself marks as nondeterministic:
// they reach out of the process, read its surroundings or the clock, make their
// answer depend on a secret, or work on without end in one call, which no time
// limit can interrupt.
var impure = []string{
	"bits.lsh", "crypto.", "graphql.", "http.", "io.jwt.", "net.", "opa.", "providers.", "rand.",
	"rego.parse_module", "time.now_ns", "trace", "uuid.",
}

// Capabilities returns what Rego may use here: OPA's own capabilities of this
// version less every built-in whose answer is not a function of its arguments. No
// host may be contacted for a schema either.
func Capabilities() *ast.Capabilities {
	caps := ast.CapabilitiesForThisVersion()
	caps.Builtins = slices.DeleteFunc(slices.Clone(caps.Builtins), func(b *ast.Builtin) bool {
		return b.Nondeterministic || slices.ContainsFunc(impure, func(name string) bool {
			return b.Name == name || strings.HasSuffix(name, ".") && strings.HasPrefix(b.Name, name)
		})
	})
	caps.AllowNet = []string{}
	return caps
}
