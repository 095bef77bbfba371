package httpapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Decider answers questions. It is called from many goroutines at once.
type Decider interface {
	// Decide answers the queries of one portal in order, all against one
	// snapshot, into out, which is as long as qs; it returns how many it
	// answered. The portal "" is the default portal; an unknown one is an
	// authz.NotFound error, also when qs is empty. When stop is not nil it is
	// asked after each decision and ends the batch when it returns true.
	// Decide returns soon after ctx ends, and keeps neither qs nor out.
	Decide(ctx context.Context, portal string, qs []authz.Query, out []authz.Decision, stop func(*authz.Decision) bool) (n int, err error)
}

// DeciderFunc is a function that is a [Decider].
type DeciderFunc func(context.Context, string, []authz.Query, []authz.Decision, func(*authz.Decision) bool) (int, error)

// Decide calls f.
func (f DeciderFunc) Decide(ctx context.Context, portal string, qs []authz.Query, out []authz.Decision, stop func(*authz.Decision) bool) (int, error) {
	return f(ctx, portal, qs, out, stop)
}

// Health says whether the service can decide. The detail, such as each portal's
// revision and what is wrong with its policy, is shown to whoever asks.
type Health interface {
	Ready() (ok bool, detail map[string]any)
}

// HealthFunc is a function that is a [Health].
type HealthFunc func() (bool, map[string]any)

// Ready calls f.
func (f HealthFunc) Ready() (bool, map[string]any) { return f() }

// Server serves the HTTP API on one listener.
type Server struct {
	decider Decider
	health  Health
	opts    Options
	app     *fiber.App
	route   fasthttp.RequestHandler // Fiber's own, wrapped by handle
	readers sync.Pool               // of *reader

	base   context.Context // parent of every request's context; ends with the drain
	cancel context.CancelFunc

	mu     sync.Mutex
	ln     *listener
	closed bool
}

// New returns a server that is not listening yet, or an error that names every
// option out of range.
func New(d Decider, h Health, o Options) (*Server, error) {
	o = o.filled()
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Server{decider: d, health: h, opts: o}
	s.readers.New = func() any { return newReader(o) }
	s.base, s.cancel = context.WithCancel(context.Background())
	s.app = fiber.New(s.config())
	s.routes()
	s.route = s.app.Handler()
	s.app.Server().Handler = s.handle
	s.app.Server().CloseOnShutdown = true
	return s, nil
}

// config is how Fiber is run. Paths are exact, case and trailing slash included,
// and are not unescaped: a proxy in front that allows or denies by path sees the
// same path as the router here.
func (s *Server) config() fiber.Config {
	return fiber.Config{
		DisableStartupMessage: true,
		StrictRouting:         true,
		CaseSensitive:         true,
		// Whatever string Fiber gives out is a copy. Without it a portal's name
		// would change under a Decider when the connection's next request comes in.
		Immutable:                    true,
		BodyLimit:                    s.opts.Body,
		ReadBufferSize:               maxHeader,
		ReadTimeout:                  s.opts.Read,
		WriteTimeout:                 s.opts.Write,
		IdleTimeout:                  s.opts.Idle,
		Concurrency:                  s.opts.Connections + 1, // the listener's own bound comes first and answers in JSON
		DisablePreParseMultipartForm: true,                   // a form is refused; parsing it would write files
		DisableDefaultContentType:    true,
		ErrorHandler:                 s.fail,
	}
}

// maxHeader is how many bytes a request's line and headers may take; more is
// refused with 431.
const maxHeader = 8 << 10

func (s *Server) routes() {
	s.post(pathEvaluation, s.evaluation)
	s.post(pathEvaluations, s.evaluations)
	s.app.Use(pathAdmin, s.admin)
	if s.opts.Mount != nil {
		s.opts.Mount(s.app)
	}
	s.app.Get("/livez", s.livez)
	s.app.Get("/readyz", s.readyz)
}

// post routes a path for the default portal and for each one.
func (s *Server) post(path string, h handler) {
	for _, prefix := range []string{"", "/portals/:portal"} {
		s.app.Post(prefix+path, s.guarded(permissions[path], h))
	}
}

// Paths of AuthZEN's endpoints below a portal.
const (
	pathEvaluation  = "/access/v1/evaluation"
	pathEvaluations = "/access/v1/evaluations"
)

// Serve answers requests from ln until Shutdown, and then returns nil. It owns
// ln from here on. A second Serve, or one after Shutdown, closes ln and returns
// an error; after Shutdown that error is http.ErrServerClosed.
func (s *Server) Serve(ln net.Listener) error {
	own, err := s.adopt(ln)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	return s.app.Server().Serve(own)
}

func (s *Server) adopt(ln net.Listener) (*listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, http.ErrServerClosed
	case s.ln != nil:
		return nil, errors.New("httpapi.Server serves one listener: Serve was called twice")
	}
	s.ln = newListener(ln, s.opts)
	return s.ln, nil
}

// Shutdown stops listening, closes idle connections, and returns when the
// requests in flight are answered. When ctx or Options.Drain ends first, it
// cancels their contexts, closes their connections and returns the context's
// error.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.cancel()
	s.mu.Lock()
	s.closed = true
	ln := s.ln
	s.mu.Unlock()
	if ln == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Drain)
	defer cancel()
	err := s.app.ShutdownWithContext(ctx)
	if err != nil {
		ln.abort()
	}
	// Serve may have adopted ln without having reached Accept; it ends there.
	return errors.Join(err, ln.Close())
}
