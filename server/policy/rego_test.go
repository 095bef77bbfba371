package policy

import (
	"io/fs"
	"os"
	"slices"
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

// TestReasons holds the reasons that each preset gives against those that it
// documents, and the ids of its rules against each other.
func TestReasons(t *testing.T) {
	modules, err := Load(os.DirFS("../../policies"))
	require.NoError(t, err)
	parsed, err := parse(modules, Capabilities())
	require.NoError(t, err)
	presets := 0
	for name, m := range parsed {
		documented := documentedReasons(t, m)
		if documented == nil {
			continue
		}
		presets++
		given := givenReasons(m)
		require.Equal(t, given, documented, "%s: reasons given and reasons documented differ", name)
		var ids []string
		for _, a := range m.Annotations {
			id, _ := a.Custom["id"].(string)
			reason, _ := a.Custom["reason"].(string)
			require.Equal(t, id == "", reason == "", "%s:%d: id and reason go together", name, a.Location.Row)
			if id != "" {
				require.Contains(t, documented, reason, "%s:%d", name, a.Location.Row)
				require.NotContains(t, ids, id, "%s:%d: two rules have one id", name, a.Location.Row)
				ids = append(ids, id)
			}
		}
		require.NotEmpty(t, ids, name)
	}
	require.Positive(t, presets)
}

// documentedReasons returns the reasons that the annotations of a decision list,
// sorted; nil when the module has no decision.
func documentedReasons(t *testing.T, m *ast.Module) []string {
	i := slices.IndexFunc(m.Rules, func(r *ast.Rule) bool { return r.Head.Reference.String() == "decision" })
	if i < 0 {
		return nil
	}
	var reasons []string
	for _, a := range m.Rules[i].Annotations {
		all, _ := a.Custom["reasons"].(map[string]any)
		for reason, text := range all {
			require.NotEmpty(t, text, reason)
			reasons = append(reasons, reason)
		}
	}
	require.NotEmpty(t, reasons, "%s: document the reasons of its decision", m.Package)
	slices.Sort(reasons)
	return reasons
}

// givenReasons returns the reasons in the documents that the module can give,
// sorted, each once.
func givenReasons(m *ast.Module) []string {
	var reasons []string
	ast.WalkTerms(m, func(t *ast.Term) bool {
		if document, ok := t.Value.(ast.Object); ok {
			if reason := document.Get(ast.StringTerm("reason")); reason != nil && document.Get(ast.StringTerm("outcome")) != nil {
				reasons = append(reasons, strings.Trim(reason.String(), `"`))
			}
		}
		return false
	})
	slices.Sort(reasons)
	return slices.Compact(reasons)
}
