package policy

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/stretchr/testify/require"
)

// allSources returns every Rego file of the policies as shipped, tests included.
func allSources(t *testing.T) Modules {
	root := os.DirFS("../../policies")
	sources := Modules{}
	require.NoError(t, fs.WalkDir(root, ".", func(name string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".rego") {
			var text []byte
			text, err = fs.ReadFile(root, name)
			sources[name] = string(text)
		}
		return err
	}))
	return sources
}

// TestRego runs the policies' own tests as `opa test` does, with what policies may
// use here and no more.
func TestRego(t *testing.T) {
	sources := allSources(t)
	caps := Capabilities()
	modules, err := parse(sources, caps)
	require.NoError(t, err)
	compiler := ast.NewCompiler().WithCapabilities(caps).WithEnablePrintStatements(true)
	results, err := tester.NewRunner().SetCompiler(compiler).SetStore(inmem.New()).SetModules(modules).
		RaiseBuiltinErrors(true).SetTimeout(time.Minute).RunTests(t.Context(), nil)
	require.NoError(t, err)
	tested := map[string]bool{}
	for r := range results {
		tested[r.Location.File] = true
		require.NoError(t, r.Error, r.Name)
		require.False(t, r.Skip, "%s is skipped", r.Name)
		if r.Pass() {
			continue
		}
		for name, sub := range r.SubResults {
			if sub.Fail {
				t.Errorf("%s:%d: %s: %s", r.Location.File, r.Location.Row, r.Name, name)
			}
		}
		t.Errorf("%s:%d: %s fails", r.Location.File, r.Location.Row, r.Name)
	}
	require.NotEmpty(t, tested)
	for name := range sources {
		if strings.HasSuffix(name, "_test.rego") {
			require.True(t, tested[name], "%s holds no test", name)
		}
	}
}
