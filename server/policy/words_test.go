package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/policy"
)

func TestActions(t *testing.T) {
	for name, tc := range map[string]struct {
		rego string
		want []string
	}{
		"equal":       {`decision := "x" if input.action.name == "view"`, []string{"view"}},
		"turned":      {`decision := "x" if "view" == input.action.name`, []string{"view"}},
		"unequal":     {`decision := "x" if input.action.name != "view"`, []string{"view"}},
		"one of":      {`decision := "x" if input.action.name in {"view", "edit"}`, []string{"edit", "view"}},
		"looked up":   {`decision := {"view": 1, "edit": 2}[input.action.name]`, []string{"edit", "view"}},
		"by a name":   {"decision := \"x\" if {\n\ta := input.action.name\n\ta == \"view\"\n}", []string{"view"}},
		"set":         {"decision := \"x\" if known[input.action.name]\n\nknown := {\"view\", \"edit\"}", []string{"edit", "view"}},
		"by type":     {"decision := \"x\" if knows[input.resource.type][input.action.name]\n\nknows.user := {\"view\"}\n\nknows.portal := {\"login\"}", []string{"login", "view"}},
		"partial":     {"decision := \"x\" if input.action.name in offered\n\noffered contains a if some a in [\"view\", \"edit\"]", []string{"edit", "view"}},
		"in an else":  {"decision := \"x\" if input.user.active\n\nelse := \"y\" if input.action.name == \"view\"", []string{"view"}},
		"negated":     {`decision := "x" if not input.action.name in {"view"}`, []string{"view"}},
		"every":       {"decision := \"x\" if every a in [\"view\"] {\n\ta == input.action.name\n}", []string{"view"}},
		"function":    {"decision := need(input.action.name)\n\nneed(\"view\") := 1\n\nneed(\"edit\") := 2", []string{"edit", "view"}},
		"other texts": {`decision := {"outcome": "allow"} if input.resource.type == "case"`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := policy.Compile(policy.Modules{"a.rego": "package a\n\n" + tc.rego}, policies.InputSchema, time.Second)
			require.NoError(t, err)
			got, err := p.Actions("a")
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestPresetsKnowActions(t *testing.T) {
	modules, err := policy.Load(policies.FS)
	require.NoError(t, err)
	p, err := policy.Compile(modules, policies.InputSchema, time.Second)
	require.NoError(t, err)
	for pkg, some := range map[string][]string{
		"presets.acumatica":               {"view", "edit", "create", "publish", "delete", "list", "comment", "close", "manage_user.create"},
		"presets.salesforce_portal":       {"view", "edit", "act_as", "manage_user.disable", "login"},
		"presets.salesforce_self_service": {"view", "comment", "manage_user.reset_password"},
		"presets.crm_service":             {"view", "edit", "login", "manage_user.assign_role"},
		"presets.zoho_desk":               {"view", "open", "sign_up", "configure", "track"},
		"presets.authzen":                 {"read", "write", "delete"},
	} {
		got, err := p.Actions(pkg)
		require.NoError(t, err)
		require.Subset(t, got, some, pkg)
	}
	_, err = p.Actions("presets.none")
	require.ErrorContains(t, err, "no policy package")
}

func TestWordsAndRules(t *testing.T) {
	modules, err := policy.Load(policies.FS)
	require.NoError(t, err)
	p, err := policy.Compile(modules, policies.InputSchema, time.Second)
	require.NoError(t, err)
	words, err := p.Words("presets.acumatica")
	require.NoError(t, err)
	require.True(t, words["Administrator"])
	require.False(t, words["Support Channels"])
	rules, err := p.Rules("presets.zoho_desk")
	require.NoError(t, err)
	require.NotEmpty(t, rules)
	for _, r := range rules {
		require.NotEmpty(t, r.ID)
		require.Positive(t, r.Line)
	}
}
