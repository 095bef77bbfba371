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
	by, err := byStep(ctx, "the judgement", cells, func(ctx context.Context, i int) (judgement, error) {
		before := all.First(i)
		change := w.changeFor(cells[i].was.Stored, cells[i].new, w.call.Acting.User, w.call.Context)
		plain, anyRole, err := w.s.decider.Plain(ctx, w.call.Portal, change, authz.Known{Pending: &before})
		return judgement{plain, anyRole}, err
	})
	return all, len(by), err
}
