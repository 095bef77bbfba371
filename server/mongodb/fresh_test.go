package mongodb_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/mongodb"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// telling is a policy whose reason tells every fact that the writes change.
const telling = `package x
decision := {"outcome": "allow", "reason": concat(" ", [format_int(n, 10) | some n in [
	input.user.attributes.n, input.record.properties.n, input.user.same_login, input.rights.S.r,
]])}`

func numbered(n int) map[string]any { return map[string]any{"n": int64(n)} }

// process writes to a store and decides on it, as a server does.
type process struct {
	*mongodb.Store
	*live.Manager
	*pdp.Decider
	config authz.Bundle
	users  []authz.User
	cases  []authz.Record
}

func startProcess(t *testing.T, o mongodb.Options) *process {
	p := &process{config: authz.Bundle{
		Portal: authz.Portal{ID: "p", Policy: "x", ResourceScreens: map[string]map[string]string{"case": {"*": "S"}}},
		Roles:  []authz.Role{{ID: "r"}}, Screens: []authz.Node{{ID: "S", Kind: authz.Screen}}, Rights: []authz.Right{{Role: "r", Node: "S"}},
	}}
	for i := range 6 {
		p.users = append(p.users, authz.User{ID: fmt.Sprint(i), Login: fmt.Sprint("l", i%2), Active: true, Attributes: numbered(0), Grants: []authz.Grant{{Role: "r"}}})
		p.cases = append(p.cases, authz.Record{Type: "case", ID: fmt.Sprint(i), Properties: numbered(0)})
	}
	p.Store = holding(t, o, authz.World{Bundle: p.config, Users: p.users, Records: p.cases})
	compiled, err := policy.Compile(policy.Modules{"x.rego": telling}, policies.InputSchema, time.Second)
	require.NoError(t, err)
	p.Manager = live.NewManager(p.Store, live.Policies{Compile: func(*policy.Program) (*policy.Program, error) { return compiled, nil }}, live.Options{
		Model: policies.RBACModel, Poll: 100 * time.Millisecond, Retry: time.Second, Log: quiet(), Now: time.Now,
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	p.Decider, err = pdp.New(p.Manager, p.Store, 1000, time.Now)
	require.NoError(t, err)
	return p
}

// ask returns the facts about i: the number of user and record, how many share the
// login, and the level.
func (p *process) ask(t testing.TB, i int) (f [4]int) {
	id, out := fmt.Sprint(i), make([]authz.Decision, 1)
	_, err := p.Decide(t.Context(), "p", []authz.Query{{
		Subject: authz.Entity{Type: "user", ID: id}, Action: authz.Action{Name: "view"}, Resource: authz.Entity{Type: "case", ID: id},
	}}, out, nil)
	require.NoError(t, err)
	require.NoError(t, out[0].Err)
	_, err = fmt.Sscan(out[0].Reason, &f[0], &f[1], &f[2], &f[3])
	require.NoError(t, err, "%q", out[0].Reason)
	return f
}

// write makes the n-th write, about i, and returns it.
func (p *process) write(n, i int) (w authz.EntityWrite, config *authz.Bundle) {
	switch rand.IntN(4) {
	case 0:
		w.Old = p.users[i]
		p.users[i].Attributes = numbered(n)
		w.New = p.users[i]
	case 1:
		w.Old = p.users[i]
		p.users[i].Login = fmt.Sprint("l", n%3)
		w.New = p.users[i]
	case 2:
		w.Old = p.cases[i]
		p.cases[i].Properties = numbered(n)
		w.New = p.cases[i]
	case 3:
		w.Old = p.config.Rights[0]
		p.config.Rights = []authz.Right{{Role: "r", Node: "S", Level: authz.Level(n % 6)}}
		w.New = p.config.Rights[0]
		b := p.config
		config = &b
	}
	w.Entity = w.New.Key()
	return w, config
}

// facts returns what the answer to ask must be.
func (p *process) facts(i int) [4]int {
	same := 0
	for j := range p.users {
		if i != j && p.users[j].Login == p.users[i].Login {
			same++
		}
	}
	return [4]int{int(p.users[i].Attributes["n"].(int64)), int(p.cases[i].Properties["n"].(int64)), same, int(p.config.Rights[0].Level)}
}

// TestDecisionsAfterCommits has writes through Commit, each followed by the decisions
// that must see it, while others ask all the time.
func TestDecisionsAfterCommits(t *testing.T) {
	pairs, err := strconv.Atoi(os.Getenv("PORTCULLIS_TEST_COMMITS"))
	if err != nil {
		pairs = 60
	}
	contract(t, func(t *testing.T, o mongodb.Options) {
		p, ctx := startProcess(t, o), t.Context()
		base, err := p.Head(ctx, "p")
		require.NoError(t, err)
		require.NoError(t, p.Await(ctx, "p", base.Revision))
		done := make(chan struct{})
		var asking sync.WaitGroup
		asking.Go(func() {
			for !t.Failed() {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
					p.ask(t, rand.IntN(len(p.users)))
				}
			}
		})
		kept := 0
		for n := 1; n <= pairs; n++ {
			i := rand.IntN(len(p.users))
			p.ask(t, i)
			base, err := p.Head(ctx, "p")
			require.NoError(t, err)
			require.NoError(t, p.Await(ctx, "p", base.Revision))
			p.users, p.cases = slices.Clone(p.users), slices.Clone(p.cases)
			w, config := p.write(n, i)
			c := &authz.Changeset{Base: base, Changes: []authz.EntityWrite{w}, Config: config, Entry: authz.AuditEntry{Actor: "test", Operation: "test"}}
			made, err := p.Commit(ctx, "p", c)
			require.NoError(t, err)
			before, err := p.View("p")
			require.NoError(t, err)
			if before.Revision == base.Revision {
				kept++
			}
			p.Applied("p", base, made.At, c.Changes, c.Config)
			require.NoError(t, p.Await(ctx, "p", made.At.Revision))
			for i := range p.users {
				require.Equal(t, p.facts(i), p.ask(t, i), "write %d of %s, user %d", n, w.Entity, i)
			}
		}
		close(done)
		asking.Wait()
		require.Greater(t, kept, pairs/2, "mostly, the news of a write wait until it is applied")
	})
}
