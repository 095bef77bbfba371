package main_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/findings"
	"github.com/portcullis-authz/portcullis/server/schema"
)

const (
	policiesPage   = "../../policies/README.md"
	publishingPage = "../../policies/PUBLISHING.md"
	fixturesPage   = "../../fixtures/README.md"
)

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// session returns the commands of a page with the output shown for each. One that
// feeds a file ends with the line EOF.
func session(t *testing.T, name string) (all []step) {
	t.Helper()
	var feeding bool
	for _, m := range fenced.FindAllStringSubmatch(page(t, name), -1) {
		if m[1] != "console" {
			continue
		}
		for line := range strings.Lines(m[2]) {
			last := len(all) - 1
			switch command, ok := strings.CutPrefix(line, "$ "); {
			case feeding:
				all[last].command += line
				feeding = line != "EOF\n"
			case ok:
				all = append(all, step{command: command})
				feeding = strings.Contains(line, "<<'EOF'")
			default:
				all[last].want += line
			}
		}
	}
	require.NotEmpty(t, all)
	return all
}

// passing is what differs from run to run, or with every edit of what ships.
var passing = regexp.MustCompile(`\b[\d.]+ m?s\b|time="[\d.]+"|:\d+(:\d+)?\b|\b\d+ (policy files?|portals?|suites?|files|cases?|Rego tests)\b|tests="\d+"`)

// walk runs a page's session in a folder.
func walk(t *testing.T, name, dir string) {
	t.Helper()
	for _, s := range session(t, name) {
		if folder, ok := strings.CutPrefix(s.command, "cd "); ok {
			dir = filepath.Join(dir, strings.TrimSpace(folder))
			continue
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", s.command)
		cmd.Dir = dir
		for _, v := range os.Environ() {
			if name, _, _ := strings.Cut(v, "="); name != "CI" && name != "GITHUB_ACTIONS" {
				cmd.Env = append(cmd.Env, v)
			}
		}
		text, _ := cmd.CombinedOutput()
		require.Equal(t, passing.ReplaceAllString(s.want, "~"), passing.ReplaceAllString(string(text), "~"), "$ %s", s.command)
	}
}

// TestPoliciesPage walks the worked change as it is written down: a portal begun, a
// role and a case added, the failure read, a rule written and mended, and the run of CI.
func TestPoliciesPage(t *testing.T) {
	t.Parallel()
	walk(t, policiesPage, t.TempDir())
}

// TestPublishingPage walks a policy's way from a draft into force and back. The server
// beside runs from the first command that asks it.
func TestPublishingPage(t *testing.T) {
	t.Parallel()
	dir, served := t.TempDir(), []string(nil)
	text := func(s string) string { return publishing.ReplaceAllString(passing.ReplaceAllString(s, "~"), "~") }
	for _, s := range session(t, publishingPage) {
		if folder, ok := strings.CutPrefix(s.command, "cd "); ok {
			dir = filepath.Join(dir, strings.TrimSpace(folder))
			continue
		}
		if strings.Contains(s.command, "portcullis policy") && served == nil {
			served = serveWithKey(t, dir, "--limits-eval", "10s")
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", s.command)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), served...)
		got, _ := cmd.CombinedOutput()
		require.Equal(t, text(s.want), text(string(got)), "$ %s", s.command)
	}
}

// publishing is what differs besides on that page.
var publishing = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\S+Z|\b[0-9a-f]{12}\b|\(\d+ questions, \d+ evaluated`)

// serveWithKey serves the portal of the folder, and returns the environment of those who
// ask it with the key in key.json.
func serveWithKey(t *testing.T, dir string, more ...string) []string {
	t.Helper()
	_, env := servingProcess(t, dir, more...)
	return env
}

// servingProcess is serveWithKey that returns the process, too.
func servingProcess(t *testing.T, dir string, more ...string) (*process, []string) {
	t.Helper()
	var made struct{ Key string }
	require.NoError(t, json.Unmarshal([]byte(page(t, filepath.Join(dir, "key.json"))), &made))
	p, err := startProcess(dir, os.Environ(), append([]string{"serve", "--policies", "policies", "--addr", "127.0.0.1:0", "--limits-request", "1m"}, more...)...)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
		require.Zero(t, p.wait(), "%s", p.log)
	})
	addr, err := p.addr()
	require.NoError(t, err)
	require.NoError(t, p.eventually(func() bool {
		res, err := http.Get("http://" + addr + "/readyz")
		return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK
	}))
	return p, []string{"PORTCULLIS_SERVER=http://" + addr, "PORTCULLIS_KEY=" + made.Key}
}

func TestFixturesPage(t *testing.T) {
	t.Parallel()
	walk(t, fixturesPage, "../../fixtures")
}

// TestFactsAreDocumented: the tables have every fact of the contract, with its members.
func TestFactsAreDocumented(t *testing.T) {
	text := page(t, policiesPage)
	var s struct {
		Properties map[string]struct {
			Properties map[string]any
		}
	}
	require.NoError(t, json.Unmarshal(policies.InputSchema, &s))
	for fact, o := range s.Properties {
		row := regexp.MustCompile("(?m)^\\| `input\\." + fact + "` \\|.*$").FindString(text)
		require.NotEmpty(t, row, "input.%s", fact)
		for member := range o.Properties {
			require.Contains(t, row, "`"+member+"`", "input.%s", fact)
		}
	}
}

// TestLibraryIsDocumented: so has the table of the library every package of it.
func TestLibraryIsDocumented(t *testing.T) {
	entries, err := policies.FS.ReadDir("lib")
	require.NoError(t, err)
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".rego"); ok && !strings.HasSuffix(name, "_test") {
			require.Contains(t, page(t, policiesPage), "`data.lib."+name+"`")
		}
	}
}

// TestFindingsAreDocumented: and that of findings every one that mistakes give.
func TestFindingsAreDocumented(t *testing.T) {
	wanted, err := filepath.Glob("testdata/malformed/*/*/want.txt")
	require.NoError(t, err)
	require.NotEmpty(t, wanted)
	for _, name := range wanted {
		for _, m := range regexp.MustCompile(`\[([a-z-]+)\] `).FindAllStringSubmatch(page(t, name), -1) {
			require.Contains(t, page(t, policiesPage), "`"+m[1]+"`", name)
		}
	}
}

// TestDataFindingsAreDocumented: so have those of --data, with their levels.
func TestDataFindingsAreDocumented(t *testing.T) {
	for _, r := range findings.Rules() {
		require.Contains(t, page(t, policiesPage), "\n| `"+r.Name+"` | "+string(r.Level)+" | ")
	}
}

// TestKeysAreDocumented: the page of fixtures has every key of their schemas.
func TestKeysAreDocumented(t *testing.T) {
	text := page(t, fixturesPage)
	files, err := schema.Files("fixture", "suite")
	require.NoError(t, err)
	for name, source := range files {
		var s map[string]any
		require.NoError(t, json.Unmarshal(source, &s))
		for _, key := range keysOf(s) {
			require.Regexp(t, `\b`+key+`\b`, text, name)
		}
	}
}

// keysOf returns the names of all properties of a schema, those of patches left out.
func keysOf(s any) (keys []string) {
	switch s := s.(type) {
	case []any:
		for _, one := range s {
			keys = append(keys, keysOf(one)...)
		}
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		for key, one := range properties {
			keys = append(append(keys, key), keysOf(one)...)
		}
		for _, part := range []string{"items", "anyOf", "additionalProperties"} {
			keys = append(keys, keysOf(s[part])...)
		}
	}
	return keys
}
