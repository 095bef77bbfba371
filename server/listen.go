package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// socketPrefix begins an address that is a Unix socket.
const socketPrefix = "unix:"

// listen binds an address: host:port, or unix:/path.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, socketPrefix); ok {
		return listenUnix(ctx, path)
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, cannotListen(addr, err)
	}
	return ln, nil
}

func cannotListen(addr string, err error) error {
	return authz.Errorf(authz.Conflict, "cannot listen on %s: %v; choose another with --addr", addr, err).At("addr").Because(err)
}

// maxSocketPath is the longest path that every system takes for a socket, in bytes.
const maxSocketPath = 103

// listenUnix binds a socket that only this user can reach. One that a dead process
// has left is replaced, one in use is not. The socket is made in a folder that is
// closed to others and moved to its place when its mode is set, so that nobody gets
// hold of it before.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	addr := socketPrefix + path
	if err := vacant(ctx, path); err != nil {
		return nil, cannotListen(addr, err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".p")
	if err != nil {
		return nil, cannotListen(addr, err)
	}
	defer os.RemoveAll(dir)
	made := filepath.Join(dir, "s")
	if longest := max(len(path), len(made)); longest > maxSocketPath {
		return nil, cannotListen(addr, fmt.Errorf("the path is %d bytes too long for a socket", longest-maxSocketPath))
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "unix", made)
	if err != nil {
		return nil, cannotListen(addr, err)
	}
	u := &unixListener{UnixListener: ln.(*net.UnixListener), path: path}
	u.SetUnlinkOnClose(false)
	if err := u.settle(made); err != nil {
		return nil, cannotListen(addr, errors.Join(err, u.UnixListener.Close()))
	}
	return u, nil
}

// socketWait is how long a process that may listen at a socket has to answer.
const socketWait = time.Second

// vacant reports why no socket can be made at path, or nil.
func vacant(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("there is a file that is no socket")
	}
	c, err := (&net.Dialer{Timeout: socketWait}).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return errors.Join(errors.New("another process listens there"), c.Close())
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil // its process is dead
	}
	return err
}

// unixListener listens at a socket that was moved to path.
type unixListener struct {
	*net.UnixListener
	path string
	file fs.FileInfo // of the socket
	once sync.Once
}

// settle sets the mode of the socket and moves it to its place.
func (u *unixListener) settle(made string) error {
	err := os.Chmod(made, 0o600)
	if err == nil {
		u.file, err = os.Lstat(made)
	}
	if err == nil {
		err = os.Rename(made, u.path)
	}
	return err
}

// Addr returns the address under which the socket is reached.
func (u *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: u.path, Net: "unix"} }

// Close stops listening and removes the socket, unless another has taken its place.
func (u *unixListener) Close() error {
	err := u.UnixListener.Close()
	u.once.Do(func() {
		if info, statErr := os.Lstat(u.path); statErr == nil && os.SameFile(info, u.file) {
			err = errors.Join(err, os.Remove(u.path))
		}
	})
	return err
}
