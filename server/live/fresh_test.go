package live_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
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

// pairsVariable says how many writes TestDecisionsAfterWrites makes, each with the
// decision that must see it.
const pairsVariable = "PORTCULLIS_TEST_PAIRS"

func pairs(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv(pairsVariable))
	switch {
	case err == nil:
	case raceEnabled:
		n = 400
	default:
		n = 2000
	}
	t.Logf("%d pairs; set %s for another number", n, pairsVariable)
	return n
}

// telling is a policy whose reason tells every fact that the writes change.
const telling = `package x
decision := {"outcome": "allow", "reason": concat(" ", [format_int(n, 10) | some n in [
	input.user.attributes.n, input.record.properties.n, input.account.attributes.n, input.contact.attributes.n,
	input.user.same_login, input.rights.S.r0, count(input.user.effective_roles), data.portal.settings.n,
]])}`

// told is what that reason says.
type told struct{ user, record, account, contact, same, level, roles, settings int }

func parse(t require.TestingT, d authz.Decision) (f told) {
	require.NoError(t, d.Err)
	_, err := fmt.Sscan(d.Reason, &f.user, &f.record, &f.account, &f.contact, &f.same, &f.level, &f.roles, &f.settings)
	require.NoError(t, err, "%q", d.Reason)
	return f
}

const freshUsers, freshLogins = 10, 4

// memory is a store in memory: a Source and a Directory. Its reads take a while, in
// which writes overtake them.
type memory struct {
	pdp.Worlds // none: for what decisions do not read

	mu sync.Mutex
	w  authz.World
	at authz.PortalRevision
	by chan struct{}
}

func newMemory() *memory {
	s := &memory{at: authz.PortalRevision{ID: "p", Generation: "g", Revision: 1, ConfigRevision: 1}, by: make(chan struct{}, 1)}
	s.w.Portal = authz.Portal{ID: "p", Policy: "x", Settings: numbered(0), ResourceScreens: map[string]map[string]string{"case": {"*": "S"}}}
	s.w.Roles = []authz.Role{{ID: "r0"}, {ID: "r1"}, {ID: "r2"}}
	s.w.Screens = []authz.Node{{ID: "S", Kind: authz.Screen}}
	s.w.Rights = []authz.Right{{Role: "r0", Node: "S"}, {Role: "r1", Node: "S"}}
	for i := range freshUsers {
		id := fmt.Sprint(i)
		s.w.Users = append(s.w.Users, authz.User{ID: id, Login: fmt.Sprint("l", i%freshLogins), Active: true, Attributes: numbered(0), Grants: []authz.Grant{{Role: "r0"}}})
		s.w.Accounts = append(s.w.Accounts, authz.Account{ID: id, Attributes: numbered(0)})
		s.w.Contacts = append(s.w.Contacts, authz.Contact{ID: id, Attributes: numbered(0)})
		s.w.Records = append(s.w.Records, authz.Record{Type: "case", ID: id, Account: id, Contact: id, Properties: numbered(0)})
	}
	return s
}

func numbered(n int) map[string]any { return map[string]any{"n": int64(n)} }

// read returns what look finds, a while later.
func read[E any](s *memory, look func(w *authz.World) (E, error)) (E, error) {
	s.mu.Lock()
	e, err := look(&s.w)
	s.mu.Unlock()
	for range rand.IntN(4) {
		runtime.Gosched()
	}
	if rand.IntN(50) == 0 {
		time.Sleep(50 * time.Microsecond)
	}
	return e, err
}

func one[E authz.Stored](s *memory, list func(w *authz.World) []E, id string) (*E, error) {
	return read(s, func(w *authz.World) (*E, error) {
		for _, e := range list(w) {
			if e.Key().ID == id {
				return &e, nil
			}
		}
		return nil, authz.Errorf(authz.NotFound, "none")
	})
}

func (s *memory) User(_ context.Context, _, _, id string) (*authz.User, error) {
	return one(s, func(w *authz.World) []authz.User { return w.Users }, id)
}

func (s *memory) Account(_ context.Context, _, _, id string) (*authz.Account, error) {
	return one(s, func(w *authz.World) []authz.Account { return w.Accounts }, id)
}

func (s *memory) Contact(_ context.Context, _, _, id string) (*authz.Contact, error) {
	return one(s, func(w *authz.World) []authz.Contact { return w.Contacts }, id)
}

func (s *memory) Record(_ context.Context, _, _, _, id string) (*authz.Record, error) {
	return one(s, func(w *authz.World) []authz.Record { return w.Records }, id)
}

func (s *memory) SameLogin(_ context.Context, _, _, login, except string) (int, error) {
	return read(s, func(w *authz.World) (int, error) { return sharing(w.Users, login, except), nil })
}

func (s *memory) Renewed(context.Context, string, *authz.Bundle) (*authz.Bundle, error) {
	return read(s, func(w *authz.World) (*authz.Bundle, error) {
		b := w.Bundle
		b.Revision, b.Generation = s.at.Revision, s.at.Generation
		return &b, nil
	})
}

func (s *memory) Portals(context.Context) ([]authz.PortalRevision, error) {
	return read(s, func(*authz.World) ([]authz.PortalRevision, error) { return []authz.PortalRevision{s.at}, nil })
}

func (s *memory) Watch(ctx context.Context, _ time.Duration, changed func([]authz.PortalRevision), _ func(error)) error {
	for {
		at, _ := s.Portals(ctx)
		changed(at)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.by:
		}
	}
}

// commit makes a write and announces it, as a store does. The write gets lists of its
// own.
func (s *memory) commit(config bool, write func(w *authz.World) authz.EntityWrite) (from, to authz.PortalRevision, changes []authz.EntityWrite, b *authz.Bundle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.w.Users, s.w.Accounts, s.w.Contacts = slices.Clone(s.w.Users), slices.Clone(s.w.Accounts), slices.Clone(s.w.Contacts)
	s.w.Records, s.w.Rights, s.w.Roles = slices.Clone(s.w.Records), slices.Clone(s.w.Rights), slices.Clone(s.w.Roles)
	changes = []authz.EntityWrite{write(&s.w)}
	from = s.at
	if s.at.Revision++; config {
		s.at.ConfigRevision = s.at.Revision
		copied := s.w.Bundle
		b = &copied
	}
	select {
	case s.by <- struct{}{}:
	default:
	}
	return from, s.at, changes, b
}

// fresh is a process that writes and decides.
type fresh struct {
	*memory
	*live.Manager
	decider *pdp.Decider
	turn    sync.Mutex
	writes  int
	floors  [freshUsers]atomic.Int64 // of record i: the last write that was answered
}

func startFresh(t *testing.T) *fresh {
	f := &fresh{memory: newMemory()}
	compiled := program(t, telling)
	f.Manager = running(t, f.memory, live.Policies{Compile: func(*policy.Program) (*policy.Program, error) { return compiled, nil }})
	require.NoError(t, f.Await(t.Context(), "p", 1))
	var err error
	f.decider, err = pdp.New(f.Manager, f.memory, 1000, time.Now)
	require.NoError(t, err)
	return f
}

func (f *fresh) ask(t testing.TB, i int) told {
	id, out := fmt.Sprint(i), make([]authz.Decision, 1)
	_, err := f.decider.Decide(t.Context(), "p", []authz.Query{{
		Subject: authz.Entity{Type: "user", ID: id}, Action: authz.Action{Name: "view"}, Resource: authz.Entity{Type: "case", ID: id},
	}}, out, nil)
	require.NoError(t, err)
	return parse(t, out[0])
}

// write makes a write and asks for the fact that shows it. It reports whether fewer
// than most were made before.
func (f *fresh) write(t testing.TB, most int) bool {
	f.turn.Lock()
	defer f.turn.Unlock()
	if f.writes++; f.writes > most {
		return false
	}
	n, i := f.writes, rand.IntN(freshUsers)
	what := rand.IntN(8)
	was := f.ask(t, i) // mostly, what will be stale is cached
	from, to, changes, config := f.commit(what >= 6, func(w *authz.World) authz.EntityWrite { return change(w, what, n, i) })
	f.Applied("p", from, to, changes, config)
	require.NoError(t, f.Await(t.Context(), "p", to.Revision))
	got, want := f.ask(t, i), was
	switch what {
	case 0:
		want.user = n
	case 1:
		want.record = n
	case 2:
		want.account = n
	case 3:
		want.contact = n
	case 4, 5:
		f.checkLogins(t)
		want.same = got.same
	case 6:
		want.level = n % 6
	case 7:
		want.roles, want.settings = 1+n%3, n
	}
	require.Equal(t, want, got, "write %d of kind %d", n, what)
	if what == 1 {
		f.floors[i].Store(int64(n))
	}
	return !t.Failed()
}

// change makes one write of a kind.
func change(w *authz.World, what, n, i int) authz.EntityWrite {
	c := authz.EntityWrite{}
	switch what {
	case 0:
		c.Old = w.Users[i]
		w.Users[i].Attributes = numbered(n)
		c.New = w.Users[i]
	case 1:
		c.Old = w.Records[i]
		w.Records[i].Properties = numbered(n)
		c.New = w.Records[i]
	case 2:
		c.Old = w.Accounts[i]
		w.Accounts[i].Attributes = numbered(n)
		c.New = w.Accounts[i]
	case 3:
		c.Old = w.Contacts[i]
		w.Contacts[i].Attributes = numbered(n)
		c.New = w.Contacts[i]
	case 4:
		c.Old = w.Users[i]
		w.Users[i].Login = fmt.Sprint("L", n%freshLogins)
		c.New = w.Users[i]
	case 5:
		c.Old = w.Users[i]
		w.Users[i].Active = !w.Users[i].Active
		c.New = w.Users[i]
	case 6:
		c.Old = w.Rights[0]
		w.Rights[0].Level = authz.Level(n % 6)
		c.New = w.Rights[0]
	case 7: // together with the settings, which is another entity
		c.Old = w.Roles[0]
		w.Roles[0].Inherits = []string{"r1", "r2"}[:n%3]
		w.Portal.Settings = numbered(n)
		c.New = w.Roles[0]
	}
	c.Entity = c.New.Key()
	return c
}

// sharing counts the active users with the login but one.
func sharing(users []authz.User, login, except string) (n int) {
	for _, u := range users {
		if u.Active && u.ID != except && authz.FoldLogin(u.Login) == authz.FoldLogin(login) {
			n++
		}
	}
	return n
}

// checkLogins asks about every user how many share the login.
func (f *fresh) checkLogins(t testing.TB) {
	f.mu.Lock()
	users := f.w.Users
	f.mu.Unlock()
	for i, u := range users {
		require.Equal(t, sharing(users, u.Login, u.ID), f.ask(t, i).same, "user %d", i)
	}
}

// TestDecisionsAfterWrites has writes of every kind, each followed by the decisions
// that must see it, while others ask all the time.
func TestDecisionsAfterWrites(t *testing.T) {
	f, n := startFresh(t), pairs(t)
	var asking, writing sync.WaitGroup
	for range 3 {
		writing.Go(func() {
			for f.write(t, n) {
			}
		})
	}
	done := make(chan struct{})
	for range 2 {
		asking.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(200 * time.Microsecond):
				}
				i := rand.IntN(freshUsers)
				if floor := f.floors[i].Load(); int64(f.ask(t, i).record) < floor {
					t.Errorf("a decision on record %d does not see write %d, which was answered before", i, floor)
				}
			}
		})
	}
	writing.Wait()
	close(done)
	asking.Wait()
}
