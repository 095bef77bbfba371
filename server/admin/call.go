package admin

import (
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Bounds of one call.
const (
	MaxItems = authz.MaxChanges // items of a batch, cells of a write of rights
	MaxNote  = 2000             // bytes of Call.Note
	MaxKey   = 255              // bytes of Call.IdempotencyKey
)

// Values of Call.IfMatch and Item.IfMatch that are no ETag.
const (
	// Whatever says that an entity is to be changed as it is, whatever it is.
	Whatever = "*"
	// None says that there must be no such entity yet.
	None = "none"
)

// Call is who calls, about which portal, and under which conditions.
type Call struct {
	Portal  string
	Acting  authz.Acting
	Request string         // id of the request, for the audit and the log
	Context map[string]any // what the caller says of the circumstances; values as in an authz.Query
	Note    string         // why, for the audit
	// DryRun stops a write before anything is stored.
	DryRun bool
	// IfMatch is the ETag of what is changed, as read before; Whatever, or None. It
	// may be a list, separated by commas, and each may stand in double quotes.
	IfMatch string
	// IdempotencyKey makes a repeated write find what the first one did.
	IdempotencyKey string
}

// Entity is a stored entity as callers see it.
type Entity struct {
	Key authz.Key `json:"key"`
	// Document has the members that authz.Document gives it, but a level by its name.
	Document  map[string]any `json:"document"`
	ETag      string         `json:"etag"` // opaque, without quotes
	Revision  int64          `json:"revision"`
	UpdatedAt time.Time      `json:"updated_at"`
	UpdatedBy string         `json:"updated_by"`
}

// Page is one page of entities. Those that the caller may not read are left out.
type Page struct {
	Items  []Entity
	Next   string // where the next page begins; empty after the last
	Looked int    // how many entities were looked at for this page
}

// Operation is what an Item does.
type Operation string

const (
	CreateItem  Operation = "create"
	ReplaceItem Operation = "replace" // creates what is not there
	PatchItem   Operation = "patch"
	DeleteItem  Operation = "delete"
)

// Item is one entity of a batch. Document is the whole entity, or for PatchItem a
// merge patch of it (RFC 7396); none for DeleteItem.
type Item struct {
	Operation Operation
	Key       authz.Key
	Document  map[string]any
	IfMatch   string // as Call.IfMatch, which counts for items without their own
}

// Result is what came of a write.
type Result struct {
	Entity *Entity `json:"entity,omitempty"` // as it is now, after the write of one that was not deleted
	// Items are the entities of a batch in its order; nil for those that are deleted.
	Items []*Entity `json:"items,omitempty"`
	// Defaults are what the policy added to the entity of a write of one.
	Defaults map[string]any `json:"defaults,omitempty"`
	Tasks    []Task         `json:"tasks,omitempty"`
	Revision int64          `json:"revision"` // of the portal after the write
	Entry    int64          `json:"entry"`    // number of the audit entry; 0: nothing was written
	Decision string         `json:"decision"` // id of the decision that let the call in
	DryRun   bool           `json:"-"`
	Replayed bool           `json:"-"` // this is the answer that the first call with the key had
}

// Task is a task that the policy wants done because of a write.
type Task struct {
	Name   string          `json:"name,omitempty"` // of a stored one; empty for one made with the write
	ID     string          `json:"id"`
	Kind   authz.TaskKind  `json:"kind"`
	Entity authz.Key       `json:"entity"`
	Cause  authz.Key       `json:"cause"` // the entity whose write led here
	State  authz.TaskState `json:"state"`
	Due    time.Time       `json:"due"`
	Error  string          `json:"error,omitempty"` // why it is refused
}
