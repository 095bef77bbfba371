package policy_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/portcullis-authz/portcullis/server/policy"
)

// soon is far longer than the settling after a notice, and shorter than the
// interval at which the folder is read without one.
const soon = 1500 * time.Millisecond

// atLatest is longer than that interval.
const atLatest = 10 * time.Second

// watching is a watched folder, of which the test awaits revisions.
type watching struct {
	dir string
	saw chan string // the revision at each read
}

// watch begins to watch dir, or a new folder when dir is "", until the test ends.
func watch(t *testing.T, dir string) *watching {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	w := &watching{dir: dir, saw: make(chan string, 1000)}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		policy.Watch(ctx, dir, func() {
			if m, err := policy.Load(os.DirFS(dir)); err == nil {
				w.saw <- m.Revision()
			}
		})
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	w.started(t)
	return w
}

// started waits until the folder, if there is one, is watched: a file that is no
// policy is noticed.
func (w *watching) started(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(w.dir); err != nil {
		return
	}
	for range 500 {
		w.write(t, ".started", "")
		select {
		case <-w.saw:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	require.FailNow(t, "the folder is not watched")
}

// sees waits until the folder has been read as it is now.
func (w *watching) sees(t *testing.T, within time.Duration) {
	t.Helper()
	m, err := policy.Load(os.DirFS(w.dir))
	require.NoError(t, err)
	want, limit := m.Revision(), time.After(within)
	for {
		select {
		case got := <-w.saw:
			if got == want {
				return
			}
		case <-limit:
			require.FailNow(t, "the change was not seen in time", "within %s", within)
		}
	}
}

func (w *watching) path(name string) string { return filepath.Join(w.dir, filepath.FromSlash(name)) }

func (w *watching) write(t *testing.T, name, source string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(w.path(name)), 0o755))
	require.NoError(t, os.WriteFile(w.path(name), []byte(source), 0o600))
}

func TestWatchSeesChanges(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *watching){
		"a new file": func(t *testing.T, w *watching) { w.write(t, "new.rego", "package a") },
		"a change":   func(t *testing.T, w *watching) { w.write(t, "a.rego", "package b") },
		"a deletion": func(t *testing.T, w *watching) { require.NoError(t, os.Remove(w.path("a.rego"))) },
		"a rename":   func(t *testing.T, w *watching) { require.NoError(t, os.Rename(w.path("a.rego"), w.path("b.rego"))) },
		"an editor's replacement": func(t *testing.T, w *watching) {
			w.write(t, ".a.rego.swp", "package b")
			require.NoError(t, os.Rename(w.path("a.rego"), w.path("a.rego~")))
			require.NoError(t, os.Rename(w.path(".a.rego.swp"), w.path("a.rego")))
		},
		"a change in a folder below": func(t *testing.T, w *watching) { w.write(t, "sub/deep/a.rego", "package b") },
		"a new folder":               func(t *testing.T, w *watching) { w.write(t, "new/deep/a.rego", "package b") },
		"a folder moved in": func(t *testing.T, w *watching) {
			outside := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(outside, "b.rego"), []byte("package b"), 0o600))
			require.NoError(t, os.Rename(outside, w.path("moved")))
		},
		"a folder deleted": func(t *testing.T, w *watching) { require.NoError(t, os.RemoveAll(w.path("sub"))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &watching{dir: t.TempDir()}
			w.write(t, "a.rego", "package a")
			w.write(t, "sub/deep/a.rego", "package a.deep")
			w = watch(t, w.dir)
			change(t, w)
			w.sees(t, soon)
		})
	}
}

// TestWatchFollowsNewFolders changes what was created after the watch began.
func TestWatchFollowsNewFolders(t *testing.T) {
	t.Parallel()
	w := watch(t, "")
	w.write(t, "new/deep/a.rego", "package a")
	w.sees(t, soon)
	w.write(t, "new/deep/a.rego", "package b")
	w.sees(t, soon)
}

// TestWatchSeesConfigMaps replaces files as Kubernetes does: they are links into
// ..data, a link that is swapped.
func TestWatchSeesConfigMaps(t *testing.T) {
	t.Parallel()
	w := &watching{dir: t.TempDir()}
	w.write(t, "..v1/a.rego", "package a")
	require.NoError(t, os.Symlink("..v1", w.path("..data")))
	require.NoError(t, os.Symlink(filepath.Join("..data", "a.rego"), w.path("a.rego")))
	w = watch(t, w.dir)
	for _, v := range []string{"..v2", "..v3"} {
		w.write(t, v+"/a.rego", "package "+v[2:])
		require.NoError(t, os.Symlink(v, w.path("..data_tmp")))
		require.NoError(t, os.Rename(w.path("..data_tmp"), w.path("..data")))
		w.sees(t, soon)
	}
}

// TestWatchFollowsItsOwnLink watches a folder that is a link: changes in it show
// at once, and where it leads next shows at the interval.
func TestWatchFollowsItsOwnLink(t *testing.T) {
	t.Parallel()
	base := &watching{dir: t.TempDir()}
	base.write(t, "v1/a.rego", "package a")
	base.write(t, "v2/a.rego", "package b")
	require.NoError(t, os.Symlink("v1", base.path("current")))
	w := watch(t, base.path("current"))
	base.write(t, "v1/a.rego", "package c")
	w.sees(t, soon)

	require.NoError(t, os.Symlink("v2", base.path("next")))
	require.NoError(t, os.Rename(base.path("next"), base.path("current")))
	w.sees(t, atLatest)
	base.write(t, "v2/a.rego", "package d")
	w.sees(t, soon)
}

// TestWatchOutlivesItsFolder has the folder come late, go, and come again.
func TestWatchOutlivesItsFolder(t *testing.T) {
	t.Parallel()
	w := watch(t, filepath.Join(t.TempDir(), "later"))
	for _, source := range []string{"package a", "package b"} {
		w.write(t, "a.rego", source)
		w.sees(t, atLatest)
		w.write(t, "b.rego", source)
		w.sees(t, soon)
		require.NoError(t, os.RemoveAll(w.dir))
	}
}

// TestWatchSettles writes many files, without pause for longer than the bound of
// settling: they are read seldom, but they are read.
func TestWatchSettles(t *testing.T) {
	t.Parallel()
	w := watch(t, "")
	for i := range 100 {
		w.write(t, "a.rego", "package a"+string(rune('a'+i%26)))
		time.Sleep(15 * time.Millisecond)
	}
	during := len(w.saw)
	w.sees(t, soon)
	require.GreaterOrEqual(t, during, 1, "constant change does not put off reading for ever")
	require.Less(t, during, 20, "a burst is read once, not once a file")
}

func TestWatchEndsWithItsContext(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "nosuch")} {
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			policy.Watch(ctx, dir, func() {})
		}()
		time.Sleep(20 * time.Millisecond)
		stop()
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			require.FailNow(t, "Watch goes on")
		}
	}
}
