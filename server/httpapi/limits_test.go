package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/httpapi"
)

func TestLimits(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	nestedObjects := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	inContext := func(v string) string { return with(alice, read, record, `"context":{"v":`+v+`}`) }
	batch := func(n int) string {
		return with(alice, read, record, `"evaluations":[`+strings.Repeat("{},", n-1)+`{}]`)
	}
	number := func(n int) string { return strings.Repeat("1", n) }
	runAll(t, []exchange{
		{name: "deepest", path: "evaluation", body: inContext(nested(30)), status: 200, want: allowed},
		{name: "too deep", path: "evaluation", body: inContext(nested(31)), status: 400, message: "nested too deep: at most 32"},
		{name: "too deep, objects", path: "evaluation", body: inContext(nestedObjects(31)), status: 400, message: "nested too deep: at most 32"},
		{name: "too deep in the unknown", path: "evaluation", body: `{"x":` + nested(32) + `,` + single[1:], status: 400, message: "nested too deep: at most 32"},
		{name: "too deep in a wrong type", path: "evaluation", body: with(`"subject":`+nested(32), read, record), status: 400, message: "nested too deep: at most 32"},
		{name: "too deep in a batch", path: "evaluations", body: with(alice, read, record, `"evaluations":[{"context":`+nestedObjects(30)+`}]`), status: 400, message: "nested too deep: at most 32"},
		{name: "far too deep", path: "evaluation", body: inContext(nested(200_000)), status: 400, message: "nested too deep: at most 32"},
		{name: "far too deep and open", path: "evaluation", body: strings.Repeat(`{"a":`, 100_000), status: 400, message: "nested too deep: at most 32"},
		{name: "largest batch", path: "evaluations", body: batch(1000), status: 200, want: `{"evaluations":[` + strings.Repeat(`{"decision":true},`, 999) + `{"decision":true}]}`},
		{name: "batch too large", path: "evaluations", body: batch(1001), status: 400, message: "evaluations: has 1001 items: at most 1000"},
		{name: "batch far too large", path: "evaluations", body: batch(300_000), status: 400, message: "evaluations: has 300000 items: at most 1000"},
		{name: "largest number", path: "evaluation", body: inContext(number(64)), status: 200, want: allowed},
		{name: "number too long", path: "evaluation", body: inContext(number(65)), status: 400, message: "context.v: is a number of 65 characters: at most 64"},
		{name: "number far too long", path: "evaluation", body: inContext(number(500_000)), status: 400, message: "at most 64"},
		{name: "exponent", path: "evaluation", body: inContext("1e308"), status: 200, want: allowed},
		{name: "exponent too large", path: "evaluation", body: inContext("1e309"), status: 400, message: "context.v: is a number out of range"},
		{name: "exponent of zero too large", path: "evaluation", body: inContext("0E+401"), status: 400, message: "out of range"},
		{name: "exponent too small", path: "evaluation", body: inContext("1e-401"), status: 400, message: "out of range"},
		{name: "exponent beyond an int", path: "evaluation", body: inContext("1e99999999999999999999"), status: 400, message: "out of range"},
		{name: "number deep down", path: "evaluation", body: inContext(`[0,{"x":[1,-1e999]}]`), status: 400, message: "context.v[1].x[1]: is a number out of range"},
		{name: "most values", path: "evaluation", body: inContext("[" + strings.Repeat("0,", authz.MaxValues-2) + "0]"), status: 200, want: allowed},
		{name: "a value too many", path: "evaluation", body: inContext("[" + strings.Repeat("0,", authz.MaxValues-1) + "0]"), status: 400, message: "at most 10000"},
		{name: "escaped NUL in a property", path: "evaluation", body: inContext(`"a\u0000b"`), status: 200, want: allowed},
		{name: "body too large", path: "evaluation", body: inContext(`"` + strings.Repeat("a", 1<<20) + `"`), status: 413, message: "at most 1048576 bytes"},
		{name: "10 MB", path: "evaluations", body: strings.Repeat(" ", 10<<20), status: 413, message: "at most 1048576 bytes"},
		{name: "headers too large", path: "evaluation", headers: []string{"X-Long", strings.Repeat("a", 9<<10)}, body: single, status: 431, message: "at most 8192 bytes"},
	})
}

// TestMessagesAreBounded sends names and values of half a megabyte where they are
// at fault, and expects no echo of that length.
func TestMessagesAreBounded(t *testing.T) {
	base := start(t, judge(reads), httpapi.Options{})
	long := strings.Repeat("é", 250_000)
	for _, body := range []string{
		with(`"`+long+`":1`, `"`+long+`":2`),
		with(alice, read, record, `"context":{"`+long+`":1e999}`),
		with(`"subject":"`+long+`"`, read, record),
		with(alice, read, record, `"options":{"evaluations_semantic":"`+long+`"}`),
		long,
	} {
		a := post(t, base+"/access/v1/evaluations", body)
		require.Equal(t, 400, a.status)
		require.Less(t, len(a.body), 1200)
		require.True(t, json.Valid([]byte(a.body)))
		require.NotContains(t, a.body, "\ufffd")
	}
	a := get(t, base+"/"+strings.Repeat("a", 5000))
	require.Equal(t, 404, a.status)
	require.Less(t, len(a.body), 1000)
}

func TestChunkedBodyIsBounded(t *testing.T) {
	base := start(t, judge(reads), httpapi.Options{Body: 1000})
	for size, status := range map[int]int{1000 - len(single): 200, 5000: 413} {
		body := io.MultiReader(strings.NewReader(single), strings.NewReader(strings.Repeat(" ", size)))
		req, err := http.NewRequest(http.MethodPost, base+"/access/v1/evaluation", body)
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		require.Equal(t, status, do(t, req).status)
	}
}

// TestManyItemsTakeNoMemory compares what a batch far beyond the limit allocates
// with one at the limit: the items beyond it are counted and not built.
func TestManyItemsTakeNoMemory(t *testing.T) {
	base := start(t, judge(reads), httpapi.Options{})
	url := base + "/access/v1/evaluations"
	send := func(n int) uint64 {
		body := with(alice, read, record, `"evaluations":[`+strings.Repeat("{},", n-1)+`{}]`)
		post(t, url, body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		post(t, url, body)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	require.Less(t, send(300_000), send(1_000)+8<<20)
}

func TestSlowRequestIsEnded(t *testing.T) {
	base := start(t, judge(reads), httpapi.Options{Read: 200 * time.Millisecond})
	for name, sent := range map[string]string{
		"nothing":      "",
		"half a line":  "POST /access/v1/eval",
		"half a body":  "POST /access/v1/evaluation HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
		"half a chunk": "POST /access/v1/evaluation HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, base)
			_, err := io.WriteString(c, sent)
			require.NoError(t, err)
			began := time.Now()
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.Less(t, time.Since(began), 30*time.Second)
			if err == nil {
				require.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
				var msg string
				require.NoError(t, json.NewDecoder(resp.Body).Decode(&msg))
				require.Contains(t, msg, "200ms")
			}
		})
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	base := start(t, judge(reads), httpapi.Options{Idle: 150 * time.Millisecond})
	c := dial(t, base)
	fmt.Fprint(c, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	began := time.Now()
	_, err = r.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	require.Less(t, time.Since(began), 30*time.Second)
}

func TestConnectionsAreBounded(t *testing.T) {
	base := start(t, judge(reads), httpapi.Options{Connections: 2})
	first, second := dial(t, base), dial(t, base)
	for _, c := range []net.Conn{first, second} { // answered, so that both are counted
		fmt.Fprint(c, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
	}
	resp, err := http.ReadResponse(bufio.NewReader(dial(t, base)), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	var msg string
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&msg))
	require.Contains(t, msg, "too many connections")

	require.NoError(t, first.Close())
	require.Eventually(t, func() bool {
		req, err := http.NewRequest(http.MethodGet, base+"/livez", nil)
		require.NoError(t, err)
		resp, err := client().Do(req)
		if err != nil {
			return false // refused before the request was sent: the close was not seen yet
		}
		return resp.Body.Close() == nil && resp.StatusCode == 200
	}, 10*time.Second, 10*time.Millisecond)
}

// short is a listener of a process that is out of file descriptors for a while.
type short struct {
	net.Listener
	left atomic.Int32
}

func (l *short) Accept() (net.Conn, error) {
	if l.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func TestShortageOfDescriptorsIsSurvived(t *testing.T) {
	for name, failures := range map[string]int32{"passes": 3, "stays": 1_000_000} {
		t.Run(name, func(t *testing.T) {
			s, err := httpapi.New(judge(reads), httpapi.HealthFunc(healthy), httpapi.Options{})
			require.NoError(t, err)
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			flaky := &short{Listener: ln}
			flaky.left.Store(failures)
			served := make(chan error, 1)
			go func() { served <- s.Serve(flaky) }()
			if name == "passes" {
				require.Equal(t, 200, get(t, "http://"+ln.Addr().String()+"/livez").status)
			} else {
				require.Eventually(t, func() bool { return flaky.left.Load() < failures }, 20*time.Second, time.Millisecond)
			}
			require.NoError(t, s.Shutdown(context.Background()))
			require.NoError(t, <-served)
		})
	}
}

func dial(t testing.TB, base string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(5*time.Second)))
	return c
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]httpapi.Options{
		"Body":        {Body: -1},
		"Depth":       {Depth: 1_000_000},
		"Batch":       {Batch: -5},
		"Connections": {Connections: -1},
		"Timeout":     {Timeout: -time.Second},
		"Read":        {Read: 2 * time.Hour},
		"Write":       {Write: -1},
		"Idle":        {Idle: -1},
		"Drain":       {Drain: -1},
	} {
		_, err := httpapi.New(judge(reads), httpapi.HealthFunc(healthy), o)
		require.ErrorContains(t, err, "httpapi.Options."+name)
	}
	_, err := httpapi.New(judge(reads), httpapi.HealthFunc(healthy), httpapi.DefaultOptions())
	require.NoError(t, err)
}
