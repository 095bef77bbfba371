package server

import (
	"net"

	"github.com/portcullis-authz/portcullis/server/authz"
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

// anonymous returns what callers without a key may do: what the options say, or
// else all that can be theirs on an address that only this machine reaches, and
// nothing on any other.
func anonymous(o *Options, addr net.Addr) []authz.Permission {
	switch {
	case o.Anonymous != nil:
		return o.Anonymous
	case near(addr):
		return []authz.Permission{authz.PermitDecide, authz.PermitSearch, authz.PermitExplain}
	}
	return nil
}
