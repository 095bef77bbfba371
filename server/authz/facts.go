package authz

import (
	"sync/atomic"
	"time"
)

// Facts are what the store and the role graphs say about one Query. They say
// what is, never yes or no. A fact that does not exist is nil, and the policy
// finds it undefined.
type Facts struct {
	User   *Principal // the subject, when it is a stored user
	Actor  *Principal // the user who acts as the subject, when someone does
	Screen *ScreenFacts
	Rights []NodeRights // nodes on the screen's path with an explicit level of an effective role, root first
	// Place keeps what a policy makes of Screen, Rights and the effective roles of User
	// alone. Nil: nothing is kept.
	Place *Memo
	// Fields are the explicit levels of effective roles at the elements below the
	// screen in question, every element in the order of the tree. Like Parent, Owner
	// and Contact it is stated only for policies that read it.
	Fields []FieldRights
	Record *RecordFacts
	Parent *RecordFacts // the record that Record belongs to
	Owner  *Principal   // the user whose id is the record's owner
	// Contact is the stored contact of the record, or else of the target.
	Contact *ContactFacts
	// Account is the stored account that the record, or else the target, belongs to.
	Account *AccountFacts
	Target  *Target
}

// Principal is a user with what follows from its grants and its type at one
// moment. It is immutable and may be shared.
type Principal struct {
	*User
	Roles          []string // of the grants in force, sorted
	EffectiveRoles []string // with all that they inherit, sorted
	Manages        []string // closure of the managed user types, sorted
	// SameLogin is the number of other active users of the portal with this
	// login. It is counted only for policies that read it, and 0 otherwise.
	SameLogin int
	// ValidUntil is when the next grant begins or ends; zero: never.
	ValidUntil time.Time

	Memo
}

// ScreenFacts is a node of the screen tree with its path. It is immutable and
// shared by every question about the node.
type ScreenFacts struct {
	*Node
	Path     []PathNode // root first, the node itself last
	Features []string   // switches on which the path depends, each once, sorted
	// FeaturesOff are those of them that the portal has not switched on.
	FeaturesOff []string

	Memo
}

// PathNode is one step of a path.
type PathNode struct {
	ID   string
	Kind NodeKind
	// Configured says that some role, held by this user or not, has an explicit
	// level at the node.
	Configured bool
}

// NodeRights are the explicit levels of the principal's effective roles at one node.
type NodeRights struct {
	Node   string
	Levels []RoleLevel // sorted by role
}

// RoleLevel is the level of one role.
type RoleLevel struct {
	Role  string
	Level Level
}

// FieldRights are the explicit levels of the principal's effective roles at one
// element of a screen. Field is the element's name within the screen.
type FieldRights struct {
	Field  string
	Levels []RoleLevel // sorted by role
}

// RecordFacts is a stored record. It is immutable and may be shared.
type RecordFacts struct {
	*Record
	Memo
}

// AccountFacts is a stored account. It is immutable and may be shared.
type AccountFacts struct {
	*Account
	Memo
}

// ContactFacts is a stored contact. It is immutable and may be shared.
type ContactFacts struct {
	*Contact
	Memo
}

// RoleFacts is a role of the configuration. It is immutable and may be shared.
type RoleFacts struct {
	*Role
	Memo
}

// Reads says which of the facts that cost a lookup a policy reads. The others are
// neither looked up nor stated.
type Reads struct {
	Logins  bool // how many users share a login
	Parent  bool // the record that the record belongs to
	Owner   bool // the user who owns the record
	Contact bool // the contact of the record or the target
	Fields  bool // the levels at the elements of the screen
	Node    bool // the node of the right that a call is about
	Levels  bool // the levels of its role there and below
}

// Target is the stored thing that an administration action is about: the user who
// is managed, or the contact for whom one is to be made, and of an administration
// call any entity.
type Target struct {
	Key     Key      // of what a call is about; zero for other actions
	User    *User    // as it stands; nil when Key is no user, or there is none yet
	Contact *Contact // as it stands

	// Before and After are what the call finds and what it leaves. A question about
	// a call that is not being made has no After.
	Before, After Stored

	// Node and Levels are of a call about a right: its node with all that lies below,
	// and the levels that its role has there.
	Node   *NodeFacts
	Levels []NodeRights
}

// Memo keeps derived forms of an immutable value, so that the policy engine
// converts it once for each of its rules and not at every decision. The zero value is
// empty.
type Memo struct{ kept atomic.Pointer[memo] }

// maxForms is how many forms a Memo keeps: those for a decision, an admission and a
// provisioning. The oldest makes room.
const maxForms = 3

type memo struct {
	by, form any
	older    *memo
}

// Recall returns the form kept for by, a comparable value, or keeps and returns
// what derive gives. Two first readers may both derive; both forms are equal.
func (m *Memo) Recall(by any, derive func() any) any {
	kept := m.kept.Load()
	for k := kept; k != nil; k = k.older {
		if k.by == by {
			return k.form
		}
	}
	form := derive()
	m.kept.Store(&memo{by, form, kept.first(maxForms - 1)})
	return form
}

// first returns the newest n.
func (m *memo) first(n int) *memo {
	if m == nil || n == 0 {
		return nil
	}
	return &memo{m.by, m.form, m.older.first(n - 1)}
}
