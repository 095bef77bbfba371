package authz

// Bundle is a portal's configuration: small enough to be held whole, and
// replaced whole.
type Bundle struct {
	Portal    Portal
	UserTypes []UserType
	Roles     []Role
	Screens   []Node
	Rights    []Right
	Revision  int64 // of the store, when it was read; 0 in fixtures
	// Generation is that of the store that this was read from; empty in
	// fixtures. Users and records of the same generation go with it.
	Generation string
	// Structure is of the store, and another one after every change of user types,
	// roles, screens or rights; empty where that is not known.
	Structure string
	// Published is the policy in force when it is kept in the store; nil: it is the
	// folder's. Nobody may write to it.
	Published *PolicyRevision
}

// World is all that a portal's store holds.
type World struct {
	Bundle
	Accounts []Account
	Contacts []Contact
	Users    []User
	Records  []Record
}
