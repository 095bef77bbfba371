package webhook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// Failure says why the receiver does not have a mail. Its text names neither the
// address nor the secret.
type Failure struct {
	msg   string
	final bool
	wait  time.Duration
	cause error
}

func failure(format string, args ...any) *Failure { return &Failure{msg: fmt.Sprintf(format, args...)} }

func (f *Failure) because(err error) *Failure { f.cause = err; return f }

// Error says what happened.
func (f *Failure) Error() string { return f.msg }

// Unwrap returns the cause, or nil.
func (f *Failure) Unwrap() error { return f.cause }

// Final reports whether another attempt is of no use.
func (f *Failure) Final() bool { return f.final }

// RetryAfter returns how long the receiver asks to wait, or 0.
func (f *Failure) RetryAfter() time.Duration { return f.wait }

// unreachable says what is wrong in words that hold no part of the address's path.
func unreachable(err error) *Failure {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return failure("the receiver did not answer in time").because(err)
	}
	return failure("the receiver cannot be reached: %v", err).because(err)
}
