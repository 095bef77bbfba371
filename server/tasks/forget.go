package tasks

import (
	"context"
	"time"
)

const (
	// keep is how long done tasks are kept.
	keep = 30 * 24 * time.Hour
	// forgetEvery is how often older ones are looked for, and forgetBatch how many go
	// in one step.
	forgetEvery = time.Hour
	forgetBatch = 1000
)

// forget removes old done tasks at once and every hour, until ctx ends.
func (r *Runner) forget(ctx context.Context) {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		for {
			n, err := r.store.ForgetTasks(ctx, r.opts.Now().Add(-keep), forgetBatch)
			if err != nil && ctx.Err() == nil {
				r.opts.Log.WarnContext(ctx, "old tasks not forgotten", "err", err)
			}
			if err != nil || n < forgetBatch {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
