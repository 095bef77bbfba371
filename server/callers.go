package server

import (
	"context"
	"net"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/keys"
)

// near reports whether only processes of this machine can reach the address.
func near(addr net.Addr) bool {
	switch a := addr.(type) {
	case *net.UnixAddr:
		return true
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	}
	return false
}

// guests loads the keys and returns what callers without one may do: what the
// options say, or else all that can be theirs on an address that only this machine
// reaches, and nothing on any other. There it refuses to serve nobody by mistake.
func (s *Server) guests(ctx context.Context) ([]authz.Permission, error) {
	if err := s.ring.Load(ctx); err != nil {
		return nil, err
	}
	may := s.opts.Anonymous
	switch local := near(s.ln.Addr()); {
	case may == nil && local:
		may = []authz.Permission{authz.PermitDecide, authz.PermitSearch, authz.PermitExplain}
	case may == nil && s.ring.Len() == 0:
		return nil, closed(s.opts.Addr)
	}
	if len(may) > 0 {
		s.opts.Log.Info("callers without a key are let in", "addr", s.ln.Addr().String(), "permissions", may, "keys", s.ring.Len())
	}
	return may, nil
}

// closed says why a server does not start that nobody could ask.
func closed(addr string) error {
	return authz.Errorf(authz.Invalid, "nobody could ask this server: %s is open to other machines, and there is no key in the store. "+
		"Make one with portcullis key create, or say with --auth-anonymous what callers without a key may do, such as decide", addr).At("addr")
}

// keysUnread tells that the store cannot be read for its keys.
func (s *Server) keysUnread(err error) {
	s.opts.Log.Error("the keys cannot be read; those known count for a while", "for", staleAfter, "err", err)
}

// administered is what administration reads and writes: the store, whose callers are
// written through the ring, so that a key counts, or counts no more, at once.
type administered struct {
	*Store
	ring *keys.Ring
}

// PutCaller stores the caller.
func (a administered) PutCaller(ctx context.Context, c authz.Caller, entry authz.AuditEntry) error {
	return a.ring.PutCaller(ctx, c, entry)
}

// DeleteCaller takes the caller with the id away.
func (a administered) DeleteCaller(ctx context.Context, id string, entry authz.AuditEntry) error {
	return a.ring.DeleteCaller(ctx, id, entry)
}
