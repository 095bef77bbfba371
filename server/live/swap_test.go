package live_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// swapping is a store whose one portal has two contents in turn: one at even
// revisions, the other at odd ones.
type swapping struct {
	contents [2]*authz.Bundle
	revision atomic.Int64
	news     chan struct{}
}

func (s *swapping) at() authz.PortalRevision {
	n := s.revision.Load()
	return authz.PortalRevision{ID: "p", Revision: n, ConfigRevision: n}
}

func (s *swapping) Renewed(context.Context, string, *authz.Bundle) (*authz.Bundle, error) {
	n := s.revision.Load()
	b := *s.contents[n%2]
	b.Revision = n
	return &b, nil
}

func (s *swapping) Portals(context.Context) ([]authz.PortalRevision, error) {
	return []authz.PortalRevision{s.at()}, nil
}

func (s *swapping) Watch(ctx context.Context, _ time.Duration, changed func([]authz.PortalRevision), _ func(error)) error {
	for {
		changed([]authz.PortalRevision{s.at()})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.news:
		}
	}
}

// marked is the policy of the swaps: the reason tells settings, screen tree, role
// graph and rights of the revision that decided, each of which says which it is.
const marked = `package x
decision := {"outcome": "allow", "reason": concat(" ", [data.portal.settings.mark, input.screen.title, level, inherited])}
level := format_int(input.rights[input.screen.id].r0, 10)
inherited := concat(",", [r | some r in input.user.effective_roles; startswith(r, "only")])`

// content returns a portal of the size given, every part of which carries mark.
// Its rights are spread evenly, and the first role has one at every screen.
func content(mark string, level authz.Level, roles, screens, rights int) *authz.Bundle {
	b := &authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "x", Settings: map[string]any{"mark": mark}}}
	b.Roles = append(b.Roles, authz.Role{ID: "only-" + mark})
	for i := range roles - 1 {
		r := authz.Role{ID: fmt.Sprint("r", i)}
		if i%4 == 0 {
			r.Inherits = []string{"only-" + mark}
		}
		b.Roles = append(b.Roles, r)
	}
	for i := range screens {
		b.Screens = append(b.Screens, authz.Node{ID: fmt.Sprint("s", i), Kind: authz.Screen, Title: mark})
		b.Rights = append(b.Rights, authz.Right{Role: "r0", Node: fmt.Sprint("s", i), Level: level})
	}
	for i := 0; len(b.Rights) < rights; i++ {
		role, screen := 1+i%(roles-2), i/(roles-2)+i%(roles-2)%screens
		b.Rights = append(b.Rights, authz.Right{Role: fmt.Sprint("r", role), Node: fmt.Sprint("s", screen%screens), Level: level})
	}
	return b
}

var whole = [2]string{"even even 2 only-even", "odd odd 1 only-odd"}

// startSwaps runs a Manager on the two contents and returns a Decider on it, and
// what swaps them once and waits until that is published.
func startSwaps(tb testing.TB, roles, screens, rights int) (d *pdp.Decider, swap func()) {
	tb.Helper()
	s := &swapping{news: make(chan struct{}), contents: [2]*authz.Bundle{
		content("even", authz.Edit, roles, screens, rights), content("odd", authz.View, roles, screens, rights),
	}}
	compiled := program(tb, marked)
	m := running(tb, s, live.Policies{Compile: func(*policy.Program) (*policy.Program, error) { return compiled, nil }})
	published := func() {
		require.Eventually(tb, func() bool {
			v, err := m.View("")
			return err == nil && v.Revision == s.revision.Load()
		}, time.Minute, time.Millisecond)
	}
	published()
	users := authz.World{Bundle: *s.contents[0], Users: []authz.User{{ID: "ann", Grants: []authz.Grant{{Role: "r0"}}}}}
	d, err := pdp.New(m, pdp.IndexWorlds([]authz.World{users}), 1000, time.Now)
	require.NoError(tb, err)
	return d, func() {
		s.revision.Add(1)
		s.news <- struct{}{}
		published()
	}
}

func onScreen(n int) authz.Query {
	return authz.Query{
		Subject: authz.Entity{Type: "user", ID: "ann"}, Action: authz.Action{Name: "view"},
		Resource: authz.Entity{Type: "screen", ID: fmt.Sprint("s", n)},
	}
}

// TestDecisionsDuringSwaps asks in batches while the configuration is swapped: no
// question fails, each answer is wholly of one revision, the one it names, and
// those of a batch are of the same.
func TestDecisionsDuringSwaps(t *testing.T) {
	const swaps = 30
	d, swap := startSwaps(t, 500, 20, 2000)
	done := make(chan struct{})
	var asking sync.WaitGroup
	var asked atomic.Int64
	for range 3 {
		asking.Go(func() {
			out := make([]authz.Decision, 3)
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				qs := []authz.Query{onScreen(n % 20), onScreen((n + 7) % 20), onScreen((n + 13) % 20)}
				if _, err := d.Decide(t.Context(), "", qs, out, nil); err != nil {
					t.Errorf("a batch failed: %v", err)
					return
				}
				for i := range out {
					if out[i].Reason != whole[out[i].Revision%2] || out[i].Revision != out[0].Revision || !out[i].Allowed() {
						t.Errorf("batch %d, answer %d of revision %d, first %d: %q, %v", n, i, out[i].Revision, out[0].Revision, out[i].Reason, out[i].Err)
						return
					}
				}
				asked.Add(1)
			}
		})
	}
	for range swaps {
		swap()
		for before := asked.Load(); asked.Load() == before && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	close(done)
	asking.Wait()
}

// BenchmarkDecideDuringSwap is one decision while a portal of 5,000 roles, 200
// screens and 20,000 rights is swapped without pause.
func BenchmarkDecideDuringSwap(b *testing.B) {
	d, swap := startSwaps(b, 5000, 200, 20_000)
	done, swapped := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-done:
				swapped <- n
				return
			default:
				swap()
				n++
			}
		}
	}()
	var took []time.Duration
	out := make([]authz.Decision, 1)
	began := time.Now()
	for b.Loop() {
		start := time.Now()
		n, err := d.Decide(b.Context(), "", []authz.Query{onScreen(len(took) % 200)}, out, nil)
		took = append(took, time.Since(start))
		if n != 1 || err != nil || out[0].Reason != whole[out[0].Revision%2] {
			b.Fatalf("%d %v %+v", n, err, out[0])
		}
	}
	elapsed := time.Since(began)
	close(done)
	n := <-swapped
	slices.Sort(took)
	b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "p99-ms")
	b.ReportMetric(took[len(took)-1].Seconds()*1e3, "max-ms")
	b.ReportMetric(elapsed.Seconds()*1e3/float64(max(n, 1)), "ms/swap")
}
