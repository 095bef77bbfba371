package policy

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settle is how long a folder must be quiet before it is read: editors and
	// git write several files for one change.
	settle = 50 * time.Millisecond
	// reconcile bounds how long a change stays unseen when its notice is lost, as
	// happens on network and overlay file systems.
	reconcile = 2 * time.Second
)

// Watch calls read soon after anything below dir may have changed, and at least
// every two seconds, until ctx ends; calls do not overlap. Whether anything really
// changed is for read to tell, by [Modules.Revision]. Where the system gives no
// notices the interval remains. The folder may come, go and be replaced meanwhile,
// and may be a symbolic link.
func Watch(ctx context.Context, dir string, read func()) {
	notices, again, stop := notify(dir)
	defer stop()
	for {
		wait := time.NewTimer(reconcile)
		select {
		case <-ctx.Done():
		case <-wait.C:
		case <-notices:
			quiet(ctx, notices)
		}
		wait.Stop()
		if ctx.Err() != nil {
			return
		}
		again() // before read, so that no change falls between the two
		read()
	}
}

// quiet returns once no notice has come for a while, or after a bounded time of
// constant change.
func quiet(ctx context.Context, notices <-chan struct{}) {
	limit := time.After(20 * settle)
	for {
		select {
		case <-ctx.Done():
			return
		case <-limit:
			return
		case <-notices:
		case <-time.After(settle):
			return
		}
	}
}

// notify returns a channel of notices about dir and the folders below it, a func
// that watches those that are there by now, and the end of it all. The channel is
// nil, and so never ready, where there are no notices.
func notify(dir string) (notices <-chan struct{}, again, stop func()) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, func() {}, func() {}
	}
	again = func() { watchBelow(w, dir) }
	again()
	out, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		forward(w, out)
	}()
	return out, again, func() {
		_ = w.Close() // ends forward; there is nothing to lose
		<-done
	}
}

// forward turns events into notices. One pending notice covers all before it.
func forward(w *fsnotify.Watcher, out chan<- struct{}) {
	for {
		select {
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			if info, err := os.Stat(e.Name); err == nil && info.IsDir() && e.Has(fsnotify.Create) {
				watchBelow(w, e.Name)
			}
		case _, ok := <-w.Errors:
			if !ok {
				return
			}
		}
		select {
		case out <- struct{}{}:
		default:
		}
	}
}

// watchBelow watches dir, to where it leads now when it is a symbolic link, and
// what is below it as far as that can be read; the interval of Watch covers the
// rest. To watch a folder again costs little and adds nothing.
func watchBelow(w *fsnotify.Watcher, dir string) {
	if target, err := filepath.EvalSymlinks(dir); err == nil {
		dir = target
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		if path != dir && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		_ = w.Add(path)
		return nil
	})
}
