package policy

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

// Format returns source as `opa fmt` writes it. What does not parse gives its
// faults, named by name, and no text.
func Format(name, source string) (string, []Finding) {
	formatted, err := format.SourceWithOpts(name, []byte(source), format.Opts{
		RegoVersion:   ast.RegoV1,
		ParserOptions: &ast.ParserOptions{RegoVersion: ast.RegoV1},
	})
	if err != nil {
		return "", faultsOf(name, err)
	}
	return string(formatted), nil
}
