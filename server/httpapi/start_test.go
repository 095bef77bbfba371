package httpapi_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/httpapi"
)

// noon is the moment of every decision in these tests.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// judge makes a Decider of a rule for one query. It knows the default portal and
// "acme".
func judge(rule func(*authz.Query) authz.Decision) httpapi.DeciderFunc {
	return func(_ context.Context, portal string, qs []authz.Query, out []authz.Decision, stop func(*authz.Decision) bool) (int, error) {
		if portal != "" && portal != "acme" {
			return 0, authz.Errorf(authz.NotFound, "there is no portal %q", portal)
		}
		for i := range qs {
			out[i] = rule(&qs[i])
			if stop != nil && stop(&out[i]) {
				return i + 1, nil
			}
		}
		return len(qs), nil
	}
}

// reads allows what is named "read" and nothing else.
func reads(q *authz.Query) authz.Decision {
	if q.Action.Name == "read" {
		return authz.Decision{Outcome: authz.Allow, Reason: "may_read", Level: "view", Revision: 7, Policy: "p1"}
	}
	return authz.Decision{Outcome: authz.Deny, Reason: "no_right", Revision: 7, Policy: "p1"}
}

func healthy() (bool, map[string]any) {
	return true, map[string]any{"portals": map[string]any{"acme": 7}}
}

// anybody lets those decide who have no key.
var anybody = []authz.Permission{authz.PermitDecide}

// start serves d on a listener of its own until the test ends, and returns the
// base URL.
func start(t testing.TB, d httpapi.Decider, o httpapi.Options) string {
	t.Helper()
	base, _ := startServer(t, d, o)
	return base
}

func startServer(t testing.TB, d httpapi.Decider, o httpapi.Options) (string, *httpapi.Server) {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	if o.Keys == nil && o.Anonymous == nil {
		o.Anonymous = anybody
	}
	s, err := httpapi.New(d, httpapi.HealthFunc(healthy), o)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		select {
		case err := <-served:
			require.NoError(t, err)
		case <-time.After(5 * time.Second):
			t.Error("Serve did not return after Shutdown")
		}
	})
	return "http://" + ln.Addr().String(), s
}

// answer is a response with its body read.
type answer struct {
	status int
	header http.Header
	body   string
}

// client keeps no connection open, so that no test waits for another's.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
}

func do(t testing.TB, req *http.Request) answer {
	t.Helper()
	resp, err := client().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// post sends a JSON body; headers are pairs of name and value.
func post(t testing.TB, url, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return do(t, req)
}

func get(t testing.TB, url string) answer {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	return do(t, req)
}

// spy allows everything and shows each batch to see.
func spy(see func([]authz.Query)) httpapi.DeciderFunc {
	return func(_ context.Context, _ string, qs []authz.Query, out []authz.Decision, _ func(*authz.Decision) bool) (int, error) {
		see(qs)
		for i := range qs {
			out[i] = authz.Decision{Outcome: authz.Allow}
		}
		return len(qs), nil
	}
}

// recorder keeps the queries that it was asked.
type recorder struct {
	mu sync.Mutex
	qs []authz.Query
}

func (r *recorder) judge(q *authz.Query) authz.Decision {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.qs = append(r.qs, *q)
	return reads(q)
}
