package httpapi

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Waits of a listener.
const (
	refuseWait  = time.Second            // for writing the answer to one connection too many
	lingerWait  = 500 * time.Millisecond // for a client to read an answer given before its request was read
	backoffMost = time.Second            // between two attempts to accept
)

// listener bounds the connections open at once and knows them, so that they can
// be closed when a drain takes too long.
type listener struct {
	net.Listener
	most int
	log  *slog.Logger
	done chan struct{}

	mu     sync.Mutex
	conns  map[*conn]struct{}
	closed bool
}

func newListener(ln net.Listener, o Options) *listener {
	return &listener{Listener: ln, most: o.Connections, log: o.Log, done: make(chan struct{}), conns: map[*conn]struct{}{}}
}

// Accept returns the next connection within the bound. It survives a shortage of
// file descriptors, at which fasthttp would stop serving for good.
func (l *listener) Accept() (net.Conn, error) {
	wait := 5 * time.Millisecond
	for {
		raw, err := l.Listener.Accept()
		if err == nil {
			if c := l.admit(raw); c != nil {
				return c, nil
			}
			continue
		}
		if !passing(err) {
			return nil, err
		}
		l.log.Warn("cannot accept connections, trying again", "err", err, "wait", wait)
		if !l.pause(wait) {
			return nil, net.ErrClosed
		}
		wait = min(2*wait, backoffMost)
	}
}

// passing reports whether err goes away by waiting or concerns one client alone.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// pause waits, and reports false when the listener was closed meanwhile.
func (l *listener) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.done:
		return false
	}
}

// admit registers the connection, or answers that there are too many and
// returns nil.
func (l *listener) admit(raw net.Conn) *conn {
	c := &conn{Conn: raw, of: l}
	l.mu.Lock()
	ok := len(l.conns) < l.most
	if ok {
		l.conns[c] = struct{}{}
	}
	l.mu.Unlock()
	if ok {
		return c
	}
	refuse(raw)
	return nil
}

// refuse answers with 503 before any request is read. The answer fits the
// socket's buffer, so that the wait is for in-memory connections.
func refuse(c net.Conn) {
	const body = `"too many connections are open: use fewer, or try again later"`
	_ = c.SetWriteDeadline(time.Now().Add(refuseWait))
	_, _ = io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"+
		"X-Content-Type-Options: nosniff\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
	_ = c.Close()
}

// Close stops accepting and leaves connections alone. It may be called again.
func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	close(l.done)
	return l.Listener.Close()
}

// abort closes every connection, whatever it is doing.
func (l *listener) abort() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Conn.Close()
	}
}

func (l *listener) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// conn is a connection that its listener knows.
type conn struct {
	net.Conn
	of     *listener
	unread atomic.Bool // an answer was given with some of the request still unread
}

// SetWriteDeadline never fails, for fasthttp ends the process when it does, and
// it does on a connection that a drain has closed meanwhile. The write that
// follows tells.
func (c *conn) SetWriteDeadline(t time.Time) error {
	_ = c.Conn.SetWriteDeadline(t)
	return nil
}

// Close closes the connection. One with an unread rest of a request is closed
// for writing first and read for a while: closed at once, the system would reset
// it, and the client might lose the answer that says what was wrong.
func (c *conn) Close() error {
	defer c.of.forget(c)
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if ok && c.unread.Swap(false) && half.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(lingerWait))
		_, _ = io.Copy(io.Discard, c.Conn)
	}
	return c.Conn.Close()
}
