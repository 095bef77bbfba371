package server

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// Handover is where a server takes its policies from when somebody else compiles
// them: see [Options].
type Handover struct {
	program atomic.Pointer[policy.Program]
	news    chan struct{}
}

// NewHandover hands over the first policies.
func NewHandover(first *policy.Program) *Handover {
	h := &Handover{news: make(chan struct{}, 1)}
	h.program.Store(first)
	return h
}

// Program returns what was handed over last.
func (h *Handover) Program() *policy.Program { return h.program.Load() }

// Next hands over policies that come into force with the next write to the store, so
// that data and the policies that go with it are published in one step; or with
// [Handover.Announce].
func (h *Handover) Next(p *policy.Program) { h.program.Store(p) }

// Announce has the policies that were handed over published now.
func (h *Handover) Announce() {
	select {
	case h.news <- struct{}{}:
	default: // one that waits covers this one
	}
}

func (h *Handover) source() live.Policies {
	return live.Policies{
		Compile: func(*policy.Program) (*policy.Program, error) { return h.Program(), nil },
		Watch: func(ctx context.Context, changed func()) {
			for {
				select {
				case <-ctx.Done():
					return
				case <-h.news:
					changed()
				}
			}
		},
	}
}

// awaitPoll is how often AwaitServed looks.
const awaitPoll = 5 * time.Millisecond

// AwaitServed returns when the server decides for each of the portals on at least the
// revision that is given, under the program, or the policy that the store keeps for
// the portal. The error, after the end of ctx, is Unavailable and says where the
// parts stand.
func (s *Server) AwaitServed(ctx context.Context, portals []authz.PortalRevision, program *policy.Program) error {
	tick := time.NewTicker(awaitPoll)
	defer tick.Stop()
	for _, at := range portals {
		for !s.serves(at, program) {
			select {
			case <-ctx.Done():
				_, detail := s.Ready()
				return authz.Errorf(authz.Unavailable, "portal %q is not served as it is now: %v", at.ID, detail).Because(ctx.Err())
			case <-tick.C:
			}
		}
	}
	return nil
}

func (s *Server) serves(at authz.PortalRevision, program *policy.Program) bool {
	view, err := s.manager.View(at.ID)
	if err != nil || view.Snapshot == nil || view.Revision < at.Revision {
		return false
	}
	p, ok := view.Snapshot.Policy().(*policy.Policy)
	return ok && (p.Program() == program || view.Snapshot.Bundle().Published != nil)
}
