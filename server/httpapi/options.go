package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Options bound what one server accepts and how long it waits. A field that is
// zero takes the value of [DefaultOptions].
type Options struct {
	Body  int // bytes of a request's body; more is refused with 413
	Depth int // objects and arrays within one another in a body, the body itself included
	Batch int // items of one evaluations request

	Timeout time.Duration // for deciding one request, a batch included; the deadline of the Decider's context
	Read    time.Duration // for reading one request, from its first byte to its last
	Write   time.Duration // for writing one answer
	Idle    time.Duration // that a connection may stay open between two requests
	Drain   time.Duration // that Shutdown waits at most, whatever its context allows

	Connections int // open at once; further ones are answered with 503 and closed

	Keys      Keys               // nil: no key counts
	Anonymous []authz.Permission // what callers without a key may do, at any portal; never admin or log
	// DefaultPortal returns the id of the portal of requests whose path names none,
	// for keys that do not open all portals. Nil: such keys open none by default.
	DefaultPortal func() (string, error)

	// Mount adds routes below /admin/v1, which callers reach with who they are in
	// the context; nil: none.
	Mount func(*fiber.App)

	Log     *slog.Logger     // receives failures of the service and nothing per request; nil: discarded
	Version string           // shown by /readyz; empty: not shown
	Now     func() time.Time // the moment for which a request is decided
}

// Upper bounds of Options, beyond which a limit would protect nothing.
const (
	maxBody        = 64 << 20
	maxDepth       = 1_000
	maxBatch       = 100_000
	maxConnections = 1 << 20
	maxWait        = time.Hour
)

// DefaultOptions returns the limits that suit a sidecar: 1 MiB, 32 levels, 1,000
// items and 5 seconds a request.
func DefaultOptions() Options {
	return Options{
		Body:        1 << 20,
		Depth:       32,
		Batch:       1_000,
		Timeout:     5 * time.Second,
		Read:        10 * time.Second,
		Write:       10 * time.Second,
		Idle:        60 * time.Second,
		Drain:       15 * time.Second,
		Connections: 2_048,
		Log:         slog.New(slog.DiscardHandler),
		Now:         time.Now,
	}
}

// filled returns o with the default in place of every zero.
func (o Options) filled() Options {
	d := DefaultOptions()
	for _, p := range []struct {
		have *int
		want int
	}{{&o.Body, d.Body}, {&o.Depth, d.Depth}, {&o.Batch, d.Batch}, {&o.Connections, d.Connections}} {
		orDefault(p.have, p.want)
	}
	for _, p := range []struct {
		have *time.Duration
		want time.Duration
	}{{&o.Timeout, d.Timeout}, {&o.Read, d.Read}, {&o.Write, d.Write}, {&o.Idle, d.Idle}, {&o.Drain, d.Drain}} {
		orDefault(p.have, p.want)
	}
	if o.Keys == nil {
		o.Keys = KeysFunc(noKeys)
	}
	if o.DefaultPortal == nil {
		o.DefaultPortal = noDefaultPortal
	}
	if o.Log == nil {
		o.Log = d.Log
	}
	if o.Now == nil {
		o.Now = d.Now
	}
	return o
}

func noDefaultPortal() (string, error) {
	return "", authz.Errorf(authz.NotFound, "there is no default portal: ask below /portals/{portal}")
}

func orDefault[T comparable](have *T, want T) {
	var zero T
	if *have == zero {
		*have = want
	}
}

// validate reports every option out of its range at once.
func (o Options) validate() error {
	return errors.Join(
		within("Body", o.Body, 1, maxBody),
		within("Depth", o.Depth, 1, maxDepth),
		within("Batch", o.Batch, 1, maxBatch),
		within("Connections", o.Connections, 1, maxConnections),
		within("Timeout", o.Timeout, 1, maxWait),
		within("Read", o.Read, 1, maxWait),
		within("Write", o.Write, 1, maxWait),
		within("Idle", o.Idle, 1, maxWait),
		within("Drain", o.Drain, 1, maxWait),
		guest(o.Anonymous),
	)
}

// guest refuses permissions that are for keys alone.
func guest(ps []authz.Permission) error {
	for _, p := range ps {
		if p != authz.PermitDecide && p != authz.PermitSearch && p != authz.PermitExplain {
			return fmt.Errorf("httpapi.Options.Anonymous has %q: want %s, %s or %s", p, authz.PermitDecide, authz.PermitSearch, authz.PermitExplain)
		}
	}
	return nil
}

func within[T int | time.Duration](name string, v, low, high T) error {
	if v < low || v > high {
		return fmt.Errorf("httpapi.Options.%s is %v: want %v to %v, or 0 for the default", name, v, low, high)
	}
	return nil
}
