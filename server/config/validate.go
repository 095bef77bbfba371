package config

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Validate returns a *[Problem] for every rule that c breaks, joined, each under
// its key, or nil.
func (c *Config) Validate() error {
	var errs []error
	for _, p := range c.problems() {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

// checks gathers the problems of a configuration.
type checks struct{ problems []*Problem }

func (c *checks) that(ok bool, key, format string, args ...any) {
	if !ok {
		c.problems = append(c.problems, &Problem{Key: key, Msg: fmt.Sprintf(format, args...)})
	}
}

func (c *checks) number(key string, got, least, most int64) {
	c.that(least <= got && got <= most, key, "must be from %d to %d, got %d", least, most, got)
}

func (c *checks) duration(key string, got, least, most time.Duration) {
	c.that(least <= got && got <= most, key, "must be from %s to %s, got %s", least, most, got)
}

func (c *checks) oneOf(key, got string, want ...string) {
	c.that(slices.Contains(want, got), key, "must be one of %s, got %s", strings.Join(want, ", "), clip(got))
}

func (c *Config) problems() []*Problem {
	var k checks
	c.checkAddr(&k)
	k.that(c.Data != "" || c.Mongo.URI != "", "data", "must name a folder while mongo.uri is empty")
	k.that(c.Mongo.URI == "" || isMongo(c.Mongo.URI.Reveal()), "mongo.uri", "must begin with mongodb:// or mongodb+srv:// and name a host, such as mongodb://127.0.0.1:27017/?replicaSet=rs0")
	k.that(database.MatchString(c.Mongo.Database), "mongo.database", `must be 1 to 63 letters, digits, "_" or "-", got %s`, clip(c.Mongo.Database))
	c.Auth.check(&k)
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", c.Log.Format, "text", "json")
	c.Limits.check(&k)
	k.duration("poll", c.Poll, 10*time.Millisecond, time.Second)
	k.duration("drain.delay", c.Drain.Delay, 0, 5*time.Minute)
	k.duration("drain.timeout", c.Drain.Timeout, time.Millisecond, 10*time.Minute)
	c.Webhook.check(&k)
	return k.problems
}

func (l *Limits) check(k *checks) {
	k.number("limits.body", l.Body, 1<<10, 64<<20)
	k.number("limits.depth", int64(l.Depth), 4, 256)
	k.number("limits.batch", int64(l.Batch), 1, 10_000)
	k.duration("limits.eval", l.Eval, time.Millisecond, 10*time.Second)
	k.duration("limits.request", l.Request, time.Millisecond, time.Minute)
	k.that(l.Request >= l.Eval || l.Request < time.Millisecond, "limits.request", "must be at least limits.eval, which is %s, got %s: an evaluation could never use its time", l.Eval, l.Request)
	k.number("limits.cache", int64(l.Cache), 1, 10_000_000)
}

// check leaves the webhook's own rules to who makes the requests.
func (w *Webhook) check(k *checks) {
	https := strings.HasPrefix(w.URL, "https://") || strings.HasPrefix(w.URL, "http://")
	k.that(w.URL == "" || https, "webhook.url", "must begin with https:// and name a host, such as https://mail.example.com/portcullis")
	k.that(w.URL == "" || w.Secret != "", "webhook.url", "needs webhook.secret beside it: whsec_ and what openssl rand -base64 32 prints")
	k.that(w.Secret == "" || strings.HasPrefix(w.Secret.Reveal(), "whsec_"), "webhook.secret", "must begin with whsec_")
	k.oneOf("webhook.plain_http", w.PlainHTTP, PlainLoopback, PlainAnywhere)
}

// SocketPrefix begins an address that is a Unix socket.
const SocketPrefix = "unix:"

// Socket returns the path of the Unix socket that the address names, and false for
// any other address.
func Socket(addr string) (path string, ok bool) { return strings.CutPrefix(addr, SocketPrefix) }

func (c *Config) checkAddr(k *checks) {
	if path, ok := Socket(c.Addr); ok {
		k.that(strings.HasPrefix(path, "/") && !strings.HasSuffix(path, "/") && !strings.ContainsRune(path, 0), "addr",
			"must name the file of a socket by its whole path, such as unix:/run/portcullis.sock, got %s", clip(c.Addr))
		return
	}
	k.that(isAddr(c.Addr), "addr", "must be host:port with a port up to 65535, such as 127.0.0.1:8181, or unix:/path of a socket, got %s", clip(c.Addr))
}

func (a *Auth) check(k *checks) {
	names, _ := a.Permissions()
	for _, name := range names {
		switch {
		case name == "admin" || name == "log":
			k.that(false, "auth.anonymous", "cannot hold %s: that always takes a key", name)
		case !slices.Contains(anonymous, name):
			k.that(false, "auth.anonymous", "must be %s, or some of %s with commas between them, got %s", None, strings.Join(anonymous, ", "), clip(a.Anonymous))
			return
		}
	}
}

func isAddr(s string) bool {
	host, port, err := net.SplitHostPort(s)
	n, bad := strconv.ParseUint(port, 10, 16)
	return err == nil && bad == nil && n <= 65535 && !strings.ContainsAny(host, " /")
}

var database = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

func isMongo(uri string) bool {
	rest, ok := strings.CutPrefix(uri, "mongodb://")
	if !ok {
		rest, ok = strings.CutPrefix(uri, "mongodb+srv://")
	}
	host := rest[strings.LastIndex(rest, "@")+1:]
	return ok && host != "" && !strings.HasPrefix(host, "/") && !strings.HasPrefix(host, "?") && !strings.ContainsAny(uri, " \t\r\n")
}
