package admin

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Store keeps portals, their audit, their tasks, and the callers. What does not
// exist is an authz.NotFound error.
type Store interface {
	// Head says where the portal stands.
	Head(ctx context.Context, portal string) (authz.PortalRevision, error)
	Entity(ctx context.Context, portal string, k authz.Key) (authz.Versioned, error)
	List(ctx context.Context, portal string, q authz.ListQuery) (authz.Listed, error)
	// Commit makes the changeset whole or not at all. A Conflict because of
	// authz.ErrMoved or authz.ErrReplayed is one that the service can go on from.
	Commit(ctx context.Context, portal string, c *authz.Changeset) (authz.Committed, error)
	// Check returns the error that Commit would, and writes nothing.
	Check(ctx context.Context, portal string, c *authz.Changeset) error
	// Replay returns what the write with the idempotency key left.
	Replay(ctx context.Context, portal, key string) (fingerprint string, answer []byte, err error)
	// Latches returns the tasks with Once that have been stored for the entity.
	Latches(ctx context.Context, portal string, entity authz.Key) ([]string, error)

	Chain(ctx context.Context, chain string) (authz.ChainState, error)
	// Entries returns entries of the chain in its order, those after the number.
	Entries(ctx context.Context, chain string, after int64, limit int) ([]authz.AuditEntry, error)
	Audit(ctx context.Context, chain string, q authz.AuditQuery) (authz.AuditPage, error)

	Tasks(ctx context.Context, q authz.TaskQuery) (authz.TaskPage, error)
	Retry(ctx context.Context, portal, name string) error

	PolicyState(ctx context.Context, portal string) (authz.PolicyState, error)
	// Revision returns a revision of the portal's policy, with its files.
	Revision(ctx context.Context, portal string, number int64) (authz.PolicyRevision, error)
	// Revisions returns revisions before the number, newest first and without files; 0:
	// from the newest.
	Revisions(ctx context.Context, portal string, before int64, limit int) ([]authz.PolicyRevision, error)

	Callers(ctx context.Context) ([]authz.Caller, error)
	PutCaller(ctx context.Context, c authz.Caller, e authz.AuditEntry) error
	DeleteCaller(ctx context.Context, id string, e authz.AuditEntry) error
}

// Live publishes what is decided on.
type Live interface {
	// Await returns when what is published of the portal is at least at the
	// revision, or says why it is not.
	Await(ctx context.Context, portal string, revision int64) error
	// Applied publishes a write of this process. config is nil when it touches none
	// of the configuration; nobody may write to it afterwards.
	Applied(portal string, from, to authz.PortalRevision, changes []authz.EntityWrite, config *authz.Bundle)
}

// Decider judges by the portal's policy.
type Decider interface {
	// DecideCall decides a call that would turn before into after; each is nil where
	// the entity is not there. anyRole reports that the decision is the same for the
	// right of any other role from and to the same levels; it may be false where that is
	// not known.
	DecideCall(ctx context.Context, portal string, q authz.Query, before, after authz.Stored) (d authz.Decision, anyRole bool, err error)
	// DecideNew decides a call that makes the portal of config, by the policy that it
	// is to have.
	DecideNew(ctx context.Context, config *authz.Bundle, q authz.Query, after authz.Stored) (authz.Decision, error)
	Admit(ctx context.Context, portal string, c *authz.Change, known authz.Known) (authz.Admission, error)
	Provision(ctx context.Context, portal string, c *authz.Change, known authz.Known) (authz.Provisioning, error)
	// Plain reports whether Admit accepts the change with nothing added and Provision
	// wants nothing, and whether that is so for the right of any other role. It may say
	// false where it does not know.
	Plain(ctx context.Context, portal string, c *authz.Change, known authz.Known) (plain, anyRole bool, err error)
	// Configuration returns the configuration that is published of the portal.
	// Nobody may write to it.
	Configuration(portal string) (*authz.Bundle, error)
	// Usable says why the configuration could not be decided on if it were published,
	// or nil. What is wrong with it is an error because of authz.Faults. Nobody may
	// write to it afterwards.
	Usable(config *authz.Bundle) error
}

// Options of a Service.
type Options struct {
	Log *slog.Logger     // of decisions; nil: nothing is logged
	Now func() time.Time // nil: the clock
	// NewKey makes the key of a caller, with its public part and the hash that is
	// kept of it.
	NewKey   func() (key, id string, hash []byte)
	Policies Policies // examines policies; nil: there are none in the store
	// Examine bounds an examination of a policy; 0: 2 min.
	Examine time.Duration
	// Wait bounds how long a write waits for those before it; 0: 10 s.
	Wait time.Duration
}

// Service administers portals. It is safe for concurrent use.
type Service struct {
	store   Store
	live    Live
	decider Decider
	opts    Options
	turns   turns
	sorted  sortedRoles

	examinations examinations
}

// New returns a Service on the store, what is published of it, and the policies.
func New(store Store, live Live, decider Decider, o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Examine = cmp.Or(o.Examine, examinationStandard)
	o.Wait = cmp.Or(o.Wait, 10*time.Second)
	return &Service{store: store, live: live, decider: decider, opts: o}
}

// now returns the moment, as exactly as it is stored.
func (s *Service) now() time.Time { return s.opts.Now().UTC().Truncate(time.Millisecond) }
