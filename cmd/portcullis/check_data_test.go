package main_test

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/findings"
)

// checking runs check in a folder and returns what it writes and its exit code.
func checking(t *testing.T, dir string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, append([]string{"check"}, args...)...)
	cmd.Dir = dir
	text, _ := cmd.CombinedOutput()
	return string(text), cmd.ProcessState.ExitCode()
}

// helpdesk is a portal begun from a preset, whose one inactive user has a grant.
func helpdesk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, "init", "--preset", "acumatica", "helpdesk")
	cmd.Dir = dir
	require.NoError(t, cmd.Run())
	return filepath.Join(dir, "helpdesk")
}

const eve = `portal/users.yaml:4:3: [ended-grant] user "eve" is inactive and still granted "Customer User"; remove the grants, so that they do not come back with the user` + "\n"

func TestCheckDataLevels(t *testing.T) {
	t.Parallel()
	dir := helpdesk(t)
	of := " in 2 policy files, 1 portal, 1 suite\n"
	for _, tc := range []struct {
		file string
		args []string
		want string
		code int
	}{
		{"", nil, "nothing to mend: 2 policy files, 1 portal, 1 suite\n", 0},
		{"", []string{"--data"}, eve + "0 errors, 1 warning" + of, 0},
		{"", []string{"--data", "--strict"}, eve + "0 errors, 1 warning" + of, 1},
		{"", []string{"--data", "--strict", "--level", "ended-grant=note"}, eve + "0 errors, 0 warnings, 1 note" + of, 0},
		{"levels: {ended-grant: error}\n", []string{"--data"}, eve + "1 error, 0 warnings" + of, 1},
		{"levels: {ended-grant: error}\n", []string{"--data", "--level", "ended-grant=off"}, "nothing to mend: 2 policy files, 1 portal, 1 suite\n", 0},
		{"levels: {ended-grand: error}\n", []string{"--data"}, `.portcullis-check.yaml:1:10: [levels] levels.ended-grand: there is no rule "ended-grand"; did you mean "ended-grant"?` +
			"\nnot looked at: .: its policies, portals and suites together, until the errors are mended\n1 error, 0 warnings" + of, 1},
		{"", []string{"--data", "--level", "idle=off"}, "portcullis: --level idle=off: there is no rule \"idle\": want one of ended-grant, generous-guest, idle-right, memberless-role, twin-roles, twin-types, uncovered-rule, unreached-screen, untested-portal\n", 1},
		{"", []string{"--data", "--level", "idle-right"}, "portcullis: --level idle-right names no level: want RULE=LEVEL, such as idle-right=off\n", 1},
		{"", []string{"--level", "idle-right=off"}, "portcullis: --level sets the levels of what --data finds: add --data\n", 1},
		{"", []string{"--data", "--max", "0"}, "portcullis: --max must be from 1 to 10000, got 0\n", 1},
		{"", []string{"--data", "--timeout", "0s"}, "portcullis: --timeout must be above 0, such as 60s, got 0s\n", 1},
	} {
		file := filepath.Join(dir, findings.LevelsFile)
		require.NoError(t, os.WriteFile(file, []byte(tc.file), 0o600))
		got, code := checking(t, dir, tc.args...)
		require.Equal(t, tc.want, got, "%v", tc.args)
		require.Equal(t, tc.code, code, "%v", tc.args)
	}
	got, _ := checking(t, dir, "--data", "--timeout", "1ns")
	require.Contains(t, got, "not looked at: unreached-screen: 5 of 5 nodes of portal helpdesk, for lack of time\n")
}

// TestCheckDataFixtures: no portal that ships has an error, nor a finding that is not
// known to be right.
func TestCheckDataFixtures(t *testing.T) {
	t.Parallel()
	got, code := checking(t, "../..", "--data", "--now", "2026-03-01T09:00:00Z", "--format", "json", "fixtures")
	require.Equal(t, 0, code, got)
	var report struct {
		Errors   int
		Missing  []string
		More     map[string]int
		Findings []struct{ File, Rule string }
	}
	require.NoError(t, json.Unmarshal([]byte(got), &report), got)
	require.Zero(t, report.Errors)
	require.Empty(t, report.Missing)
	require.Empty(t, report.More)
	n := map[string]int{}
	for _, f := range report.Findings {
		n[f.Rule]++
	}
	// Screens and elements without any right, which rows of the tables ask about; two
	// rights that say what the lack of them says; roles and grants that rows need; two
	// bounds that tests of the admission rules reach without the tables.
	require.Equal(t, map[string]int{"unreached-screen": 6, "idle-right": 2, "memberless-role": 3, "ended-grant": 6, "uncovered-rule": 2}, n, got)
}

// TestCheckSARIF holds what is written against what readers of SARIF 2.1.0 need of it.
func TestCheckSARIF(t *testing.T) {
	t.Parallel()
	dir := helpdesk(t)
	odd := filepath.Join(dir, "portal", "odd name")
	require.NoError(t, os.Rename(filepath.Join(dir, "portal"), filepath.Join(dir, "tmp")))
	require.NoError(t, os.MkdirAll(filepath.Dir(odd), 0o700))
	require.NoError(t, os.Rename(filepath.Join(dir, "tmp"), odd))
	text, code := checking(t, dir, "--data", "--format", "sarif", dir)
	require.Equal(t, 0, code, text)
	var log struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			ColumnKind string
			Tool       struct {
				Driver struct {
					Name, Version string
					Rules         []struct {
						ID                     string
						ShortDescription, Help struct{ Text string }
						DefaultConfiguration   struct{ Level string }
					}
				}
			}
			Invocations []struct{ ExecutionSuccessful bool }
			Results     []struct {
				RuleID              string
				RuleIndex           int
				Level               string
				Message             struct{ Text string }
				PartialFingerprints map[string]string
				Locations           []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI, URIBaseID string }
						Region           struct{ StartLine, StartColumn int }
					}
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &log), text)
	require.Equal(t, "2.1.0", log.Version)
	require.Contains(t, log.Schema, "sarif-2.1.0")
	require.Len(t, log.Runs, 1)
	run := log.Runs[0]
	require.Equal(t, "unicodeCodePoints", run.ColumnKind)
	require.True(t, run.Invocations[0].ExecutionSuccessful)
	require.Equal(t, "Portcullis", run.Tool.Driver.Name)
	require.NotEmpty(t, run.Tool.Driver.Version)
	levels := []string{"none", "note", "warning", "error"}
	known := map[string]bool{}
	for _, r := range run.Tool.Driver.Rules {
		require.False(t, known[r.ID], "%s is described twice", r.ID)
		known[r.ID] = true
		require.NotEmpty(t, r.ShortDescription.Text)
		require.NotEmpty(t, r.Help.Text)
		require.Contains(t, levels, r.DefaultConfiguration.Level)
	}
	for _, name := range findings.Names() {
		require.True(t, known[name], name)
	}
	require.NotEmpty(t, run.Results)
	marks := map[string]bool{}
	for _, r := range run.Results {
		require.Equal(t, r.RuleID, run.Tool.Driver.Rules[r.RuleIndex].ID)
		require.Contains(t, levels, r.Level)
		require.NotEmpty(t, r.Message.Text)
		require.Len(t, r.Locations, 1)
		at := r.Locations[0].PhysicalLocation
		uri, err := url.Parse(at.ArtifactLocation.URI)
		require.NoError(t, err)
		require.False(t, uri.IsAbs() || filepath.IsAbs(uri.Path), "%s is relative", at.ArtifactLocation.URI)
		require.FileExists(t, filepath.Join(dir, filepath.FromSlash(uri.Path)))
		require.Equal(t, "%SRCROOT%", at.ArtifactLocation.URIBaseID)
		require.Positive(t, at.Region.StartLine)
		require.Positive(t, at.Region.StartColumn)
		mark := r.PartialFingerprints["portcullis/v1"]
		require.NotEmpty(t, mark)
		require.False(t, marks[mark], "a mark of its own")
		marks[mark] = true
	}
	// A finding that moves keeps its mark.
	file := filepath.Join(odd, "users.yaml")
	users, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, slices.Concat([]byte("# Those who log in\n\n"), users), 0o600))
	text, _ = checking(t, dir, "--data", "--format", "sarif", dir)
	require.NoError(t, json.Unmarshal([]byte(text), &log), text)
	for _, r := range log.Runs[len(log.Runs)-1].Results {
		require.True(t, marks[r.PartialFingerprints["portcullis/v1"]], r.Message.Text)
	}
}
