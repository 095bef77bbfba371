package authz

import (
	"context"
	"slices"
	"time"
)

// Permission is a part of the service that a key opens.
type Permission string

const (
	PermitDecide  Permission = "decide"
	PermitSearch  Permission = "search"
	PermitExplain Permission = "explain"
	PermitLog     Permission = "log"
	PermitAdmin   Permission = "admin"
)

// Permissions returns all there are.
func Permissions() []Permission {
	return []Permission{PermitDecide, PermitSearch, PermitExplain, PermitLog, PermitAdmin}
}

// Any in Caller.Portals or Caller.ActsFor stands for all of them.
const Any = "*"

// Caller is a portal, a program or a person who calls with a key. What a key
// opens is said here; what the user behind it may do there is the policy's to say.
type Caller struct {
	ID          string // the public part of the key
	Name        string // for people
	Hash        []byte // SHA-256 of the key's secret part
	Portals     []string
	Permissions []Permission
	User        string   // id of the user that every call of the key is by; empty: none
	ActsFor     []string // ids of the users that a call may name as acting; none together with User
	CreatedAt   time.Time
	CreatedBy   string
	Until       time.Time // the key opens nothing at or after; zero: it has no end
}

// InForce reports whether the key counts at now.
func (c *Caller) InForce(now time.Time) bool { return c.Until.IsZero() || now.Before(c.Until) }

// Opens reports whether the key opens that part of the service for the portal.
// Without a portal it takes a key to all of them.
func (c *Caller) Opens(p Permission, portal string) bool {
	return slices.Contains(c.Permissions, p) && (slices.Contains(c.Portals, Any) || portal != "" && slices.Contains(c.Portals, portal))
}

// MayActFor reports whether a call of the key may name the user as acting.
func (c *Caller) MayActFor(user string) bool {
	return user != "" && (c.User == user || slices.Contains(c.ActsFor, user) || slices.Contains(c.ActsFor, Any))
}

// CallerEntity is the kind of callers in audit entries. They are no entities of a
// portal: no Key of this kind is stored or parsed.
const CallerEntity EntityKind = "caller"

// Document returns the caller as an object, as the audit and the administration
// show it: without its hash, and times as text.
func (c *Caller) Document() map[string]any {
	return document{"id": c.ID, "created_at": c.CreatedAt.UTC().Format(time.RFC3339Nano)}.
		text("name", c.Name).text("user", c.User).text("created_by", c.CreatedBy).
		texts("portals", c.Portals).texts("permissions", permissionNames(c.Permissions)).texts("acts_for", c.ActsFor).
		time("until", c.Until)
}

func permissionNames(ps []Permission) []string {
	names := make([]string, len(ps))
	for i, p := range ps {
		names[i] = string(p)
	}
	return names
}

// CallerChange is what an audit entry says of a write of a caller; nil stands for
// none.
func CallerChange(before, after *Caller) EntityChange {
	c := EntityChange{}
	if before != nil {
		c.Entity, c.Before = Key{Kind: CallerEntity, ID: before.ID}, before.Document()
	}
	if after != nil {
		c.Entity, c.After = Key{Kind: CallerEntity, ID: after.ID}, after.Document()
	}
	return c
}

// Acting says who makes a call. The zero value is the command line on the machine
// that holds the store.
type Acting struct {
	Caller *Caller // whose key it is; nil: nobody's
	User   string  // id of the user who acts; empty: the caller itself
}

type actingKey struct{}

// WithActing returns a context that says who makes the call.
func WithActing(ctx context.Context, a Acting) context.Context {
	return context.WithValue(ctx, actingKey{}, a)
}

// ActingOf returns who makes the call, and false when the context does not say.
func ActingOf(ctx context.Context) (Acting, bool) {
	a, ok := ctx.Value(actingKey{}).(Acting)
	return a, ok
}
