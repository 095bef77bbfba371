package webhook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

const (
	// maxURL bounds the address, in bytes.
	maxURL = 2048
	// maxHeaders and maxAnswer bound what is read of an answer, in bytes.
	maxHeaders = 16 << 10
	maxAnswer  = 4 << 10
	// defaultTimeout bounds one attempt, from the connection to the answer's headers.
	defaultTimeout = 10 * time.Second
)

// Options of a Sender.
type Options struct {
	URL    string // of the receiver
	Secret string // one to three of whsec_<base64>, separated by spaces

	// PlainHTTP lets the URL be http:// for other machines than this one, where
	// whoever listens on the way reads the mails' addressees.
	PlainHTTP bool
	Timeout   time.Duration    // of one attempt; 0: 10 s
	Roots     *x509.CertPool   // who may vouch for the receiver; nil: the system's
	Now       func() time.Time // nil: the system's
}

// Sender delivers mails to one receiver. It is safe for use by several goroutines.
type Sender struct {
	url    string
	keys   keys
	now    func() time.Time
	client *http.Client
}

// New checks the options, and reaches nobody. Its errors are authz.Invalid and
// hold no part of the secret.
func New(o Options) (*Sender, error) {
	u, err := parseURL(o.URL, o.PlainHTTP)
	if err != nil {
		return nil, err
	}
	ks, err := parseSecrets(o.Secret)
	if err != nil {
		return nil, err
	}
	s := &Sender{url: u.String(), keys: ks, now: o.Now}
	if s.now == nil {
		s.now = time.Now
	}
	s.client = client(cmp.Or(o.Timeout, defaultTimeout), o.Roots, u.Scheme == "http" && !o.PlainHTTP)
	return s, nil
}

func parseURL(text string, plain bool) (*url.URL, error) {
	fault := func(format string, args ...any) (*url.URL, error) {
		return nil, authz.Errorf(authz.Invalid, format, args...).At("webhook.url")
	}
	u, err := url.Parse(text)
	switch {
	case len(text) > maxURL:
		return fault("is longer than %d bytes", maxURL)
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fault("must begin with https:// and name a host, such as https://mail.example.com/portcullis")
	case u.User != nil:
		return fault("holds a user name, which is not sent: the signature says whose the request is")
	case u.Fragment != "":
		return fault("holds a #, and what follows it is never sent: take it out")
	case u.Scheme == "http" && !plain && !loopback(u.Hostname()):
		return fault("is http:// and not for this machine: use https://, or allow it with webhook.plain_http")
	}
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// client makes requests to the very address, and with onlyHere to no other
// machine whatever the name of the host stands for.
func client(timeout time.Duration, roots *x509.CertPool, onlyHere bool) *http.Client {
	dialer := &net.Dialer{Timeout: timeout}
	if onlyHere {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			if host, _, err := net.SplitHostPort(address); err != nil || !loopback(host) {
				return errors.New("the name does not stand for this machine, as an address with http:// must")
			}
			return nil
		}
	}
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{ // without a proxy, whatever the environment says
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    timeout,
			MaxResponseHeaderBytes: maxHeaders,
			MaxIdleConnsPerHost:    4,
			MaxConnsPerHost:        16,
			IdleConnTimeout:        time.Minute,
			ForceAttemptHTTP2:      true,
		},
	}
}

// message is the body.
type message struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Portal   string    `json:"portal"`
	Template string    `json:"template"`
	To       string    `json:"to"`
	Entity   string    `json:"entity,omitempty"`
	Cause    string    `json:"cause"`
	At       time.Time `json:"at"`
}

// Deliver sends the mail once. Its error is a *[Failure]; nil says that the
// receiver has it.
func (s *Sender) Deliver(ctx context.Context, mail authz.StoredTask) error {
	id := messageID(mail.Name)
	body, err := json.Marshal(message{
		ID: id, Type: "mail", Portal: mail.Portal, Template: mail.Template, To: mail.To,
		Entity: mail.Entity.Ref(), Cause: mail.Cause.Ref(), At: mail.CreatedAt.UTC(),
	})
	if err != nil {
		return failure("the mail cannot be written as JSON").because(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return failure("the receiver cannot be asked").because(err)
	}
	at := s.now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "portcullis")
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	req.Header.Set("Webhook-Signature", s.keys.sign(id, at, body))
	resp, err := s.client.Do(req)
	if err != nil {
		return unreachable(err)
	}
	// A short answer that is read to its end lets the connection be used again.
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	_ = resp.Body.Close()
	return s.judge(resp)
}

// messageID returns the name as a header takes it. A dot would end it where it is
// signed.
func messageID(name string) string {
	return strings.NewReplacer(".", "%2E", "+", "%20").Replace(url.QueryEscape(name))
}

// judge says what the answer means.
func (s *Sender) judge(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusGone:
		f := failure("the receiver answered 410: it never takes this mail")
		f.final = true
		return f
	case code >= 300 && code < 400:
		return failure("the receiver answered %d, and redirects are not followed: configure the address that it leads to", code)
	default:
		f := failure("the receiver answered %d", code)
		f.wait = retryAfter(resp.Header.Get("Retry-After"), s.now())
		return f
	}
}

// retryAfter returns how long the header asks to wait, or 0 when it does not.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// Close ends connections that wait for the next mail.
func (s *Sender) Close() { s.client.CloseIdleConnections() }
