package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/config"
	"github.com/portcullis-authz/portcullis/server/keys"
)

// Variables of clients, which are no keys of the configuration.
const (
	serverVariable = config.Prefix + "SERVER" // names the server to ask
	keyVariable    = config.Prefix + "KEY"    // is sent as a bearer key
)

// userHeader names the user for whom a call of the administration is made.
const userHeader = "Portcullis-User"

// serverFlags say which server to ask, and for how long.
type serverFlags struct {
	Server *string       `help:"Address of a running server, http://host:port or unix:/path; else $$${server_variable}, else the one that $$${addr_variable} makes a server on this machine listen on, else ${server_default}." placeholder:"URL" xor:"where"`
	Wait   time.Duration `help:"How long to wait for the server's answer." default:"${wait_default}" placeholder:"TIME"`
}

const (
	addrVariable = config.Prefix + "ADDR"
	waitDefault  = 10 * time.Second
)

// remote is a running server.
type remote struct {
	base   string // URL, without a slash at its end
	socket string // path of the Unix socket that leads there; empty: none
	key    string // sent as a bearer key; empty: none
	wait   time.Duration
}

// remote returns the server to ask, and the key of the environment to ask it with.
func (f *serverFlags) remote(s *streams) (*remote, error) {
	r, err := f.keyless(s)
	if err != nil {
		return nil, err
	}
	r.key = variable(s.env, keyVariable)
	if _, _, ok := keys.Parse(r.key); !ok && r.key != "" {
		return nil, authz.Errorf(authz.Invalid, "holds no key: want one such as ptc_..., whole, as portcullis key create shows it").At(keyVariable)
	}
	return r, nil
}

// keyless returns the server to ask what takes no key.
func (f *serverFlags) keyless(s *streams) (*remote, error) {
	text, from := "http://"+config.Default().Addr, "the default"
	if addr := variable(s.env, addrVariable); addr != "" {
		text, from = reachable(addr), addrVariable
	}
	if v := variable(s.env, serverVariable); v != "" {
		text, from = v, serverVariable
	}
	if f.Server != nil {
		text, from = *f.Server, "--server"
	}
	r, err := remoteAt(text)
	if err != nil {
		return nil, err.At(from)
	}
	r.wait = f.Wait
	return r, nil
}

// remoteAt returns the server at an address of either form.
func remoteAt(text string) (*remote, *authz.Error) {
	if path, ok := config.Socket(text); ok && path != "" {
		return &remote{base: "http://localhost", socket: path, wait: waitDefault}, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, authz.Errorf(authz.Invalid, "want the address of a server such as http://127.0.0.1:8181 or unix:/run/portcullis.sock, got %q", text)
	}
	return &remote{base: strings.TrimSuffix(text, "/"), wait: waitDefault}, nil
}

// String returns the address, as messages name the server.
func (r *remote) String() string {
	if r.socket != "" {
		return config.SocketPrefix + r.socket
	}
	if u, err := url.Parse(r.base); err == nil {
		return u.Scheme + "://" + u.Host
	}
	return r.base
}

// variable returns the value of an environment variable, or "".
func variable(env []string, name string) string {
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// reachable returns the URL, or the socket, at which a server that listens on addr
// can be reached from the same machine.
func reachable(addr string) string {
	if _, ok := config.Socket(addr); ok {
		return addr
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "http://" + addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// reply is an answer of a server.
type reply struct {
	status int
	header http.Header
	body   string
}

// send sends one request and returns the answer. body is JSON, or empty; header may
// be nil. It follows no redirect: a question, and the key with it, goes to the
// server that was named and to no other.
func (r *remote) send(ctx context.Context, method, path, body string, header http.Header) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, strings.NewReader(body))
	if err != nil {
		return nil, authz.Errorf(authz.Invalid, "%q is no address of a server: %v", r.base+path, err).Because(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+r.key)
	}
	maps.Copy(req.Header, header)
	client := &http.Client{Transport: r.transport(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return nil, r.unreachable(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, r.unreachable(err)
	}
	if len(text) > maxAnswer {
		return nil, authz.Errorf(authz.TooLarge, "the server at %s answers with more than %d bytes", r, maxAnswer)
	}
	return &reply{resp.StatusCode, resp.Header, string(text)}, nil
}

// transport leads to the socket when there is one.
func (r *remote) transport() http.RoundTripper {
	if r.socket == "" {
		return http.DefaultTransport
	}
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", r.socket)
	}}
}

// unreachable says why there was no answer, and what to do about it.
func (r *remote) unreachable(err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), r.socket != "" && errors.Is(err, syscall.ENOENT):
		return authz.Errorf(authz.Unavailable, "no server listens at %s: start one with portcullis serve, or name another with --server", r)
	case errors.Is(err, context.DeadlineExceeded):
		return authz.Errorf(authz.Unavailable, "the server at %s did not answer within %s: see its log, or wait longer with --wait", r, r.wait)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return authz.Errorf(authz.Unavailable, "the server at %s cannot be reached: %v", r, err)
}

// post sends a JSON body and returns the body of a 200 answer.
func (r *remote) post(ctx context.Context, path, body string) (string, error) {
	a, err := r.send(ctx, http.MethodPost, path, body, nil)
	if err != nil {
		return "", err
	}
	if a.status != http.StatusOK {
		return "", authz.Errorf(kindOf(a.status), "the server answers %d %s: %s%s", a.status, http.StatusText(a.status), message(a.body), r.hint(a.status))
	}
	return a.body, nil
}

// hint says where a key is taken from when one is missing.
func (r *remote) hint(status int) string {
	if status == http.StatusUnauthorized && r.key == "" {
		return "; the key to send is taken from $" + keyVariable
	}
	return ""
}

func kindOf(status int) authz.Kind {
	switch {
	case status == http.StatusNotFound:
		return authz.NotFound
	case status == http.StatusUnauthorized:
		return authz.Unauthenticated
	case status == http.StatusForbidden:
		return authz.Forbidden
	case status >= http.StatusInternalServerError:
		return authz.Unavailable
	}
	return authz.Invalid
}

// maxShown bounds what is shown of a body that is no message of ours, in bytes.
const maxShown = 300

// message returns what a body says: the text of a JSON string, or the beginning of
// anything else.
func message(body string) string {
	var text string
	if json.Unmarshal([]byte(body), &text) == nil {
		return text
	}
	if len(body) > maxShown {
		body = strings.ToValidUTF8(body[:maxShown], "") + "…"
	}
	return fmt.Sprintf("%q", body)
}
