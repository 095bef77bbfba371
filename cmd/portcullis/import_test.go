package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
)

// records makes an import take about a second.
const records = 5000

// marked writes a fixture folder of two portals in which a mark tells one version
// of the data from another, and returns its path.
func marked(t *testing.T, mark string) string {
	t.Helper()
	demo, err := server.DemoWorlds()
	require.NoError(t, err)
	small := demo[0]
	small.Portal.Title = mark
	big := authz.World{Bundle: authz.Bundle{Portal: authz.Portal{ID: "big", Title: mark, Policy: "presets.acumatica"}}, Accounts: []authz.Account{{ID: "A"}}}
	for i := range records {
		big.Records = append(big.Records, authz.Record{Type: "case", ID: fmt.Sprint(i), Account: "A", Properties: map[string]any{"mark": mark}})
	}
	dir := filepath.Join(t.TempDir(), mark)
	require.NoError(t, fixture.Write(dir, []authz.World{small, big}))
	return dir
}

// must runs the binary to its end, which must be good.
func must(t *testing.T, args ...string) string {
	t.Helper()
	p, err := startProcess(t.TempDir(), os.Environ(), args...)
	require.NoError(t, err)
	require.Zero(t, p.wait(), "%v\n%s", args, p.log)
	return p.out.String()
}

// holds returns which of the versions the data folder holds, to the byte.
func holds(t *testing.T, data string, versions ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "export")
	must(t, "export", "--data", data, out)
	got, err := files(out)
	require.NoError(t, err)
	for _, v := range versions {
		want, err := files(v)
		require.NoError(t, err)
		if len(got) == len(want) && fmt.Sprint(got) == fmt.Sprint(want) {
			return v
		}
	}
	portals := map[string]string{}
	for name, text := range got {
		if title, ok := strings.CutPrefix(text, "title: "); ok && strings.HasSuffix(name, "portal.yaml") {
			portals[name], _, _ = strings.Cut(title, "\n")
		}
	}
	require.Fail(t, "the store holds neither version", "titles: %v; files: %d", portals, len(got))
	return ""
}

// TestKilledImport kills imports of two portals with SIGKILL at moments spread over
// their time, the end of it above all: what is exported afterwards is the one
// version or the other, of both portals.
func TestKilledImport(t *testing.T) {
	kills := 20
	if testing.Short() {
		kills = 4
	}
	old, next := marked(t, "old"), marked(t, "next")
	base := filepath.Join(t.TempDir(), "base")
	must(t, "import", "-q", "--data", base, old)
	start := time.Now()
	again := filepath.Join(t.TempDir(), "again")
	require.NoError(t, os.CopyFS(again, os.DirFS(base)))
	must(t, "import", "-q", "--data", again, next)
	whole := time.Since(start)
	require.Equal(t, next, holds(t, again, old, next))

	turns := make(chan struct{}, 2) // as many at a time as the smallest machine has cores
	for n := range kills {
		t.Run(fmt.Sprint("kill ", n), func(t *testing.T) {
			t.Parallel()
			turns <- struct{}{}
			defer func() { <-turns }()
			data := filepath.Join(t.TempDir(), "data")
			require.NoError(t, os.CopyFS(data, os.DirFS(base)))
			p, err := startProcess(t.TempDir(), os.Environ(), "import", "--data", data, next)
			require.NoError(t, err)
			if n%4 == 3 { // when all is written, around the moment from which it counts
				require.NoError(t, p.eventually(func() bool { return strings.Contains(p.log.String(), "(100 %)") }))
				time.Sleep(rand.N(20 * time.Millisecond))
			} else {
				time.Sleep(time.Duration((float64(n) + rand.Float64()) / float64(kills) * float64(whole)))
			}
			_ = p.cmd.Process.Kill()
			code := p.wait()
			t.Logf("of %s, code %d: %s\n%s", whole.Round(time.Millisecond), code, filepath.Base(holds(t, data, old, next)), lastLine(p.log.String()))
		})
	}
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndex(s, "\n")+1:]
}

// TestInterruptedImport: the first SIGINT stops an import, which says that nothing
// has changed.
func TestInterruptedImport(t *testing.T) {
	t.Parallel()
	old, next := marked(t, "old"), marked(t, "next")
	data := filepath.Join(t.TempDir(), "data")
	must(t, "import", "-q", "--data", data, old)
	p, err := startProcess(t.TempDir(), os.Environ(), "import", "--data", data, next)
	require.NoError(t, err)
	require.NoError(t, p.eventually(func() bool { return strings.Contains(p.log.String(), "writing") }))
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.Equal(t, 1, p.wait())
	require.Contains(t, p.log.String(), "portcullis: the import was interrupted; nothing has changed")
	require.Empty(t, p.out.String())
	require.Equal(t, old, holds(t, data, old, next))
	must(t, "import", "-q", "--data", data, next)
	require.Equal(t, next, holds(t, data, old, next))
}

// TestASecondSignal ends a server at once that would drain for a minute.
func TestASecondSignal(t *testing.T) {
	t.Parallel()
	p, err := startProcess(t.TempDir(), os.Environ(), "serve", "--addr=127.0.0.1:0", "--drain-delay=1m")
	require.NoError(t, err)
	_, err = p.addr()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.eventually(func() bool { return strings.Contains(p.log.String(), "stopping") }))
	// The signal's usual effect comes back beside the log line.
	require.NoError(t, p.eventually(func() bool {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
			return true
		default:
			return false
		}
	}))
	require.Equal(t, -1, p.wait(), "ended by the signal")
}
