package authz

// ChangeFacts are what the store says around one Change. As in Facts, what does
// not exist is nil or missing, and so is what the policy does not read.
type ChangeFacts struct {
	Actor *Principal
	// Roles are those that the entity names before or after, and that the type of a
	// user allows, with all that they inherit, by id.
	Roles map[string]*RoleFacts
	// Contact and Account are those that the entity refers to as it will be, or as
	// it was when it is deleted. One that is itself written refers to itself; the
	// contact's account counts when the entity names none.
	Contact *ContactFacts
	Account *AccountFacts
	Owner   *Principal // the user who owns Account
	Users   []*User    // of Contact, but for the one that is written
	// SameLogin is the number of other active users with the new login of the user
	// who is written; nil when none is.
	SameLogin *int
	Node      *NodeFacts   // of a right
	Levels    []NodeRights // explicit levels of the right's role at Node and below
	// TypeUsers are the users of the user type that is written, by id; nil when it is
	// none, and when there are more than MaxUsersOfType.
	TypeUsers []*User
	// Screens are the nodes of kind screen of the portal that is written, and Roles
	// then all its roles; nil when no portal is, and when there are too many for one
	// change to write what is not set: MaxUnset rights.
	Screens []PathNode
	Counts  map[CountName]int
	Latches []string // tasks with Once that have run for the entity
}

// NodeFacts is a node of the screen tree with all that lies below it, parents
// first. Whether those are Configured is not stated.
type NodeFacts struct {
	ID    string
	Kind  NodeKind
	Below []PathNode
	Memo
}

// ChangeReads says which facts a rule reads when it judges changes. The others are
// neither looked up nor stated.
type ChangeReads struct {
	Actor, Roles, Contact, Account, Owner, Users, SameLogin, Node, Levels, TypeUsers, Screens bool

	Counts map[CountName]bool
}

// Known are facts of a change that whoever asks states. They stand for what the
// store would say.
type Known struct {
	Latches []string
	Counts  map[CountName]int
	// Pending are writes that are made together with the change, before it, each of
	// another entity: it is judged as if they were stored. Who writes is judged as stored without them.
	Pending *Pending
	// Config is the configuration with what of Pending touches it; nil when nothing
	// does. Nobody may write to it afterwards.
	Config *Bundle
}

// CountName says which of a portal's entities are counted. The entity that is
// written never is.
type CountName string

const (
	CountUsers           CountName = "users"             // active users
	CountUsersOfType     CountName = "users_of_type"     // active users of the written user's type
	CountUsersOfAccount  CountName = "users_of_account"  // active users of the account
	CountAccountsOfOwner CountName = "accounts_of_owner" // accounts that the account's owner owns
	CountPositions       CountName = "positions"         // entries in the accounts' attributes.positions
	CountScreens         CountName = "screens"           // nodes of kind screen with the flag custom
)

// CountNames are all that can be counted.
func CountNames() []CountName {
	return []CountName{CountUsers, CountUsersOfType, CountUsersOfAccount, CountAccountsOfOwner, CountPositions, CountScreens}
}

// Count asks a store how many entities there are.
type Count struct {
	Name   CountName
	Of     string // the user type, account or owner that is meant, where one is
	Except string // id of the user or account not to be counted; empty: none
}

// MaxUsersOfContact bounds the users of one contact that are looked at together.
const MaxUsersOfContact = 1000

// MaxUsersOfType bounds the users of one type that are looked at together, and
// MaxUnset the rights that are not set of a portal whose roles and screens are.
const (
	MaxUsersOfType = 1000
	MaxUnset       = 1000
)

// PositionsOf returns how many entries the account's list of positions has.
func (a *Account) PositionsOf() int {
	list, _ := a.Attributes["positions"].([]any)
	return len(list)
}
