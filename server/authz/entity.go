package authz

import (
	"strings"
	"time"
)

// Portal is one customer portal, the tenant of everything else here.
type Portal struct {
	ID       string
	Title    string
	Policy   string          // Rego package that decides, such as "presets.acumatica"
	Settings map[string]any  // read by the policy as data.portal.settings
	Features map[string]bool // switches, read as data.portal.features
	Sharing  []any           // sharing rules and restriction groups, read as data.portal.sharing
	Limits   map[string]any  // quotas, read as data.portal.limits

	// ResourceScreens says on which screen a resource that is not a screen
	// itself is shown: resource type -> action name, or "*" for any -> screen
	// id. Rights at that screen are then among the facts of a question about
	// such a resource.
	ResourceScreens map[string]map[string]string
}

// ScreenFor returns the id of the screen on which action is done to resources
// of the type, or "" when the portal names none.
func (p *Portal) ScreenFor(resourceType, action string) string {
	byAction := p.ResourceScreens[resourceType]
	if id, ok := byAction[action]; ok {
		return id
	}
	return byAction["*"]
}

// Linked says what the users of a type are in the CRM.
type Linked string

const (
	LinkedContact  Linked = "contact"  // an outside person at an account
	LinkedEmployee Linked = "employee" // the portal owner's own staff
)

// UserType is a class of users.
type UserType struct {
	ID           string
	Title        string
	Linked       Linked
	AllowedRoles []AllowedRole
	Manages      []string // ids of the user types whose users this type's users may manage; the closure counts
	Licence      string
	Attributes   map[string]any
}

// AllowedRole is a role that users of a type may hold. Default marks what a new
// user of the type receives.
type AllowedRole struct {
	Role    string
	Default bool
}

// Role is a bag of rights.
type Role struct {
	ID         string
	Title      string
	Guest      bool     // outside users may hold it
	Inherits   []string // ids of the roles whose rights this role has too
	Attributes map[string]any
}

// Grant is a role held by a user.
type Grant struct {
	Role  string
	By    string    // who granted it
	Why   string    // in the words of who granted it
	From  time.Time // not in force before; zero: always
	Until time.Time // not in force at or after; zero: for ever
}

// InForce reports whether the grant counts at now: From <= now < Until.
func (g Grant) InForce(now time.Time) bool {
	return (g.From.IsZero() || !now.Before(g.From)) && (g.Until.IsZero() || now.Before(g.Until))
}

// NodeKind is the kind of a node of the screen tree.
type NodeKind string

const (
	Workspace NodeKind = "workspace"
	Screen    NodeKind = "screen"
	Container NodeKind = "container"
	Element   NodeKind = "element"
)

// Valid reports whether k is one of the four kinds.
func (k NodeKind) Valid() bool {
	return k == Workspace || k == Screen || k == Container || k == Element
}

// Node is a node of the screen tree: workspace > screen > container > element.
type Node struct {
	ID      string
	Kind    NodeKind
	Title   string
	Parent  string          // id of the node above; empty at the root
	AlsoIn  []string        // further workspaces that show the screen; its path leads through Parent
	Feature string          // switch of the portal without which the node does not exist; empty: none
	Flags   map[string]bool // such as "unlisted": in no menu and no search
}

// Right is the explicit level of a role at a node. A level that is inherited or
// not set is no right: it is the absence of one.
type Right struct {
	Role  string
	Node  string
	Level Level
}

// User is a portal user: the login of a contact, or of an employee.
type User struct {
	ID         string
	Login      string
	Active     bool
	UserType   string
	Grants     []Grant
	Account    string // empty: none, which equals no other user's none
	Contact    string
	Position   string
	Flags      map[string]bool // super_user, admin, delegated_admin ...
	Attributes map[string]any
}

// FoldLogin returns the login as logins are compared: without space around it and
// in lower case. Users whose logins are empty then share none.
func FoldLogin(login string) string { return strings.ToLower(strings.TrimSpace(login)) }

// Account is a customer company.
type Account struct {
	ID         string
	Name       string
	Parent     string // implies no access by itself
	Owner      string
	Flags      map[string]bool
	Attributes map[string]any
}

// Contact is a person at an account, as the CRM knows them.
type Contact struct {
	ID         string
	Name       string
	Email      string
	Account    string
	Position   string
	Flags      map[string]bool
	Attributes map[string]any
}

// Record is a thing of the CRM that a portal shows: a case, an article, an
// invoice. Type and ID together name it.
type Record struct {
	Type       string
	ID         string
	Account    string
	Contact    string
	Owner      string
	Parent     string          // "type/id" of the record that this one belongs to: a comment's case
	Flags      map[string]bool // visible, published, internal, closed ...
	Properties map[string]any
}

// ParentKey returns the key of the record that r belongs to, and false when it
// names none, or nothing that can be a record.
func (r *Record) ParentKey() (Key, bool) {
	typ, id, ok := strings.Cut(r.Parent, "/")
	return Key{Kind: RecordEntity, Of: typ, ID: id}, ok && typ != "" && id != ""
}
