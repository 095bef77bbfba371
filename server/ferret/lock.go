//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package ferret

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/portcullis-authz/portcullis/server/authz"
)

const lockName = "portcullis.lock"

// lock holds a data folder for this process. The kernel drops it when the
// process ends, however it ends, so the file may stay behind without harm.
type lock struct {
	file *os.File
	note string // what the last holder wrote beside its pid: the path of its socket
}

// acquire locks dir or says who has it.
func acquire(dir string) (*lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unusable(dir, err)
	}
	pid, note := holder(f)
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return &lock{file: f, note: note}, nil
	}
	_ = f.Close()
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, unusable(dir, err)
	}
	return nil, authz.Errorf(authz.Conflict, "the data folder %q is in use by %s: stop it, or choose another folder with --data", dir, pid).Because(err)
}

// holder reads who wrote the lock file last.
func holder(f *os.File) (pid, note string) {
	text, _ := io.ReadAll(io.LimitReader(f, 8<<10))
	first, note, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if _, err := strconv.Atoi(first); err != nil {
		return "another process", ""
	}
	return "process " + first, note
}

// write records this process and its socket for the next one.
func (l *lock) write(socket string) error {
	err := l.file.Truncate(0)
	if err == nil {
		_, err = l.file.WriteAt(fmt.Appendf(nil, "%d\n%s\n", os.Getpid(), socket), 0)
	}
	if err != nil {
		return unusable(filepath.Dir(l.file.Name()), err)
	}
	return nil
}

// release gives the folder back; a second release does nothing.
func (l *lock) release() error {
	if err := l.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
