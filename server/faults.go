package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/httpapi"
)

// faultEvery is how often the same kind of fault of one portal is logged: a policy
// that fails does so at every question.
const faultEvery = 10 * time.Second

// faultLog logs the decisions that the service itself refused, with their cause,
// which callers never see.
type faultLog struct {
	next httpapi.Decider
	log  *slog.Logger
	now  func() time.Time

	mu   sync.Mutex
	seen map[faultKey]*faultCount // as many as there are portals and reasons of our own
}

type faultKey struct{ portal, reason string }

type faultCount struct {
	logged time.Time
	since  int // refusals not logged
}

func newFaultLog(next httpapi.Decider, log *slog.Logger, now func() time.Time) *faultLog {
	return &faultLog{next: next, log: log, now: now, seen: make(map[faultKey]*faultCount)}
}

// Decide asks the next Decider and logs what went wrong inside its answers.
func (f *faultLog) Decide(ctx context.Context, portal string, qs []authz.Query, out []authz.Decision, stop func(*authz.Decision) bool) (int, error) {
	n, err := f.next.Decide(ctx, portal, qs, out, stop)
	for i := range out[:n] {
		if out[i].Err != nil {
			f.report(ctx, portal, &out[i])
		}
	}
	return n, err
}

func (f *faultLog) report(ctx context.Context, portal string, d *authz.Decision) {
	key, now := faultKey{portal, d.Reason}, f.now()
	f.mu.Lock()
	c := f.seen[key]
	if c == nil {
		c = &faultCount{}
		f.seen[key] = c
	}
	if !c.logged.IsZero() && now.Sub(c.logged) < faultEvery {
		c.since++
		f.mu.Unlock()
		return
	}
	more := c.since
	c.logged, c.since = now, 0
	f.mu.Unlock()
	f.log.ErrorContext(ctx, "a question was refused by a fault", "portal", portal, "reason", d.Reason, "err", d.Err,
		"revision", d.Revision, "policy", d.Policy, "policy_revision", d.PolicyRevision, "request_id", httpapi.RequestID(ctx), "more_since_last", more)
}
