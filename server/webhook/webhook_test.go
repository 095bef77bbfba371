package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hunter is what must be shown nowhere, and next the secret that follows it.
const (
	hunter = "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg=="
	next   = "whsec_bmV4dG5leHRuZXh0bmV4dG5leHRuZXh0bmV4dA=="
)

func at() time.Time { return time.Date(2026, 3, 1, 9, 30, 15, 123e6, time.UTC) }

func mail() authz.StoredTask {
	return authz.StoredTask{
		Task: authz.Task{ID: "first_login", Kind: authz.MailTask, Template: "welcome & \"hello\"", To: "ann@acme.example"},
		Name: "sweetlife~0192f0c1-0000-7000-8000-000000000001", Portal: "sweetlife", Actor: "user/ray",
		Cause: authz.Key{Kind: authz.UserEntity, ID: "ann"}, CreatedAt: at().Add(-time.Hour),
	}
}

// receiver keeps the requests that come.
type receiver struct {
	*httptest.Server
	requests chan *http.Request // their bodies are read already
}

func receive(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{requests: make(chan *http.Request, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err == nil {
			req.Body = io.NopCloser(bytes.NewReader(body))
			r.requests <- req
		}
		answer(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func sender(t *testing.T, o webhook.Options) *webhook.Sender {
	t.Helper()
	if o.Secret == "" {
		o.Secret = hunter
	}
	if o.Now == nil {
		o.Now = at
	}
	s, err := webhook.New(o)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// python checks signatures without any code of ours: by Python's own hmac module.
const python = `
import base64, hashlib, hmac, sys
secret, id, timestamp, signatures = sys.argv[1:5]
key = base64.b64decode(secret.split("_", 1)[1])
mac = hmac.new(key, f"{id}.{timestamp}.".encode() + sys.stdin.buffer.read(), hashlib.sha256)
want = "v1," + base64.b64encode(mac.digest()).decode()
sys.exit(0 if want in signatures.split(" ") else 1)
`

func signedBy(t *testing.T, secret string, req *http.Request, body []byte) bool {
	t.Helper()
	h := req.Header
	if path, err := exec.LookPath("python3"); err == nil {
		cmd := exec.CommandContext(t.Context(), path, "-c", python, secret, h.Get("webhook-id"), h.Get("webhook-timestamp"), h.Get("webhook-signature"))
		cmd.Stdin = bytes.NewReader(body)
		return cmd.Run() == nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	require.NoError(t, err)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", h.Get("webhook-id"), h.Get("webhook-timestamp"), body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for s := range strings.SplitSeq(h.Get("webhook-signature"), " ") {
		if s == want {
			return true
		}
	}
	return false
}

func TestRequest(t *testing.T) {
	r := receive(t, status(http.StatusNoContent))
	s := sender(t, webhook.Options{URL: r.URL + "/mails?for=portcullis"})
	require.NoError(t, s.Deliver(t.Context(), mail()))
	req := <-r.requests
	require.Equal(t, "POST", req.Method)
	require.Equal(t, "/mails?for=portcullis", req.URL.RequestURI())
	require.Equal(t, "application/json", req.Header.Get("Content-Type"))
	require.Equal(t, mail().Name, req.Header.Get("webhook-id"))
	require.Equal(t, strconv.FormatInt(at().Unix(), 10), req.Header.Get("webhook-timestamp"))
	body, err := io.ReadAll(req.Body)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"id": "sweetlife~0192f0c1-0000-7000-8000-000000000001", "type": "mail", "portal": "sweetlife", "template": "welcome & \"hello\"",
		"to": "ann@acme.example", "cause": "user/ann", "at": "2026-03-01T08:30:15.123Z"
	}`, string(body))
	require.True(t, signedBy(t, hunter, req, body))
	require.False(t, signedBy(t, next, req, body))
	require.False(t, signedBy(t, hunter, req, append(body, ' ')))
	req.Header.Set("webhook-timestamp", "1")
	require.False(t, signedBy(t, hunter, req, body), "the time is signed")
}

// TestSecretsInTurn replaces a secret: for a while requests are signed by both.
func TestSecretsInTurn(t *testing.T) {
	r := receive(t, status(http.StatusOK))
	require.NoError(t, sender(t, webhook.Options{URL: r.URL, Secret: next + " " + hunter}).Deliver(t.Context(), mail()))
	req := <-r.requests
	body, err := io.ReadAll(req.Body)
	require.NoError(t, err)
	require.True(t, signedBy(t, hunter, req, body))
	require.True(t, signedBy(t, next, req, body))
	require.Len(t, strings.Split(req.Header.Get("webhook-signature"), " "), 2)
}

// TestNames keeps portals with any name apart in the header, where a dot would end
// the name and a line break the header.
func TestNames(t *testing.T) {
	r := receive(t, status(http.StatusOK))
	s := sender(t, webhook.Options{URL: r.URL})
	seen := map[string]bool{}
	for name, want := range map[string]string{
		"acme~1": "acme~1", "acme.shop~1": "acme%2Eshop~1", "Åcme~1": "%C3%85cme~1", "a\nb~1": "a%0Ab~1", "a%2Eb~1": "a%252Eb~1", "a b~1": "a%20b~1",
	} {
		m := mail()
		m.Name = name
		require.NoError(t, s.Deliver(t.Context(), m), "%q", name)
		req := <-r.requests
		id := req.Header.Get("webhook-id")
		require.Equal(t, want, id)
		var body struct{ ID string }
		require.NoError(t, json.NewDecoder(req.Body).Decode(&body))
		require.Equal(t, id, body.ID)
		seen[id] = true
	}
	require.Len(t, seen, 6)
}

func TestAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		code  int
		after string
		msg   string // empty: delivered
		final bool
		wait  time.Duration
	}{
		"ok":                   {code: 200},
		"accepted":             {code: 202},
		"last that delivers":   {code: 299},
		"gone":                 {code: 410, after: "60", msg: "the receiver answered 410: it never takes this mail", final: true},
		"redirect":             {code: 302, msg: "the receiver answered 302, and redirects are not followed: configure the address that it leads to"},
		"permanent redirect":   {code: 308, msg: "the receiver answered 308, and redirects are not followed: configure the address that it leads to"},
		"not modified":         {code: 304, msg: "the receiver answered 304, and redirects are not followed: configure the address that it leads to"},
		"unauthorized":         {code: 401, msg: "the receiver answered 401"},
		"too many":             {code: 429, after: "120", msg: "the receiver answered 429", wait: 2 * time.Minute},
		"unavailable, a date":  {code: 503, after: "Sun, 01 Mar 2026 09:31:15 GMT", msg: "the receiver answered 503", wait: time.Minute - 123*time.Millisecond},
		"a date gone by":       {code: 503, after: "Sun, 01 Mar 2026 09:00:00 GMT", msg: "the receiver answered 503"},
		"no time":              {code: 503, after: "soon", msg: "the receiver answered 503"},
		"negative":             {code: 503, after: "-5", msg: "the receiver answered 503"},
		"more than a lifetime": {code: 503, after: "99999999999999999999", msg: "the receiver answered 503"},
		"internal error":       {code: 500, msg: "the receiver answered 500"},
	} {
		t.Run(name, func(t *testing.T) {
			r := receive(t, func(w http.ResponseWriter, req *http.Request) {
				if tc.after != "" {
					w.Header().Set("Retry-After", tc.after)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tc.code)
			})
			err := sender(t, webhook.Options{URL: r.URL}).Deliver(t.Context(), mail())
			require.Len(t, r.requests, 1, "nothing is followed and nothing is sent twice")
			if tc.msg == "" {
				require.NoError(t, err)
				return
			}
			f, ok := errors.AsType[*webhook.Failure](err)
			require.True(t, ok)
			require.Equal(t, tc.msg, f.Error())
			require.Equal(t, tc.final, f.Final())
			require.Equal(t, tc.wait, f.RetryAfter())
		})
	}
}

// TestBadReceivers: whatever the other side does, an attempt ends soon, and takes
// little memory.
func TestBadReceivers(t *testing.T) {
	silent := func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }
	endless := func(w http.ResponseWriter, req *http.Request) {
		for req.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}
	slow := func(w http.ResponseWriter, req *http.Request) {
		for req.Context().Err() == nil {
			_, _ = w.Write([]byte("."))
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	}
	large := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("x", 1<<20))
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		msg    string // empty: delivered
	}{
		"silent":           {silent, "the receiver did not answer in time"},
		"endless answer":   {endless, ""},
		"slow answer":      {slow, ""},
		"boundless header": {large, "the receiver cannot be reached: "},
	} {
		t.Run(name, func(t *testing.T) {
			r := receive(t, tc.answer)
			began := time.Now()
			err := sender(t, webhook.Options{URL: r.URL, Timeout: 300 * time.Millisecond}).Deliver(t.Context(), mail())
			require.Less(t, time.Since(began), 10*time.Second)
			if tc.msg == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.msg)
			require.NotContains(t, err.Error(), r.URL)
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		r := receive(t, status(200))
		r.Close()
		err := sender(t, webhook.Options{URL: r.URL + "/token-hunter2"}).Deliver(t.Context(), mail())
		require.ErrorContains(t, err, "cannot be reached")
		require.NotContains(t, err.Error(), "hunter2")
	})
	t.Run("no HTTP", func(t *testing.T) {
		ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { require.NoError(t, ln.Close()) }()
		go func() {
			for c, err := ln.Accept(); err == nil; c, err = ln.Accept() {
				_, _ = c.Write([]byte("220 mail ready\r\n"))
				_ = c.Close()
			}
		}()
		require.Error(t, sender(t, webhook.Options{URL: "http://" + ln.Addr().String()}).Deliver(t.Context(), mail()))
	})
	t.Run("stopped", func(t *testing.T) {
		r := receive(t, silent)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-r.requests; cancel() }()
		require.Error(t, sender(t, webhook.Options{URL: r.URL}).Deliver(ctx, mail()))
	})
}

func TestCertificates(t *testing.T) {
	r := httptest.NewTLSServer(status(200))
	defer r.Close()
	roots := x509.NewCertPool()
	roots.AddCert(r.Certificate())
	require.NoError(t, sender(t, webhook.Options{URL: r.URL, Roots: roots}).Deliver(t.Context(), mail()))
	err := sender(t, webhook.Options{URL: r.URL}).Deliver(t.Context(), mail())
	require.ErrorContains(t, err, "certificate")
}

// TestProxyIsIgnored runs in a process of its own, for the environment is read once.
func TestProxyIsIgnored(t *testing.T) {
	const variable = "PORTCULLIS_TEST_WEBHOOK_URL"
	if to := os.Getenv(variable); to != "" {
		// Another machine's address, for which proxies count: nobody is there.
		s := sender(t, webhook.Options{URL: to, PlainHTTP: true, Timeout: time.Second})
		require.Error(t, s.Deliver(t.Context(), mail()))
		return
	}
	proxy := receive(t, status(200))
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyIsIgnored$")
	cmd.Env = append(os.Environ(), variable+"=http://nobody.invalid/", "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL, "ALL_PROXY="+proxy.URL)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, proxy.requests)
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"https://mail.example.com/hook":          "",
		"http://127.0.0.1:8025/":                 "",
		"http://[::1]:8025/":                     "",
		"http://localhost/":                      "",
		"HTTPS://mail.example.com":               "",
		"http://mail.example.com/":               "is http:// and not for this machine",
		"http://127.0.0.1.example.com/":          "is http:// and not for this machine",
		"http://10.0.0.1/":                       "is http:// and not for this machine",
		"http://localhost.example.com/":          "is http:// and not for this machine",
		"https://ann:hunter2@example.com/":       "holds a user name",
		"https://example.com/#x":                 "holds a #",
		"":                                       "must begin with https://",
		"mail.example.com":                       "must begin with https://",
		"ftp://example.com":                      "must begin with https://",
		"https://":                               "must begin with https://",
		"https://exa mple.com/":                  "must begin with https://",
		"https://x/" + strings.Repeat("x", 2048): "is longer than 2048 bytes",
	} {
		s, err := webhook.New(webhook.Options{URL: address, Secret: hunter})
		if want == "" {
			require.NoError(t, err, address)
			s.Close()
			continue
		}
		require.ErrorContains(t, err, want, address)
		require.Equal(t, authz.Invalid, authz.KindOf(err))
		require.NotContains(t, err.Error(), "hunter2")
	}
	s, err := webhook.New(webhook.Options{URL: "http://mail.example.com/", Secret: hunter, PlainHTTP: true})
	require.NoError(t, err)
	s.Close()
}

func TestSecrets(t *testing.T) {
	key := func(bytes int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, bytes)) }
	for secret, want := range map[string]string{
		"":                            "holds 0 secrets",
		"hunter2":                     `must begin with "whsec_"`,
		"whsec_hunter2!":              "holds no base64",
		"whsec_":                      "is a key of 0 bytes",
		key(23):                       "is a key of 23 bytes",
		key(65):                       "is a key of 65 bytes",
		key(24):                       "",
		key(64):                       "",
		key(32) + "  " + key(33):      "",
		hunter + " hunter2":           `must begin with "whsec_"`,
		strings.Repeat(hunter+" ", 4): "holds 4 secrets",
	} {
		s, err := webhook.New(webhook.Options{URL: "https://mail.example.com", Secret: secret})
		if want == "" {
			require.NoError(t, err, secret)
			s.Close()
			continue
		}
		require.ErrorContains(t, err, want, secret)
		require.Equal(t, authz.Invalid, authz.KindOf(err))
		require.NotContains(t, err.Error(), "hunter2")
		require.NotContains(t, err.Error(), "AAAA")
	}
}
