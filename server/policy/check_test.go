package policy_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// checkFile checks one module on top of the policies built in.
func checkFile(t *testing.T, source string) (rules []string, compiles bool) {
	t.Helper()
	base, err := policy.Load(policies.FS)
	require.NoError(t, err)
	findings, compiles, err := policy.Check(policy.Modules{"mine.rego": source}, base, policies.InputSchema)
	require.NoError(t, err)
	for _, f := range findings {
		require.Equal(t, "mine.rego", f.File)
		require.Positive(t, f.Line, f)
		require.Positive(t, f.Column, f)
		require.NotEmpty(t, f.Fix, f)
		rules = append(rules, f.Rule)
	}
	return rules, compiles
}

const head = `# METADATA
# title: Mine
package mine

import data.lib.levels
import data.presets.acumatica

# METADATA
# entrypoint: true
# custom: {reasons: {granted: It may., closed: It may not.}}
`

const grant = `
# METADATA
# custom: {id: own, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if {
	levels.screen >= 1
	acumatica.need == 1
}
`

// TestCheckTakes: what looks like a mistake and is none.
func TestCheckTakes(t *testing.T) {
	for name, body := range map[string]string{
		"a last branch": `decision := granted if granted

else := {"outcome": "deny", "reason": "closed"}
` + grant,
		"a default": `default decision := {"outcome": "deny", "reason": "closed"}

decision := granted if granted
` + grant,
		"another decision": `decision := granted if granted

else := {"outcome": "deny", "reason": "closed"} if data.portal.settings.closed == true

else := acumatica.decision
` + grant,
		"a reason from a table": `decision := granted if granted

else := {"outcome": "deny", "reason": reasons[_]}

reasons := ["closed"]
` + grant,
		"a value put together": `decision := granted if granted

else := object.union({"outcome": "deny"}, why)

why := {"reason": "closed"}
` + grant,
		"a function with a grant": `decision := document(granted) if granted

else := {"outcome": "deny", "reason": "closed"}

# METADATA
# custom: {id: own, reason: granted}
document(_) := {"outcome": "allow", "reason": "granted"}

granted if levels.screen >= acumatica.need
`,
		"a name in a table of facts": `decision := granted if granted

else := {"outcome": "deny", "reason": "closed"} if input.user.attributes.anything.at.all

else := {"outcome": "deny", "reason": "closed"} if input.rights[input.screen.path[0].id].any >= 1

else := {"outcome": "deny", "reason": "closed"}
` + grant,
		"a replaced fact": `decision := granted if granted

else := {"outcome": "deny", "reason": "closed"} if not acumatica.granted with input.user as {"id": "x"}

else := {"outcome": "deny", "reason": "closed"}
` + grant,
		"two rules of one refusal": `decision := granted if granted

else := {"outcome": "deny", "reason": "closed"}

admission := {"refusals": refusals, "defaults": {}}

# METADATA
# custom: {id: staff, reason: not_staff}
refusals contains {"rule": "staff", "reason": "not_staff"} if not input.actor.active

refusals contains {"rule": "staff", "reason": "not_staff"} if not input.actor.id
` + grant,
	} {
		t.Run(name, func(t *testing.T) {
			rules, compiles := checkFile(t, head+body)
			require.Empty(t, rules)
			require.True(t, compiles)
		})
	}
}

// TestCheckFinds: what hides behind another form.
func TestCheckFinds(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want []string
	}{
		"a default that allows": {`default decision := {"outcome": "allow", "reason": "granted"}

decision := {"outcome": "deny", "reason": "closed"} if not granted
` + grant, []string{"unconditional-allow"}},
		"a branch that allows": {`decision := granted if granted

else := {"outcome": "deny", "reason": "closed"} if input.user.active == false

else := {"outcome": "allow", "reason": "granted"}
` + grant, []string{"missing-metadata", "unconditional-allow"}},
		"a last branch with a value that may not be": {`decision := granted if granted

else := {"outcome": "deny", "reason": "closed", "level": levels.screen}
` + grant, []string{"may-be-undefined"}},
		"a last branch that is another rule": {`decision := granted if granted

else := refused

refused := {"outcome": "deny", "reason": "closed"} if not granted
` + grant, []string{"may-be-undefined"}},
		"a fact through an import": {`decision := granted if granted

else := {"outcome": "deny", "reason": "closed"} if input.usr.id

else := {"outcome": "deny", "reason": "closed"}
` + grant, []string{"unknown-fact"}},
		"a person handed on": {`decision := granted if granted

else := {"outcome": "deny", "reason": "closed"} if count(input.user) == 0

else := {"outcome": "deny", "reason": "closed"}
` + grant, []string{"not-narrow"}},
		"rules that only one another use": {`decision := granted if granted

else := {"outcome": "deny", "reason": "closed"}

first if second

second if input.user.active == true
` + grant, []string{"unused-rule", "unused-rule"}},
	} {
		t.Run(name, func(t *testing.T) {
			rules, _ := checkFile(t, head+tc.body)
			require.Equal(t, tc.want, rules)
		})
	}
}

// TestShippedPolicies: nothing is to be mended in what ships.
func TestShippedPolicies(t *testing.T) {
	own, err := policy.Sources(policies.FS)
	require.NoError(t, err)
	findings, compiles, err := policy.Check(own, nil, policies.InputSchema)
	require.NoError(t, err)
	require.True(t, compiles)
	for _, f := range findings {
		t.Error(f)
	}
	require.Contains(t, own, "lib/levels_test.rego")
}

// TestCheckBounds: what does not parse keeps neither the rest from being checked nor
// the check from ending.
func TestCheckBounds(t *testing.T) {
	own := policy.Modules{
		"broken.rego": "package", "deep.rego": "package deep\n\nx := " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "\n",
		"untitled.rego": "package untitled\n",
	}
	findings, compiles, err := policy.Check(own, nil, policies.InputSchema)
	require.NoError(t, err)
	require.False(t, compiles)
	var files []string
	for _, f := range findings {
		files = append(files, f.File)
	}
	require.Subset(t, files, []string{"broken.rego", "untitled.rego"})
	_, _, err = policy.Check(own, nil, []byte("no JSON"))
	require.Error(t, err)
}

// TestFormat: formatting finds the one form of every module, and keeps it.
func TestFormat(t *testing.T) {
	modules, err := policy.Sources(policies.FS)
	require.NoError(t, err)
	for name, source := range modules {
		text, faults := policy.Format(name, source)
		require.Empty(t, faults, name)
		require.Equal(t, source, text, name)
		text, faults = policy.Format(name, strings.ReplaceAll(source, "\t", "      "))
		require.Empty(t, faults, name)
		require.Equal(t, source, text, name)
	}
	_, faults := policy.Format("x.rego", "package x\n\nallow {")
	require.NotEmpty(t, faults)
	require.Equal(t, "x.rego", faults[0].File)
	require.Equal(t, 3, faults[0].Line)
}

func TestSources(t *testing.T) {
	m, err := policy.Sources(fstest.MapFS{"a/x.rego": {Data: []byte("package x")}, "a/x_test.rego": {}, ".git/y.rego": {}, "z.txt": {}})
	require.NoError(t, err)
	require.Equal(t, policy.Modules{"a/x.rego": "package x", "a/x_test.rego": ""}, m)
}
