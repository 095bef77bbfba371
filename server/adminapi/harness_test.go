package adminapi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/adminapi"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/httpapi"
)

// service is a Service of functions. One that is nil fails the call.
type service struct {
	read      func(admin.Call, authz.Key) (admin.Entity, error)
	list      func(admin.Call, authz.ListQuery) (admin.Page, error)
	write     func(operation string, c admin.Call, k authz.Key, doc map[string]any) (admin.Result, error)
	batch     func(admin.Call, []admin.Item) (admin.Result, error)
	rights    func(admin.Call, admin.RightsQuery) (admin.RightsView, error)
	setRights func(admin.Call, admin.RightsQuery, []admin.Cell) (admin.Result, error)
	grants    func(admin.Call, admin.GrantQuery) (admin.GrantPage, error)
	audit     func(admin.Call, authz.AuditQuery) (authz.AuditPage, error)
	verify    func(string) (admin.Verdict, error)
	tasks     func(admin.Call, authz.TaskQuery) (authz.TaskPage, error)
	retry     func(admin.Call, string) error
	callers   func(admin.Call) ([]authz.Caller, error)
	newCaller func(admin.Call, authz.Caller) (string, authz.Caller, error)
	delCaller func(admin.Call, string) error
	policy    func(operation string, c admin.Call, with any) error // of calls about policies; nil: they are done
}

func (s *service) Read(_ context.Context, c admin.Call, k authz.Key) (admin.Entity, error) {
	return s.read(c, k)
}

func (s *service) List(_ context.Context, c admin.Call, q authz.ListQuery) (admin.Page, error) {
	return s.list(c, q)
}

func (s *service) Create(_ context.Context, c admin.Call, k authz.Key, doc map[string]any) (admin.Result, error) {
	return s.write("create", c, k, doc)
}

func (s *service) Replace(_ context.Context, c admin.Call, k authz.Key, doc map[string]any) (admin.Result, error) {
	return s.write("replace", c, k, doc)
}

func (s *service) Patch(_ context.Context, c admin.Call, k authz.Key, patch map[string]any) (admin.Result, error) {
	return s.write("patch", c, k, patch)
}

func (s *service) Delete(_ context.Context, c admin.Call, k authz.Key) (admin.Result, error) {
	return s.write("delete", c, k, nil)
}

func (s *service) Batch(_ context.Context, c admin.Call, items []admin.Item) (admin.Result, error) {
	return s.batch(c, items)
}

func (s *service) Rights(_ context.Context, c admin.Call, q admin.RightsQuery) (admin.RightsView, error) {
	return s.rights(c, q)
}

func (s *service) SetRights(_ context.Context, c admin.Call, q admin.RightsQuery, cells []admin.Cell) (admin.Result, error) {
	return s.setRights(c, q, cells)
}

func (s *service) Grants(_ context.Context, c admin.Call, q admin.GrantQuery) (admin.GrantPage, error) {
	return s.grants(c, q)
}

func (s *service) Audit(_ context.Context, c admin.Call, q authz.AuditQuery) (authz.AuditPage, error) {
	return s.audit(c, q)
}

func (s *service) Verify(_ context.Context, chain string) (admin.Verdict, error) {
	return s.verify(chain)
}

func (s *service) Tasks(_ context.Context, c admin.Call, q authz.TaskQuery) (authz.TaskPage, error) {
	return s.tasks(c, q)
}

func (s *service) RetryTask(_ context.Context, c admin.Call, name string) error {
	return s.retry(c, name)
}

func (s *service) Callers(_ context.Context, c admin.Call) ([]authz.Caller, error) {
	return s.callers(c)
}

func (s *service) CreateCaller(_ context.Context, c admin.Call, caller authz.Caller) (string, authz.Caller, error) {
	return s.newCaller(c, caller)
}

func (s *service) DeleteCaller(_ context.Context, c admin.Call, id string) error {
	return s.delCaller(c, id)
}

// tokens are the keys that tests call with.
var tokens = map[string]*authz.Caller{
	"all":  {ID: "all", Portals: []string{authz.Any}, Permissions: authz.Permissions()},
	"acts": {ID: "acts", Portals: []string{authz.Any}, Permissions: authz.Permissions(), ActsFor: []string{authz.Any}},
	"acme": {ID: "acme", Portals: []string{"acme"}, Permissions: authz.Permissions()},
	"none": {ID: "none", Portals: []string{authz.Any}, Permissions: []authz.Permission{authz.PermitDecide}},
}

func authenticate(token string, _ time.Time) (*authz.Caller, error) {
	if c := tokens[token]; c != nil {
		return c, nil
	}
	return nil, authz.Errorf(authz.Unauthenticated, "no such key")
}

func nobodyDecides(context.Context, string, []authz.Query, []authz.Decision, func(*authz.Decision) bool) (int, error) {
	return 0, authz.Errorf(authz.Unavailable, "nobody decides here")
}

// start serves s over HTTP and returns the address and the API.
func start(t testing.TB, s adminapi.Service, log io.Writer) (string, *adminapi.API) {
	t.Helper()
	if log == nil {
		log = io.Discard
	}
	api := adminapi.New(s, slog.New(slog.NewTextHandler(log, nil)), "v1.2.3")
	srv, err := httpapi.New(httpapi.DeciderFunc(nobodyDecides), httpapi.HealthFunc(func() (bool, map[string]any) { return true, nil }),
		httpapi.Options{Keys: httpapi.KeysFunc(authenticate), Mount: api.Routes})
	require.NoError(t, err)
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	t.Cleanup(func() {
		require.NoError(t, srv.Shutdown(context.Background()))
		if err := <-served; !errors.Is(err, http.ErrServerClosed) { // stopped before it began
			require.NoError(t, err)
		}
	})
	return "http://" + ln.Addr().String(), api
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send makes one request. header holds names and values in turn; a key "all" is sent
// unless it names another Authorization.
func send(t testing.TB, base, method, path, body string, header ...string) answer {
	t.Helper()
	var in io.Reader
	if body != "" {
		in = bytes.NewReader([]byte(body))
	}
	req, err := http.NewRequestWithContext(t.Context(), method, base, in)
	require.NoError(t, err)
	req.URL.Opaque, req.URL.RawQuery, _ = strings.Cut(path, "?") // as it is, faults of encoding included
	req.Header.Set("Authorization", "Bearer all")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answer{res.StatusCode, res.Header, text}
}

// mounted returns an app with the routes of the API alone.
func mounted(t testing.TB) *fiber.App {
	t.Helper()
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	adminapi.New(&service{}, slog.New(slog.DiscardHandler), "").Routes(app)
	return app
}
