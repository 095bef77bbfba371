package authz

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what went wrong in terms a caller can act on. Transports map a Kind
// to their own status codes; nothing below a transport knows about HTTP.
type Kind uint8

const (
	Internal Kind = iota // the zero value: whatever is unclassified is our fault
	Invalid              // the caller's input is wrong
	NotFound
	Conflict    // the state of the store forbids it now: in use, lost race, still referenced
	TooLarge    // over a documented bound
	Unavailable // the store or the policy cannot answer now

	Unauthenticated // no key, or one that opens nothing
	Forbidden       // the key, or the policy, does not let the caller do it
	Rejected        // well-formed, and against a rule of the portal's data or policy
	Stale           // what the caller has seen is no longer so: If-Match does not hold
	Unconditional   // the caller does not say what it has seen: If-Match is missing
)

// Error is an error whose Msg and Field may be shown to the caller. The cause is
// for logs only.
type Error struct {
	Kind  Kind
	Field string // path of the offending field, such as "subject.id"; empty when none is at fault
	Msg   string
	cause error
}

// Errorf returns an Error of kind k with a formatted message.
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Msg: fmt.Sprintf(format, args...)}
}

// At sets the path of the field at fault and returns e.
func (e *Error) At(field string) *Error { e.Field = field; return e }

// Because attaches the cause that logs, but not callers, see; it returns e.
func (e *Error) Because(cause error) *Error { e.cause = cause; return e }

// Error returns the message with its field, without the cause.
func (e *Error) Error() string {
	if e.Field == "" {
		return e.Msg
	}
	return e.Field + ": " + e.Msg
}

// Unwrap returns the hidden cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// KindOf returns the kind of the outermost *Error in err's chain, or Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Fault is one thing wrong with a portal's data.
type Fault struct {
	// Path leads to the value from the World: "users[3].grants[0].role". A
	// loader turns it into a file and a line.
	Path string
	Msg  string // what is wrong and what would be right
}

// Faults are all that is wrong, in the order of the data.
type Faults []Fault

// Error lists every fault, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, x := range f {
		lines[i] = x.Path + ": " + x.Msg
	}
	return strings.Join(lines, "\n")
}

// Err returns f as an error, or nil when there is no fault.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}
