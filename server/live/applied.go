package live

import (
	"context"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
)

const (
	awaitTimeout = 10 * time.Second // of Await, when its context ends later

	// ownWrites is how long after a write of this process its news may be late, or
	// those of the next one early.
	ownWrites = time.Second
	// holdTime is how long news that may be early wait for their own process to
	// publish the write: it does so without reading the store, and keeps the cache.
	holdTime = 50 * time.Millisecond
)

// Applied publishes a write of this process. When what is published of the portal
// is from, it publishes to without reading the store: the configuration of config,
// or when that is nil the one there is, and of the cache of entities only what the
// changes touch is dropped. Otherwise, and when config cannot be used, the news of
// the store will bring the write. The store must hold it already, and nobody may
// write to config afterwards.
func (m *Manager) Applied(portal string, from, to authz.PortalRevision, changes []authz.EntityWrite, config *authz.Bundle) {
	old, ok := m.publishedAt(portal, from)
	if !ok || from.Generation != to.Generation || from.Revision >= to.Revision || config == nil && from.ConfigRevision != to.ConfigRevision {
		return
	}
	folder := m.folder()
	next, err := m.following(old, to, config, folder)
	if err != nil {
		return
	}
	view := next.After(old, changes)
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.state.portals[portal]
	if p == nil || m.all()[portal] != old || !own(view) && (folder != m.state.program || !p.under(folder)) {
		return
	}
	p.at, p.program, p.own, p.applied, p.held = to, folder, own(view), m.opts.Now(), time.Time{}
	if config != nil {
		p.built = p.applied
	}
	m.put(portal, view)
}

// publishedAt returns the portal's view if it is a usable one of that very
// revision and of the policies as they are.
func (m *Manager) publishedAt(portal string, at authz.PortalRevision) (*pdp.View, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, view := m.state.portals[portal], m.all()[portal]
	if p == nil || view == nil || view.Snapshot == nil {
		return nil, false
	}
	return view, p.err == nil && p.at == at && view.Revision == at.Revision && p.under(m.state.program)
}

// following returns the old view over the data as it is at, with the configuration
// when that is not nil. folder are the folder's policies.
func (m *Manager) following(old *pdp.View, at authz.PortalRevision, config *authz.Bundle, folder *policy.Program) (pdp.View, error) {
	if config == nil {
		next := *old
		next.Revision = at.Revision
		return next, nil
	}
	b := *config
	b.Revision, b.Generation = at.Revision, at.Generation
	return m.rebuilt(old, &b, folder)
}

// Await returns when the published view of the portal is at least at the revision,
// or the portal is gone. When that does not come about in time, or cannot, it
// returns an authz.Unavailable error that says why.
func (m *Manager) Await(ctx context.Context, portal string, revision int64) error {
	if view := m.all()[portal]; view != nil && view.Revision >= revision {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, awaitTimeout)
	defer cancel()
	defer m.press(portal)()
	portals, lookErr := m.look(ctx)
	for {
		done, moved, why := m.reached(portal, revision)
		if done {
			return why
		}
		if m.missing(portal) {
			if lookErr == nil && !has(portals, portal) {
				return nil
			}
			if portals, lookErr = m.look(ctx); lookErr == nil { // those who brought the news may have looked earlier
				continue
			}
		}
		select {
		case <-moved:
		case <-ctx.Done():
			for _, cause := range []error{lookErr, ctx.Err()} {
				if why == nil {
					why = cause
				}
			}
			return authz.Errorf(authz.Unavailable, "portal %q is not loaded yet as it was last written: try again later", portal).Because(why)
		}
	}
}

// press has news of the portal acted on at once until the returned func is called.
func (m *Manager) press(portal string) (release func()) {
	add := func(n int) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.waiting[portal] += n; m.waiting[portal] == 0 {
			delete(m.waiting, portal)
		}
	}
	add(1)
	return func() { add(-1) }
}

// missing reports whether the portal is neither published nor in the news.
func (m *Manager) missing(portal string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all()[portal] == nil && m.heardOf > 0 && !has(m.wanted, portal)
}

// look takes down, and returns, where the portals stand without waiting for the
// watcher, whose own news count for newer.
func (m *Manager) look(ctx context.Context) ([]authz.PortalRevision, error) {
	for {
		m.mu.Lock()
		before := m.heardOf
		m.mu.Unlock()
		portals, err := m.source.Portals(ctx)
		if err != nil {
			m.nudge() // there may be news held back
			return nil, err
		}
		if m.heardSince(before, portals) {
			return portals, nil
		}
	}
}

// heardSince is heard, unless something was heard since.
func (m *Manager) heardSince(before int64, portals []authz.PortalRevision) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.heardOf != before {
		return false
	}
	m.take(portals)
	return true
}

// reached reports whether nothing is left to wait for: the portal is at the revision, or
// cannot get there, which why says then. moved is closed when that may have changed.
func (m *Manager) reached(portal string, revision int64) (done bool, moved <-chan struct{}, why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	view, p := m.all()[portal], m.state.portals[portal]
	switch {
	case view != nil && view.Revision >= revision:
		return true, nil, nil
	case p != nil && p.err != nil && p.tried >= revision:
		return true, nil, authz.Errorf(authz.Unavailable, "portal %q cannot be used as it was last written: %v", portal, p.err).Because(p.err)
	}
	return false, m.moved, m.state.storeErr
}

// holdBack returns for how long to leave news of the portal alone. News older than
// what is published were on their way when a write of this process was published;
// those newer may be of one that is about to be.
func (m *Manager) holdBack(at authz.PortalRevision, was *portalState) time.Duration {
	now := m.opts.Now()
	if was.err != nil || was.at.Generation != at.Generation || now.Sub(was.applied) >= ownWrites {
		return 0
	}
	if at.Revision < was.at.Revision {
		return ownWrites
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.state.portals[at.ID]
	if p == nil || m.waiting[at.ID] > 0 {
		return 0
	}
	if p.held.IsZero() {
		p.held = now
	}
	return max(0, holdTime-now.Sub(p.held))
}

// confirm returns where the portal stands. The store is asked anew when the news
// are older than what is published: they may be late, or the store may have been
// put back to what it was before.
func (m *Manager) confirm(ctx context.Context, at authz.PortalRevision, was *portalState) (authz.PortalRevision, error) {
	if at.Revision >= was.at.Revision {
		return at, nil
	}
	portals, err := m.source.Portals(ctx)
	if err != nil {
		return at, err
	}
	for _, now := range portals {
		if now.ID == at.ID {
			return now, nil
		}
	}
	return at, authz.Errorf(authz.NotFound, "portal %q is gone", at.ID)
}
