package scaffold_test

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/scaffold"
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

// TestEveryPreset starts a portal from each preset and holds it to what a user would
// run next: check, fmt --check and test.
func TestEveryPreset(t *testing.T) {
	require.Contains(t, scaffold.Presets(), "acumatica")
	for _, preset := range scaffold.Presets() {
		t.Run(preset, func(t *testing.T) {
			files, err := scaffold.Files(preset, "helpdesk")
			require.NoError(t, err)
			dir := t.TempDir()
			own := policy.Modules{}
			for name, text := range files {
				file := filepath.Join(dir, filepath.FromSlash(name))
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
				require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
				if path.Ext(name) == ".rego" {
					own[strings.TrimPrefix(name, "policies/")] = text
				}
			}
			base, err := policy.Load(policies.FS)
			require.NoError(t, err)
			findings, compiles, err := policy.Check(own, base, policies.InputSchema)
			require.NoError(t, err)
			require.Empty(t, findings)
			require.True(t, compiles)
			for name, text := range own {
				formatted, _ := policy.Format(name, text)
				require.Equal(t, formatted, text, name)
			}
			run(t, dir)
		})
	}
}

func run(t *testing.T, dir string) {
	t.Helper()
	project, err := policytest.Load(policytest.Source{Paths: []string{dir}})
	require.NoError(t, err)
	report, err := policytest.Run(context.Background(), project, policytest.Options{})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(report.Results), 6)
	for _, r := range report.Results {
		require.Equal(t, policytest.StatusPassed, r.Status, "%s %s %+v", r.String(), r.Err, r.Diffs)
	}
}

// TestPresetsAreComplete: every preset that ships can be started from.
func TestPresetsAreComplete(t *testing.T) {
	entries, err := policies.FS.ReadDir("presets")
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, names, scaffold.Presets())
}

// TestWorkflows: they are YAML; what runs the text of a pull request may write nothing,
// and what may write runs nothing of it.
func TestWorkflows(t *testing.T) {
	files, err := scaffold.Files("acumatica", "helpdesk")
	require.NoError(t, err)
	parse := func(name string) *yamltree.Node {
		left := 1000
		root, ok := yamltree.Parse([]byte(strings.Replace(files[name], "\non:", "\n\"on\":", 1)), yamltree.Limits{Depth: 20, Values: left}, &left, func(at yamltree.Pos, msg string) { t.Error(name, at, msg) })
		require.True(t, ok)
		return root
	}
	require.Equal(t, "read", parse(".github/workflows/policies.yml").Get("permissions").Get("contents").Text)

	access := parse(".github/workflows/access.yml")
	require.Equal(t, "pull_request", access.Get("on").Text)
	require.Empty(t, access.Get("permissions").Entries)
	jobs := access.Get("jobs")
	for job, permission := range map[string]string{"compare": "contents: read", "comment": "pull-requests: write"} {
		given := jobs.Get(job).Get("permissions").Entries
		require.Len(t, given, 1)
		require.Equal(t, permission, given[0].Key+": "+given[0].Value.Text)
	}
	var compare, comment string
	for job, text := range map[string]*string{"compare": &compare, "comment": &comment} {
		for _, step := range jobs.Get(job).Get("steps").Items {
			for _, key := range []string{"uses", "run"} {
				if n := step.Get(key); n != nil {
					*text += n.Text + "\n"
				}
			}
		}
	}
	require.Contains(t, compare, "git worktree add ../base \"$BASE\"\nportcullis diff --format github --markdown access.md ../base .\n")
	require.NotContains(t, comment, "checkout")
	require.NotContains(t, comment, "portcullis")
	require.NotContains(t, compare+comment, "${{", "what others write is no part of a command")
}

func TestNames(t *testing.T) {
	for folder, want := range map[string]string{"helpdesk": "helpdesk", "My Portal-2": "my_portal_2", "_x_": "x"} {
		require.Equal(t, want, scaffold.NameOf(folder))
		require.Empty(t, scaffold.NameFault(want))
	}
	for _, name := range []string{"", "2fast", "Helpdesk", "a-b", "data", "portal", "presets", "lib", "input", "a.b", strings.Repeat("a", 41), "über"} {
		require.NotEmpty(t, scaffold.NameFault(name), name)
		_, err := scaffold.Files("acumatica", name)
		require.Error(t, err, name)
	}
	_, err := scaffold.Files("nothing", "helpdesk")
	require.ErrorContains(t, err, "want one of")
}
