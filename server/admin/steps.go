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

// stepsOf returns which step each of the changes is, by number, and the first change of each.
func stepsOf(changes []*change) (of, first []int) {
	numbers := map[step]int{}
	of = make([]int, len(changes))
	var last step
	for i, c := range changes {
		s := c.step()
		if i > 0 && s == last { // as of most neighbours
			of[i] = of[i-1]
			continue
		}
		n, known := numbers[s]
		if !known {
			n = len(first)
			numbers[s], first = n, append(first, i)
		}
		of[i], last = n, s
	}
	return of, first
}

// judgement is what comes of looking at one change: whether those after it are to be looked
// at too, and whether it holds for all changes of its step.
type judgement struct{ goOn, anyRole bool }

// byStep has changes judged side by side: one of each step, and every one of the steps of
// which that one does not hold for any role. It returns for each change by which the
// judgement is, as far as they are judged without a gap: to the first that does not go on.
func byStep(ctx context.Context, what string, changes []*change, judge func(ctx context.Context, i int) (judgement, error)) (by []int, err error) {
	of, first := stepsOf(changes)
	common := make([]bool, len(first))
	steps, err := inPartsUntil(ctx, what, len(first), func(ctx context.Context, n int) (bool, error) {
		j, err := judge(ctx, first[n])
		common[n] = j.anyRole
		return j.goOn, err
	})
	if err != nil {
		return nil, err
	}
	until := len(changes)
	if steps < len(first) {
		until = first[steps]
	}
	by = make([]int, until)
	var rest []int
	for i := range by {
		if by[i] = first[of[i]]; by[i] != i && !common[of[i]] {
			by[i], rest = i, append(rest, i)
		}
	}
	n, err := inPartsUntil(ctx, what, len(rest), func(ctx context.Context, n int) (bool, error) {
		j, err := judge(ctx, rest[n])
		return j.goOn, err
	})
	if n < len(rest) {
		by = by[:rest[n]]
	}
	return by, err
}

// inPartsUntil is inParts one by one. A part ends where do returns false; the lowest such
// number is returned, or n.
func inPartsUntil(ctx context.Context, what string, n int, do func(ctx context.Context, i int) (bool, error)) (int, error) {
	ends := make([]int, n) // of a part at its first number
	err := inParts(ctx, what, n, func(ctx context.Context, from, to int) (err error) {
		i, goOn := from, true
		for ; i < to && goOn && err == nil; i++ {
			goOn, err = do(ctx, i)
		}
		if !goOn {
			i--
		}
		ends[from] = i
		return err
	})
	until := 0
	for until < n && ends[until] > until {
		until = ends[until]
	}
	return until, err
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
