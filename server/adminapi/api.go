package adminapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// Prefix is where every path of this API begins.
const Prefix = "/admin/v1"

const (
	schemaPrefix = "#/components/schemas/"
	mimeJSON     = "application/json"
	mimePatch    = "application/merge-patch+json"
	mimeCSV      = "text/csv"
)

// Service does what is asked for here. It decides on every call whether the caller may
// make it, and is called from many goroutines at once.
type Service interface {
	Read(ctx context.Context, c admin.Call, k authz.Key) (admin.Entity, error)
	List(ctx context.Context, c admin.Call, q authz.ListQuery) (admin.Page, error)
	Create(ctx context.Context, c admin.Call, k authz.Key, doc map[string]any) (admin.Result, error)
	Replace(ctx context.Context, c admin.Call, k authz.Key, doc map[string]any) (admin.Result, error)
	Patch(ctx context.Context, c admin.Call, k authz.Key, patch map[string]any) (admin.Result, error)
	Delete(ctx context.Context, c admin.Call, k authz.Key) (admin.Result, error)
	Batch(ctx context.Context, c admin.Call, items []admin.Item) (admin.Result, error)
	Rights(ctx context.Context, c admin.Call, q admin.RightsQuery) (admin.RightsView, error)
	SetRights(ctx context.Context, c admin.Call, q admin.RightsQuery, cells []admin.Cell) (admin.Result, error)
	Grants(ctx context.Context, c admin.Call, q admin.GrantQuery) (admin.GrantPage, error)
	Audit(ctx context.Context, c admin.Call, q authz.AuditQuery) (authz.AuditPage, error)
	Verify(ctx context.Context, chain string) (admin.Verdict, error)
	Tasks(ctx context.Context, c admin.Call, q authz.TaskQuery) (authz.TaskPage, error)
	RetryTask(ctx context.Context, c admin.Call, name string) error
	Policy(ctx context.Context, c admin.Call) (admin.PolicyView, error)
	Revisions(ctx context.Context, c admin.Call, before int64, limit int) ([]authz.PolicyRevision, error)
	Revision(ctx context.Context, c admin.Call, number int64) (authz.PolicyRevision, error)
	DraftPolicy(ctx context.Context, c admin.Call, d admin.Draft) (admin.Result, error)
	CheckPolicy(ctx context.Context, c admin.Call, number int64) (admin.Examination, error)
	PreviewPolicy(ctx context.Context, c admin.Call, number int64, items []admin.Item) (admin.Examination, error)
	Examination(ctx context.Context, c admin.Call, id string) (admin.Examination, error)
	CancelExamination(ctx context.Context, c admin.Call, id string) error
	ApprovePolicy(ctx context.Context, c admin.Call, number int64) (admin.Result, error)
	PublishPolicy(ctx context.Context, c admin.Call, number int64, expected *int64) (admin.Result, error)
	ReturnPolicy(ctx context.Context, c admin.Call, number int64, expected *int64) (admin.Result, error)
	Callers(ctx context.Context, c admin.Call) ([]authz.Caller, error)
	CreateCaller(ctx context.Context, c admin.Call, caller authz.Caller) (key string, made authz.Caller, err error)
	DeleteCaller(ctx context.Context, c admin.Call, id string) error
}

// API serves a Service. Its routes must lie behind whatever finds out who calls: a
// request whose context does not say so (authz.WithActing) is refused.
type API struct {
	service   Service
	log       *slog.Logger
	version   string
	described *huma.OpenAPI // set by Routes
	document  []byte        // described, as it is served
}

// New returns the API of the service. Failures of the service are logged to log;
// version is that of the program, for the OpenAPI document.
func New(service Service, log *slog.Logger, version string) *API {
	return &API{service: service, log: log, version: version}
}

// Routes adds the routes of the API to the app. It is called once, before the app
// serves.
func (a *API) Routes(app *fiber.App) {
	h := humafiber.New(app, a.config())
	h.UseMiddleware(a.receive)
	r := &registrar{api: a, huma: h}
	r.all()
	a.described = h.OpenAPI()
	a.document = r.document()
}

// Document returns the OpenAPI document, once Routes has been called.
func (a *API) Document() []byte { return a.document }

// config is how huma is run: bodies are JSON and nothing else, read strictly, and no
// routes are there but those registered.
func (a *API) config() huma.Config {
	form := huma.Format{Marshal: marshal, Unmarshal: unmarshal}
	return huma.Config{
		OpenAPI:       a.openAPI(),
		Formats:       map[string]huma.Format{mimeJSON: form, mimeProblem: form},
		DefaultFormat: mimeJSON,
		Transformers:  []huma.Transformer{a.transform},
	}
}

func marshal(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// unmarshal reads a body three ways: for the Service, for the check against its
// schema, and, once it has passed, into a struct.
func unmarshal(text []byte, v any) (err error) {
	switch v := v.(type) {
	case interface{ read([]byte) }:
		v.read(text)
		return nil
	case *any:
		*v, err = decodeValue(text)
		return err
	}
	return decodeStruct(text, v)
}

// transform turns whatever huma refuses by itself into a Problem, and completes all.
func (a *API) transform(ctx huma.Context, _ string, v any) (any, error) {
	if m, ok := v.(*huma.ErrorModel); ok {
		v = framework(m)
	}
	if p, ok := v.(*Problem); ok {
		p.Request = requestID(ctx)
	}
	return v, nil
}

// receive is in front of every operation. It refuses what the operation does not
// describe, and answers a panic with 500.
func (a *API) receive(ctx huma.Context, next func(huma.Context)) {
	defer func() {
		if v := recover(); v != nil {
			a.log.Error("a handler of the administration panicked", "request_id", requestID(ctx),
				"operation", ctx.Operation().OperationID, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			a.refuse(ctx, newProblem(http.StatusInternalServerError, internalDetail))
		}
	}()
	if _, ok := authz.ActingOf(ctx.Context()); !ok {
		a.refuse(ctx, newProblem(http.StatusUnauthorized, "nobody says who calls: send a key, as Authorization: Bearer KEY"))
		return
	}
	r, p := received(ctx)
	if p != nil {
		a.refuse(ctx, p)
		return
	}
	next(r)
}

// refuse answers with the problem.
func (a *API) refuse(ctx huma.Context, p *Problem) {
	p.Request = requestID(ctx)
	c := humafiber.Unwrap(ctx)
	for name := range p.headers {
		c.Set(name, p.headers.Get(name))
	}
	c.Context().Response.ResetBody()
	ctx.SetStatus(p.Status)
	ctx.SetHeader(fiber.HeaderContentType, mimeProblem)
	if err := marshal(ctx.BodyWriter(), p); err != nil {
		a.log.Error("a problem cannot be written", "request_id", p.Request, "err", err)
	}
}

// problem returns the problem that tells of err, which is logged when it is the
// service's own fault.
func (a *API) problem(ctx context.Context, op string, err error) *Problem {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError {
		a.log.Error("a call of the administration failed", "request_id", requestOf(ctx), "operation", op, "status", p.Status, "err", err, "cause", causeOf(err))
	}
	return p
}

// requestID returns the id that the transport gave the request.
func requestID(ctx huma.Context) string {
	return humafiber.Unwrap(ctx).GetRespHeader(headerID)
}
