package authz

import "time"

// Entity names a subject or a resource and carries what the caller claims of it.
type Entity struct {
	Type       string
	ID         string
	Properties map[string]any
}

// Action is what is to be done.
type Action struct {
	Name       string
	Properties map[string]any
}

// Query is one question, put to one portal. Values in Properties and Context are
// nil, bool, string, json.Number, []any or map[string]any. A Query aliases no
// buffer of the transport that it came by.
type Query struct {
	Subject  Entity
	Action   Action
	Resource Entity
	Context  map[string]any
	Now      time.Time // set by the service; shown to the policy as input.context.now
	Alike    *Alike    // what was answered to other questions of the same call; nil: nothing is kept
}

// Actor returns the id of the user who acts as the subject, from
// context.actor, and whether anyone is said to.
func (q *Query) Actor() (id string, ok bool) {
	switch a := q.Context["actor"].(type) {
	case string:
		return a, true
	case map[string]any:
		id, _ = a["id"].(string)
		return id, true
	case nil:
		_, said := q.Context["actor"]
		return "", said
	}
	return "", true
}
