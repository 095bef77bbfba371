package policy_test

import (
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// helpers are what the negations below are made of. Nothing of input is there, and
// so missing has no value.
const helpers = `
missing := input.user.attributes.nothing
one(x) if x == 1
same(x) := x
table := {"k": {"a": 1}}
yes if true
rule if `

// checkAlone checks one module without the policies built in.
func checkAlone(t *testing.T, source string) (rules []string, compiles bool) {
	t.Helper()
	findings, compiles, err := policy.Check(policy.Modules{"mine.rego": source}, nil, policies.InputSchema)
	require.NoError(t, err)
	for _, f := range findings {
		rules = append(rules, f.Rule)
	}
	return rules, compiles
}

// TestCheckNegations: a negation of what is undefined holds, or else is warned of.
// Which it is, the evaluator says itself.
func TestCheckNegations(t *testing.T) {
	for _, form := range []string{
		// What stays inside.
		`not missing`, `not input.user.account`, `not missing == 1`, `not input.user.account == "w"`,
		`not input.user.account == input.record.account`, `not missing = 1`, `not (missing == 1)`, `not one(2)`,
		`not one(same(0))`, `not data.portal.settings.a.b == 1`, `not object.get(table, "zz", false)`,
		`not {1 | input.user.account} == {1}`, `not count({y | some y in input.users; y.id > missing}) > 0`,
		`not $"a{input.user.account}" == "b"`, `not same(1) == 2`,
		// What is lifted out: arguments,
		`not one(missing)`, `not one(input.user.attributes.x)`, `not startswith(input.user.account, "a")`, `not same(one(2))`,
		`not one(missing) == true`, `not same(missing) == 1`, `not one(2) == true`, `not count(input.users)`,
		`not max(input.latches) > 0`, `not max([y | some y in input.users]) == 1`, `not one(missing) with input.portal as "x"`,
		// operands of operators,
		`not missing > "a"`, `not (missing > "a")`, `not missing != "a"`, `not input.user.account in {"a"}`, `not "a" in input.latches`,
		`not "a" in input.user.flags[missing]`, `not input.user.same_login + 1 == 2`, `not 1, "b" in input.latches`,
		// brackets,
		`not table[missing]`, `not table[missing].a == 1`, `not table[input.user.account].a`, `not input.user.flags[input.user.account]`,
		`not data.portal.user_types[input.user.user_type].manages == []`, `not data.nope[input.user.account]`, `not [1, missing][0] == 1`,
		// composite values, and the values of with.
		`not {"a": input.user.account} == {"a": "b"}`, `not [missing] == ["k"]`, `not input.user.attributes.x == [missing]`, `not {"a", missing} == {"a"}`,
		`not yes with input.portal as missing`, `not input.user.account with input.portal as input.record.id`,
		// And below another body.
		`{ x := [1 | not missing > "a"]; count(x) == 1 }`, `{ every z in ["a"] { not missing > z } }`,
		`{ some k in [{"a": 0}, {}]; count(k) == 0; not k.a > 0 }`,
	} {
		t.Run(form, func(t *testing.T) {
			body := helpers + form
			rules, compiles := checkAlone(t, "package mine\n"+body)
			require.True(t, compiles, rules)
			set, err := rego.New(rego.Query("data.mine.rule"), rego.Module("mine.rego", "package mine\n"+body),
				rego.Input(map[string]any{"user": map[string]any{}})).Eval(t.Context())
			require.NoError(t, err)
			require.Equal(t, len(set) == 0, slices.Contains(rules, "negated-operand"), rules)
		})
	}
}

// TestCheckNegationsOfWhatIsThere: no warning where the operand has a value, or
// where the rule has none without it anyway.
func TestCheckNegationsOfWhatIsThere(t *testing.T) {
	for name, body := range map[string]string{
		"a condition of the same body": `rule if { input.user.account; not input.user.account in {"a"} }`,
		"a part of it":                 `rule if { input.user.attributes.x.y == 1; not "z" in input.user.attributes.x }`,
		"bound":                        `rule if { account := input.user.account; not account in {"a"} }`,
		"an argument":                  `rule(x) if not x in {"a"}`,
		"from a list":                  `rule if { some x in input.latches; not x in {"a"} }`,
		"an outer body":                `rule if { input.user.account; count([1 | not input.user.account in {"a"}]) == 1 }`,
		"in the head":                  `rule contains input.user.account if not input.user.account in {"a"}`,
		"asked by the branch before": `rule := 1 if not input.user.account

else := 2 if not input.user.account in {"a"}`,
		"a required fact":           `rule if not input.context in [{}]`,
		"a required member":         `rule if { input.record.id; input.record; not input.record.flags.x == input.record.flags }`,
		"settings":                  `rule if not count(data.portal.settings) > 1`,
		"a set":                     "names contains \"a\"\n\nrule if not count(names) > 1",
		"a default":                 "default level := 0\n\nlevel := 1 if input.user.account\n\nrule if not level > 1",
		"a function of all":         "next(x) := x + 1\n\nrule if not next(1) > 2",
		"a function with a default": "default small(_) := false\n\nsmall(x) if x < 1\n\nrule if not same(small(1))\n\nsame(x) := x",
		"of every question":         "decision := {\"outcome\": \"deny\", \"reason\": \"x\"} if rule\n\nrule if not input.action.name in {\"a\"}",
		"of every change":           "admission := {\"refusals\": []} if rule\n\nrule if not input.entity.kind in {\"a\"}",
		"the keyword that keeps all inside": `import future.keywords.not

rule if not input.user.account in {"a"}`,
	} {
		t.Run(name, func(t *testing.T) {
			rules, compiles := checkAlone(t, "package mine\n\n"+body)
			require.True(t, compiles, rules)
			require.NotContains(t, rules, "negated-operand")
		})
	}
}

// TestCheckNegationsDoubt: what looks as if it were there.
func TestCheckNegationsDoubt(t *testing.T) {
	for name, body := range map[string]string{
		"another member":                `rule if { input.user.account; not input.user.position in {"a"} }`,
		"a shorter reference":           `rule if { input.user; not input.user.account in {"a"} }`,
		"inside a comprehension":        `rule if { count([1 | input.user.account]) == 0; not input.user.account in {"a"} }`,
		"inside another negation":       `rule if { not input.user.account; not input.user.account in {"a"} }`,
		"of another input":              `rule if { input.user.account; not input.user.account in {"a"} with input.user as {} }`,
		"a branch with more":            "rule := 1 if { not input.user.account; input.portal == \"x\" }\n\nelse := 2 if not input.user.account in {\"a\"}",
		"a branch for another":          "rule := 1 if not input.user.contact\n\nelse := 2 if not input.user.account in {\"a\"}",
		"a function that may have none": "half(x) := x / 2 if x > 1\n\nrule if not half(1) > 2",
		"a function of some":            "of(1) := 1\n\nrule if not of(2) > 2",
		"a question's fact in a change": "admission := {\"refusals\": []} if rule\n\nrule if not input.action.name in {\"a\"}",
		"a fact of both":                "admission := {\"refusals\": []} if rule\n\ndecision := {\"outcome\": \"deny\", \"reason\": \"x\"} if rule\n\nrule if not input.action.name in {\"a\"}",
		"an import of input":            "import input.user as person\n\nrule if not person.account in {\"a\"}",
	} {
		t.Run(name, func(t *testing.T) {
			rules, compiles := checkAlone(t, "package mine\n\n"+body)
			require.True(t, compiles, rules)
			require.Contains(t, rules, "negated-operand")
		})
	}
}
