package ferret

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/FerretDB/FerretDB/ferretdb"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// filesFolder is the folder within the data folder that only the database uses.
const filesFolder = "db"

// Server is a running embedded database.
type Server struct {
	uri    string
	files  string // its folder
	lock   *lock
	socket *socket
	cancel context.CancelFunc
	done   chan struct{} // closed when FerretDB has stopped
}

// Start runs a database on the files in dir, which it creates for its owner
// alone, and returns when the database accepts connections. The caller stops it;
// ctx bounds the start only.
//
// A folder that another process uses is an authz.Conflict error; a folder that
// cannot be used is authz.Invalid.
func Start(ctx context.Context, dir string, log *slog.Logger) (*Server, error) {
	if err := ctx.Err(); err != nil {
		return nil, authz.Errorf(authz.Unavailable, "the embedded database was not started: %v", err).Because(err)
	}
	files, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	l, err := acquire(dir)
	if err != nil {
		return nil, err
	}
	s, err := startLocked(files, l, log)
	if err != nil {
		return nil, errors.Join(err, l.release())
	}
	return s, nil
}

// startLocked starts the database in a folder that is ours.
func startLocked(files string, l *lock, log *slog.Logger) (*Server, error) {
	sock, err := newSocket(files, l.note)
	if err != nil {
		return nil, err
	}
	if err := l.write(sock.path); err != nil {
		return nil, errors.Join(err, sock.remove())
	}
	db, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{Unix: sock.path},
		Logger:    slog.New(quiet{log.Handler()}),
		Handler:   "sqlite",
		SQLiteURL: (&url.URL{Scheme: "file", Opaque: files + "/"}).String(),
	})
	if err != nil {
		err = authz.Errorf(authz.Unavailable, "the embedded database cannot use %s: %v", files, err).Because(err)
		return nil, errors.Join(err, sock.remove())
	}
	return run(db, files, l, sock), nil
}

// run serves db until the Server is stopped.
func run(db *ferretdb.FerretDB, files string, l *lock, sock *socket) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{uri: uri(sock.path), files: files, lock: l, socket: sock, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		_ = db.Run(ctx) // returns nil always
	}()
	return s
}

// uri returns the address of the socket. FerretDB's own leaves a plus sign as it
// is, which the driver takes for a space.
func uri(path string) string {
	return "mongodb://" + strings.ReplaceAll(url.QueryEscape(path), "+", "%20") + "/"
}

// URI returns the MongoDB URI of the database. It is good in this process and,
// while that lives, in others of the same owner.
func (s *Server) URI() string { return s.uri }

// Stop closes the database and gives the folder back. Clients that are still
// connected have three seconds to leave. When ctx ends first, the folder stays
// locked until the process ends. A second Stop does nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.cancel()
	select {
	case <-s.done:
		return errors.Join(s.socket.remove(), s.lock.release())
	case <-ctx.Done():
		return authz.Errorf(authz.Unavailable, "the embedded database did not stop in time: its clients are still connected").Because(ctx.Err())
	}
}

// prepare creates the data folder and the database's own in it, and returns the
// latter's absolute path.
func prepare(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", unusable(dir, err)
	}
	// SQLite would read these as parts of its URI and open other files.
	if strings.ContainsAny(abs, "?#%") {
		return "", unusable(dir, errors.New(`its path holds one of "?", "#" and "%"`))
	}
	files := filepath.Join(abs, filesFolder)
	if err := os.MkdirAll(files, 0o700); err != nil {
		return "", unusable(dir, err)
	}
	// The data folder may be a volume with wider permissions; this one never is.
	if err := os.Chmod(files, 0o700); err != nil {
		return "", unusable(dir, err)
	}
	return files, nil
}

func unusable(dir string, err error) error {
	return authz.Errorf(authz.Invalid, "cannot use %q as data folder: %v; choose a folder that this user may write with --data", dir, err).Because(fmt.Errorf("data folder: %w", err))
}
