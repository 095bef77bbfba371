package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// watched is a small project: its files by name.
var watched = map[string]string{
	"suites/mine/portal.yaml": "policy: mine\n",
	"policies/mine.rego":      "package mine\n\ndecision := {\"outcome\": \"allow\", \"reason\": \"open\"} if input.resource.type == \"door\"\n",
	"suites/decisions.yaml": "portal: mine\nnow: 2026-03-01T09:00:00Z\ncases:\n" +
		"  - {id: MY-01, subject: anonymous/visitor, action: open, resource: door/1, want: {outcome: allow}}\n",
}

// TestWatch edits a project while portcullis test --watch runs in one folder of it:
// each change is seen, also of the policies beside it, what is broken is told and
// waits to be mended, and Ctrl-C ends it as a success.
func TestWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	for name, text := range watched {
		write(name, text)
	}
	p, err := startProcess(dir, append(os.Environ(), "CI=true"), "test", "--watch", "suites")
	require.NoError(t, err)
	defer func() { _ = p.cmd.Process.Kill(); _ = p.wait() }()
	seen, seenLog := 0, 0
	awaits := func(out *output, from *int, pattern string) {
		t.Helper()
		re := regexp.MustCompile(`(?m)` + pattern)
		err := p.eventually(func() bool { return re.MatchString(out.String()[*from:]) })
		require.NoError(t, err, "%s\n%s", pattern, out.String())
		*from = len(out.String())
	}
	awaits(p.out, &seen, `^\d\d:\d\d:\d\d 1 case passed in`)

	write("suites/decisions.yaml", watched["suites/decisions.yaml"]+
		"  - {id: MY-02, subject: anonymous/visitor, action: open, resource: window/1, want: {outcome: allow}}\n")
	awaits(p.out, &seen, `^FAIL suites/decisions\.yaml:5 MY-02\n(.*\n)*\d\d:\d\d:\d\d 1 case passed, 1 failed in`)

	write("policies/mine.rego", "package mine\n\ndecision := {\n")
	awaits(p.log, &seenLog, `^\d\d:\d\d:\d\d the policies do not compile:\n  policies/mine\.rego:4:`)

	write("policies/mine.rego", "package mine\n\ndecision := {\"outcome\": \"allow\", \"reason\": \"open\"}\n")
	awaits(p.out, &seen, `^\d\d:\d\d:\d\d 2 cases passed in`)

	write("suites/decisions.yaml", "cases: [\n")
	awaits(p.log, &seenLog, `^\d\d:\d\d:\d\d suites/decisions\.yaml:`)

	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.Zero(t, p.wait(), p.log.String())
	require.NotContains(t, p.out.String()[seen:], "passed", "nothing runs without a change")
}
