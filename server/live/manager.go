package live

import (
	"context"
	"errors"
	"log/slog"
	"slices"
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
	// Renewed returns a consistent copy of the portal's configuration, which may have
	// parts of one that it returned earlier, known, if that is not nil. Nobody writes to
	// either.
	Renewed(ctx context.Context, portal string, known *authz.Bundle) (*authz.Bundle, error)
	// Portals returns where all portals stand.
	Portals(ctx context.Context) ([]authz.PortalRevision, error)
	// Watch calls changed with where all portals stand, at once, whenever any of
	// them moves, and after every failure, until ctx ends. Failures go to onErr.
	Watch(ctx context.Context, every time.Duration, changed func([]authz.PortalRevision), onErr func(error)) error
}

// Policies is where policies come from: those of the folder, which portals share, and
// those that a portal keeps in the store.
type Policies struct {
	// Compile returns the policies as they are now, or last itself when they are
	// those that last was compiled from.
	Compile func(last *policy.Program) (*policy.Program, error)
	// Watch calls changed when the policies may be others, until ctx ends. Nil:
	// they never are.
	Watch func(ctx context.Context, changed func())
	// Own returns what the files of an authz.PolicyRevision compile to: of them alone,
	// so that nothing else changes what the portal decides. It is asked once about the
	// same modules. Nil: no portal keeps its policy in the store.
	Own func(files map[string]string) (*policy.Program, error)
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
	// Below does work that decisions do not wait for: compiling policies and building
	// what is published. Nil: as everything else.
	Below func(work func())
}

// Manager keeps the published views as the store and the policies are. One
// goroutine follows the store, one build after another; a burst of changes costs
// one build. What this process writes is published by who writes it, with
// [Manager.Applied]. Whoever publishes a view made it to follow another, and gives
// it up when that is no longer the published one and what is there is as new.
type Manager struct {
	Views

	source   Source
	policies Policies
	programs programs
	opts     Options

	wake chan struct{} // capacity 1: one pending wake covers every change before it

	mu      sync.Mutex // guards all that follows, and publishing
	wanted  []authz.PortalRevision
	heardOf int64          // how often the store has been heard
	waiting map[string]int // calls of Await, by portal
	moved   chan struct{}  // closed at every change of what is published, or of why not
	state   state
}

// state is what operators see.
type state struct {
	changed     time.Time // when the store last had news
	storeErr    error     // of the last attempt to read the store
	failing     time.Time // since when attempts fail
	policyErr   error
	policyTried time.Time
	program     *policy.Program // of the folder
	portals     map[string]*portalState
}

// portalState is what was last built, and what failed since.
type portalState struct {
	at      authz.PortalRevision // that the published view was made from
	program *policy.Program      // of the folder, then
	own     bool                 // it decides by a policy of its own
	built   time.Time
	err     error
	tried   int64     // revision that err is about
	applied time.Time // when a write of this process was last published
	held    time.Time // since when news are held back that may be of such a write
}

// is reports whether that is what was built, and nothing has failed since.
func (p *portalState) is(at authz.PortalRevision, program *policy.Program) bool {
	return p.err == nil && p.at == at && p.under(program)
}

// under reports whether what was built goes with these policies of the folder.
func (p *portalState) under(program *policy.Program) bool { return p.own || p.program == program }

// NewManager returns a Manager that publishes nothing until it runs.
func NewManager(source Source, policies Policies, opts Options) *Manager {
	if opts.Below == nil {
		opts.Below = func(work func()) { work() }
	}
	return &Manager{
		Views:  Views{defaultPortal: opts.DefaultPortal},
		source: source, policies: policies, programs: programs{compile: policies.Own}, opts: opts,
		wake:  make(chan struct{}, 1),
		moved: make(chan struct{}), waiting: make(map[string]int),
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
	g.Go(func() (err error) {
		m.opts.Below(func() { err = m.build(parts) })
		return err
	})
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
	defer m.mu.Unlock()
	m.take(portals)
}

// take is heard for who holds m.mu.
func (m *Manager) take(portals []authz.PortalRevision) {
	m.wanted = portals
	m.heardOf++
	m.state.changed, m.state.storeErr = m.opts.Now(), nil
	m.nudge()
	m.stir()
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
// tries again after a while what was left undone.
func (m *Manager) build(ctx context.Context) error {
	for {
		var again <-chan time.Time
		if left := m.bringUp(ctx); left > 0 {
			again = time.After(left)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.wake:
		case <-again:
		}
	}
}

// bringUp makes one pass and returns after how long to make another for what was
// left undone; 0 when nothing was.
func (m *Manager) bringUp(ctx context.Context) (left time.Duration) {
	program, ok := m.compile()
	if !ok {
		left = m.opts.Retry
	}
	m.mu.Lock()
	wanted, told := m.wanted, m.heardOf > 0
	m.mu.Unlock()
	if !told {
		return left
	}
	wanted, err := m.complete(ctx, wanted)
	if err != nil {
		return m.opts.Retry
	}
	exists := make(map[string]bool, len(wanted))
	for _, at := range wanted {
		exists[at.ID] = true
		if ctx.Err() != nil {
			return 0
		}
		left = sooner(left, m.portal(ctx, at, program))
	}
	m.drop(exists)
	return left
}

// complete returns where the portals stand. The store is asked anew when the news lack a
// portal that is published: they may have been read before it was made.
func (m *Manager) complete(ctx context.Context, news []authz.PortalRevision) ([]authz.PortalRevision, error) {
	for id := range m.all() {
		if !has(news, id) {
			return m.source.Portals(ctx)
		}
	}
	return news, nil
}

func has(all []authz.PortalRevision, portal string) bool {
	return slices.ContainsFunc(all, func(at authz.PortalRevision) bool { return at.ID == portal })
}

// sooner returns the shorter of two times, of which 0 is never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
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

// portal publishes the portal as it is at. It returns after how long to try again;
// 0 when nothing is left to do.
func (m *Manager) portal(ctx context.Context, at authz.PortalRevision, program *policy.Program) time.Duration {
	old, was := m.standing(at.ID)
	if old != nil && was.is(at, program) {
		return 0
	}
	if wait := m.holdBack(at, &was); wait > 0 && was.under(program) {
		return wait
	}
	at, err := m.confirm(ctx, at, &was)
	switch {
	case err != nil:
		return m.opts.Retry
	case old != nil && was.is(at, program):
		return 0
	}
	next, made, err := m.view(ctx, old, &was, at, program)
	if err != nil {
		return m.fail(old, at, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := m.all()[at.ID]; now != old && now != nil && now.Revision >= next.Revision {
		return 0
	}
	p := m.state.portals[at.ID]
	p.at, p.program, p.own, p.built, p.err, p.held = made, program, own(next), m.opts.Now(), nil, time.Time{}
	m.put(at.ID, next)
	return 0
}

// standing returns what is published of the portal, and what is known of it.
func (m *Manager) standing(portal string) (*pdp.View, portalState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.state.portals[portal]
	if p == nil {
		p = &portalState{}
		m.state.portals[portal] = p
	}
	return m.all()[portal], *p
}

// put publishes the view and wakes whoever waits for it. The caller holds m.mu.
func (m *Manager) put(portal string, view *pdp.View) {
	m.publish(portal, view)
	m.stir()
}

// stir wakes whoever waits for a portal. The caller holds m.mu.
func (m *Manager) stir() {
	close(m.moved)
	m.moved = make(chan struct{})
}

// fail takes down why the portal cannot be published as it is at.
func (m *Manager) fail(old *pdp.View, at authz.PortalRevision, err error) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all()[at.ID] != old {
		return m.opts.Retry
	}
	p := m.state.portals[at.ID]
	if p.err == nil || p.err.Error() != err.Error() {
		m.opts.Log.Error("the portal's configuration or policy cannot be used; the last good one stays in force", "portal", at.ID, "err", err)
	}
	p.err, p.tried = err, at.Revision
	if view := meanwhile(old, at, refusal(err)); view != nil {
		m.publish(at.ID, view)
	}
	m.stir()
	return m.opts.Retry
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
func refusal(err error) string {
	if errors.Is(err, errNoPolicy) || authz.KindOf(err) == authz.Invalid {
		return authz.ReasonPolicyMissing
	}
	return authz.ReasonNotReady
}

// view makes the portal's next view and says what it was made from. When only
// users or records have moved, the snapshot is the old one's.
func (m *Manager) view(ctx context.Context, old *pdp.View, p *portalState, at authz.PortalRevision, program *policy.Program) (*pdp.View, authz.PortalRevision, error) {
	same := old != nil && old.Snapshot != nil && p.at.Generation == at.Generation && p.at.ConfigRevision == at.ConfigRevision
	if same && p.under(program) {
		return moved(old, at), at, nil
	}
	b, err := m.bundle(ctx, same, old, at)
	if err != nil {
		return nil, at, err
	}
	start := m.opts.Now()
	next, err := m.rebuilt(old, b, program)
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

// rebuilt is rebuild under the policies that are the portal's, where program is the
// folder's.
func (m *Manager) rebuilt(old *pdp.View, b *authz.Bundle, program *policy.Program) (pdp.View, error) {
	program, err := m.programOf(old, b, program)
	if err != nil {
		return pdp.View{}, err
	}
	return rebuild(old, b, m.opts.Model, program)
}

func (m *Manager) bundle(ctx context.Context, same bool, old *pdp.View, at authz.PortalRevision) (*authz.Bundle, error) {
	var known *authz.Bundle
	if old != nil && old.Snapshot != nil {
		known = old.Snapshot.Bundle()
	}
	if same {
		return known, nil
	}
	return m.source.Renewed(ctx, at.ID, known)
}

func (m *Manager) logBuilt(s *engine.Snapshot, b *authz.Bundle, took time.Duration) {
	n := s.Counts()
	m.opts.Log.Info("portal loaded", "portal", b.Portal.ID, "revision", b.Revision, "policy", b.Portal.Policy,
		"policy_revision", s.PolicyRevision(), "roles", n.Roles, "screens", n.Nodes, "rights", n.Rights, "took", took)
}

// drop takes away the portals that the store no longer has.
func (m *Manager) drop(exists map[string]bool) {
	for id := range m.all() {
		if exists[id] {
			continue
		}
		m.mu.Lock()
		delete(m.state.portals, id)
		m.put(id, nil)
		m.mu.Unlock()
		m.opts.Log.Info("portal removed", "portal", id)
	}
}
