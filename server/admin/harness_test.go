package admin_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/ferret"
	"github.com/portcullis-authz/portcullis/server/keys"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/mongodb"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// service is a Service on an embedded database, what is published of it, and a
// policy of the test.
type service struct {
	*admin.Service
	store   *mongodb.Store
	decider *pdp.Decider
	logged  *logbook
}

// started returns a service that holds the worlds, whose policy is the text.
func started(t testing.TB, rego string, worlds ...authz.World) *service {
	t.Helper()
	if raceEnabled {
		t.Skip("the embedded database treats the race detector as a debug build, in which it crashes on errors that it handles otherwise")
	}
	db, err := ferret.Start(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	store, err := mongodb.Open(t.Context(), mongodb.Options{URI: db.URI(), Database: "portcullis", Embedded: true})
	require.NoError(t, err)
	if len(worlds) > 0 {
		require.NoError(t, store.Import(t.Context(), worlds, "test", nil))
	}
	program, err := policy.Compile(policy.Modules{"test.rego": rego}, policies.InputSchema, time.Second)
	require.NoError(t, err)
	manager := live.NewManager(store, live.Policies{Compile: func(*policy.Program) (*policy.Program, error) { return program, nil }}, live.Options{
		Model: policies.RBACModel, Poll: 20 * time.Millisecond, Retry: time.Second, StaleAfter: time.Minute, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- manager.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, errors.Join(store.Close(context.Background()), db.Stop(context.Background())))
	})
	for _, w := range worlds {
		require.NoError(t, manager.Await(t.Context(), w.Portal.ID, 1))
	}
	decider, err := pdp.New(manager, store, 1000, time.Now)
	require.NoError(t, err)
	s := &service{store: store, decider: decider, logged: &logbook{}}
	s.Service = admin.New(store, manager, decider, admin.Options{Log: slog.New(s.logged), NewKey: keys.New})
	return s
}

// logbook keeps what is logged.
type logbook struct{ lines []slog.Record }

func (l *logbook) Enabled(context.Context, slog.Level) bool { return true }
func (l *logbook) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logbook) WithGroup(string) slog.Handler            { return l }
func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	l.lines = append(l.lines, r.Clone())
	return nil
}
