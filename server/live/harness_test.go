package live_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// portals is a Source whose content the test writes and announces.
type portals struct {
	mu     sync.Mutex
	stand  map[string]authz.PortalRevision
	titles map[string]string
	broken map[string]error                 // of reading a portal
	policy string                           // package that the portals name
	kept   map[string]*authz.PolicyRevision // policies in force that portals keep
	reads  []string
	gate   chan struct{} // when not nil, received from at each read

	changed func([]authz.PortalRevision)
	failed  func(error)
}

func newPortals(ids ...string) *portals {
	s := &portals{stand: map[string]authz.PortalRevision{}, titles: map[string]string{}, broken: map[string]error{}, kept: map[string]*authz.PolicyRevision{}, policy: "x"}
	for _, id := range ids {
		s.stand[id] = authz.PortalRevision{ID: id, Generation: "g1", Revision: 1, ConfigRevision: 1}
	}
	return s
}

func (s *portals) Renewed(ctx context.Context, portal string, _ *authz.Bundle) (*authz.Bundle, error) {
	s.mu.Lock()
	s.reads = append(s.reads, portal)
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.broken[portal]; err != nil {
		return nil, err
	}
	at := s.stand[portal]
	return &authz.Bundle{
		Portal:   authz.Portal{ID: portal, Policy: s.policy, Settings: map[string]any{"title": "title " + s.titles[portal]}},
		Revision: at.Revision, Generation: at.Generation, Published: s.kept[portal],
	}, nil
}

func (s *portals) Watch(ctx context.Context, _ time.Duration, changed func([]authz.PortalRevision), onErr func(error)) error {
	s.mu.Lock()
	s.changed, s.failed = changed, onErr
	s.mu.Unlock()
	s.announce()
	<-ctx.Done()
	return ctx.Err()
}

func (s *portals) Portals(context.Context) ([]authz.PortalRevision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.stand), func(a, b authz.PortalRevision) int { return int(a.Revision - b.Revision) }), nil
}

// announce says where the portals stand, as after any change or failure.
func (s *portals) announce() {
	s.mu.Lock()
	stand := slices.SortedFunc(maps.Values(s.stand), func(a, b authz.PortalRevision) int { return int(a.Revision - b.Revision) })
	s.mu.Unlock()
	s.changed(stand)
}

// set changes something before the Manager next looks.
func (s *portals) set(change func(s *portals)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// write changes a portal and announces it.
func (s *portals) write(portal string, change func(*authz.PortalRevision)) {
	s.mu.Lock()
	at := s.stand[portal]
	at.Revision++
	change(&at)
	s.stand[portal] = at
	s.mu.Unlock()
	s.announce()
}

func (s *portals) breakAt(portal string, err error) {
	s.set(func(s *portals) { s.broken[portal] = err })
}

func (s *portals) title(portal, title string) {
	s.set(func(s *portals) { s.titles[portal] = title })
}

// keep puts a policy of the portal's own in force; nil: the folder's.
func (s *portals) keep(portal string, r *authz.PolicyRevision) {
	s.set(func(s *portals) { s.kept[portal] = r })
	s.write(portal, configured)
}

func (s *portals) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.reads
	s.reads = nil
	return seen
}

func configured(at *authz.PortalRevision) { at.ConfigRevision = at.Revision }
func dataOnly(*authz.PortalRevision)      {}
func imported(at *authz.PortalRevision)   { at.Generation += "'"; at.ConfigRevision = at.Revision }

// rules are the policies, which the test writes.
type rules struct {
	mu      sync.Mutex
	word    string // that the policy says
	err     error
	tries   int
	owns    int // compilations of policies that portals keep
	changed func()
}

func (r *rules) policies() live.Policies {
	return live.Policies{Compile: r.compile, Own: r.own, Watch: func(ctx context.Context, changed func()) {
		r.mu.Lock()
		r.changed = changed
		r.mu.Unlock()
		<-ctx.Done()
	}}
}

func (r *rules) compile(last *policy.Program) (*policy.Program, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	if r.err != nil {
		return nil, r.err
	}
	modules := policy.Modules{"x.rego": fmt.Sprintf(`package x
decision := {"outcome": "allow", "reason": concat(" ", [%q, data.portal.settings.title])}`, r.word)}
	if last != nil && last.Revision() == modules.Revision() {
		return last, nil
	}
	return policy.Compile(modules, policies.InputSchema, time.Second)
}

// own compiles what a portal keeps. It cannot stand a mention of panic.
func (r *rules) own(files map[string]string) (*policy.Program, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owns++
	if strings.Contains(files["x.rego"], "panic") {
		panic("a stone in the mill")
	}
	return policy.Compile(policy.Of(files), policies.InputSchema, time.Second)
}

func (r *rules) owned() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owns
}

func (r *rules) tried() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries
}

// write changes the policies and announces it.
func (r *rules) write(word string, err error) {
	r.mu.Lock()
	r.word, r.err = word, err
	changed := r.changed
	r.mu.Unlock()
	changed()
}

// follow runs a Manager until the test ends, in the test's bubble.
func follow(t *testing.T, s live.Source, p live.Policies) *live.Manager {
	t.Helper()
	m := live.NewManager(s, p, live.Options{
		Model: policies.RBACModel, Poll: time.Second, Retry: 2 * time.Second, StaleAfter: 15 * time.Second,
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	ended := make(chan error)
	ctx, stop := context.WithCancel(context.Background())
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	synctest.Wait()
	return m
}

// running runs a Manager until the test ends, by the clock of the machine.
func running(tb testing.TB, s live.Source, p live.Policies) *live.Manager {
	tb.Helper()
	m := live.NewManager(s, p, live.Options{
		Model: policies.RBACModel, Poll: time.Second, Retry: time.Second, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		require.NoError(tb, <-ended)
	})
	return m
}

func view(t *testing.T, m *live.Manager, portal string) *pdp.View {
	t.Helper()
	v, err := m.View(portal)
	require.NoError(t, err)
	return v
}

// answer returns what the portal's policy says.
func answer(t *testing.T, m *live.Manager, portal string) string {
	t.Helper()
	v := view(t, m, portal)
	require.NotNil(t, v.Snapshot, "%+v", v)
	d := v.Snapshot.Decide(t.Context(), &authz.Query{Now: time.Now()}, engine.Entities{})
	require.NoError(t, d.Err)
	return d.Reason
}

// part returns one part of the detail of Ready.
func part(t *testing.T, detail map[string]any, path ...string) map[string]any {
	t.Helper()
	for _, step := range path {
		next, ok := detail[step].(map[string]any)
		require.True(t, ok, "%s in %v", step, detail)
		detail = next
	}
	return detail
}
