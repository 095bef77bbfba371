package tasks

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// dispatcher gives portals their turns. All but the turns themselves is one
// goroutine's.
type dispatcher struct {
	*Runner
	attempts context.Context // of the attempts; it outlives that of the looks
	busy     map[string]bool // portals whose turn it is
	served   map[string]bool // portals that have had theirs, and wait for others
	over     chan overTurn   // it has room for all turns
	turns    *sync.WaitGroup
}

// overTurn says that a portal's turn is over, and why if the store failed in it.
type overTurn struct {
	portal string
	err    error
}

// run gives turns until ctx ends. It looks at the store after news and after a
// turn, and now and then; while the store fails, ever more seldom.
func (d *dispatcher) run(ctx context.Context, news <-chan struct{}) {
	wait := d.opts.Poll
	err := d.look(ctx)
	for ctx.Err() == nil {
		wakened := news
		if err != nil {
			wait, wakened = min(2*wait, max(maxPoll, d.opts.Poll)), nil
			d.opts.Log.WarnContext(ctx, "tasks cannot be done now", "err", err, "again_in", wait)
		} else {
			wait = d.opts.Poll
		}
		if err = d.await(ctx, wait, wakened); err == nil && ctx.Err() == nil {
			err = d.look(ctx)
		}
	}
}

// await returns when it is time for another look, with the failure that ended a
// turn if that is why.
func (d *dispatcher) await(ctx context.Context, wait time.Duration, news <-chan struct{}) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-news:
	case o := <-d.over:
		delete(d.busy, o.portal)
		if len(d.served) < maxServed {
			d.served[o.portal] = true
		}
		return o.err
	}
	return nil
}

// look begins turns of portals with due tasks while there is room. Portals whose
// turn it is, or was, are left out of the query, so that their tasks, however many,
// hide nobody else's; who had a turn has another when nobody waits for a first.
func (d *dispatcher) look(ctx context.Context) error {
	for len(d.busy) < d.opts.Portals {
		q := authz.DueQuery{Now: d.opts.Now(), But: append(slices.Sorted(maps.Keys(d.busy)), slices.Sorted(maps.Keys(d.served))...), Limit: batch}
		if d.deliverer == nil {
			q.Held = NoWebhook
		}
		due, err := d.store.DueTasks(ctx, q)
		switch {
		case err != nil:
			return err
		case len(due) > 0:
			d.begin(ctx, due)
		case len(d.served) > 0:
			clear(d.served)
		default:
			return nil
		}
	}
	return nil
}

// begin begins a turn for each portal of the tasks, in their order, while there is
// room.
func (d *dispatcher) begin(ctx context.Context, due []authz.StoredTask) {
	names, order := map[string][]string{}, []string{}
	for i := range due {
		portal := due[i].Portal
		if names[portal] == nil {
			order = append(order, portal)
		}
		names[portal] = append(names[portal], due[i].Name)
	}
	for _, portal := range order[:min(len(order), d.opts.Portals-len(d.busy))] {
		d.busy[portal] = true
		d.turns.Go(func() { d.over <- overTurn{portal, d.turn(ctx, names[portal])} })
	}
}

// turn does tasks of one portal, one after another, until none is left, ctx ends
// or the turn has taken its time. It fails when the store does.
func (d *dispatcher) turn(ctx context.Context, names []string) error {
	end := time.Now().Add(turn)
	for _, name := range names {
		if ctx.Err() != nil || time.Now().After(end) {
			return nil
		}
		if err := d.do(d.attempts, name); err != nil {
			return err
		}
	}
	return nil
}
