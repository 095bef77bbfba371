package server

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/portcullis-authz/portcullis/server/policy"
)

// WatchFolders returns a channel that gets a value soon after a file of policies,
// portals or tests below the folders has changed, compared with what is there when
// WatchFolders is called. Several changes may make one value. The channel is closed
// after the end of ctx, when nothing watches any more.
func WatchFolders(ctx context.Context, folders []string) <-chan struct{} {
	changes := make(chan struct{}, 1)
	var watching sync.WaitGroup
	for _, folder := range folders {
		last := state(folder)
		watching.Go(func() {
			policy.Watch(ctx, folder, func() {
				now := state(folder)
				if now == last {
					return
				}
				last = now
				select {
				case changes <- struct{}{}:
				default: // one value that waits covers this change
				}
			})
		})
	}
	go func() {
		watching.Wait()
		close(changes)
	}()
	return changes
}

// watchedFiles are the endings of files that a test depends on.
var watchedFiles = []string{".rego", ".yaml", ".yml", ".json", ".txt"}

// state digests the names, sizes and times of the watched files below folder, as
// far as they can be read. Hidden folders are passed over.
func state(folder string) [sha256.Size]byte {
	h := sha256.New()
	if target, err := filepath.EvalSymlinks(folder); err == nil {
		folder = target
	}
	_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case d.IsDir() && path != folder && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || !slices.Contains(watchedFiles, filepath.Ext(path)):
			return nil
		}
		if info, err := d.Info(); err == nil {
			fmt.Fprintf(h, "%q %d %d\n", path, info.Size(), info.ModTime().UnixNano())
		}
		return nil
	})
	return [sha256.Size]byte(h.Sum(nil))
}
