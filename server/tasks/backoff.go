package tasks

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

const (
	// maxAttempts and giveUp end the attempts at a task.
	maxAttempts = 12
	giveUp      = 24 * time.Hour
	// firstWait and maxWait are between which attempts wait for each other.
	firstWait = time.Second
	maxWait   = 10 * time.Minute
	// maxRetryAfter bounds what a receiver may ask for.
	maxRetryAfter = time.Hour
	// maxError bounds what is kept of an error's text, in bytes.
	maxError = 500
)

// backoff returns how long to wait after the attempt, which counts from 1: up to a
// quarter more than the doubled second.
func backoff(attempt int) time.Duration {
	wait := maxWait
	if attempt < 11 { // the tenth waits 512 s
		wait = firstWait << max(0, attempt-1)
	}
	return wait + rand.N(wait/4)
}

// retryAfter returns how long err asks to wait, within the bound.
func retryAfter(err error) time.Duration {
	var asks interface{ RetryAfter() time.Duration }
	if !errors.As(err, &asks) {
		return 0
	}
	return min(asks.RetryAfter(), maxRetryAfter)
}

// final reports whether a receiver will never take the mail.
func final(err error) bool {
	var says interface{ Final() bool }
	return errors.As(err, &says) && says.Final()
}

// refused reports whether err says that the task itself is at fault, and not the
// moment.
func refused(err error) bool {
	if _, ok := errors.AsType[authz.Faults](err); ok {
		return true
	}
	switch authz.KindOf(err) {
	case authz.Invalid, authz.NotFound, authz.TooLarge, authz.Forbidden, authz.Rejected:
		return true
	}
	return false
}

// clip bounds a text without cutting a character in two.
func clip(s string) string {
	if len(s) <= maxError {
		return s
	}
	end := maxError - len("...")
	for end > 0 && s[end]&0xC0 == 0x80 {
		end--
	}
	return s[:end] + "..."
}
