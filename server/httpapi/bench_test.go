package httpapi_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/httpapi"
	"github.com/portcullis-authz/portcullis/server/keys"
)

// instant is a Decider that costs nothing.
func instant(_ context.Context, _ string, qs []authz.Query, out []authz.Decision, _ func(*authz.Decision) bool) (int, error) {
	for i := range qs {
		out[i] = authz.Decision{Outcome: authz.Allow, Reason: "may_read", Level: "view", Revision: 12, Policy: "p1"}
	}
	return len(qs), nil
}

// exchanger sends one request over and over on a connection in memory, and
// allocates next to nothing itself.
type exchanger struct {
	c    net.Conn
	r    *bufio.Reader
	raw  []byte
	resp fasthttp.Response
}

func newExchanger(t testing.TB, o httpapi.Options, path, body string, headers ...string) *exchanger {
	t.Helper()
	s, err := httpapi.New(httpapi.DeciderFunc(instant), httpapi.HealthFunc(healthy), o)
	require.NoError(t, err)
	ln := fasthttputil.NewInmemoryListener()
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	c, err := ln.Dial()
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	raw := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Request-ID: 0123456789\r\nContent-Length: %d\r\n%s\r\n%s", path, len(body), strings.Join(headers, ""), body)
	return &exchanger{c: c, r: bufio.NewReader(c), raw: []byte(raw)}
}

func (x *exchanger) exchange(t testing.TB) {
	_, err := x.c.Write(x.raw)
	require.NoError(t, err)
	x.resp.Reset()
	require.NoError(t, x.resp.Read(x.r))
	if x.resp.StatusCode() != 200 {
		t.Fatalf("%d %s", x.resp.StatusCode(), x.resp.Body())
	}
}

const realistic = `{"subject":{"type":"user","id":"ray.newman","properties":{"department":"sales"}},"action":{"name":"view"},` +
	`"resource":{"type":"screen","id":"SP408030"},"context":{"ip":"10.1.2.3","attempt":1}}`

func batchOf(n int) string {
	item := `{"resource":{"type":"case","id":"c-1"}}`
	return `{"subject":{"type":"user","id":"ray.newman"},"action":{"name":"view"},"evaluations":[` + strings.Repeat(item+",", n-1) + item + `]}`
}

func BenchmarkEvaluation(b *testing.B) {
	for name, c := range map[string][2]string{
		"bare":      {"/access/v1/evaluation", single},
		"realistic": {"/access/v1/evaluation", realistic},
		"portal":    {"/portals/sweetlife/access/v1/evaluation", realistic},
		"batch100":  {"/access/v1/evaluations", batchOf(100)},
		"batch1000": {"/access/v1/evaluations", batchOf(1000)},
	} {
		b.Run(name, func(b *testing.B) {
			x := newExchanger(b, httpapi.Options{Anonymous: anybody}, c[0], c[1])
			x.exchange(b)
			b.ReportAllocs()
			for b.Loop() {
				x.exchange(b)
			}
		})
	}
	b.Run("key", func(b *testing.B) {
		o, header := withKey(b)
		x := newExchanger(b, o, "/portals/sweetlife/access/v1/evaluation", realistic, header)
		x.exchange(b)
		b.ReportAllocs()
		for b.Loop() {
			x.exchange(b)
		}
	})
}

// withKey returns options under which one key opens one portal, and its header.
func withKey(t testing.TB) (httpapi.Options, string) {
	key, id, hash := keys.New()
	c := authz.Caller{ID: id, Name: "crm", Hash: hash, Portals: []string{"sweetlife"}, Permissions: []authz.Permission{authz.PermitDecide}}
	return httpapi.Options{Keys: ring(t, c), Now: func() time.Time { return noon }}, "Authorization: Bearer " + key + "\r\n"
}
