package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/portcullis-authz/portcullis/server/authz"
)

const (
	headerID = "X-Request-ID"
	// maxRequestID is how many bytes of a caller's request id are worth repeating.
	maxRequestID = 128
)

// handle is what fasthttp calls for each request. A panic anywhere below it is
// answered with 500: fasthttp recovers none, and one would end the process.
func (s *Server) handle(rc *fasthttp.RequestCtx) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked(rc, p, debug.Stack())
		}
	}()
	dress(rc)
	if !slices.Contains(fiber.DefaultMethods, string(rc.Method())) {
		if bytes.HasPrefix(rc.URI().PathOriginal(), []byte(pathAdmin+"/")) {
			rc.Request.Header.SetMethod(fiber.MethodTrace) // which no path has either: 405, with the methods that there are
			s.route(rc)
			return
		}
		write(rc, fasthttp.StatusNotImplemented, "this HTTP method is not known here: decisions are asked for with POST")
		return
	}
	s.route(rc)
}

func (s *Server) panicked(rc *fasthttp.RequestCtx, p any, stack []byte) {
	rc.Response.Reset()
	id := dress(rc)
	s.opts.Log.Error("a request handler panicked", "request_id", id, "method", string(rc.Method()),
		"path", string(rc.Path()), "panic", fmt.Sprint(p), "stack", string(stack))
	write(rc, fasthttp.StatusInternalServerError, internalMessage(id))
}

// dress sets the headers that every answer carries and returns the request's id:
// the caller's when it can be repeated safely, or else a new one.
func dress(rc *fasthttp.RequestCtx) string {
	id := string(rc.Request.Header.Peek(headerID))
	if !printable(id) {
		id = uuid.NewString()
	}
	h := &rc.Response.Header
	h.SetContentType(mimeJSON)
	h.Set(headerID, id)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	return id
}

// printable reports whether id is 1 to maxRequestID bytes of printable ASCII.
func printable(id string) bool {
	for i := range len(id) {
		if id[i] < ' ' || id[i] > '~' {
			return false
		}
	}
	return id != "" && len(id) <= maxRequestID
}

// idKey is the key of a request's id in its context.
type idKey struct{}

// RequestID returns the id of the request that ctx belongs to, as its answer's
// X-Request-ID header shows it, or "" outside of one.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(idKey{}).(string)
	return id
}

// within returns the context of one request, which ends after the time d. A client
// that hangs up does not end it.
func (s *Server) within(c *fiber.Ctx, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(s.base, d)
	return context.WithValue(ctx, idKey{}, string(c.Response().Header.Peek(headerID))), cancel
}

// livez says that the process runs.
func (s *Server) livez(c *fiber.Ctx) error {
	return c.SendString(`{"status":"ok"}`)
}

// readyz answers with the detail of Health, and Options.Version as "version"
// unless the detail has one of its own.
func (s *Server) readyz(c *fiber.Ctx) error {
	ok, detail := s.health.Ready()
	shown := map[string]any{}
	if s.opts.Version != "" {
		shown["version"] = s.opts.Version
	}
	for k, v := range detail {
		shown[k] = v
	}
	body, err := json.Marshal(shown)
	if err != nil {
		return authz.Errorf(authz.Internal, "the service's state cannot be written as JSON").Because(err)
	}
	if !ok {
		c.Status(fiber.StatusServiceUnavailable)
	}
	return c.Send(body)
}
