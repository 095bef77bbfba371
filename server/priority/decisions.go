package priority

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Bounds of what garbage is let lie until the next collection, of which each takes
// processors away from decisions.
const (
	mostPercent  = 400       // of what is in use
	leastPercent = 100       // as Go has it
	mostGarbage  = 128 << 20 // bytes, from which on the percentage falls
	weighed      = 5 * time.Second
	worthIt      = 25 // percent more, to be set
)

// Decisions sets the runtime up for decisions beside as many pieces of work [Below] as
// may be under way at the same time. It returns on how many threads each of them is to
// be. A thread that the system lets wait keeps one of the runtime's processors, so that
// there are as many more. What it sets up is kept so until ctx ends.
//
// What the operator has set stands: of GOMAXPROCS processors the work gets a part, and
// with GOGC or GOMEMLIMIT garbage is collected when they say.
func Decisions(ctx context.Context, works int) (threads int) {
	threads = runtime.GOMAXPROCS(0)
	if os.Getenv("GOMAXPROCS") != "" {
		threads = max(1, threads/(1+works))
	} else {
		runtime.GOMAXPROCS(threads * (1 + works))
	}
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(mostPercent)
		go weigh(ctx, mostPercent)
	}
	return threads
}

// weigh fits the percentage to what is in use, again and again. To set it stops every
// goroutine for a moment, so that it does not rise for little.
func weigh(ctx context.Context, set int) {
	tick := time.NewTicker(weighed)
	defer tick.Stop()
	inUse := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			metrics.Read(inUse)
			if fits := percent(inUse[0].Value.Uint64()); fits < set || fits > set+worthIt {
				set = fits
				debug.SetGCPercent(set)
			}
		}
	}
}

// percent returns how much garbage may lie beside what is in use, in percent of it.
func percent(inUse uint64) int {
	return max(leastPercent, int(min(mostPercent, mostGarbage*100/max(inUse, 1))))
}
