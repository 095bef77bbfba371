package mongodb

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// maxBackoff bounds the time between two attempts while the store cannot be read.
const maxBackoff = 2 * time.Second

// nudges tell the watchers of this Store that it has written.
type nudges struct {
	mu      sync.Mutex
	waiting map[chan struct{}]struct{}
}

// all nudges every watcher and never waits.
func (n *nudges) all() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.waiting {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// join returns a channel that is sent to after every write, and its end. One
// pending nudge covers every write before it.
func (n *nudges) join() (nudged <-chan struct{}, leave func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiting == nil {
		n.waiting = make(map[chan struct{}]struct{})
	}
	c := make(chan struct{}, 1)
	n.waiting[c] = struct{}{}
	return c, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.waiting, c)
	}
}

// Watch calls changed with where all portals stand, at once and then whenever
// any of them has moved, come or gone, until ctx ends; it then returns ctx's
// error. It looks every so often, and at once after a write of this Store, so a
// write of another process shows after that time at the latest. Calls do not
// overlap, and the slice is changed's to keep.
//
// While the store cannot be read, onErr, which may be nil, gets each failure,
// and the time between attempts doubles up to 2 s. The first success after it
// calls changed in any case, so that the caller knows that the store is back.
func (s *Store) Watch(ctx context.Context, every time.Duration, changed func([]authz.PortalRevision), onErr func(error)) error {
	if every <= 0 {
		return authz.Errorf(authz.Invalid, "the time between two looks at the store must be positive, got %s", every)
	}
	nudged, leave := s.nudges.join()
	defer leave()
	var (
		last []authz.PortalRevision
		told bool
		wait = every
		list = s.heads
	)
	for {
		switch state, err := s.portalsOf(ctx, list); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			told = false
			wait = min(2*wait, max(maxBackoff, every))
			if onErr != nil {
				onErr(err)
			}
		default:
			wait = every
			if !told || !slices.Equal(state, last) {
				last, told = slices.Clone(state), true
				changed(state)
			}
		}
		wrote, err := awaitNudge(ctx, wait, nudged)
		if err != nil {
			return err
		}
		// What this Store has written it may know; whether the database is there it does
		// not.
		if list = s.heads; wrote && told {
			list = s.knownHeads
		}
	}
}

func awaitNudge(ctx context.Context, wait time.Duration, nudged <-chan struct{}) (wrote bool, err error) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-nudged:
		return true, nil
	case <-t.C:
		return false, nil
	}
}
