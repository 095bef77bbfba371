package server

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// folder returns a folder with a short path: a socket's is bounded.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "l")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// left returns what is in the folder.
func left(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestListenUnix(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "p.sock")
	ln, err := listen(t.Context(), "unix:"+path)
	require.NoError(t, err)
	require.Equal(t, path, ln.Addr().String())
	require.Equal(t, "unix", ln.Addr().Network())
	require.True(t, near(ln.Addr()))
	info, err := os.Lstat(path)
	require.NoError(t, err)
	require.Equal(t, fs.ModeSocket|0o600, info.Mode())
	require.Equal(t, []string{"p.sock"}, left(t, dir))

	c, err := net.Dial("unix", path)
	require.NoError(t, err)
	served, err := ln.Accept()
	require.NoError(t, err)
	require.NoError(t, errors.Join(c.Close(), served.Close()))

	_, err = listen(t.Context(), "unix:"+path)
	require.Equal(t, authz.Conflict, authz.KindOf(err))
	require.ErrorContains(t, err, "another process listens there; choose another with --addr")

	require.NoError(t, ln.Close())
	require.Empty(t, left(t, dir))
	require.Error(t, ln.Close())
}

// TestListenUnixReplaces: what a dead process has left is no obstacle, and its end
// does not take away what is another's by then.
func TestListenUnixReplaces(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "p.sock")
	dead, err := net.Listen("unix", path)
	require.NoError(t, err)
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, dead.Close())
	require.Equal(t, []string{"p.sock"}, left(t, dir))

	first, err := listen(t.Context(), "unix:"+path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	second, err := listen(t.Context(), "unix:"+path)
	require.NoError(t, err)
	require.NoError(t, first.Close())
	require.Equal(t, []string{"p.sock"}, left(t, dir))
	require.NoError(t, second.Close())
	require.Empty(t, left(t, dir))
}

func TestListenUnixRefuses(t *testing.T) {
	dir := folder(t)
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for name, c := range map[string]struct{ path, want string }{
		"file":      {file, "there is a file that is no socket"},
		"folder":    {dir, "there is a file that is no socket"},
		"no folder": {filepath.Join(dir, "none", "p.sock"), "no such file or directory"},
		"long":      {filepath.Join(dir, strings.Repeat("x", 103)), "bytes too long for a socket"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := listen(t.Context(), "unix:"+c.path)
			require.ErrorContains(t, err, "cannot listen on unix:"+c.path+": ")
			require.ErrorContains(t, err, c.want)
			require.Equal(t, []string{"file"}, left(t, dir))
		})
	}
}

func TestNear(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.1:0": true, "localhost:0": true, "0.0.0.0:0": false, ":0": false} {
		ln, err := listen(context.Background(), addr)
		require.NoError(t, err)
		require.Equal(t, want, near(ln.Addr()), addr)
		require.NoError(t, ln.Close())
	}
	require.True(t, near(&net.TCPAddr{IP: net.IPv6loopback}))
	require.True(t, near(&net.TCPAddr{IP: net.ParseIP("127.3.2.1")}))
	require.False(t, near(&net.TCPAddr{IP: net.ParseIP("10.0.0.1")}))
	require.False(t, near(&net.TCPAddr{}))
	require.False(t, near(&net.IPAddr{IP: net.IPv6loopback}))
}
