package authz

import (
	"strconv"
	"strings"
)

// EntityKind says which of the stored things an entity is.
type EntityKind string

const (
	PortalEntity   EntityKind = "portal"
	UserTypeEntity EntityKind = "user_type"
	RoleEntity     EntityKind = "role"
	NodeEntity     EntityKind = "screen"
	RightEntity    EntityKind = "right"
	UserEntity     EntityKind = "user"
	AccountEntity  EntityKind = "account"
	ContactEntity  EntityKind = "contact"
	RecordEntity   EntityKind = "record"
)

// Key names one stored entity of a portal.
type Key struct {
	Kind EntityKind
	Of   string // the type of a record, the role of a right; empty for the others
	ID   string // the node of a right
}

// String returns the key as messages name the entity: `role "clerk"`.
func (k Key) String() string {
	switch k.Kind {
	case RecordEntity:
		return k.Of + " " + strconv.Quote(k.ID)
	case RightEntity:
		return "right of role " + strconv.Quote(k.Of) + " at screen " + strconv.Quote(k.ID)
	}
	return string(k.Kind) + " " + strconv.Quote(k.ID)
}

// Ref returns the key as policies and suites write it, which [ParseKey] reads:
// "user/ray", "right/Clerk/home", and "case/CS-1" for a record. The zero Key is "".
func (k Key) Ref() string {
	switch {
	case k == (Key{}):
		return ""
	case k.Kind == RightEntity:
		return string(k.Kind) + "/" + k.Of + "/" + k.ID
	case k.Kind == RecordEntity && !plainKind(k.Of) && EntityKind(k.Of) != RightEntity && EntityKind(k.Of) != RecordEntity:
		return k.Of + "/" + k.ID
	case k.Kind == RecordEntity:
		return string(k.Kind) + "/" + k.Of + "/" + k.ID
	}
	return string(k.Kind) + "/" + k.ID
}

// plainKind reports whether entities of the kind are named by their id alone.
func plainKind(s string) bool {
	switch EntityKind(s) {
	case PortalEntity, UserTypeEntity, RoleEntity, NodeEntity, UserEntity, AccountEntity, ContactEntity, PolicyEntity:
		return true
	}
	return false
}

// ParseKey returns the key that s names: "kind/id", "right/role/node" and
// "record/type/id", or "type/id" for a record whose type is no kind of entity. A
// right whose role or node holds a slash cannot be named so, and is an Invalid
// error, as is everything else.
func ParseKey(s string) (Key, error) {
	first, rest, _ := strings.Cut(s, "/")
	of, id, _ := strings.Cut(rest, "/")
	k := Key{Kind: RecordEntity, Of: first, ID: rest}
	switch {
	case plainKind(first):
		k = Key{Kind: EntityKind(first), ID: rest}
	case EntityKind(first) == RightEntity:
		k = Key{Kind: RightEntity, Of: of, ID: id}
		if strings.Contains(id, "/") {
			return Key{}, Errorf(Invalid, "%s may mean several rights: neither role nor node can hold a slash here", quote(s))
		}
	case EntityKind(first) == RecordEntity:
		k = Key{Kind: RecordEntity, Of: of, ID: id}
	}
	if k.ID == "" || k.Of == "" && !plainKind(first) {
		return Key{}, Errorf(Invalid, "%s names no entity: want kind/id, such as user/ray, case/CS-1 or right/Clerk/home", quote(s))
	}
	return k, nil
}

// Stored is an entity that a store keeps by its Key: Portal, UserType, Role,
// Node, Right, User, Account, Contact, Record or PolicyRevision, each by value.
type Stored interface{ Key() Key }

// Key returns the portal's own id.
func (p Portal) Key() Key { return Key{Kind: PortalEntity, ID: p.ID} }

// Key returns the type's id.
func (t UserType) Key() Key { return Key{Kind: UserTypeEntity, ID: t.ID} }

// Key returns the role's id.
func (r Role) Key() Key { return Key{Kind: RoleEntity, ID: r.ID} }

// Key returns the node's id.
func (n Node) Key() Key { return Key{Kind: NodeEntity, ID: n.ID} }

// Key returns the right's role and node.
func (r Right) Key() Key { return Key{Kind: RightEntity, Of: r.Role, ID: r.Node} }

// Key returns the user's id.
func (u User) Key() Key { return Key{Kind: UserEntity, ID: u.ID} }

// Key returns the account's id.
func (a Account) Key() Key { return Key{Kind: AccountEntity, ID: a.ID} }

// Key returns the contact's id.
func (c Contact) Key() Key { return Key{Kind: ContactEntity, ID: c.ID} }

// Key returns the record's type and id.
func (r Record) Key() Key { return Key{Kind: RecordEntity, Of: r.Type, ID: r.ID} }

// PortalRevision says where a portal's data stands.
type PortalRevision struct {
	ID             string
	Generation     string // changes when an import replaces all that the portal holds
	Revision       int64  // counts every change of the portal's data
	ConfigRevision int64  // the Revision at which the configuration last changed
}
