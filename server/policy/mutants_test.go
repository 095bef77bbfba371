package policy_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/policy"
)

func TestMutants(t *testing.T) {
	for _, tc := range []struct {
		name, source string
		want         []string
	}{
		{"a constant", "a := 2", []string{"delete rule `a := 2`", "2 -> 3", "2 -> 1"}},
		{"a word", `a := "x"`, []string{"delete rule `a := \"x\"`", `"x" -> "x!"`}},
		{"a switch", "a := true", []string{"delete rule `a := true`", "true -> false"}},
		{"null and fractions stay", "a := [null, 1.5]", []string{"delete rule `a := [null, 1.5]`", "drop member `null`", "drop member `1.5`"}},
		{"an outcome", `a := {"outcome": "hide"}`, []string{
			"delete rule `a := {\"outcome\": \"hide\"}`", "drop member `\"outcome\": \"hide\"`", `"outcome" -> "outcome!"`,
			`"hide" -> "allow"`, `"hide" -> "deny"`,
		}},
		{"a condition", "a if input.context.x", []string{
			"delete rule `a if input.context.x`", "drop `input.context.x`", "negate `input.context.x`",
		}},
		{"a denial", "a if not input.context.x", []string{
			"delete rule `a if not input.context.x`", "drop `not input.context.x`", "remove the `not` of `not input.context.x`",
		}},
		{"a comparison", "a := input.context.x >= b\n\nb := input.context.y", []string{
			"delete rule `a := input.context.x >= b`", "`>=` -> `>`", "`>=` -> `<=`", "delete rule `b := input.context.y`",
		}},
		{"sets", "a := b & c\n\nb := {2}\n\nc := {input.context.x}", []string{
			"delete rule `a := b & c`", "`&` -> `|`", "`&` -> `-`", "delete rule `b := {2}`", "drop member `2`", "2 -> 3", "2 -> 1",
			"delete rule `c := {input.context.x}`", "drop member `input.context.x`",
		}},
		{"an index", "a := input.user.roles[0]", []string{"delete rule `a := input.user.roles[0]`", "0 -> 1", "0 -> -1"}},
		{"branches", "a := 5 if input.context.x\n\nelse := 7 if input.context.y", []string{
			"delete rule `a := 5 if input.context.x ...`", "delete branch `a := 5`", "5 -> 6", "5 -> 4", "drop `input.context.x`", "negate `input.context.x`",
			"delete branch `else := 7 if input.context.y`", "7 -> 8", "7 -> 6", "drop `input.context.y`", "negate `input.context.y`",
		}},
		{"words of branches", "a := \"x\" if input.context.x\n\nelse := \"y\" if input.context.y\n\nelse := \"z\"", []string{
			"delete rule `a := \"x\" if input.context.x ...`", "delete branch `a := \"x\"`", `"x" -> "x!"`, "drop `input.context.x`", "negate `input.context.x`",
			"delete branch `else := \"y\"`", `"y" -> "y!"`, "drop `input.context.y`", "negate `input.context.y`",
			"delete branch `else := \"z\"`", `"z" -> "z!"`,
		}},
		{"a rule with a key", `a["k"] := 2 if input.context.x`, []string{
			"delete rule `a[\"k\"] := 2 if input.context.x`", "2 -> 3", "2 -> 1", "drop `input.context.x`", "negate `input.context.x`",
		}},
		{"an aggregate", "a := max([x | some x in input.user.roles])", []string{
			"delete rule `a := max([x | some x in input.user.roles])`", "`max` -> `min`", "drop `some x in input.user.roles`",
		}},
		{"every and functions", "a(\"k\", xs) if every x in xs { x < 3 }\n\nb if a(\"k\", {4})", []string{
			"delete rule `a(\"k\", xs) if every x in xs { x < 3 }`", `"k" -> "k!"`, "drop `every x in xs { x < 3 }`",
			"drop `x < 3`", "negate `x < 3`", "`<` -> `<=`", "`<` -> `>`", "3 -> 4", "3 -> 2",
			"delete rule `b if a(\"k\", {4})`", "drop `a(\"k\", {4})`", "negate `a(\"k\", {4})`",
			`"k" -> "k!"`, "drop member `4`", "4 -> 5", "4 -> 3",
		}},
		{"a partial rule", `a contains "x" if input.context.y`, []string{
			"delete rule `a contains \"x\" if input.context.y`", `"x" -> "x!"`, "drop `input.context.y`", "negate `input.context.y`",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			original := policy.Modules{"lib/t.rego": "package t\n\n" + tc.source + "\n", "lib/u.rego": "package u\n"}
			kept := maps.Clone(original)
			mutants, err := policy.Mutants(original)
			require.NoError(t, err)
			require.Equal(t, kept, original)
			var got []string
			texts := map[string]bool{original["lib/t.rego"]: true}
			for _, m := range mutants {
				got = append(got, m.What)
				require.Equal(t, "lib/t.rego", m.Module)
				require.Equal(t, "package u\n", m.Modules["lib/u.rego"])
				require.False(t, texts[m.Modules["lib/t.rego"]], "%s changes nothing new: %s", m.What, m.Modules["lib/t.rego"])
				texts[m.Modules["lib/t.rego"]] = true
			}
			require.Equal(t, tc.want, got)
		})
	}
}

// TestMutantText reads mutants as they would be read in a report.
func TestMutantText(t *testing.T) {
	source := `# METADATA
# description: Kept.
package t

# A comment.
a := 5 if {
	input.context.x == "y"
	not input.context.z
}

else := 7
`
	mutants, err := policy.Mutants(policy.Modules{"t.rego": source})
	require.NoError(t, err)
	text := func(name string) string {
		i := slices.IndexFunc(mutants, func(m policy.Mutant) bool { return m.String() == name })
		require.GreaterOrEqual(t, i, 0, "%s", name)
		return mutants[i].Modules["t.rego"]
	}
	head := "# METADATA\n# description: Kept.\npackage t\n\n# A comment.\n"
	require.Equal(t, head+"a := 5 if {\n\tinput.context.x == \"y!\"\n\tnot input.context.z\n}\n\nelse := 7\n", text(`t.rego:7: "y" -> "y!"`))
	require.Equal(t, head+"a := 5 if {\n\tnot input.context.z\n}\n\nelse := 7\n", text("t.rego:7: drop `input.context.x == \"y\"`"))
	require.Equal(t, head+"a := 5 if {\n\tinput.context.x == \"y\"\n\tnot input.context.z\n}\n", text("t.rego:11: delete branch `else := 7`"))
	require.Equal(t, head+"a := 7\n", text("t.rego:6: delete branch `a := 5`"))
}

func TestMutantsOfWhatDoesNotParse(t *testing.T) {
	_, err := policy.Mutants(policy.Modules{"t.rego": "package t\n\na := {"})
	require.ErrorContains(t, err, "t.rego:3")
}
