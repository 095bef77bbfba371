package server_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server"
)

func TestWatchFolders(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	write := func(dir, name, text string) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	write(a, "suite.yaml", "1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes := server.WatchFolders(ctx, []string{a, b})
	for name, change := range map[string]func(){
		"edited":  func() { write(a, "suite.yaml", "12") },
		"new":     func() { write(b, "deep/er/levels.rego", "package x") },
		"removed": func() { require.NoError(t, os.Remove(filepath.Join(a, "suite.yaml"))) },
	} {
		change()
		select {
		case <-changes:
		case <-time.After(20 * time.Second):
			require.Fail(t, "the change was not seen", name)
		}
	}
	write(a, "notes.md", "no test depends on it")
	write(a, ".hidden/suite.yaml", "nor on this")
	select {
	case <-changes:
		require.Fail(t, "a change was seen that is none")
	case <-time.After(200 * time.Millisecond):
	}
	cancel()
	_, open := <-changes
	require.False(t, open)
}
