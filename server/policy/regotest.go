package policy

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// RegoTest is the result of one test rule.
type RegoTest struct {
	Module  string // path
	Line    int
	Package string // such as "lib.levels_test"
	Name    string
	Failed  bool
	Skipped bool     // its name begins with todo_test_
	Err     string   // what kept it from a result
	Cases   []string // of a test by cases: those that failed
	Output  []string // lines that it printed
	// Variables are, for a failed test, "name: value" of those bound where it
	// failed, by name; At is the line of the expression that was not true.
	Variables []string
	At        int
	Took      time.Duration
}

// String returns the test's full name.
func (t *RegoTest) String() string { return t.Package + "." + t.Name }

// testTimeout bounds one test.
const testTimeout = time.Minute

// RunTests runs the test rules of tests against the modules, as `opa test` does,
// under [Capabilities]. wanted, unless nil, picks them by their module and full
// name. What takes part counts for coverage, unless that is nil. The results are
// sorted by module and line.
//
// The error is Invalid when modules or tests do not compile.
func RunTests(ctx context.Context, modules, tests Modules, wanted func(module, name string) bool, coverage *Coverage) ([]RegoTest, error) {
	s := &testSuite{sources: maps.Clone(modules), wanted: wanted, coverage: coverage}
	maps.Copy(s.sources, tests)
	var found []RegoTest
	if err := s.run(ctx, "", false, func(r *tester.Result) { found = append(found, regoTest(r)) }); err != nil {
		return nil, err
	}
	for i := range found {
		if t := &found[i]; t.Failed && t.Err == "" {
			if err := s.explain(ctx, t); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(found, func(a, b RegoTest) int {
		if a.Module != b.Module {
			return strings.Compare(a.Module, b.Module)
		}
		return a.Line - b.Line
	})
	return found, nil
}

// testSuite is a set of tests with what they test.
type testSuite struct {
	sources  Modules
	wanted   func(module, name string) bool
	coverage *Coverage
}

// run gives each the results of the tests whose name matches the pattern. The
// compiler changes the modules that it is given, so that each run parses its own.
func (s *testSuite) run(ctx context.Context, pattern string, traced bool, each func(*tester.Result)) error {
	caps := Capabilities()
	parsed, err := parse(s.sources, caps)
	if err != nil {
		return err
	}
	s.drop(parsed)
	runner := tester.NewRunner().
		SetCompiler(ast.NewCompiler().WithCapabilities(caps).WithEnablePrintStatements(true)).
		SetStore(inmem.New()).SetModules(parsed).CapturePrintOutput(true).RaiseBuiltinErrors(true).
		SetTimeout(testTimeout).EnableTracing(traced).Filter(pattern)
	if s.coverage != nil && !traced {
		runner.SetCoverageQueryTracer(s.coverage.hits)
	}
	results, err := runner.RunTests(ctx, nil)
	if err != nil {
		return invalid(err)
	}
	for r := range results {
		each(r)
	}
	if err := ctx.Err(); err != nil {
		return authz.Errorf(authz.Unavailable, "the tests were stopped").Because(err)
	}
	return nil
}

// drop takes the test rules that are not wanted out of their modules.
func (s *testSuite) drop(parsed map[string]*ast.Module) {
	if s.wanted == nil {
		return
	}
	for path, m := range parsed {
		pkg := strings.TrimPrefix(m.Package.Path.String(), "data.")
		m.Rules = slices.DeleteFunc(m.Rules, func(r *ast.Rule) bool {
			name := string(r.Head.Name)
			if name == "" && len(r.Head.Reference) > 0 {
				name = strings.Trim(r.Head.Reference[0].String(), `"`)
			}
			test := strings.HasPrefix(name, tester.TestPrefix) || strings.HasPrefix(name, tester.SkipTestPrefix)
			return test && !s.wanted(path, pkg+"."+name)
		})
	}
}

func regoTest(r *tester.Result) RegoTest {
	t := RegoTest{
		Module: r.Location.File, Line: r.Location.Row, Package: strings.TrimPrefix(r.Package, "data."), Name: r.Name,
		Failed: r.Fail || r.Error != nil, Skipped: r.Skip, Took: r.Duration,
	}
	if r.Error != nil {
		t.Err = r.Error.Error()
	}
	if out := strings.TrimRight(string(r.Output), "\n"); out != "" {
		t.Output = strings.Split(out, "\n")
	}
	t.Cases = failedCases("", r.SubResults)
	return t
}

// failedCases returns the names of the cases that failed, sorted; those within
// cases as "outer/inner".
func failedCases(prefix string, cases tester.SubResultMap) []string {
	var failed []string
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		switch within := failedCases(prefix+name+"/", cases[name].SubResults); {
		case len(within) > 0:
			failed = append(failed, within...)
		case cases[name].Fail:
			failed = append(failed, prefix+name)
		}
	}
	return failed
}

// explain runs a failed test once more and notes where it failed, on what values.
func (s *testSuite) explain(ctx context.Context, t *RegoTest) error {
	return s.run(ctx, "^"+regexp.QuoteMeta("data."+t.String())+"$", true, func(r *tester.Result) { t.locate(r.Trace) })
}

// locate finds the innermost expression of the test that was not true when it
// failed for good, and what was bound there.
func (t *RegoTest) locate(trace []*topdown.Event) {
	var last *ast.Expr // the expression of the test itself
	values := map[string]string{}
	for _, e := range slices.Backward(trace) {
		x, ok := e.Node.(*ast.Expr)
		if !ok || x.Location == nil || x.Location.File != t.Module {
			continue
		}
		if e.Op == topdown.EvalOp && x == last {
			break
		}
		if e.Op != topdown.FailOp {
			continue
		}
		if last == nil {
			last = x
		}
		t.At = x.Location.Row
		bind(values, e)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		t.Variables = append(t.Variables, name+": "+values[name])
	}
}

// bind adds the variables that are bound at an event and written in the source.
func bind(values map[string]string, e *topdown.Event) {
	if e.Locals == nil {
		return
	}
	e.Locals.Iter(func(k, v ast.Value) bool {
		name, ok := k.(ast.Var)
		meta, known := e.LocalMetadata[name]
		if ok && known && !meta.Name.IsWildcard() && !meta.Name.IsGenerated() {
			values[string(meta.Name)] = printed(v)
		}
		return false
	})
}

// maxPrinted bounds a value in a report, in bytes.
const maxPrinted = 2_000

func printed(v ast.Value) string {
	text := v.String()
	if document, err := ast.JSON(v); err == nil {
		if b, err := json.Marshal(document); err == nil {
			text = string(b)
		}
	}
	if len(text) > maxPrinted {
		text = strings.ToValidUTF8(text[:maxPrinted], "") + "…"
	}
	return text
}
