package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/adminapi"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/httpapi"
	"github.com/portcullis-authz/portcullis/server/keys"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/publishing"
)

// Server decides over HTTP.
type Server struct {
	opts      Options
	store     *Store
	manager   *live.Manager
	ring      *keys.Ring
	effects   *effects
	guest     []authz.Permission // of callers without a key
	http      *httpapi.Server
	ln        net.Listener
	examining func()      // ends what is examined of policies
	leaving   atomic.Bool // asked to stop: not ready, but still serving
}

// New opens the store, binds the listener and puts the parts together. It serves
// nothing before Run; when it fails it leaves nothing open.
func New(ctx context.Context, o Options) (_ *Server, err error) {
	s := &Server{opts: o}
	var undo closers
	defer func() {
		if err != nil {
			err = errors.Join(err, undo.close(context.WithoutCancel(ctx)))
		}
	}()
	if s.ln, err = listen(ctx, o.Addr); err != nil {
		return nil, err
	}
	undo.add("listener", func(context.Context) error { return s.ln.Close() })
	if s.store, err = OpenStore(ctx, o.Store); err != nil {
		return nil, err
	}
	undo.add("store", s.store.Close)
	s.ring = keys.NewRing(s.store, staleAfter, o.Now)
	if s.guest, err = s.guests(ctx); err != nil {
		return nil, err
	}
	o.HTTP.Anonymous = s.guest
	compiler, err := policy.NewCompiler(policies.InputSchema, o.Eval)
	if err != nil {
		return nil, err
	}
	s.manager = live.NewManager(s.store, policySource(&s.opts, compiler), live.Options{
		Model: policies.RBACModel, DefaultPortal: o.DefaultPortal, Poll: o.Poll,
		Retry: retry, StaleAfter: staleAfter, Log: o.Log, Now: o.Now, Below: o.Below,
	})
	decider, err := pdp.New(s.manager, s.store, o.Cache, o.Now)
	if err != nil {
		return nil, err
	}
	administration := admin.New(administered{s.store, s.ring}, s.manager, decider, admin.Options{
		Log: o.Log, Now: o.Now, NewKey: keys.New, Policies: publishing.New(publishing.Options{
			Modules: func() (policy.Modules, error) { return loadModules(o.Policies) },
			Compile: s.compiles(compiler),
			Now:     o.Now, Below: o.Below, Workers: o.Workers,
		}),
	})
	s.examining = administration.Close
	if s.effects, err = newEffects(&s.opts, s.store, administration); err != nil {
		return nil, err
	}
	o.HTTP.Keys = s.ring
	o.HTTP.Mount = adminapi.New(administration, o.Log, o.HTTP.Version).Routes
	o.HTTP.DefaultPortal = func() (string, error) { return s.manager.ID("") }
	if s.http, err = httpapi.New(newFaultLog(decider, o.Log, o.Now), httpapi.HealthFunc(s.ready), o.HTTP); err != nil {
		return nil, err
	}
	return s, nil
}

// compiles is how policies are compiled to be examined: by the manager, which then has
// them when they come into force, or beside one that takes none from the store.
func (s *Server) compiles(compiler *policy.Compiler) func(policy.Modules) (*policy.Program, error) {
	if s.opts.Handover != nil {
		return compiler.Compile
	}
	return func(m policy.Modules) (*policy.Program, error) { return s.manager.Compile(m) }
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// Store returns the server's store.
func (s *Server) Store() *Store { return s.store }

// LetsIn reports whether callers without a key have the permission.
func (s *Server) LetsIn(p authz.Permission) bool { return slices.Contains(s.guest, p) }

// Callers returns the server's callers: a key that is written through them counts at
// once, or counts no more.
func (s *Server) Callers() *keys.Ring { return s.ring }

// Ready reports whether the server can decide, and where each part stands.
func (s *Server) Ready() (bool, map[string]any) { return s.ready() }

func (s *Server) ready() (bool, map[string]any) {
	ok, detail := s.manager.Ready()
	if s.leaving.Load() {
		detail["leaving"] = true
		return false, detail
	}
	return ok, detail
}

// Run serves until ctx ends or a part fails, then says that it is not ready, waits
// the drain delay so that whoever routes requests here can notice, answers what is
// in flight, and closes everything.
func (s *Server) Run(ctx context.Context) error {
	parts, stopParts := context.WithCancel(context.WithoutCancel(ctx))
	defer stopParts()
	g, failed := errgroup.WithContext(parts)
	g.Go(func() error { return part("portals", s.manager.Run(parts)) })
	g.Go(func() error { s.ring.Run(parts, s.opts.Poll, s.keysUnread); return nil })
	g.Go(func() error { return part("tasks", s.effects.run(parts)) })
	g.Go(func() error { return part("http", serve(s.http, s.ln)) })
	select {
	case <-ctx.Done():
	case <-failed.Done():
	}
	s.leaving.Store(true)
	pause(failed, s.opts.DrainDelay)
	var stopping closers
	stopping.add("store", s.store.Close)
	stopping.add("portals", func(context.Context) error { stopParts(); return g.Wait() })
	stopping.add("examinations", func(context.Context) error { s.examining(); return nil })
	stopping.add("http", s.http.Shutdown)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.HTTP.Drain+closeTimeout)
	defer cancel()
	return stopping.close(stop)
}

// closeTimeout bounds the closing of everything but the requests in flight.
const closeTimeout = 15 * time.Second

func part(name string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func serve(s *httpapi.Server, ln net.Listener) error {
	if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func watchFolder(folder string) func(context.Context, func()) {
	return func(ctx context.Context, changed func()) { policy.Watch(ctx, folder, changed) }
}
