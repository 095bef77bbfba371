package authz

import (
	"errors"
	"time"
)

// ErrMoved is the cause of a Conflict: the portal is no longer where the write was
// judged, and is to be judged anew.
var ErrMoved = errors.New("the portal has moved since the write was judged")

// ErrReplayed is the cause of a Conflict: a write with this idempotency key has been
// made already.
var ErrReplayed = errors.New("the write has been made already")

// MaxChanges bounds the entities of one Changeset.
const MaxChanges = 10_000

// Changeset is what one write does to a portal, whole or not at all.
type Changeset struct {
	// Base is where the portal stood when the write was judged. A store that finds it
	// elsewhere makes nothing of the write, and says so with ErrMoved. The zero value
	// is a portal that does not exist.
	Base    PortalRevision
	Changes []EntityWrite // of different entities; none for a write that only settles a task
	// Config is the configuration with the changes made, valid; nil when they touch
	// none of it.
	Config *Bundle
	// Publish is the number of the PolicyRevision that comes into force with the write, 0
	// for the folder's policy; nil leaves the policy as it is. Config then holds it.
	Publish *int64
	Entry   AuditEntry // Chain, Seq, Revision, Changes, Prev and Hash are the store's to set
	Tasks   []StoredTask
	// Latches are tasks with Once that are stored or done with this write.
	Latches []Latch
	Settle  *TaskOutcome // of the task that this write carries out
	Once    *Idempotency
}

// EntityWrite is one entity before and after; nil where it is not there.
type EntityWrite struct {
	Entity   Key
	Old, New Stored
}

// Idempotency makes a retried creation find what the first one did.
type Idempotency struct {
	Key         string // of caller, portal and what the caller sent, hashed
	Fingerprint string // hash of the request: another request under the same key is a mistake
	Answer      []byte // to be given again
}

// IdempotencyTime is how long answers are kept.
const IdempotencyTime = 24 * time.Hour

// Committed is what came of a Changeset.
type Committed struct {
	At    PortalRevision
	Entry AuditEntry
}

// Versioned is a stored entity with what the store knows of its last write.
type Versioned struct {
	Stored
	Revision  int64 // of the portal, when it was written
	UpdatedAt time.Time
	UpdatedBy string
}

// ListQuery asks for entities of one kind in the order of their keys.
type ListQuery struct {
	Kind   EntityKind
	Of     string            // the type of records, the role of rights; empty: any
	Filter map[string]string // by field; see ListFilters
	After  string            // Listed.Next of the page before; empty: from the first
	Limit  int               // 1 to MaxPage
}

// MaxPage bounds a page.
const MaxPage = 1000

// ListFilters are the fields by which entities of the kind are filtered, each for
// being equal. A role filters users that are granted it, in force or not.
func ListFilters(kind EntityKind) []string {
	switch kind {
	case UserEntity:
		return []string{"login", "active", "user_type", "role", "account", "contact"}
	case AccountEntity:
		return []string{"parent", "owner"}
	case ContactEntity:
		return []string{"account", "email"}
	case RecordEntity:
		return []string{"account", "contact", "owner", "parent"}
	case NodeEntity:
		return []string{"kind", "parent"}
	case RightEntity:
		return []string{"node"}
	}
	return nil
}

// Listed is one page.
type Listed struct {
	Items []Versioned
	Next  string // where the next page begins; empty after the last
}
