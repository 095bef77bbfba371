package adminapi

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// humaContext is embedded under this name, since Context is a method.
type humaContext huma.Context

// request is a request that has been found to be what its operation describes, its
// body excepted.
type request struct {
	humaContext
	id     string
	path   string            // as it was sent
	params map[string]string // of the path, unescaped
	query  url.Values
}

// Unwrap returns the context of the transport.
func (r *request) Unwrap() huma.Context { return r.humaContext }

// Context returns the request's context, from which handlers find the request.
func (r *request) Context() context.Context {
	return context.WithValue(r.humaContext.Context(), requestKey{}, r)
}

// Param returns a parameter of the path.
func (r *request) Param(name string) string { return r.params[name] }

// Query returns a parameter of the query.
func (r *request) Query(name string) string { return r.query.Get(name) }

// URL returns the query alone; the path is nobody's business any more.
func (r *request) URL() url.URL { return url.URL{RawQuery: r.query.Encode()} }

// Header returns a header. What is asked for and what is sent is JSON in any case.
func (r *request) Header(name string) string {
	switch name {
	case fiber.HeaderAccept, fiber.HeaderContentType:
		return mimeJSON
	}
	return r.humaContext.Header(name)
}

// SetReadDeadline does nothing: the transport has read the body by now, and has
// deadlines of its own.
func (*request) SetReadDeadline(time.Time) error { return nil }

// requestKey is the key of the request in its context.
type requestKey struct{}

// requestOf returns the id of the request that ctx belongs to.
func requestOf(ctx context.Context) string {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r.id
	}
	return ""
}

func causeOf(err error) error {
	if e, ok := errors.AsType[*authz.Error](err); ok {
		return e.Unwrap()
	}
	return nil
}

// received checks a request against its operation and returns it, or the problem
// that lists everything wrong with its path, its query and its headers.
func received(ctx huma.Context) (*request, *Problem) {
	if p := mediaProblem(ctx); p != nil {
		return nil, p
	}
	path, raw, _ := strings.Cut(humafiber.Unwrap(ctx).OriginalURL(), "?")
	c := &checker{op: ctx.Operation(), request: &request{humaContext: ctx, id: requestID(ctx), path: path, params: map[string]string{}}}
	c.readQuery(raw)
	for _, p := range c.op.Parameters {
		c.parameter(p)
	}
	if len(c.faults) == 0 {
		return c.request, nil
	}
	p := newProblem(http.StatusBadRequest, "the request is faulty in "+places(len(c.faults)))
	p.Errors = c.faults
	return nil, p
}

// mediaProblem says what is wrong with the form of the body, or returns nil. A
// compressed one is not taken: a small body could become a large one.
func mediaProblem(ctx huma.Context) *Problem {
	op := ctx.Operation()
	if enc := ctx.Header(fiber.HeaderContentEncoding); enc != "" && !strings.EqualFold(enc, "identity") {
		return newProblem(http.StatusUnsupportedMediaType, "compressed bodies are not taken: send the body without Content-Encoding")
	}
	if op.RequestBody == nil {
		return nil
	}
	sent := ctx.Header(fiber.HeaderContentType)
	media, params, err := mime.ParseMediaType(sent)
	charset, said := params["charset"]
	_, taken := op.RequestBody.Content[media]
	if err == nil && taken && (!said || strings.EqualFold(charset, "utf-8")) {
		return nil
	}
	var want []string
	for name := range op.RequestBody.Content {
		want = append(want, name)
	}
	slices.Sort(want)
	return newProblem(http.StatusUnsupportedMediaType, "the Content-Type is "+strconv.Quote(clip(sent, 100))+": want "+strings.Join(want, " or ")+", in UTF-8")
}

// checker gathers what is wrong with the parameters of a request.
type checker struct {
	op      *huma.Operation
	request *request
	faults  []ProblemFault
}

func (c *checker) blame(in, field, msg string) {
	c.faults = append(c.faults, ProblemFault{In: in, Field: clip(field, 100), Message: clip(msg, maxMessage)})
}

// readQuery reads the query and refuses parameters that the operation does not know:
// a misspelt filter must not become no filter.
func (c *checker) readQuery(raw string) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		c.blame("query", "", "cannot be read: "+err.Error())
	}
	c.request.query = query
	for name := range query {
		if !slices.ContainsFunc(c.op.Parameters, func(p *huma.Param) bool { return p.In == "query" && p.Name == name }) {
			c.blame("query", name, "is no parameter of this operation: leave it out")
		}
	}
	slices.SortFunc(c.faults, func(a, b ProblemFault) int { return strings.Compare(a.Field, b.Field) })
}

// parameter checks one parameter that the operation knows.
func (c *checker) parameter(p *huma.Param) {
	switch p.In {
	case "path":
		v, err := url.PathUnescape(c.request.humaContext.Param(p.Name))
		if err != nil {
			c.blame("path", p.Name, "is not percent-encoded as it must be: "+err.Error())
			return
		}
		c.request.params[p.Name] = v
		c.value(p, v)
	case "query":
		all := c.request.query[p.Name]
		switch {
		case len(all) > 1:
			c.blame("query", p.Name, "is given more than once")
		case len(all) == 1:
			c.value(p, all[0])
		case p.Required:
			c.blame("query", p.Name, "is missing")
		}
	case "header":
		if v := c.request.humaContext.Header(p.Name); v != "" {
			c.value(p, v)
		}
	}
}

// value checks the text of a parameter against its schema.
func (c *checker) value(p *huma.Param, text string) {
	if !utf8.ValidString(text) {
		c.blame(p.In, p.Name, "is not valid UTF-8")
		return
	}
	if text == "" {
		c.blame(p.In, p.Name, "is empty: give a value, or leave it out")
		return
	}
	v, msg := typed(p.Schema, text)
	if msg != "" {
		c.blame(p.In, p.Name, msg)
		return
	}
	var found huma.ValidateResult
	huma.Validate(nil, p.Schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, v, &found)
	for _, err := range found.Errors {
		if d, ok := err.(huma.ErrorDetailer); ok {
			c.blame(p.In, p.Name, d.ErrorDetail().Message)
		}
	}
}

// typed returns the text as a value of the schema's type, or says why it is none.
func typed(s *huma.Schema, text string) (any, string) {
	switch s.Type {
	case huma.TypeBoolean:
		if text != "true" && text != "false" {
			return nil, "must be true or false"
		}
		return text == "true", ""
	case huma.TypeInteger:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || text[0] == '+' {
			return nil, "must be a whole number"
		}
		return n, ""
	}
	return text, ""
}
