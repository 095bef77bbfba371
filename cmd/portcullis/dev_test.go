package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// followed is a small project: its files by name.
var followed = map[string]string{
	"mine/portal.yaml":     "id: mine\npolicy: mine\n",
	"mine/users.yaml":      "- {id: ann, login: ann, active: true, user_type: Customer}\n",
	"mine/screens.yaml":    "- {id: home, kind: screen, title: Home}\n",
	"policies/mine.rego":   "package mine\n\ndecision := {\"outcome\": \"allow\", \"reason\": \"open\"} if input.user.active\nelse := {\"outcome\": \"deny\", \"reason\": \"closed\"}\n",
	"mine/decisions.yaml":  "portal: mine\nnow: 2026-03-01T09:00:00Z\ncases:\n  - {id: MY-01, subject: ann, action: view, resource: screen/home, want: {outcome: allow}}\n",
	"mine/user_types.yaml": "- {id: Customer, linked: contact}\n",
}

// following is a folder that a server follows.
type following struct {
	*process
	dir, addr string
	seen      int // of its output
}

func (f *following) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(f.dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	// Written aside and renamed, as editors do.
	require.NoError(t, os.WriteFile(file+".new", []byte(text), 0o600))
	require.NoError(t, os.Rename(file+".new", file))
}

// awaits waits for output that nothing awaited before, and returns it.
func (f *following) awaits(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(`(?m)` + pattern)
	err := f.eventually(func() bool { return re.MatchString(f.out.String()[f.seen:]) })
	require.NoError(t, err, "%s\n%s", pattern, f.out.String())
	text := f.out.String()[f.seen:]
	f.seen += len(text)
	return text
}

// decision asks whether ann may view the screen, and returns outcome and reason.
func (f *following) decision(portal string) (string, error) {
	resp, err := http.Post("http://"+f.addr+"/portals/"+portal+"/access/v1/evaluation", "application/json",
		strings.NewReader(`{"subject":{"type":"user","id":"ann"},"action":{"name":"view"},"resource":{"type":"screen","id":"home"}}`))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var a struct {
		Context struct{ Outcome, Reason string }
	}
	err = json.NewDecoder(resp.Body).Decode(&a)
	return a.Context.Outcome + " " + a.Context.Reason, err
}

func (f *following) decides(t *testing.T, want string) {
	t.Helper()
	got, err := f.decision("mine")
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func follow(t *testing.T) *following {
	dir, tmp := t.TempDir(), t.TempDir()
	f := &following{dir: dir}
	for name, text := range followed {
		f.write(t, name, text)
	}
	var err error
	f.process, err = startProcess(dir, append(os.Environ(), "TMPDIR="+tmp), "serve", "--addr=127.0.0.1:0", "--log-level=info", "--dev", ".")
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = f.cmd.Process.Signal(os.Interrupt)
		require.Zero(t, f.wait(), f.log.String())
		left, err := os.ReadDir(tmp)
		require.NoError(t, err)
		require.Empty(t, left)
	})
	f.addr, err = f.process.addr()
	require.NoError(t, err)
	f.awaits(t, `^\d\d:\d\d:\d\d 1 case passed in`)
	return f
}

// TestDev edits a project while portcullis serve --dev follows it. All the while a
// client asks, and never finds the portal without a policy.
func TestDev(t *testing.T) {
	t.Parallel()
	f := follow(t)
	f.decides(t, "allow open")
	stop, unknown := make(chan struct{}), map[string]bool{}
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			got, err := f.decision("mine")
			if known := map[string]bool{"allow open": true, "deny shut": true, "allow other": true}; err != nil || !known[got] {
				unknown[fmt.Sprint(got, err)] = true
			}
		}
	})

	t.Log("a rule: its suite is run, and fails, and the new rule is served all the same")
	f.write(t, "policies/mine.rego", "package mine\n\ndecision := {\"outcome\": \"deny\", \"reason\": \"shut\"}\n")
	text := f.awaits(t, `^\d\d:\d\d:\d\d serving policy [0-9a-f]{12}$`)
	require.Regexp(t, `(?m)^FAIL mine/decisions\.yaml:4 MY-01: outcome: want allow, got deny\n\d\d:\d\d:\d\d 0 cases passed, 1 failed in`, text)
	require.Contains(t, text, "mine: served -> saved\n  of 1 user, 1 loses access")
	require.LessOrEqual(t, strings.Count(text, "\n"), 25)
	f.decides(t, "deny shut")

	t.Log("what does not compile, and wrong data, are not served")
	f.write(t, "policies/mine.rego", "package mine\n\ndecision := {\n")
	f.awaits(t, `^\d\d:\d\d:\d\d still serving what was before: the policies do not compile:\n  policies/mine\.rego:4:\d+: `)
	f.decides(t, "deny shut")
	f.write(t, "policies/mine.rego", followed["policies/mine.rego"])
	f.awaits(t, ` 1 case passed in(.*\n)*\d\d:\d\d:\d\d serving policy`)
	f.decides(t, "allow open")
	f.write(t, "mine/users.yaml", "- {id: ann, login: ann, activ: true}\n")
	f.awaits(t, `^\d\d:\d\d:\d\d still serving what was before: mine/users\.yaml:1:25: users\[0\]\.activ: unknown key`)
	f.write(t, "mine/users.yaml", followed["mine/users.yaml"])
	f.awaits(t, ` serving policy`)
	f.write(t, "mine/portal.yaml", "id: mine\npolicy: nosuch\n")
	f.awaits(t, `still serving what was before: mine/portal\.yaml: .*no policy package "nosuch"`)
	f.decides(t, "allow open")

	t.Log("data and the policy that it goes with")
	f.write(t, "policies/mine.rego", "package other\n\ndecision := {\"outcome\": \"allow\", \"reason\": \"other\"}\n")
	f.write(t, "mine/portal.yaml", "id: mine\npolicy: other\n")
	f.awaits(t, `^\d\d:\d\d:\d\d serving policy`)
	f.decides(t, "allow other")

	t.Log("a file that nothing depends on")
	f.write(t, "mine/notes.txt", "nothing\n")

	t.Log("another portal, which comes and goes")
	f.write(t, "more/portal.yaml", "id: more\npolicy: other\n")
	f.awaits(t, `more: served -> saved\n(.*\n)*\d\d:\d\d:\d\d serving policy [0-9a-f]{12}$`)
	got, err := f.decision("more")
	require.NoError(t, err)
	require.Equal(t, "allow other", got)
	require.NoError(t, os.RemoveAll(filepath.Join(f.dir, "more")))
	text = f.awaits(t, `portal more is no longer in the folder, and stays until this ends$`)
	require.NotContains(t, text, "mine: served")

	close(stop)
	asking.Wait()
	require.Empty(t, unknown)
}

func TestDevFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args  []string
		files map[string]string
		code  int
		want  string
	}{
		"no portal":        {[]string{"--dev", "."}, map[string]string{"a.txt": ""}, 1, ". holds no portal"},
		"no folder":        {[]string{"--dev", "nowhere"}, nil, 1, "nowhere cannot be"},
		"does not compile": {[]string{"--dev", "."}, map[string]string{"policies/a.rego": "package a\n\nx := {\n", "p/portal.yaml": "id: p\npolicy: a\n"}, 3, "policies/a.rego:4:"},
		"wrong data":       {[]string{"--dev", "."}, map[string]string{"p/portal.yaml": "id: p\npolcy: a\n"}, 1, "p/portal.yaml:2:1: "},
		"two modes":        {[]string{"--dev", ".", "--demo"}, nil, 2, "can't be used together"},
		"a store":          {[]string{"--dev", ".", "--data", "x"}, nil, 1, "--dev has a database of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, tmp := t.TempDir(), t.TempDir()
			for name, text := range tc.files {
				(&following{dir: dir}).write(t, name, text)
			}
			p, err := startProcess(dir, append(os.Environ(), "TMPDIR="+tmp), append([]string{"serve", "--addr=127.0.0.1:0"}, tc.args...)...)
			require.NoError(t, err)
			require.Equal(t, tc.code, p.wait(), p.log.String())
			require.Contains(t, p.log.String(), tc.want)
			left, err := os.ReadDir(tmp)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}
