package admin_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/keys"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/mongodb"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/publishing"
	"github.com/portcullis-authz/portcullis/server/storetest"
)

// service is a Service on a database, what is published of it, and a
// policy of the test.
type service struct {
	*admin.Service
	store   *mongodb.Store
	manager *live.Manager
	decider *pdp.Decider
	logged  *logbook

	policies *examiner
}

// started returns a service that holds the worlds, whose policy is the text.
func started(t testing.TB, rego string, worlds ...authz.World) *service {
	t.Helper()
	return startedWith(t, policy.Modules{"test.rego": rego}, worlds...)
}

func startedWith(t testing.TB, modules policy.Modules, worlds ...authz.World) *service {
	t.Helper()
	where, end := storetest.Database(t)
	store, err := mongodb.Open(t.Context(), where)
	require.NoError(t, err)
	if len(worlds) > 0 {
		require.NoError(t, store.Import(t.Context(), worlds, "test", nil))
	}
	program, err := policy.Compile(modules, policies.InputSchema, time.Second)
	require.NoError(t, err)
	manager := live.NewManager(store, live.Policies{
		Compile: func(*policy.Program) (*policy.Program, error) { return program, nil },
		Own: func(files map[string]string) (*policy.Program, error) {
			return policy.Compile(policy.Of(files), policies.InputSchema, time.Second)
		},
	}, live.Options{
		Model: policies.RBACModel, Poll: 20 * time.Millisecond, Retry: time.Second, StaleAfter: time.Minute, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- manager.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, errors.Join(store.Close(context.Background()), end()))
	})
	for _, w := range worlds {
		require.Eventually(t, func() bool { return manager.Await(t.Context(), w.Portal.ID, 1) == nil }, 2*time.Minute, time.Millisecond)
	}
	decider, err := pdp.New(manager, store, 1000, time.Now)
	require.NoError(t, err)
	compiler, err := policy.NewCompiler(policies.InputSchema, 10*time.Second)
	require.NoError(t, err)
	s := &service{store: store, manager: manager, decider: decider, logged: &logbook{}}
	s.policies = &examiner{Examiner: publishing.New(publishing.Options{
		Modules: func() (policy.Modules, error) { return modules, nil }, Compile: compiler.Compile, Now: time.Now,
	})}
	s.Service = admin.New(store, manager, decider, admin.Options{Log: slog.New(s.logged), NewKey: keys.New, Policies: s.policies})
	t.Cleanup(s.Close)
	return s
}

// logbook keeps what is logged.
type logbook struct {
	mu    sync.Mutex
	lines []map[string]string
}

func (l *logbook) Enabled(context.Context, slog.Level) bool { return true }
func (l *logbook) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logbook) WithGroup(string) slog.Handler            { return l }

func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	line := map[string]string{"level": r.Level.String(), "msg": r.Message}
	r.Attrs(func(a slog.Attr) bool { line[a.Key] = a.Value.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

// taken returns what was logged since the last call.
func (l *logbook) taken() []map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

// rules is a policy with something of everything that changes may meet.
const rules = `package test

default decision := {"outcome": "deny", "reason": "not_permitted"}

decision := {"outcome": "hide", "reason": "hidden"} if {
	hidden
} else := {"outcome": "allow", "reason": "service"} if {
	input.subject.type == "caller"
} else := {"outcome": "allow", "reason": "administrator"} if {
	input.user.flags.admin
}

hidden if startswith(input.resource.id, "hidden")

hidden if {
	input.user.flags.blind
	input.resource.type == "user"
}

admission := {"refusals": refusals, "defaults": defaults}

refusals contains {"rule": "login_unique", "field": "login", "reason": "login_taken"} if {
	input.new.active
	input.same_login > 0
}

refusals contains {"rule": "named", "field": "name", "reason": "nameless"} if {
	input.entity.kind == "account"
	input.new.name == "x"
}

refusals contains {"rule": "owned", "field": "owner", "reason": "no_owner"} if {
	input.entity.kind == "account"
	input.new.name == "x"
	not input.new.owner
}

refusals contains {"rule": "staff", "reason": "not_by_hand"} if {
	input.actor
	input.new.attributes.source == "system"
}

refusals contains {"rule": "few", "reason": "too_many"} if {
	input.entity.kind == "user"
	input.new.active
	input.counts.users >= data.portal.limits.users
}

refusals contains {"rule": "role_known", "field": "grants", "reason": "role_unknown"} if {
	some grant in input.new.grants
	not input.roles[grant.role]
}

default defaults := {}

defaults := object.union_n([login, loop, turn, rename]) if input.entity.kind == "user"

default login := {}

login := {"login": input.contact.email} if {
	input.operation == "create"
	not input.new.login
}

default loop := {}

loop := {"attributes": {"turns": input.new.attributes.turns + 1}} if input.new.attributes.turns < 100

default turn := {}

turn := {"flags": {"checked": true}} if not input.new.flags.checked

default rename := {}

rename := {"id": "other"} if input.new.attributes.rename

provisioning := {"tasks": tasks}

# A contact with the flag has a user.
tasks contains {"id": "user", "kind": "create", "entity": sprintf("user/of-%s", [input.entity.id]), "set": {"active": true, "contact": input.entity.id, "attributes": {"source": "system"}}} if {
	input.entity.kind == "contact"
	input.new.flags.portal
}

tasks contains {"id": "leave", "kind": "deactivate", "entity": sprintf("user/of-%s", [input.entity.id])} if {
	input.entity.kind == "contact"
	input.old.flags.portal
	not input.new.flags.portal
}

tasks contains {"id": "welcome", "kind": "mail", "template": "welcome", "to": input.new.login, "once": true} if {
	input.entity.kind == "user"
	input.new.attributes.source == "system"
	input.new.active
}

tasks contains {"id": "later", "kind": "update", "entity": sprintf("user/%s", [input.entity.id]), "set": {"attributes": {"settled": true}}, "after": 3600} if {
	input.entity.kind == "user"
	input.new.attributes.wait
	not input.old.attributes.wait
}

# A chain of records without an end.
tasks contains {"id": "next", "kind": "create", "entity": sprintf("record/link/%d", [input.new.properties.n + 1]), "set": {"properties": {"n": input.new.properties.n + 1}}} if {
	input.entity.kind == "record"
	input.new.properties.n
}

tasks contains {"id": sprintf("copy %s", [node.id]), "kind": "create", "entity": sprintf("right/%s/%s", [input.new.role, node.id]), "set": {"level": input.new.level}} if {
	input.entity.kind == "right"
	input.node.kind == "workspace"
	some node in input.node.below
}
`

// world is a portal under rules.
func world() authz.World {
	return authz.World{
		Bundle: authz.Bundle{
			Portal:    authz.Portal{ID: "p", Policy: "test", Limits: map[string]any{"users": int64(100)}},
			UserTypes: []authz.UserType{{ID: "customer", Linked: authz.LinkedContact, AllowedRoles: []authz.AllowedRole{{Role: "clerk"}}}},
			Roles:     []authz.Role{{ID: "clerk", Guest: true}, {ID: "boss", Inherits: []string{"clerk"}}, {ID: "spare"}},
			Screens: []authz.Node{
				{ID: "home", Kind: authz.Workspace}, {ID: "desk", Kind: authz.Screen, Parent: "home"},
				{ID: "desk.name", Kind: authz.Element, Parent: "desk"}, {ID: "mail", Kind: authz.Screen, Parent: "home"}, {ID: "alone", Kind: authz.Screen},
			},
			Rights: []authz.Right{{Role: "clerk", Node: "desk", Level: authz.View}, {Role: "spare", Node: "mail", Level: authz.Edit}},
		},
		Accounts: []authz.Account{{ID: "A", Name: "Acme"}, {ID: "B"}},
		Contacts: []authz.Contact{{ID: "c1", Account: "A", Email: "c1@acme.example"}, {ID: "c2", Account: "A", Email: "taken@acme.example"}},
		Users: []authz.User{
			{ID: "root", Login: "root", Active: true, Flags: map[string]bool{"admin": true, "checked": true}},
			{ID: "ann", Login: "taken@acme.example", Active: true, Account: "A", Flags: map[string]bool{"checked": true}, Grants: []authz.Grant{{Role: "clerk"}}},
		},
	}
}

func key(kind authz.EntityKind, id string) authz.Key { return authz.Key{Kind: kind, ID: id} }

func user(id string) authz.Key { return key(authz.UserEntity, id) }

// byRoot is a call of the administrator.
func byRoot() admin.Call {
	return admin.Call{Portal: "p", Acting: authz.Acting{User: "root"}, Request: "req", IfMatch: admin.Whatever}
}

// refusedFor requires an admin.Refused and returns what it says by path.
func refusedFor(t require.TestingT, err error, kind authz.Kind) map[string]string {
	refused, ok := errors.AsType[*admin.Refused](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, kind, refused.Kind)
	require.Equal(t, kind, authz.KindOf(err))
	said := map[string]string{}
	for _, r := range refused.Refusals {
		said[r.Path()] = r.Rule + " " + r.Reason
	}
	for _, f := range refused.Faults {
		said[f.Path] = f.Msg
	}
	return said
}
