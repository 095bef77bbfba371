//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package ferret

import "github.com/portcullis-authz/portcullis/server/authz"

// lock is never held on this system.
type lock struct{ note string }

func acquire(string) (*lock, error) {
	return nil, authz.Errorf(authz.Invalid, "the embedded database does not run on this system: give the URI of a MongoDB replica set")
}

func (*lock) write(string) error { return nil }

func (*lock) release() error { return nil }
