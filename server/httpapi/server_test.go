package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
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

// failing is a Decider that returns err.
func failing(err error) httpapi.DeciderFunc {
	return func(context.Context, string, []authz.Query, []authz.Decision, func(*authz.Decision) bool) (int, error) {
		return 0, err
	}
}

// logged is a log to be read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSuffix(l.b.String(), "\n"), "\n")
}

func TestErrorsOfTheDecider(t *testing.T) {
	secret := errors.New("dial mongo: secret")
	for name, c := range map[string]struct {
		err    error
		status int
		msg    string
		logged string
	}{
		"invalid":     {authz.Errorf(authz.Invalid, "must be odd").At("context.n").Because(secret), 400, "context.n: must be odd", ""},
		"not found":   {authz.Errorf(authz.NotFound, "no such portal"), 404, "no such portal", ""},
		"conflict":    {authz.Errorf(authz.Conflict, "in use"), 409, "in use", ""},
		"too large":   {authz.Errorf(authz.TooLarge, "too much"), 413, "too much", ""},
		"unavailable": {authz.Errorf(authz.Unavailable, "the store is away").Because(secret), 503, "the store is away", "secret"},
		"internal":    {authz.Errorf(authz.Internal, "cannot decide").Because(secret), 500, "cannot decide", "secret"},
		"wrapped":     {fmt.Errorf("batch: %w", authz.Errorf(authz.Unavailable, "away")), 503, "away", "batch: away"},
		"unknown":     {secret, 500, "internal error: nothing is allowed; the service's log tells more of request r-1", "secret"},
		"deadline":    {fmt.Errorf("find: %w", context.DeadlineExceeded), 503, "the decision took too long and was given up: nothing is allowed, try again later", "find: context deadline exceeded"},
		"odd kind":    {authz.Errorf(authz.Kind(99), "odd"), 500, "odd", "odd"},
	} {
		t.Run(name, func(t *testing.T) {
			var log logged
			base := start(t, failing(c.err), httpapi.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
			for _, path := range []string{"evaluation", "evaluations"} {
				a := post(t, base+"/access/v1/"+path, single, "X-Request-ID", "r-1")
				require.Equal(t, c.status, a.status)
				want, _ := json.Marshal(c.msg)
				require.Equal(t, string(want), a.body)
			}
			if c.logged == "" {
				require.Equal(t, []string{""}, log.lines())
				return
			}
			require.Len(t, log.lines(), 2, "each failure is logged once")
			require.Contains(t, log.lines()[0], c.logged)
			require.Contains(t, log.lines()[0], "request_id=r-1")
		})
	}
}

// TestServiceFaultIsADeny: a refusal of the service itself is an answer.
func TestServiceFaultIsADeny(t *testing.T) {
	secret := errors.New("secret")
	base := start(t, judge(func(*authz.Query) authz.Decision { return authz.Refuse(authz.ReasonStoreUnavailable, secret) }), httpapi.Options{})
	a := post(t, base+"/access/v1/evaluation", single)
	require.Equal(t, 200, a.status)
	require.Equal(t, `{"decision":false,"context":{"outcome":"deny","reason":"store_unavailable","revision":0,"policy":""}}`, a.body)
}

// TestIncompleteBatchIsAnError: a Decider that answers less than it was asked, or
// more, gets none of its decisions out.
func TestIncompleteBatchIsAnError(t *testing.T) {
	for _, n := range []int{-1, 0, 1, 3} {
		base := start(t, httpapi.DeciderFunc(func(_ context.Context, _ string, _ []authz.Query, out []authz.Decision, _ func(*authz.Decision) bool) (int, error) {
			for i := range out {
				out[i].Outcome = authz.Allow
			}
			return n, nil
		}), httpapi.Options{})
		for _, semantic := range []string{"execute_all", "deny_on_first_deny"} {
			a := post(t, base+"/access/v1/evaluations", with(alice, read, record, `"evaluations":[{},{}]`, `"options":{"evaluations_semantic":"`+semantic+`"}`))
			require.Equal(t, 500, a.status, a.body)
			require.Equal(t, fmt.Sprintf(`"%d of 2 questions were decided"`, n), a.body)
		}
	}
}

func TestPanicIs500(t *testing.T) {
	var log logged
	base := start(t, judge(func(*authz.Query) authz.Decision { panic("oh no") }), httpapi.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	a := post(t, base+"/access/v1/evaluation", single, "X-Request-ID", "r-9")
	require.Equal(t, 500, a.status)
	require.Equal(t, `"internal error: nothing is allowed; the service's log tells more of request r-9"`, a.body)
	require.Equal(t, "r-9", a.header.Get("X-Request-ID"))
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	require.Len(t, log.lines(), 1)
	require.Contains(t, log.lines()[0], "oh no")
	require.Contains(t, log.lines()[0], "server_test.go", "the stack leads to the panic")
	require.Equal(t, 200, get(t, base+"/livez").status)
}

func TestHeaders(t *testing.T) {
	base := start(t, judge(reads), httpapi.Options{})
	for _, a := range []answer{post(t, base+"/access/v1/evaluation", single), post(t, base+"/access/v1/evaluation", ""), get(t, base+"/livez"), get(t, base+"/no")} {
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
		require.Equal(t, "application/json", a.header.Get("Content-Type"))
		require.Empty(t, a.header.Get("Server"))
	}
}

func TestMethods(t *testing.T) {
	base := start(t, judge(reads), httpapi.Options{})
	for _, c := range []struct{ method, path, allow string }{
		{"GET", "/access/v1/evaluation", "POST"},
		{"HEAD", "/access/v1/evaluation", "POST"},
		{"OPTIONS", "/portals/acme/access/v1/evaluations", "POST"},
		{"DELETE", "/access/v1/evaluations", "POST"},
		{"POST", "/livez", "GET, HEAD"},
		{"PUT", "/readyz", "GET, HEAD"},
	} {
		req, err := http.NewRequest(c.method, base+c.path, nil)
		require.NoError(t, err)
		a := do(t, req)
		require.Equal(t, 405, a.status, c.method+c.path)
		require.Equal(t, c.allow, a.header.Get("Allow"))
		if c.method != "HEAD" {
			require.Contains(t, a.body, "use "+c.allow)
		}
	}
	req, err := http.NewRequest("HEAD", base+"/livez", nil)
	require.NoError(t, err)
	a := do(t, req)
	require.Equal(t, 200, a.status)
	require.Empty(t, a.body)
}

func TestHealth(t *testing.T) {
	var ready bool
	detail := map[string]any{"portals": map[string]any{"acme": map[string]any{"revision": 7}}}
	var mu sync.Mutex
	health := func() (bool, map[string]any) { mu.Lock(); defer mu.Unlock(); return ready, detail }
	s, err := httpapi.New(judge(reads), httpapi.HealthFunc(health), httpapi.Options{Version: "1.2.3"})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	base := "http://" + ln.Addr().String()

	require.Equal(t, `{"status":"ok"}`, get(t, base+"/livez").body)
	a := get(t, base+"/readyz")
	require.Equal(t, 503, a.status)
	require.JSONEq(t, `{"version":"1.2.3","portals":{"acme":{"revision":7}}}`, a.body)
	mu.Lock()
	ready = true
	mu.Unlock()
	require.Equal(t, 200, get(t, base+"/readyz").status)
	mu.Lock()
	detail = map[string]any{"bad": func() {}}
	mu.Unlock()
	require.Equal(t, 500, get(t, base+"/readyz").status)
	require.Equal(t, 200, get(t, base+"/livez").status)
}

// TestDeadline: the Decider's context ends after Options.Timeout and knows the
// request's id.
func TestDeadline(t *testing.T) {
	base := start(t, httpapi.DeciderFunc(func(ctx context.Context, _ string, _ []authz.Query, _ []authz.Decision, _ func(*authz.Decision) bool) (int, error) {
		<-ctx.Done()
		return 0, authz.Errorf(authz.Unavailable, "gave up on %s", httpapi.RequestID(ctx)).Because(ctx.Err())
	}), httpapi.Options{Timeout: 50 * time.Millisecond})
	began := time.Now()
	a := post(t, base+"/access/v1/evaluation", single, "X-Request-ID", "r-2")
	require.Equal(t, 503, a.status)
	require.Equal(t, `"gave up on r-2"`, a.body)
	require.Less(t, time.Since(began), 20*time.Second)
	require.Empty(t, httpapi.RequestID(context.Background()))
}

// held is a Decider that says when it was asked and then waits.
func held(asked chan<- struct{}, free <-chan struct{}) httpapi.DeciderFunc {
	return func(ctx context.Context, _ string, _ []authz.Query, out []authz.Decision, _ func(*authz.Decision) bool) (int, error) {
		asked <- struct{}{}
		select {
		case <-free:
			out[0].Outcome = authz.Allow
			return 1, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// sendSingle sends a question on a connection that could be kept.
func sendSingle(t *testing.T, c net.Conn) {
	t.Helper()
	_, err := fmt.Fprintf(c, "POST /access/v1/evaluation HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(single), single)
	require.NoError(t, err)
}

func TestShutdownDrains(t *testing.T) {
	asked, free := make(chan struct{}, 1), make(chan struct{})
	base, s := startServer(t, held(asked, free), httpapi.Options{})

	kept := &http.Client{Transport: &http.Transport{}}
	resp, err := kept.Get(base + "/livez")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())

	flying := dial(t, base)
	sendSingle(t, flying)
	<-asked
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.Background()) }()
	require.Eventually(t, func() bool {
		_, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		return err != nil
	}, 20*time.Second, 5*time.Millisecond, "no new connections")
	select {
	case err := <-done:
		t.Fatalf("Shutdown returned %v with a request in flight", err)
	case <-time.After(150 * time.Millisecond):
	}
	close(free)
	resp, err = http.ReadResponse(bufio.NewReader(flying), nil)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.True(t, resp.Close, "the client is told not to use the connection again")
	require.NoError(t, <-done)
	_, err = kept.Get(base + "/livez")
	require.Error(t, err, "the idle connection is closed")

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorIs(t, s.Serve(ln), http.ErrServerClosed)
	require.NoError(t, s.Shutdown(context.Background()), "a second time")
}

func TestShutdownIsBounded(t *testing.T) {
	for name, bound := range map[string]struct {
		drain time.Duration
		wait  time.Duration
	}{"by its context": {time.Minute, 100 * time.Millisecond}, "by Drain": {100 * time.Millisecond, time.Minute}} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan struct{}, 1)
			base, s := startServer(t, held(asked, nil), httpapi.Options{Timeout: time.Minute, Drain: bound.drain})
			c := dial(t, base)
			sendSingle(t, c)
			<-asked
			ctx, cancel := context.WithTimeout(context.Background(), bound.wait)
			defer cancel()
			began := time.Now()
			require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
			require.Less(t, time.Since(began), 20*time.Second)
			_, err := c.Read(make([]byte, 1))
			require.Error(t, err, "the connection is closed")
		})
	}
}

func TestServeTwice(t *testing.T) {
	base, s := startServer(t, judge(reads), httpapi.Options{})
	require.Equal(t, 200, get(t, base+"/livez").status)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorContains(t, s.Serve(ln), "Serve was called twice")
	_, err = ln.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

// TestNothingAliasesTheTransport keeps the strings of every request, of many on
// few connections, and expects them unchanged by the requests that came later.
func TestNothingAliasesTheTransport(t *testing.T) {
	const clients, requests = 8, 200
	var mu sync.Mutex
	kept := map[string]authz.Query{}
	portals := map[string]string{}
	base := start(t, httpapi.DeciderFunc(func(_ context.Context, portal string, qs []authz.Query, out []authz.Decision, _ func(*authz.Decision) bool) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		for i := range qs {
			kept[strings.Clone(qs[i].Subject.ID)] = qs[i]
			portals[strings.Clone(qs[i].Subject.ID)] = portal
			out[i] = authz.Decision{Outcome: authz.Allow, Reason: qs[i].Subject.ID}
		}
		return len(qs), nil
	}), httpapi.Options{})

	name := func(c, i int) string { return fmt.Sprintf("user-%02d-%04d", c, i) }
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			hc := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: 10 * time.Second}
			defer hc.CloseIdleConnections()
			for i := range requests {
				id := name(c, i)
				body := `{"subject":{"type":"T` + id + `","id":"` + id + `","properties":{"k` + id + `":["v` + id + `",1` + id[8:] + `]}},"action":{"name":"\u0061` + id + `"},"resource":{"type":"r","id":"` + id + `"}}`
				resp, err := hc.Post(base+"/portals/p"+id+"/access/v1/evaluation", "application/json", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				var got struct{ Context struct{ Reason string } }
				err = json.NewDecoder(resp.Body).Decode(&got)
				_ = resp.Body.Close()
				if err != nil || got.Context.Reason != id {
					t.Errorf("the answer to %s is that to %s (%v)", id, got.Context.Reason, err)
				}
			}
		})
	}
	wg.Wait()
	for c := range clients {
		for i := range requests {
			id := name(c, i)
			q := kept[id]
			require.Equal(t, authz.Entity{Type: "T" + id, ID: id, Properties: map[string]any{"k" + id: []any{"v" + id, json.Number("1" + id[8:])}}}, q.Subject)
			require.Equal(t, "a"+id, q.Action.Name)
			require.Equal(t, id, q.Resource.ID)
			require.Equal(t, "p"+id, portals[id])
		}
	}
}
