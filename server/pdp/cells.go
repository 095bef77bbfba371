package pdp

import "github.com/portcullis-authz/portcullis/server/authz"

// anyRole reports whether the decision on a call about a right, one of many in the hands of
// the caller, is the same for every role, as long as nothing else is another.
func (v *View) anyRole(q *authz.Query, before, after authz.Stored) bool {
	return q.Alike != nil && v.Snapshot != nil && v.Changes != nil && ofRights(before, after) && v.Changes.AnyRoleCalls(q)
}

// anyRoleChange is the same for what Plain says of a change.
func (v *View) anyRoleChange(c *authz.Change) bool {
	return c.Alike != nil && ofRights(c.Old, c.New) && v.Changes.AnyRoleChanges(c, v.nodeOf(c))
}

func ofRights(before, after authz.Stored) bool {
	_, was := before.(authz.Right)
	_, is := after.(authz.Right)
	return (was || before == nil) && (is || after == nil) && (was || is)
}

// nodeOf returns of what kind the node is of a right that is changed, where it is there.
func (v *View) nodeOf(c *authz.Change) authz.NodeKind {
	if n := v.Snapshot.Node(c.Entity.ID); n != nil {
		return n.Kind
	}
	return ""
}
