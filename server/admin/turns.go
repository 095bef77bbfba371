package admin

import (
	"context"
	"sync"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// turns let the writes of one portal wait for one another, so that those of one
// process are not judged in vain. The zero value is ready.
type turns struct {
	mu sync.Mutex
	of map[string]*turn
}

// turn is the token of one portal, there for as long as anybody wants it.
type turn struct {
	token chan struct{} // capacity 1: who has put something in holds it
	users int
}

// take waits for the portal's turn, at most that long. The caller calls give when
// the write is done.
func (t *turns) take(ctx context.Context, portal string, most time.Duration) (give func(), err error) {
	x := t.join(portal)
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case x.token <- struct{}{}:
		return func() { <-x.token; t.leave(portal, x) }, nil
	case <-ctx.Done():
		err = authz.Errorf(authz.Unavailable, "the time for this request ran out while writes before it were made: try again").Because(ctx.Err())
	case <-timer.C:
		err = authz.Errorf(authz.Unavailable, "other writes to the portal have taken longer than %s: try again later", most)
	}
	t.leave(portal, x)
	return nil, err
}

func (t *turns) join(portal string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.of[portal]
	if x == nil {
		if t.of == nil {
			t.of = make(map[string]*turn)
		}
		x = &turn{token: make(chan struct{}, 1)}
		t.of[portal] = x
	}
	x.users++
	return x
}

func (t *turns) leave(portal string, x *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.users--; x.users == 0 {
		delete(t.of, portal)
	}
}
