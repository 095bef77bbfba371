package pdp_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
	"github.com/portcullis-authz/portcullis/server/pdp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world has one of each entity, and one that stands alone.
func world() authz.World {
	return authz.World{
		Bundle: authz.Bundle{
			Portal: authz.Portal{ID: "p", Policy: "x", ResourceScreens: map[string]map[string]string{"ticket": {"*": "Desk"}}},
			Roles:  []authz.Role{{ID: "clerk"}},
			Screens: []authz.Node{
				{ID: "Desk", Kind: authz.Screen}, {ID: "Desk.phone", Kind: authz.Element, Parent: "Desk"}, {ID: "fax", Kind: authz.Element, Parent: "Desk"},
			},
			Rights: []authz.Right{{Role: "clerk", Node: "Desk.phone", Level: authz.View}},
		},
		Accounts: []authz.Account{
			{ID: "A", Owner: "olga", Flags: map[string]bool{"big": true}, Attributes: map[string]any{"tier": "gold"}}, {ID: "B"},
		},
		Contacts: []authz.Contact{
			{ID: "C", Account: "A", Flags: map[string]bool{"lead": true}, Attributes: map[string]any{"city": "Oslo"}}, {ID: "alone"},
		},
		Users: []authz.User{
			{ID: "ann", Login: "ann", Active: true, Account: "A", Contact: "C", Grants: []authz.Grant{{Role: "clerk", From: noon}}},
			{ID: "bob", Login: "bob", Active: true, Account: "B"},
			{ID: "eve", Login: "ann", Active: true},
		},
		Records: []authz.Record{
			{Type: "case", ID: "1", Account: "A"}, {Type: "case", ID: "2"}, {Type: "case", ID: "3", Account: "gone"},
			{Type: "comment", ID: "1/a", Contact: "C", Owner: "bob", Parent: "case/1"},
			{Type: "comment", ID: "2", Contact: "gone", Owner: "a queue", Parent: "case/gone"},
		},
	}
}

// source is a Directory on a world that counts what is read, and fails and waits
// as told.
type source struct {
	pdp.Worlds
	mu    sync.Mutex
	reads []string         // in order
	fail  map[string]error // by read
	enter chan struct{}    // when not nil, sent to at each read
	leave chan struct{}    // when not nil, received from at each read
}

func newSource(w authz.World) *source {
	return &source{Worlds: pdp.IndexWorlds([]authz.World{w}), fail: map[string]error{}}
}

func (s *source) read(ctx context.Context, generation, what string) error {
	s.mu.Lock()
	s.reads = append(s.reads, what+generation)
	err := s.fail[what]
	s.mu.Unlock()
	if s.enter != nil {
		s.enter <- struct{}{}
	}
	if s.leave != nil {
		select {
		case <-s.leave:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

func (s *source) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.reads
	s.reads = nil
	return seen
}

func (s *source) breakAt(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[what] = err
}

func (s *source) User(ctx context.Context, portal, generation, id string) (*authz.User, error) {
	if err := s.read(ctx, generation, "user "+id); err != nil {
		return nil, err
	}
	return s.Worlds.User(ctx, portal, generation, id)
}

func (s *source) Account(ctx context.Context, portal, generation, id string) (*authz.Account, error) {
	if err := s.read(ctx, generation, "account "+id); err != nil {
		return nil, err
	}
	return s.Worlds.Account(ctx, portal, generation, id)
}

func (s *source) Contact(ctx context.Context, portal, generation, id string) (*authz.Contact, error) {
	if err := s.read(ctx, generation, "contact "+id); err != nil {
		return nil, err
	}
	return s.Worlds.Contact(ctx, portal, generation, id)
}

func (s *source) Record(ctx context.Context, portal, generation, typ, id string) (*authz.Record, error) {
	if err := s.read(ctx, generation, "record "+typ+"/"+id); err != nil {
		return nil, err
	}
	return s.Worlds.Record(ctx, portal, generation, typ, id)
}

func (s *source) SameLogin(ctx context.Context, portal, generation, login, except string) (int, error) {
	if err := s.read(ctx, generation, "login "+login); err != nil {
		return 0, err
	}
	return s.Worlds.SameLogin(ctx, portal, generation, login, except)
}

func (s *source) UsersOfContact(ctx context.Context, portal, generation, contact string) ([]*authz.User, error) {
	if err := s.read(ctx, generation, "users of "+contact); err != nil {
		return nil, err
	}
	return s.Worlds.UsersOfContact(ctx, portal, generation, contact)
}

func (s *source) UsersOfType(ctx context.Context, portal, generation, userType string) ([]*authz.User, error) {
	if err := s.read(ctx, generation, "users of type "+userType); err != nil {
		return nil, err
	}
	return s.Worlds.UsersOfType(ctx, portal, generation, userType)
}

func (s *source) Count(ctx context.Context, portal, generation string, c authz.Count) (int, error) {
	if err := s.read(ctx, generation, fmt.Sprintf("count %s of %q but %q", c.Name, c.Of, c.Except)); err != nil {
		return 0, err
	}
	return s.Worlds.Count(ctx, portal, generation, c)
}

// views publishes one view under the portal's id "p" and as the default.
type views struct {
	mu   sync.Mutex
	view *pdp.View
}

func (v *views) View(portal string) (*pdp.View, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if portal != "" && portal != "p" {
		return nil, authz.Errorf(authz.NotFound, "there is no portal %q", portal)
	}
	return v.view, nil
}

func (v *views) publish(view pdp.View) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.view = pdp.NewView("p", view)
}

// bench is a Decider on a world with all that surrounds it.
type bench struct {
	*pdp.Decider
	*source
	views
	clock    time.Time
	snapshot *engine.Snapshot
}

// setUp returns a bench whose policy allows whatever it is asked and gives the
// facts as the reason.
func setUp(t testing.TB) *bench {
	t.Helper()
	return setUpWith(t, world())
}

func setUpWith(t testing.TB, w authz.World) *bench {
	t.Helper()
	b := &bench{source: newSource(w), clock: noon}
	s, err := engine.Build(&w.Bundle, policies.RBACModel, engine.PolicyFunc(tell))
	require.NoError(t, err)
	b.snapshot = s
	b.publish(pdp.View{Snapshot: s, Revision: 7})
	b.Decider, err = pdp.New(&b.views, b.source, 1000, func() time.Time { return b.clock })
	require.NoError(t, err)
	return b
}

func tell(_ context.Context, _ *authz.Query, f *authz.Facts) authz.Decision {
	var said []string
	say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	if f.User != nil {
		say("user=%s%v", f.User.ID, f.User.Roles)
	}
	if f.User != nil && f.User.SameLogin > 0 {
		say("same_login=%d", f.User.SameLogin)
	}
	if f.Actor != nil {
		say("actor=%s", f.Actor.ID)
	}
	if r := f.Record; r != nil {
		say("record=%s/%s account=%s contact=%s owner=%s %v %v", r.Type, r.ID, r.Account, r.Contact, r.Owner, r.Flags, r.Properties)
	}
	if f.Parent != nil {
		say("parent=%s/%s", f.Parent.Type, f.Parent.ID)
	}
	if f.Owner != nil {
		say("owned by=%s%v", f.Owner.ID, f.Owner.Roles)
	}
	if f.Contact != nil {
		say("contact=%s", f.Contact.ID)
	}
	for _, field := range f.Fields {
		say("field %s%v", field.Field, field.Levels)
	}
	if f.Account != nil {
		say("of=%s", f.Account.ID)
	}
	if f.Target != nil && f.Target.User != nil {
		say("target user=%s", f.Target.User.ID)
	}
	if f.Target != nil && f.Target.Contact != nil {
		say("target contact=%s", f.Target.Contact.ID)
	}
	if f.Target != nil && f.Target.Key != (authz.Key{}) {
		say("about=%s before=%s after=%s", f.Target.Key.Ref(), shown(f.Target.Before), shown(f.Target.After))
	}
	return authz.Decision{Outcome: authz.Allow, Reason: strings.Join(said, " ")}
}

// shown returns the account that an entity names, or its key.
func shown(s authz.Stored) string {
	switch e := s.(type) {
	case nil:
		return "none"
	case authz.User:
		return e.Account
	}
	return s.Key().Ref()
}

// about returns a question by ann about the resource.
func about(typ, id string) authz.Query {
	return authz.Query{
		Subject: authz.Entity{Type: "user", ID: "ann"}, Action: authz.Action{Name: "view"},
		Resource: authz.Entity{Type: typ, ID: id},
	}
}

func (b *bench) ask(t testing.TB, q authz.Query) authz.Decision {
	t.Helper()
	out := make([]authz.Decision, 1)
	n, err := b.Decide(t.Context(), "", []authz.Query{q}, out, nil)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	return out[0]
}
