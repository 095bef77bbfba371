package admin

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// step is all in which the changes of cells differ in one call, but for the roles whose
// they are: where a policy cannot tell roles apart, what it says of one change of a step it
// says of all.
type step struct {
	node          string
	before, after authz.Level // noLevel: none
}

const noLevel = authz.Level(255)

// step returns the step that the change of a cell is.
func (c *change) step() step {
	s := step{node: c.key.ID, before: noLevel, after: noLevel}
	if r, ok := c.was.Stored.(authz.Right); ok {
		s.before = r.Level
	}
	if r, ok := c.new.(authz.Right); ok {
		s.after = r.Level
	}
	return s
}

// inParts does something with the numbers below n in as many parts of neighbours as there
// are processors, side by side.
func inParts(ctx context.Context, what string, n int, do func(ctx context.Context, from, to int) error) error {
	parts := min(n, runtime.GOMAXPROCS(0))
	group, together := errgroup.WithContext(ctx)
	for part := range parts {
		group.Go(func() error {
			return guarded(what, func() error { return do(together, part*n/parts, (part+1)*n/parts) })
		})
	}
	return group.Wait()
}
