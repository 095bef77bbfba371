package admin

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// fewCells is how many cells are too few to be judged by one processor of several.
const fewCells = 8

// foresee returns the writes of the cells that change, and how many of them, from the
// first on, the policy accepts as they are ordered with nothing to be done because of
// them. So each of them can be judged over those before it, as they are ordered, without
// waiting for those to be judged: they are in as many parts as there are processors.
func (w *writing) foresee(ctx context.Context) (all authz.Pending, plain int, err error) {
	cells := make([]*change, 0, len(w.changes))
	for _, c := range w.changes {
		if !c.same {
			cells = append(cells, c)
		}
	}
	parts := min(runtime.GOMAXPROCS(0), len(cells)/fewCells)
	if w.order.rights == nil || parts < 2 {
		return all, 0, nil
	}
	all.Grow(len(cells))
	for _, c := range cells {
		all.Put(authz.EntityWrite{Entity: c.key, Old: c.was.Stored, New: c.new})
	}
	found := make([]int, parts)
	group, together := errgroup.WithContext(ctx)
	end := func(part int) int { return part * len(cells) / parts }
	for part := range parts {
		group.Go(func() error {
			return guarded("the judgement", func() (err error) {
				found[part], err = w.plainly(together, cells[:end(part+1)], end(part), &all)
				return err
			})
		})
	}
	if err := group.Wait(); err != nil {
		return all, 0, err
	}
	for part, n := range found {
		if plain += n; plain < end(part+1) {
			break
		}
	}
	return all, plain, nil
}

// plainly returns how many of cells[from:], from the first on, are accepted as they are
// ordered, with nothing to follow, if all cells before are: all are the writes of the
// cells. It writes to nothing of w.
func (w *writing) plainly(ctx context.Context, cells []*change, from int, all *authz.Pending) (int, error) {
	for i, c := range cells[from:] {
		before := all.First(from + i)
		change := w.changeFor(c.was.Stored, c.new, w.call.Acting.User, w.call.Context)
		plain, err := w.s.decider.Plain(ctx, w.call.Portal, change, authz.Known{Pending: &before})
		if err != nil || !plain {
			return i, err
		}
	}
	return len(cells) - from, nil
}
