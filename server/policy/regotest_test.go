package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/policy"
)

func TestRunTests(t *testing.T) {
	modules := policy.Modules{"lib/a.rego": "package lib.a\n\ndouble(x) := 2 * x\n\nunused := 1 if input.context.never\n"}
	tests := policy.Modules{"lib/a_test.rego": `package lib.a_test

import data.lib.a

test_right if a.double(2) == 4

test_wrong if {
	want := 5
	got := a.double(2)
	print("got", got)
	got == want
}

test_within if every x in [1, 2] {
	y := a.double(x)
	y == 2
}

test_cases[name] if {
	some name, c in {"one": {"x": 1, "want": 2}, "two": {"x": 2, "want": 5}}
	a.double(c.x) == c.want
}

test_error if a.double(to_number("x")) == 1

todo_test_later if false
`}
	coverage := policy.NewCoverage()
	got, err := policy.RunTests(t.Context(), modules, tests, nil, coverage)
	require.NoError(t, err)
	for i := range got {
		got[i].Took = 0
	}
	require.Equal(t, []policy.RegoTest{
		{Module: "lib/a_test.rego", Line: 5, Package: "lib.a_test", Name: "test_right"},
		{
			Module: "lib/a_test.rego", Line: 7, Package: "lib.a_test", Name: "test_wrong", Failed: true,
			Output: []string{"got 4"}, Variables: []string{"got: 4", "want: 5"}, At: 11,
		},
		{Module: "lib/a_test.rego", Line: 14, Package: "lib.a_test", Name: "test_within", Failed: true, Variables: []string{"x: 2", "y: 4"}, At: 16},
		{
			Module: "lib/a_test.rego", Line: 19, Package: "lib.a_test", Name: "test_cases", Failed: true, Cases: []string{"two"},
			Variables: []string{`c: {"want":5,"x":2}`, `name: "two"`}, At: 21,
		},
		{
			Module: "lib/a_test.rego", Line: 24, Package: "lib.a_test", Name: "test_error", Failed: true,
			Err: `lib/a_test.rego:24: eval_builtin_error: to_number: strconv.ParseFloat: parsing "x": invalid syntax`,
		},
		{Module: "lib/a_test.rego", Line: 26, Package: "lib.a_test", Name: "todo_test_later", Skipped: true},
	}, got)
	lines, err := coverage.Of(modules)
	require.NoError(t, err)
	require.Equal(t, map[string]policy.Lines{"lib/a.rego": {Covered: []int{3}, Missed: []int{5}}}, lines)

	got, err = policy.RunTests(t.Context(), modules, tests, func(module, name string) bool { return name == "lib.a_test.test_cases" }, nil)
	require.NoError(t, err)
	require.Len(t, got, 1)
	_, err = policy.RunTests(t.Context(), modules, policy.Modules{"b_test.rego": "package b\n\ntest_x if nothing"}, nil, nil)
	require.ErrorContains(t, err, "b_test.rego:3:11: ")
}
