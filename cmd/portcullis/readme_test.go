package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/fixtures"
	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/config"
)

const readmeFile = "../../README.md"

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(readmeFile)
	require.NoError(t, err)
	return string(text)
}

var fenced = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// blocks returns the fenced blocks of a language, in order.
func blocks(t *testing.T, language string) (texts []string) {
	t.Helper()
	for _, m := range fenced.FindAllStringSubmatch(readme(t), -1) {
		if m[1] == language {
			texts = append(texts, m[2])
		}
	}
	require.NotEmpty(t, texts)
	return texts
}

// step is a command of the README with the output shown for it.
type step struct{ command, want string }

// steps reads the sessions: "$ " begins a command, which ends with the line that
// closes its quotes.
func steps(t *testing.T) (all []step) {
	t.Helper()
	for line := range strings.Lines(strings.Join(blocks(t, "console"), "")) {
		last := len(all) - 1
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			all = append(all, step{command: command})
		} else if strings.Count(all[last].command, "'")%2 == 1 {
			all[last].command += line
		} else {
			all[last].want += line
		}
	}
	return all
}

// TestReadmeSessions runs every command that the README shows, in order and in one
// folder, and compares what it shows with what comes. Addresses are those of this
// run; what changes with every edit of the data is not compared.
func TestReadmeSessions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"fixtures", "policies"} {
		path, err := filepath.Abs("../../" + name)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(dir, name)))
	}
	require.NoError(t, os.Symlink(program, filepath.Join(dir, "portcullis")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "portcullis.yaml"), []byte(configurationFile(t)), 0o600))
	addr, key := "", ""
	for _, s := range steps(t) {
		switch {
		case strings.HasPrefix(s.command, "go build "): // TestMain did
			require.Equal(t, "go build ./cmd/portcullis\n", s.command)
			continue
		case strings.HasPrefix(s.command, "go run ./cmd/portcullis serve --demo"):
			p := serving(t, "--demo")
			require.NoError(t, p.eventually(func() bool { return strings.Contains(p.out.String(), "Ctrl-C") }))
			addr = strings.TrimPrefix(p.base, "http://")
			matches(t, s, p.out.String(), addr)
			key = shownKey.FindString(p.out.String())
			require.NotEmpty(t, key)
			continue
		}
		matches(t, s, shell(t, dir, addr, key, s.command), addr)
	}
	require.NotEmpty(t, addr)
}

// configurationFile is the README's example of a configuration.
func configurationFile(t *testing.T) string {
	all := blocks(t, "yaml")
	i := slices.IndexFunc(all, func(s string) bool { return strings.HasPrefix(s, "# portcullis.yaml\n") })
	require.GreaterOrEqual(t, i, 0)
	return all[i]
}

const shownAddr = "127.0.0.1:8181"

// shownKey is the key that the demo shows, which clients send from then on.
var shownKey = regexp.MustCompile(`ptc_\w+`)

// shell runs one command and returns what it writes, in whole lines.
func shell(t *testing.T, dir, addr, key, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", strings.ReplaceAll(command, shownAddr, addr))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PORTCULLIS_SERVER=http://"+addr, "PORTCULLIS_KEY="+key)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if cmd.ProcessState == nil {
		require.NoError(t, err)
	}
	if text := out.String(); text != "" && !strings.HasSuffix(text, "\n") {
		out.WriteByte('\n')
	}
	return out.String()
}

// changing is what changes with every run, and with every edit of the policies and
// the fixtures: how long it takes, how much is asked, the revision of a policy, how many things a portal
// holds, and where in a file they are.
var changing = regexp.MustCompile(`in [0-9.]+ m?s\b|\b[\d,]+ (?:questions|evaluated)\b|\.rego:\d+|\b[0-9a-f]{12}\b|\b\d+ (?:user types|roles|screens|rights|accounts|contacts|users|records)\b|:\d+:\d+:|\[\d+\]`)

// matches compares; a line "..." of the README stands for any lines.
func matches(t *testing.T, s step, got, addr string) {
	t.Helper()
	got = changing.ReplaceAllString(strings.ReplaceAll(got, addr, shownAddr), "~")
	want := changing.ReplaceAllString(s.want, "~")
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), "\\.\\.\\.\n", "(?s:.*)")
	if !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
		require.Equal(t, want, got, "$ %s", s.command)
	}
}

// TestReadmeCommands holds what cannot be run here, because it needs Docker or is
// the test itself, against a list.
func TestReadmeCommands(t *testing.T) {
	require.Equal(t, []string{
		"go test ./...\n",
		"docker build --build-arg VERSION=v0.1.0 -t portcullis .\ndocker run -e PORTCULLIS_MONGO_URI portcullis key create --name CRM --portal '*' --permission decide\ndocker run -e PORTCULLIS_MONGO_URI -p 127.0.0.1:8181:8181 portcullis\n",
	}, blocks(t, "sh"))
}

// TestReadmeExcerpts: the Rego and the rows shown are those of the files.
func TestReadmeExcerpts(t *testing.T) {
	rego, err := fs.ReadFile(policies.FS, "presets/acumatica/acumatica.rego")
	require.NoError(t, err)
	rows, err := fs.ReadFile(fixtures.FS, "acumatica/decisions.yaml")
	require.NoError(t, err)
	generated(t, regexp.MustCompile("(?s)<!-- rule: (?P<name>\\w+) -->\n```rego\n(?P<text>.*?)```"), func(id string) string { return rule(t, string(rego), id) })
	for _, b := range blocks(t, "rego") {
		require.True(t, strings.Contains(string(rego), b), "the policy has no such text:\n%s", b)
	}
	for _, b := range blocks(t, "yaml") {
		if !strings.HasPrefix(b, "# portcullis.yaml\n") {
			require.True(t, strings.Contains(string(rows), b), "the table has no such row:\n%s", b)
		}
	}
}

// rule returns the text of the rule that carries the id in its METADATA.
func rule(t *testing.T, rego, id string) string {
	t.Helper()
	m := regexp.MustCompile(`(?s)\n# custom: \{id: ` + id + `,.*?\n([^#].*?\n)\n`).FindStringSubmatch(rego)
	require.NotNil(t, m, "the policy has no rule %s", id)
	return m[1]
}

// generated holds a part of the README, the group text of the pattern, against what
// want gives for the group name. UPDATE_README=1 writes it.
func generated(t *testing.T, part *regexp.Regexp, want func(name string) string) {
	t.Helper()
	text := readme(t)
	m := part.FindStringSubmatchIndex(text)
	require.NotNil(t, m, "%s", part)
	group := func(name string) (from, to int) {
		i := part.SubexpIndex(name)
		return m[2*i], m[2*i+1]
	}
	from, to := group("name")
	now := want(text[from:to])
	from, to = group("text")
	if os.Getenv("UPDATE_README") != "" {
		require.NoError(t, os.WriteFile(readmeFile, []byte(text[:from]+now+text[to:]), 0o600))
		return
	}
	require.Equal(t, now, text[from:to])
}

// TestReadmeConfiguration holds the table of keys against config.Reference.
func TestReadmeConfiguration(t *testing.T) {
	generated(t, regexp.MustCompile(`(?s)<!-- (?P<name>configuration): [^\n]*-->\n(?P<text>.*)<!-- end of configuration -->`), func(string) string {
		var b strings.Builder
		b.WriteString("| key | environment | flag | default | what |\n|---|---|---|---|---|\n")
		for _, k := range config.Reference() {
			value := ""
			if k.Default != "" {
				value = "`" + k.Default + "`"
			}
			fmt.Fprintf(&b, "| `%s` | `%s` | `--%s` | %s | %s |\n", k.Name, k.Env, k.Flag, value, k.Doc)
		}
		return b.String()
	})
}

// TestReadmePackages: every package is in the table, and nothing else is.
func TestReadmePackages(t *testing.T) {
	var want []string
	for _, root := range []string{"cmd", "policies", "fixtures", "server"} {
		require.NoError(t, filepath.WalkDir("../../"+root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			sources, err := filepath.Glob(filepath.Join(path, "*.go"))
			if len(sources) > 0 {
				want = append(want, strings.TrimPrefix(filepath.ToSlash(path), "../../"))
			}
			return err
		}))
	}
	_, section, _ := strings.Cut(readme(t), "\n## Packages\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `((?:cmd|policies|fixtures|server)[^`]*)` \\| .+ \\|$").FindAllStringSubmatch(section, -1) {
		got = append(got, m[1])
	}
	require.ElementsMatch(t, want, got)
}

// TestDockerfile: the variables that the image sets are keys of the configuration,
// with values that it takes.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	env := regexp.MustCompile(`PORTCULLIS_[A-Z_]+=\S+`).FindAllString(string(text), -1)
	require.Len(t, env, 2)
	c, err := config.Load(config.Sources{Environ: env})
	require.NoError(t, err)
	require.Equal(t, "0.0.0.0:8181", c.Addr)
	require.Contains(t, string(text), "VOLUME "+c.Data+"\n")
	require.Less(t, c.Drain.Timeout, time.Minute)
}
