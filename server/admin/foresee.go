package admin

import (
	"context"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// fewCells is how many cells are too few to be judged together.
const fewCells = 8

// foresee returns the writes of the cells that change, and how many of them, from the
// first on, the policy accepts as they are ordered with nothing to be done because of
// them. So each of them can be judged over those before it, as they are ordered, without
// waiting for those to be judged: they are in as many parts as there are processors.
func (w *writing) foresee(ctx context.Context) (all authz.Pending, plain int, err error) {
	cells := w.different()
	if w.order.rights == nil || len(cells) < 2*fewCells {
		return all, 0, nil
	}
	all.Grow(len(cells))
	for _, c := range cells {
		all.Put(authz.EntityWrite{Entity: c.key, Old: c.was.Stored, New: c.new})
	}
	until := make([]int, len(cells)) // of a part, at its first cell: where what is plain ends
	err = inParts(ctx, "the judgement", len(cells), func(ctx context.Context, from, to int) (err error) {
		until[from], err = w.plainly(ctx, cells[:to], from, &all)
		return err
	})
	if err != nil {
		return all, 0, err
	}
	for plain < len(cells) && until[plain] > plain {
		plain = until[plain]
	}
	return all, plain, nil
}

// plainly returns where in cells, at from or after it, the first is that is not accepted as it
// is ordered, with nothing to follow, if all cells before are: all are the writes of the
// cells. It writes to nothing of w.
func (w *writing) plainly(ctx context.Context, cells []*change, from int, all *authz.Pending) (int, error) {
	steps := map[step]bool{} // that are plain for any role
	for i := from; i < len(cells); i++ {
		c := cells[i]
		of := c.step()
		if steps[of] {
			continue
		}
		before := all.First(i)
		change := w.changeFor(c.was.Stored, c.new, w.call.Acting.User, w.call.Context)
		plain, anyRole, err := w.s.decider.Plain(ctx, w.call.Portal, change, authz.Known{Pending: &before})
		if err != nil || !plain {
			return i, err
		}
		if anyRole {
			steps[of] = true
		}
	}
	return len(cells), nil
}
