package ferret

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

const (
	socketName = "ferret.sock"
	tempPrefix = "portcullis-"

	// maxSocketPath is what fits the socket address of every system: Linux takes
	// 107 bytes, macOS 103.
	maxSocketPath = 100
)

// socket is the place of a Unix socket, and the temporary folder made for it
// when the data folder's path is too long.
type socket struct {
	path string
	temp string // empty: in the data folder
}

// newSocket removes the socket that a process left which was killed, and finds
// the place for a new one. Only the holder of the folder's lock may call it.
func newSocket(files, left string) (*socket, error) {
	if err := removeLeft(files, left); err != nil {
		return nil, authz.Errorf(authz.Unavailable, "cannot remove the database's old socket: %v", err).Because(err)
	}
	if path := filepath.Join(files, socketName); len(path) <= maxSocketPath {
		return &socket{path: path}, nil
	}
	for _, parent := range []string{"", "/tmp"} {
		temp, err := os.MkdirTemp(parent, tempPrefix)
		if err != nil {
			continue
		}
		if s := (&socket{path: filepath.Join(temp, socketName), temp: temp}); len(s.path) <= maxSocketPath {
			return s, nil
		}
		_ = os.Remove(temp)
	}
	return nil, authz.Errorf(authz.Invalid, "no folder for the database's socket: its path may have %d bytes, and neither the data folder nor the temporary folder is that short; choose a shorter one with --data", maxSocketPath)
}

// remove deletes the socket and the temporary folder around it.
func (s *socket) remove() error {
	err := removeIfThere(s.path)
	if s.temp != "" {
		err = errors.Join(err, removeIfThere(s.temp))
	}
	return err
}

// removeLeft deletes the socket at left, which the lock file named, and its
// temporary folder. Of anything that is no socket of ours it takes nothing away.
func removeLeft(files, left string) error {
	if err := removeIfThere(filepath.Join(files, socketName)); err != nil {
		return err
	}
	temp := filepath.Dir(left)
	if filepath.Base(left) != socketName || !strings.HasPrefix(filepath.Base(temp), tempPrefix) {
		return nil
	}
	if fi, err := os.Lstat(left); err == nil && fi.Mode().Type() != fs.ModeSocket {
		return nil
	}
	if err := removeIfThere(left); err != nil {
		return err
	}
	_ = os.Remove(temp) // fails, rightly, when something else is in it
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
