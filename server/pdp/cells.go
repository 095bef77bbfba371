package pdp

import "github.com/portcullis-authz/portcullis/server/authz"

// cell is all in which two calls about rights differ, or two changes of them, of one
// subject in one context, if the policy cannot tell whose the rights are.
type cell struct {
	view          *View
	operation     string
	node          string
	before, after authz.Level // noLevel: none
}

const noLevel = authz.Level(255)

// cellOf returns the cell of the change from the one to the other, and false unless they
// are of a right.
func cellOf(v *View, operation string, before, after authz.Stored) (cell, bool) {
	c := cell{view: v, operation: operation, before: noLevel, after: noLevel}
	old, was := before.(authz.Right)
	if was {
		c.node, c.before = old.Node, old.Level
	}
	changed, is := after.(authz.Right)
	if is {
		c.node, c.after = changed.Node, changed.Level
	}
	return c, (was || before == nil) && (is || after == nil) && (was || is)
}

// cell returns the cell that the call is about, and false where the policy may tell it
// from others of the same.
func (v *View) cell(q *authz.Query, before, after authz.Stored) (cell, bool) {
	if q.Alike == nil || v.Snapshot == nil || v.Changes == nil {
		return cell{}, false
	}
	c, ok := cellOf(v, q.Action.Name, before, after)
	return c, ok && v.Changes.AnyRoleCalls(q)
}

// cell returns the cell that the change is of, as published, and false where the policy
// may tell it from others of the same.
func (d *Decider) cell(portal string, c *authz.Change, known *authz.Known) (cell, bool) {
	if c.Alike == nil || known.Config != nil || c.Validate() != nil {
		return cell{}, false
	}
	v, err := d.views.View(portal)
	if err != nil || v.Snapshot == nil || v.Changes == nil {
		return cell{}, false
	}
	of, ok := cellOf(v, string(c.Operation), c.Old, c.New)
	return of, ok && v.Changes.AnyRoleChanges(c, v.nodeOf(c))
}

// nodeOf returns of what kind the node is of a right that is changed, where it is there.
func (v *View) nodeOf(c *authz.Change) authz.NodeKind {
	if c.Entity.Kind != authz.RightEntity {
		return ""
	}
	if n := v.Snapshot.Node(c.Entity.ID); n != nil {
		return n.Kind
	}
	return ""
}
