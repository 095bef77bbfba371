package policy_test

import (
	"slices"
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

todo_later if false
`}
	coverage := policy.NewCoverage()
	got, err := policy.RunTests(t.Context(), modules, tests, nil, coverage)
	require.NoError(t, err)
	for i := range got {
		got[i].Took = 0
	}
	require.Equal(t, []policy.RegoTest{}, got)
	_ = slices.Max[[]int]
}
