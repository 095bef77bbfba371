package live_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// publishing is a process that publishes policies of portal p and decides, on a store
// in memory.
type publishing struct {
	*memory
	*live.Manager
	decider *pdp.Decider
}

func startPublishing(tb testing.TB, s *memory, folder *policy.Program) *publishing {
	tb.Helper()
	p := &publishing{memory: s}
	own := func(files map[string]string) (*policy.Program, error) {
		return policy.Compile(policy.Of(files), policies.InputSchema, time.Minute)
	}
	p.Manager = running(tb, s, live.Policies{Compile: func(*policy.Program) (*policy.Program, error) { return folder, nil }, Own: own})
	require.NoError(tb, p.Await(tb.Context(), "p", 1))
	var err error
	p.decider, err = pdp.New(p.Manager, s, 1000, time.Now)
	require.NoError(tb, err)
	return p
}

// publish brings the policy into force together with a setting that says its number;
// nil is the folder's. told has this process publish it by itself, as after its own
// writes; else the news of the store do.
func (p *publishing) publish(tb testing.TB, r *authz.PolicyRevision, told bool) {
	from, to, changes, config := p.commit(true, func(w *authz.World) authz.EntityWrite {
		n := int64(0)
		if r != nil {
			n = r.Number
		}
		old := w.Portal
		w.Portal.Settings, w.Published = map[string]any{"n": n}, r
		return authz.EntityWrite{Entity: old.Key(), Old: old, New: w.Portal}
	})
	if told {
		p.Applied("p", from, to, changes, config)
	}
	require.NoError(tb, p.Await(tb.Context(), "p", to.Revision))
}

// numbering is a policy that says its own number, and the one in the settings.
func numbering(n int64) string {
	return fmt.Sprintf(`package x
decision := {"outcome": "allow", "reason": sprintf("%d %%d", [data.portal.settings.n])}`, n)
}

// ask decides a batch, and returns what is wrong with the answers: each must be of one
// revision whole, and all of the same.
func (p *publishing) ask(out []authz.Decision, digests map[int64]string) error {
	qs := make([]authz.Query, len(out))
	for i := range qs {
		id := fmt.Sprint(i % freshUsers)
		qs[i] = authz.Query{Subject: authz.Entity{Type: "user", ID: id}, Action: authz.Action{Name: "view"}, Resource: authz.Entity{Type: "case", ID: id}}
	}
	if _, err := p.decider.Decide(context.Background(), "p", qs, out, nil); err != nil {
		return err
	}
	for i := range out {
		d := &out[i]
		switch n := d.PolicyRevision; {
		case d.Err != nil || !d.Allowed():
			return fmt.Errorf("answer %d is %s, %s: %w", i, d.Outcome, d.Reason, d.Err)
		case d.Reason != fmt.Sprintf("%d %d", n, n), d.Policy != digests[n]:
			return fmt.Errorf("answer %d is %q by %s, and is to be of revision %d", i, d.Reason, d.Policy, n)
		case n != out[0].PolicyRevision || d.Revision != out[0].Revision:
			return fmt.Errorf("answer %d is of revision %d, and the first of %d", i, n, out[0].PolicyRevision)
		}
	}
	return nil
}

// TestDecisionsDuringPublications has eight clients ask in batches while policies are
// published and taken back two hundred times, by this process and by others: no
// question fails, and no answer is of a mixture.
func TestDecisionsDuringPublications(t *testing.T) {
	const clients, revisions = 8, 12 // more than the cache of programs holds
	publications := 200
	if raceEnabled {
		publications = 40
	}
	p := startPublishing(t, newMemory(), program(t, numbering(0)))
	digests := map[int64]string{0: program(t, numbering(0)).Revision()}
	all := []*authz.PolicyRevision{nil}
	for n := range int64(revisions) {
		r := keptAs(n+1, numbering(n+1))
		digests[r.Number] = policy.Of(r.Files).Revision()
		all = append(all, r)
	}

	done := make(chan struct{})
	var asking sync.WaitGroup
	var asked atomic.Int64
	errs := make(chan error, clients)
	for range clients {
		asking.Go(func() {
			out := make([]authz.Decision, 5)
			for {
				select {
				case <-done:
					return
				case <-time.After(100 * time.Microsecond): // the publications need their turn
				}
				if err := p.ask(out, digests); err != nil {
					errs <- err
					return
				}
				asked.Add(1)
			}
		})
	}
	for i := range publications {
		r := all[i*5%len(all)]
		p.publish(t, r, i%2 == 0)
		out := make([]authz.Decision, 1)
		require.NoError(t, p.ask(out, digests))
		if r == nil {
			require.Zero(t, out[0].PolicyRevision)
			continue
		}
		require.Equal(t, r.Number, out[0].PolicyRevision, "publication %d: what is published decides", i)
	}
	close(done)
	asking.Wait()
	close(errs)
	require.NoError(t, errors.Join(slices.Collect(chanOf(errs))...))
	require.NotZero(t, asked.Load())
	t.Logf("%d batches during %d publications", asked.Load(), publications)
}

func chanOf[T any](c <-chan T) func(yield func(T) bool) {
	return func(yield func(T) bool) {
		for x := range c {
			if !yield(x) {
				return
			}
		}
	}
}

// preset is a revision of the policy of a portal system, of its own by a remark.
func preset(b *testing.B, number int64) *authz.PolicyRevision {
	b.Helper()
	files := map[string]string{}
	for _, dir := range []string{"lib", "presets/acumatica"} {
		require.NoError(b, fs.WalkDir(policies.FS, dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(policies.FS, path)
			files[path] = fmt.Sprintf("%s\n# revision %d\n", text, number)
			return err
		}))
	}
	return &authz.PolicyRevision{Number: number, Files: files}
}

// BenchmarkDecideDuringPublications is one publication of a preset, examined as a draft
// first, while eight clients ask; every other is a step back. It reports how long their
// decisions take, beside how long they take when nothing is published:
//
//	go test ./server/live -run '^$' -bench DecideDuringPublications -benchtime 200x
func BenchmarkDecideDuringPublications(b *testing.B) {
	b.Run("none", func(b *testing.B) {
		decideMeanwhile(b, func(*publishing, int64) { time.Sleep(100 * time.Millisecond) })
	})
	b.Run("publications", func(b *testing.B) {
		decideMeanwhile(b, func(p *publishing, n int64) {
			if n%2 == 0 {
				p.publish(b, preset(b, max(1, n-3)), true)
				return
			}
			r := preset(b, n)
			view, err := p.View("p")
			require.NoError(b, err)
			draft := *view.Snapshot.Bundle()
			draft.Published = r
			_, err = p.Draft(view, &draft)
			require.NoError(b, err)
			p.publish(b, r, true)
		})
	})
}

// decideMeanwhile reports how long the decisions of eight clients take meanwhile.
func decideMeanwhile(b *testing.B, do func(p *publishing, n int64)) {
	s := newMemory()
	s.w.Portal.Policy = "presets.acumatica"
	folder, err := policy.Compile(policy.Of(preset(b, 0).Files), policies.InputSchema, time.Minute)
	require.NoError(b, err)
	p := startPublishing(b, s, folder)
	done := make(chan struct{})
	took := make([][]time.Duration, 8)
	var asking sync.WaitGroup
	for i := range took {
		asking.Go(func() { took[i] = p.times(b, done) })
	}
	for n := int64(1); b.Loop(); n++ {
		do(p, n)
	}
	close(done)
	asking.Wait()
	every := slices.Concat(took...)
	slices.Sort(every)
	for _, m := range []struct {
		name string
		at   int
	}{{"p50-ms", len(every) / 2}, {"p99-ms", len(every) * 99 / 100}, {"max-ms", len(every) - 1}} {
		b.ReportMetric(every[m.at].Seconds()*1e3, m.name)
	}
}

// times asks until done is closed, and returns how long each answer took.
func (p *publishing) times(tb testing.TB, done <-chan struct{}) (took []time.Duration) {
	out := make([]authz.Decision, 1)
	qs := []authz.Query{{Subject: authz.Entity{Type: "user", ID: "1"}, Action: authz.Action{Name: "view"}, Resource: authz.Entity{Type: "case", ID: "1"}}}
	for {
		select {
		case <-done:
			return took
		case <-time.After(2 * time.Millisecond):
		}
		start := time.Now()
		_, err := p.decider.Decide(context.Background(), "p", qs, out, nil)
		took = append(took, time.Since(start))
		if err != nil || out[0].Err != nil {
			tb.Errorf("%v %v", err, out[0].Err)
			return took
		}
	}
}
