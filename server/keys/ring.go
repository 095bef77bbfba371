package keys

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Store keeps callers. Its methods are safe for use by several goroutines.
type Store interface {
	// Callers returns all there are.
	Callers(ctx context.Context) ([]authz.Caller, error)
	// PutCaller stores the caller in the place of the one with its id, together
	// with the entry.
	PutCaller(ctx context.Context, c authz.Caller, entry authz.AuditEntry) error
	// DeleteCaller takes the caller away, together with the entry. One that is not
	// there is an authz.NotFound error.
	DeleteCaller(ctx context.Context, id string, entry authz.AuditEntry) error
}

// maxBackoff bounds the time between two attempts while the store cannot be read.
const maxBackoff = 2 * time.Second

// Ring is the table of callers that a server holds in memory, so that checking a
// key reads no store. What is written through it counts at once, and what other
// processes write once Run has looked.
type Ring struct {
	store Store
	stale time.Duration
	now   func() time.Time

	// writing is held while the store is read or written and the table replaced:
	// what was read before a key was revoked must not bring it back.
	writing sync.Mutex
	table   atomic.Pointer[table]
}

// table is immutable.
type table struct {
	callers map[string]*authz.Caller // by id
	read    time.Time                // when the reading of the store began
}

// NewRing returns a ring that lets nobody in before it is loaded. While the store
// cannot be read it goes on with what it knows for the time stale, and then lets
// nobody in.
func NewRing(store Store, stale time.Duration, now func() time.Time) *Ring {
	return &Ring{store: store, stale: stale, now: now}
}

// Authenticate returns the caller whose key the token is, if it counts at now. The
// caller is shared and not to be changed. The error is authz.Unauthenticated,
// never saying which part of the token was wrong, or authz.Unavailable.
func (r *Ring) Authenticate(token string, now time.Time) (*authz.Caller, error) {
	t := r.table.Load()
	if t == nil || now.Sub(t.read) > r.stale {
		return nil, authz.Errorf(authz.Unavailable, "keys cannot be checked now, since the store cannot be read: try again later")
	}
	id, secret, ok := Parse(token)
	if !ok {
		return nil, refused()
	}
	c := t.callers[id]
	if !Matches(c, secret) || !c.InForce(now) {
		return nil, refused()
	}
	return c, nil
}

func refused() error {
	return authz.Errorf(authz.Unauthenticated, "this is no key that counts here: it is mistyped, or was revoked, or has ended")
}

// Len returns how many callers the ring knows, ended ones included.
func (r *Ring) Len() int {
	if t := r.table.Load(); t != nil {
		return len(t.callers)
	}
	return 0
}

// Load reads the store.
func (r *Ring) Load(ctx context.Context) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	began := r.now()
	all, err := r.store.Callers(ctx)
	if err != nil {
		return err
	}
	callers := make(map[string]*authz.Caller, len(all))
	for i := range all {
		callers[all[i].ID] = &all[i]
	}
	r.table.Store(&table{callers: callers, read: began})
	return nil
}

// Run reads the store every so often until ctx ends. The first failure after a
// success goes to failed, and the time between attempts then doubles up to 2 s.
func (r *Ring) Run(ctx context.Context, every time.Duration, failed func(error)) {
	wait, failing := every, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		err := r.Load(ctx)
		switch {
		case err == nil:
			wait, failing = every, false
		case ctx.Err() == nil:
			if !failing {
				failed(err)
			}
			wait, failing = min(2*wait, max(maxBackoff, every)), true
		}
	}
}

// Callers returns the callers as the store has them now.
func (r *Ring) Callers(ctx context.Context) ([]authz.Caller, error) { return r.store.Callers(ctx) }

// PutCaller stores the caller, whose key counts when the call returns.
func (r *Ring) PutCaller(ctx context.Context, c authz.Caller, entry authz.AuditEntry) error {
	return r.write(func() error { return r.store.PutCaller(ctx, c, entry) },
		func(callers map[string]*authz.Caller) { callers[c.ID] = &c })
}

// DeleteCaller takes the caller away; its key counts no more when the call returns.
func (r *Ring) DeleteCaller(ctx context.Context, id string, entry authz.AuditEntry) error {
	return r.write(func() error { return r.store.DeleteCaller(ctx, id, entry) },
		func(callers map[string]*authz.Caller) { delete(callers, id) })
}

// write changes the store and then the table alike, without reading the store:
// what was written counts although it may not be readable now.
func (r *Ring) write(store func() error, change func(map[string]*authz.Caller)) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if err := store(); err != nil {
		return err
	}
	t := r.table.Load()
	if t == nil {
		return nil
	}
	callers := maps.Clone(t.callers)
	change(callers)
	r.table.Store(&table{callers: callers, read: t.read})
	return nil
}
