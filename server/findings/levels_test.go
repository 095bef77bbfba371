package findings_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/findings"
	"github.com/portcullis-authz/portcullis/server/policy"
)

func TestLevelsOfAFile(t *testing.T) {
	for name, tc := range map[string]struct{ text, fault string }{
		"empty":         {"", ""},
		"one":           {"levels: {memberless-role: error}\n", ""},
		"off":           {"levels: {memberless-role: off}\n", ""},
		"off, quoted":   {"levels: {memberless-role: \"off\"}\n", ""},
		"unknown key":   {"level: {}\n", `c.yaml:1:1: level: unknown key "level"; did you mean "levels"?`},
		"unknown rule":  {"levels:\n  idle-rigth: off\n", `c.yaml:2:3: levels.idle-rigth: there is no rule "idle-rigth"; did you mean "idle-right"?`},
		"unknown level": {"levels:\n  idle-right: warn\n", `c.yaml:2:15: levels.idle-right: "warn" is no level: want one of error, warning, note, off`},
		"no text":       {"levels:\n  idle-right: 3\n", `c.yaml:2:15: levels.idle-right: is a number: want text, such as warning`},
		"no mapping":    {"levels: [a]\n", `c.yaml:1:9: levels: is a list: want a mapping, such as {idle-right: warning}`},
		"no YAML":       {"levels: {\n", "c.yaml:"},
		"too many":      {"levels: {" + strings.Repeat("a: error, ", 300) + "}\n", "c.yaml:"},
		"too large":     {"#" + strings.Repeat("x", findings.MaxLevels), "is too large: at most 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := findings.DefaultLevels().Read("c.yaml", []byte(tc.text))
			if tc.fault == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.fault)
			require.Equal(t, authz.Invalid, authz.KindOf(err))
		})
	}
}

func TestLevelsCount(t *testing.T) {
	files := project{"p/roles.yaml": "- {id: clerk}\n- {id: owl}\n"}
	for level, want := range map[string]policy.Severity{"error": policy.SeverityError, "warning": policy.SeverityWarning, "note": policy.SeverityNote, "off": ""} {
		portals, suites, _ := plain().with(files).load(t)
		o := options()
		var err error
		o.Levels, err = o.Levels.Read("c.yaml", []byte("levels: {memberless-role: "+level+"}\n"))
		require.NoError(t, err)
		report, err := findings.Find(t.Context(), portals, suites, o)
		require.NoError(t, err)
		if want == "" {
			require.Empty(t, report.Findings)
			continue
		}
		require.Len(t, report.Findings, 1)
		require.Equal(t, want, report.Findings[0].Severity)
	}
}

func TestRulesAreDescribed(t *testing.T) {
	require.IsIncreasing(t, findings.Names())
	for _, r := range findings.Rules() {
		require.NotEmpty(t, r.Title)
		require.NotEmpty(t, r.Help)
	}
}
