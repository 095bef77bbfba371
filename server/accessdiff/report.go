package accessdiff

import (
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Report is the effective access difference of one portal.
type Report struct {
	Portal string
	// Before and After name the two states, such as "revision 7" or a folder.
	Before, After string

	// Questions is how many decisions the report is about, and Evaluated how many of
	// them the policies were really asked.
	Questions, Evaluated int64
	Users                int // of either state
	Screens              int // nodes of the screen tree of either state
	Records              int // of either state
	Asked                []Asked

	// Gained and Lost are how many users may do something that they could not, and how
	// many may not do something that they could; Changed, for how many anything else
	// of some answer differs, such as its reason, level or fields.
	Gained, Lost, Changed int

	// LockedOut says that some user could change the portal's policy before, and nobody
	// can after.
	LockedOut bool

	// Changes are what differs, the losses first, then the gains and what is merely
	// other; those of most users first.
	Changes []Change

	// Missing says what was left out, and why; empty for a report that is whole.
	Missing []string

	Took time.Duration
}

// Asked are the actions that were asked about at resources of the type: those that either
// policy names for it, and [OtherAction] for all else.
type Asked struct {
	Type    string
	Actions []string
}

// Complete reports whether nothing was left out.
func (r *Report) Complete() bool { return len(r.Missing) == 0 }

// Empty reports whether nobody's access differs, as far as the report goes.
func (r *Report) Empty() bool { return len(r.Changes) == 0 }

// Kind says which way access differs.
type Kind string

const (
	Lost    Kind = "lost"    // allowed before, and no more
	Gained  Kind = "gained"  // allowed now, and not before
	Changed Kind = "changed" // allowed or not as before, but with another reason, level, field or obligation
)

// Change is a difference that befalls the same users at all of the places.
type Change struct {
	Kind   Kind
	Places []Place // in the order of the screen tree; then of the records
	Users  int     // how many
	Groups []Group // of those users, the largest first
	// Anonymous says that visitors who have not logged in are among those it befalls. They
	// are no users, and in no group.
	Anonymous bool
}

// Place is what the users may now do, or may not.
type Place struct {
	Action string
	// Type and ID are of the resource: of a screen node, or of a record. ID is empty for
	// records that differ in the same way, which Records counts.
	Type, ID string
	Title    string // of a screen node
	Records  int
	Sample   []string // ids of some of the records
	// Before and After are the answers, those of most users where they differ.
	Before, After Answer
}

// Answer is what of a decision people look at.
type Answer struct {
	Outcome authz.Outcome
	Reason  string
	Level   string
	Fields  map[string]authz.Access
}

// Group are users of one type who hold the same roles at one account.
type Group struct {
	UserType string
	Roles    []string // effective, in the state in which they have the access that differs
	Account  string
	Users    int
	Sample   []string // ids of some of them, in order
}
