package authz

import "strings"

// The actions of administration calls. Each is a question to the policy like any
// other: may the subject do it to what the resource names?
const (
	ReadCall   = "admin:read"
	CreateCall = "admin:create"
	UpdateCall = "admin:update"
	DeleteCall = "admin:delete"
)

// The types of the resources of administration calls that are no entities: their
// id is [AnyResource].
const (
	TaskResource   = "task"
	AuditResource  = "audit"
	CallerResource = "caller"
	GrantsResource = "grants"

	AnyResource = "*"
)

// CallerSubject is the type of the subject of a call that no user stands behind.
// Its id is that of the caller, or CommandLine.
const (
	CallerSubject = "caller"
	CommandLine   = "cli"
)

// IsCall reports whether the question is about an administration call.
func (q *Query) IsCall() bool { return strings.HasPrefix(q.Action.Name, "admin:") }

// ShownAction returns the name of the action as portals that show resources on
// screens know it: what is read is viewed there, and what is updated edited.
func (q *Query) ShownAction() string {
	switch q.Action.Name {
	case ReadCall:
		return "view"
	case CreateCall:
		return "create"
	case UpdateCall:
		return "edit"
	case DeleteCall:
		return "delete"
	}
	return q.Action.Name
}

// CallAction returns the action of a call that makes a change of the operation.
func CallAction(op Operation) string { return "admin:" + string(op) }

// CallResource returns the resource of a call about the entity: the kind and the
// id, "Role/Node" for a right, and for a record its type and id. A record type that
// is also the name of a kind is "record/" and the type, for no type holds a slash.
func CallResource(k Key) Entity {
	switch {
	case k.Kind == RightEntity:
		return Entity{Type: string(k.Kind), ID: k.Of + "/" + k.ID}
	case k.Kind != RecordEntity:
		return Entity{Type: string(k.Kind), ID: k.ID}
	case reservedType(k.Of):
		return Entity{Type: string(RecordEntity) + "/" + k.Of, ID: k.ID}
	}
	return Entity{Type: k.Of, ID: k.ID}
}

// CallKey returns the entity that the resource of a call names, and false when it
// names none. A right whose role or node holds a slash cannot be told from its
// resource.
func CallKey(r Entity) (Key, bool) {
	typ, isRecord := strings.CutPrefix(r.Type, string(RecordEntity)+"/")
	switch {
	case r.ID == "" || typ == "":
		return Key{}, false
	case isRecord:
		return Key{Kind: RecordEntity, Of: typ, ID: r.ID}, true
	case plainKind(typ):
		return Key{Kind: EntityKind(typ), ID: r.ID}, true
	case EntityKind(typ) == RightEntity:
		k, err := ParseKey(typ + "/" + r.ID)
		return k, err == nil
	case reservedType(typ), r.ID == AnyResource && unlisted(typ):
		return Key{}, false
	}
	return Key{Kind: RecordEntity, Of: typ, ID: r.ID}, true
}

// reservedType reports whether a resource of the type is no record, but an entity
// of that kind.
func reservedType(typ string) bool {
	return plainKind(typ) || EntityKind(typ) == RightEntity || EntityKind(typ) == RecordEntity
}

func unlisted(typ string) bool {
	switch typ {
	case TaskResource, AuditResource, CallerResource, GrantsResource:
		return true
	}
	return false
}
