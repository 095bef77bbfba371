package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/config"
)

// serverVariable names the server to ask in the environment of clients. It is no
// key of the configuration.
const serverVariable = config.Prefix + "SERVER"

// serverFlags say which server to ask, and for how long.
type serverFlags struct {
	Server *string       `help:"Address of a running server; else $$${server_variable}, else the one that $$${addr_variable} makes a server on this machine listen on, else ${server_default}." placeholder:"URL" xor:"where"`
	Wait   time.Duration `help:"How long to wait for the server's answer." default:"${wait_default}" placeholder:"TIME"`
}

const (
	addrVariable = config.Prefix + "ADDR"
	waitDefault  = 10 * time.Second
)

// address returns the URL of the server to ask, without a slash at its end.
func (f *serverFlags) address(s *streams) (string, error) {
	text, from := "http://"+config.Default().Addr, "the default"
	if addr := variable(s.env, addrVariable); addr != "" {
		text, from = "http://"+reachable(addr), addrVariable
	}
	if v := variable(s.env, serverVariable); v != "" {
		text, from = v, serverVariable
	}
	if f.Server != nil {
		text, from = *f.Server, "--server"
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", authz.Errorf(authz.Invalid, "want the address of a server such as http://127.0.0.1:8181, got %q", text).At(from)
	}
	return strings.TrimSuffix(text, "/"), nil
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

// reachable returns the address at which a server that listens on addr can be
// reached from the same machine.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// fetch sends one request within wait and returns the status and the body of the
// answer. body is JSON, or empty. It follows no redirect: a question goes to the
// server that was named and to no other.
func fetch(ctx context.Context, wait time.Duration, method, address, body string) (status int, answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return 0, "", authz.Errorf(authz.Invalid, "%q is no address of a server: %v", address, err).Because(err)
	}
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", unreachable(req.URL, wait, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return 0, "", unreachable(req.URL, wait, err)
	}
	if len(text) > maxAnswer {
		return 0, "", authz.Errorf(authz.TooLarge, "the server at %s answers with more than %d bytes", origin(req.URL), maxAnswer)
	}
	return resp.StatusCode, string(text), nil
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// unreachable says why there was no answer, and what to do about it.
func unreachable(u *url.URL, wait time.Duration, err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return authz.Errorf(authz.Unavailable, "no server listens at %s: start one with portcullis serve, or name another with --server", origin(u))
	case errors.Is(err, context.DeadlineExceeded):
		return authz.Errorf(authz.Unavailable, "the server at %s did not answer within %s: see its log, or wait longer with --wait", origin(u), wait)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return authz.Errorf(authz.Unavailable, "the server at %s cannot be reached: %v", origin(u), err)
}

// post sends a JSON body and returns the body of a 200 answer.
func post(ctx context.Context, wait time.Duration, address, body string) (string, error) {
	status, answer, err := fetch(ctx, wait, http.MethodPost, address, body)
	if err != nil {
		return "", err
	}
	if status != http.StatusOK {
		return "", authz.Errorf(kindOf(status), "the server answers %d %s: %s", status, http.StatusText(status), message(answer))
	}
	return answer, nil
}

func kindOf(status int) authz.Kind {
	switch {
	case status == http.StatusNotFound:
		return authz.NotFound
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
