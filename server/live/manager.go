package live

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// Source is the store whose portals are published.
type Source interface {
	// Bundle returns a consistent copy of the portal's configuration.
	Bundle(ctx context.Context, portal string) (*authz.Bundle, error)
	// Watch calls changed with where all portals stand, at once, whenever any of
	// them moves, and after every failure, until ctx ends. Failures go to onErr.
	Watch(ctx context.Context, every time.Duration, changed func([]authz.PortalRevision), onErr func(error)) error
}

// Policies is where policies come from.
type Policies struct {
	// Compile returns the policies as they are now, or last itself when they are
	// those that last was compiled from.
	Compile func(last *policy.Program) (*policy.Program, error)
	// Watch calls changed when the policies may be others, until ctx ends. Nil:
	// they never are.
	Watch func(ctx context.Context, changed func())
}

// Options of a Manager.
type Options struct {
	Model         string        // Casbin's
	DefaultPortal string        // "": the only one
	Poll          time.Duration // how often the store is asked for changes
	Retry         time.Duration // after which what could not be built is tried again
	StaleAfter    time.Duration // of failing to read the store, after which the service is not ready
	Log           *slog.Logger
	Now           func() time.Time
}

// Manager keeps the published views as the store and the policies are. One
// goroutine builds and publishes, one build after another, so that an older build
// never replaces a newer one; a burst of changes costs one build.
type Manager struct {
	Views

	source   Source
	policies Policies
	opts     Options

	wake chan struct{} // capacity 1: one pending wake covers every change before it

	mu     sync.Mutex // guards what the watchers hand to the builder, and the state shown
	wanted []authz.PortalRevision
	told   bool // the store has been heard
	state  state
}

// state is what operators see.
type state struct {
	changed     time.Time // when the store last had news
	storeErr    error     // of the last attempt to read the store
	failing     time.Time // since when attempts fail
	policyErr   error
	policyTried time.Time
	program     *policy.Program
	portals     map[string]*portalState
}

// portalState is what was last built, and what failed since.
type portalState struct {
	at      authz.PortalRevision // that the published view was made from
	program *policy.Program
	built   time.Time
	err     error
}

// NewManager returns a Manager that publishes nothing until it runs.
func NewManager(source Source, policies Policies, opts Options) *Manager {
	return &Manager{
		Views:  Views{defaultPortal: opts.DefaultPortal},
		source: source, policies: policies, opts: opts,
		wake:  make(chan struct{}, 1),
		state: state{portals: make(map[string]*portalState)},
	}
}

// Run follows the store and the policies until ctx ends, and returns when all its
// goroutines have. It ends before ctx, with an error, only when the store cannot
// be followed at all.
func (m *Manager) Run(ctx context.Context) error {
	g, parts := errgroup.WithContext(ctx)
	g.Go(func() error { return m.source.Watch(parts, m.opts.Poll, m.heard, m.failed) })
	if m.policies.Watch != nil {
		g.Go(func() error { m.policies.Watch(parts, m.nudge); return nil })
	}
	g.Go(func() error { return m.build(parts) })
	if err := g.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

func (m *Manager) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// heard takes down where the portals stand.
func (m *Manager) heard(portals []authz.PortalRevision) {
	m.mu.Lock()
	m.wanted, m.told = portals, true
	m.state.changed, m.state.storeErr = m.opts.Now(), nil
	m.mu.Unlock()
	m.nudge()
}

func (m *Manager) failed(err error) {
	m.mu.Lock()
	first := m.state.storeErr == nil
	if m.state.storeErr = err; first {
		m.state.failing = m.opts.Now()
	}
	m.mu.Unlock()
	if first {
		m.opts.Log.Error("the store cannot be read; deciding on what is loaded", "err", err)
	}
}

// build brings the published views up to date whenever something has changed, and
// tries again after a while what failed.
func (m *Manager) build(ctx context.Context) error {
	for {
		var retry <-chan time.Time
		if !m.bringUp(ctx) {
			retry = time.After(m.opts.Retry)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.wake:
		case <-retry:
		}
	}
}

// bringUp makes one pass and reports whether nothing was left undone.
func (m *Manager) bringUp(ctx context.Context) bool {
	program, ok := m.compile()
	m.mu.Lock()
	wanted, told := m.wanted, m.told
	m.mu.Unlock()
	if !told {
		return ok
	}
	exists := make(map[string]bool, len(wanted))
	for _, at := range wanted {
		exists[at.ID] = true
		if ctx.Err() != nil {
			return true
		}
		ok = m.portal(ctx, at, program) && ok
	}
	m.drop(exists)
	return ok
}

// compile returns the policies in force: the newest that compile.
func (m *Manager) compile() (*policy.Program, bool) {
	m.mu.Lock()
	last, lastErr := m.state.program, m.state.policyErr
	m.mu.Unlock()
	program, err := m.policies.Compile(last)
	m.mu.Lock()
	m.state.policyErr, m.state.policyTried = err, m.opts.Now()
	if err == nil {
		m.state.program = program
	}
	m.mu.Unlock()
	switch {
	case err != nil && (lastErr == nil || lastErr.Error() != err.Error()):
		m.opts.Log.Error("the policies cannot be used; those loaded before stay in force", "err", err)
	case err == nil && program != last:
		m.opts.Log.Info("policies loaded", "policy", program.Revision(), "packages", program.Packages())
	}
	if err != nil {
		return last, false
	}
	return program, true
}

// portal publishes the portal as it is at, and reports whether it could.
func (m *Manager) portal(ctx context.Context, at authz.PortalRevision, program *policy.Program) bool {
	m.mu.Lock()
	p := m.state.portals[at.ID]
	if p == nil {
		p = &portalState{}
		m.state.portals[at.ID] = p
	}
	m.mu.Unlock()
	old := m.all()[at.ID]
	if old != nil && p.err == nil && p.at == at && p.program == program {
		return true
	}
	next, made, err := m.view(ctx, old, p, at, program)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.report(p, at.ID, err)
		if view := meanwhile(old, at, refusal(program, err)); view != nil {
			m.publish(at.ID, view)
		}
		return false
	}
	m.publish(at.ID, next)
	p.at, p.program, p.built, p.err = made, program, m.opts.Now(), nil
	return true
}

// report keeps err as the portal's, and logs it when it is news.
func (m *Manager) report(p *portalState, portal string, err error) {
	if p.err == nil || p.err.Error() != err.Error() {
		m.opts.Log.Error("the portal's configuration or policy cannot be used; the last good one stays in force", "portal", portal, "err", err)
	}
	p.err = err
}

// meanwhile returns what to publish of a portal whose next view cannot be made, or
// nil to leave what is. A portal that was never usable refuses. Of one that was,
// the last good configuration stays, but over the data as it is now: a user who
// is switched off must not keep access until somebody mends the configuration.
func meanwhile(old *pdp.View, at authz.PortalRevision, refusal string) *pdp.View {
	switch {
	case old == nil || old.Snapshot == nil:
		return pdp.NewView(at.ID, pdp.View{Generation: at.Generation, Revision: at.Revision, Refusal: refusal})
	case old.Generation == at.Generation && old.Revision != at.Revision:
		return moved(old, at)
	}
	return nil
}

// moved returns the old view over the data as it is at.
func moved(old *pdp.View, at authz.PortalRevision) *pdp.View {
	next := *old
	next.Generation, next.Revision = at.Generation, at.Revision
	return pdp.NewView(at.ID, next)
}

// refusal returns the reason for which a portal that was never usable denies.
func refusal(program *policy.Program, err error) string {
	if program == nil || authz.KindOf(err) == authz.Invalid {
		return authz.ReasonPolicyMissing
	}
	return authz.ReasonNotReady
}

// view makes the portal's next view and says what it was made from. When only
// users or records have moved, the snapshot is the old one's.
func (m *Manager) view(ctx context.Context, old *pdp.View, p *portalState, at authz.PortalRevision, program *policy.Program) (*pdp.View, authz.PortalRevision, error) {
	if program == nil {
		return nil, at, authz.Errorf(authz.Unavailable, "there is no usable policy")
	}
	same := old != nil && old.Snapshot != nil && p.at.Generation == at.Generation && p.at.ConfigRevision == at.ConfigRevision
	if same && p.program == program {
		return moved(old, at), at, nil
	}
	b, err := m.bundle(ctx, same, old, at)
	if err != nil {
		return nil, at, err
	}
	start := m.opts.Now()
	next, err := Build(b, m.opts.Model, program)
	if err != nil {
		return nil, at, err
	}
	m.logBuilt(next.Snapshot, b, m.opts.Now().Sub(start))
	// The bundle may be newer than the news that led here; the next news will
	// then find nothing to do, or more to do, and both are right.
	made := at
	made.Generation = b.Generation
	next.Revision = max(at.Revision, b.Revision)
	return pdp.NewView(at.ID, next), made, nil
}

func (m *Manager) bundle(ctx context.Context, same bool, old *pdp.View, at authz.PortalRevision) (*authz.Bundle, error) {
	if same {
		return old.Snapshot.Bundle(), nil
	}
	return m.source.Bundle(ctx, at.ID)
}

func (m *Manager) logBuilt(s *engine.Snapshot, b *authz.Bundle, took time.Duration) {
	n := s.Counts()
	m.opts.Log.Info("portal loaded", "portal", b.Portal.ID, "revision", b.Revision, "policy", b.Portal.Policy,
		"roles", n.Roles, "screens", n.Nodes, "rights", n.Rights, "took", took)
}

// drop takes away the portals that the store no longer has.
func (m *Manager) drop(exists map[string]bool) {
	for id := range m.all() {
		if exists[id] {
			continue
		}
		m.publish(id, nil)
		m.mu.Lock()
		delete(m.state.portals, id)
		m.mu.Unlock()
		m.opts.Log.Info("portal removed", "portal", id)
	}
}
