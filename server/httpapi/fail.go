package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/portcullis-authz/portcullis/server/authz"
)

const (
	mimeJSON = "application/json"
	// maxMessage is how many bytes of a message are sent: some repeat a part of
	// the request, which must not come back at its full length.
	maxMessage = 1_000
)

// fail is Fiber's ErrorHandler and the one place where an error becomes a
// status. The body is the message as a JSON string. Causes are logged, once,
// here; callers see a message alone.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	rc := c.Context()
	id := string(rc.Response.Header.Peek(headerID))
	if id == "" { // the request could not be read, so that handle was not reached
		id = dress(rc)
		settle(rc)
	}
	status, msg := s.explain(c, err, id)
	if status >= fiber.StatusInternalServerError {
		s.log(c, err, id, status)
	}
	if status == fiber.StatusUnauthorized {
		rc.Response.Header.Set(fiber.HeaderWWWAuthenticate, challenge(&rc.Request.Header))
	}
	if strings.HasPrefix(c.Path(), pathAdmin) {
		writeProblem(rc, status, msg, id)
		return nil
	}
	write(rc, status, msg)
	return nil
}

// settle notes on the connection that some of the request was left unread.
func settle(rc *fasthttp.RequestCtx) {
	if own, ok := rc.Conn().(*conn); ok {
		own.unread.Store(true)
	}
}

func (s *Server) log(c *fiber.Ctx, err error, id string, status int) {
	var cause error
	if e, ok := errors.AsType[*authz.Error](err); ok {
		cause = e.Unwrap()
	}
	s.opts.Log.Error("a request failed", "request_id", id, "method", c.Method(), "path", c.Path(),
		"status", status, "err", err, "cause", cause)
}

// explain returns the status and the message for err.
func (s *Server) explain(c *fiber.Ctx, err error, id string) (int, string) {
	if e, ok := errors.AsType[*authz.Error](err); ok {
		return statusOf(e.Kind), e.Error()
	}
	if e, ok := errors.AsType[*fiber.Error](err); ok {
		return s.explainTransport(c, e)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fiber.StatusServiceUnavailable, "the decision took too long and was given up: nothing is allowed, try again later"
	}
	return fiber.StatusInternalServerError, internalMessage(id)
}

// statusOf maps what went wrong to HTTP. An unknown kind is our own fault.
func statusOf(k authz.Kind) int {
	switch k {
	case authz.Invalid:
		return fiber.StatusBadRequest
	case authz.Unauthenticated:
		return fiber.StatusUnauthorized
	case authz.Forbidden:
		return fiber.StatusForbidden
	case authz.NotFound:
		return fiber.StatusNotFound
	case authz.Rejected:
		return fiber.StatusUnprocessableEntity
	case authz.Stale:
		return fiber.StatusPreconditionFailed
	case authz.Unconditional:
		return fiber.StatusPreconditionRequired
	case authz.Conflict:
		return fiber.StatusConflict
	case authz.TooLarge:
		return fiber.StatusRequestEntityTooLarge
	case authz.Unavailable:
		return fiber.StatusServiceUnavailable
	default:
		return fiber.StatusInternalServerError
	}
}

func internalMessage(id string) string {
	return "internal error: nothing is allowed; the service's log tells more of request " + id
}

// explainTransport returns the status and the message for an error that Fiber or
// fasthttp found. A connection that broke, which Fiber takes for a bad gateway,
// is the client's doing.
func (s *Server) explainTransport(c *fiber.Ctx, e *fiber.Error) (int, string) {
	switch e.Code {
	case fiber.StatusNotFound:
		if strings.HasPrefix(c.Path(), pathAdmin) {
			return e.Code, "there is nothing at " + clip(c.Path(), 200) + ": GET " + pathAdmin + "/openapi.json lists what there is"
		}
		return e.Code, "there is nothing at " + clip(c.Path(), 200) + ": decisions are at POST " + pathEvaluation + " and POST " + pathEvaluations +
			", below /portals/{portal} for a portal that is not the default; health is at GET /livez and GET /readyz. Paths are exact, case and slashes included"
	case fiber.StatusMethodNotAllowed:
		return e.Code, "this path does not answer " + c.Method() + ": use " + c.GetRespHeader(fiber.HeaderAllow)
	case fiber.StatusRequestEntityTooLarge:
		return e.Code, fmt.Sprintf("the body is too large: at most %d bytes, send fewer or smaller items", s.opts.Body)
	case fiber.StatusRequestHeaderFieldsTooLarge:
		return e.Code, fmt.Sprintf("the request's line and headers are too long: at most %d bytes together", maxHeader)
	case fiber.StatusRequestTimeout:
		return e.Code, fmt.Sprintf("the request did not arrive in time: send all of it within %s", s.opts.Read)
	default:
		return fiber.StatusBadRequest, "the request cannot be read: " + e.Message
	}
}

// write answers with a message as a JSON string.
func write(rc *fasthttp.RequestCtx, status int, msg string) {
	body, _ := jsontext.AppendQuote(nil, clip(msg, maxMessage)) // faulty UTF-8 is replaced
	rc.SetStatusCode(status)
	rc.SetBody(body)
}

// writeProblem answers with a problem document (RFC 9457), as the administration does.
func writeProblem(rc *fasthttp.RequestCtx, status int, msg, id string) {
	body := strconv.AppendInt([]byte(`{"status":`), int64(status), 10)
	body = appendString(append(body, `,"title":`...), http.StatusText(status))
	body = appendString(append(body, `,"detail":`...), clip(msg, maxMessage))
	body = appendString(append(body, `,"request":`...), id)
	rc.Response.Header.SetContentType("application/problem+json")
	rc.SetStatusCode(status)
	rc.SetBody(append(body, '}'))
}

// clip returns s, or its beginning and an ellipsis.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
