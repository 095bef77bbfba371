package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

// program is the path of the binary under test, which is built as a user builds it.
// It is never built with the race detector, under which the embedded database
// crashes: what runs concurrently in it is tested where it lives.
var program string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "portcullis-binary-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "portcullis")
	// Without the tables for debuggers it links in half the time.
	if text, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, text)
		return 1
	}
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "PORTCULLIS_") {
			_ = os.Unsetenv(name)
		}
	}
	_ = os.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	return m.Run()
}

// TestScripts runs the scripts, which call the binary.
func TestScripts(t *testing.T) {
	fixtures, err := filepath.Abs("../../fixtures")
	require.NoError(t, err)
	servers := map[string]*process{} // by the work folder of the script
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			tmp := filepath.Join(e.WorkDir, "tmp")
			e.Setenv("FIXTURES", fixtures)
			e.Setenv("TMPDIR", tmp)
			e.Setenv("PATH", os.Getenv("PATH"))
			return os.MkdirAll(tmp, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"key":      key,
			"with-key": withKey,
			"same":     same,
			"empty":    empty,
			"ready":    ready,
			"await":    func(ts *testscript.TestScript, _ bool, args []string) { await(ts, servers, args) },
			"serve":    func(ts *testscript.TestScript, _ bool, args []string) { serveIn(ts, servers, "127.0.0.1:0", args) },
			"serve-at": func(ts *testscript.TestScript, _ bool, args []string) { serveIn(ts, servers, args[0], args[1:]) },
			"signal":   func(ts *testscript.TestScript, _ bool, args []string) { signalTo(ts, servers, args) },
			"stopped":  func(ts *testscript.TestScript, _ bool, args []string) { stopped(ts, servers, args) },
		},
	})
}

// key ARGS...: makes a key with portcullis key create; clients send it from then on.
func key(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("portcullis", append([]string{"key", "create", "--json"}, args...)...))
	var made struct{ Key string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &made))
	ts.Setenv("PORTCULLIS_KEY", made.Key)
}

// exits CODE COMMAND...: the command ends with that exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// with-key FILE COMMAND...: runs the command with the key that the file holds.
func withKey(ts *testscript.TestScript, neg bool, args []string) {
	ts.Setenv("PORTCULLIS_KEY", strings.TrimSpace(ts.ReadFile(args[0])))
	defer ts.Setenv("PORTCULLIS_KEY", "")
	if err := ts.Exec(args[1], args[2:]...); (err != nil) != neg {
		ts.Fatalf("the command's error is %v", err)
	}
}

// same DIR DIR: both folders hold the same files with the same bytes.
func same(ts *testscript.TestScript, neg bool, args []string) {
	a, err := files(ts.MkAbs(args[0]))
	ts.Check(err)
	b, err := files(ts.MkAbs(args[1]))
	ts.Check(err)
	if equal := fmt.Sprint(a) == fmt.Sprint(b); equal == neg || len(a) == 0 {
		ts.Fatalf("the folders' files are the same: %t; there are %d", equal, len(a))
	}
}

// empty DIR: the folder holds nothing.
func empty(ts *testscript.TestScript, _ bool, args []string) {
	left, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(left) > 0 {
		ts.Fatalf("left behind: %v", left)
	}
}

// files returns the contents of all files below dir by their path.
func files(dir string) (map[string]string, error) {
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		rel, relErr := filepath.Rel(dir, path)
		all[rel] = string(text)
		return errors.Join(err, relErr)
	})
	return all, err
}

// serve ARGS...: starts a server on a free port and waits until it listens. Its
// address is then $ADDR. serve-at ADDR ARGS...: on that address, of which a path is a
// Unix socket.
func serveIn(ts *testscript.TestScript, servers map[string]*process, at string, args []string) {
	work := ts.MkAbs(".")
	if filepath.IsAbs(at) {
		at = "unix:" + at
	}
	p, err := startProcess(work, append(os.Environ(), "TMPDIR="+ts.Getenv("TMPDIR")), append([]string{"serve", "--addr=" + at}, args...)...)
	ts.Check(err)
	ts.Defer(func() { _ = p.cmd.Process.Kill(); _ = p.wait() })
	addr, err := p.addr()
	ts.Check(err)
	servers[work] = p
	ts.Setenv("ADDR", addr)
}

// ready N: waits until the server at $ADDR has published N portals: it is ready with
// the first.
func ready(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(patience)
	for {
		var detail struct {
			Portals map[string]struct{ Usable bool }
		}
		if resp, err := reach(ts.Getenv("ADDR")).Get("http://portcullis/readyz"); err == nil {
			err = json.NewDecoder(resp.Body).Decode(&detail)
			ts.Check(errors.Join(err, resp.Body.Close()))
		}
		if fmt.Sprint(len(detail.Portals)) == args[0] {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("published are %v, want %s", detail.Portals, args[0])
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// reach returns a client of whatever listens at the address, of which a path is a
// Unix socket.
func reach(addr string) *http.Client {
	network := "tcp"
	if filepath.IsAbs(addr) {
		network = "unix"
	}
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}}
}

// await TEXT: waits until the script's server has written the text to stdout.
func await(ts *testscript.TestScript, servers map[string]*process, args []string) {
	p := servers[ts.MkAbs(".")]
	ts.Check(p.eventually(func() bool { return strings.Contains(p.out.String(), args[0]) }))
}

// signal NAME: sends the script's server a signal.
func signalTo(ts *testscript.TestScript, servers map[string]*process, args []string) {
	signals := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "KILL": os.Kill}
	ts.Check(servers[ts.MkAbs(".")].cmd.Process.Signal(signals[args[0]]))
}

// stopped CODE: the script's server ends with that exit code; what it wrote is then
// in the files served and log.
func stopped(ts *testscript.TestScript, servers map[string]*process, args []string) {
	p := servers[ts.MkAbs(".")]
	if code := p.wait(); fmt.Sprint(code) != args[0] {
		ts.Fatalf("the server ended with %d, want %s\n%s", code, args[0], p.log.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs("served"), []byte(p.out.String()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("log"), []byte(p.log.String()), 0o600))
}
