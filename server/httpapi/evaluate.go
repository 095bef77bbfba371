package httpapi

import (
	"mime"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// evaluation answers POST /access/v1/evaluation.
func (s *Server) evaluation(c *fiber.Ctx, a access) error {
	body, err := jsonBody(c)
	if err != nil {
		return err
	}
	r := s.reader(body)
	q, err := r.one(s.opts.Now())
	s.release(r, len(body))
	if err != nil {
		return err
	}
	return s.answerOne(c, a, q)
}

// evaluations answers POST /access/v1/evaluations. Without items it is an
// evaluation.
func (s *Server) evaluations(c *fiber.Ctx, a access) error {
	body, err := jsonBody(c)
	if err != nil {
		return err
	}
	r := s.reader(body)
	e, err := r.many()
	s.release(r, len(body))
	if err != nil {
		return err
	}
	if len(e.items) > 0 {
		return s.answerMany(c, a, e)
	}
	q, err := e.alone(s.opts.Now())
	if err != nil {
		return err
	}
	return s.answerOne(c, a, q)
}

// jsonBody returns the body as it lies in the transport's buffer, if it says that
// it is JSON. It is not decompressed: a small body could become a large one.
func jsonBody(c *fiber.Ctx) ([]byte, error) {
	h := &c.Request().Header
	if enc := string(h.Peek(fiber.HeaderContentEncoding)); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, authz.Errorf(authz.Invalid, "compressed bodies are not taken: send the body without Content-Encoding")
	}
	if t := string(h.ContentType()); t != mimeJSON && !isJSON(t) {
		return nil, authz.Errorf(authz.Invalid, "the Content-Type is %q: want application/json", clip(t, 100))
	}
	return c.Request().Body(), nil
}

// isJSON reports whether the Content-Type is JSON in UTF-8, the only encoding
// that JSON has. A charset is the only parameter.
func isJSON(contentType string) bool {
	t, params, err := mime.ParseMediaType(contentType)
	if err != nil || t != mimeJSON {
		return false
	}
	charset, given := params["charset"]
	return len(params) == 0 || len(params) == 1 && given && strings.EqualFold(charset, "utf-8")
}

// answerOne decides q and writes the answer in the single form.
func (s *Server) answerOne(c *fiber.Ctx, a access, q authz.Query) error {
	out, err := s.decide(c, a, []authz.Query{q}, nil)
	if err != nil {
		return err
	}
	body, err := appendAnswer(make([]byte, 0, 256), &out[0])
	if err != nil {
		return err
	}
	return c.Send(body)
}

// answerMany decides the items and writes their answers. An item that cannot be
// asked counts as denied.
func (s *Server) answerMany(c *fiber.Ctx, a access, e *envelope) error {
	asked := e.ask(s.opts.Now())
	out, err := s.decide(c, a, asked.queries, e.order.stop())
	if err != nil {
		return err
	}
	body, err := e.appendAnswers(make([]byte, 0, 32+24*len(e.items)), asked, out)
	if err != nil {
		return err
	}
	return c.Send(body)
}

// asked is what is left of a batch to decide.
type asked struct {
	queries []authz.Query
	faults  []*authz.Error // one an item; nil where a query was asked
}

// ask resolves the items up to the end of the batch, as far as faults alone tell
// where that is.
func (e *envelope) ask(now time.Time) asked {
	a := asked{queries: make([]authz.Query, 0, len(e.items)), faults: make([]*authz.Error, 0, len(e.items))}
	for i := range e.items {
		q, fault := e.resolve(i, now)
		a.faults = append(a.faults, fault)
		if fault == nil {
			a.queries = append(a.queries, q)
		} else if e.order.ends(false) {
			break
		}
	}
	return a
}

// decide asks the Decider and holds it to its word: a decision that it has not
// made is an error, and never read from out.
func (s *Server) decide(c *fiber.Ctx, a access, qs []authz.Query, stop func(*authz.Decision) bool) ([]authz.Decision, error) {
	if len(a.portal) > authz.MaxID {
		return nil, authz.Errorf(authz.NotFound, "there is no portal %q", clip(a.portal, 80))
	}
	ctx, cancel := s.within(c, s.opts.Timeout)
	defer cancel()
	out := make([]authz.Decision, len(qs))
	n, err := s.decider.Decide(a.acting(ctx), a.portal, qs, out, stop)
	if err != nil {
		return nil, err
	}
	complete := n == len(qs) || stop != nil && 0 < n && n < len(qs) && stop(&out[n-1])
	if !complete {
		return nil, authz.Errorf(authz.Internal, "%d of %d questions were decided", n, len(qs))
	}
	return out[:n], nil
}
