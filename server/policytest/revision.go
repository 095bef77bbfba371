package policytest

import (
	"strconv"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

// revision decodes what a call about a policy finds, with what has come of it.
func (p *parser) revision(dst **authz.PolicyRevision) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		r := &authz.PolicyRevision{}
		var approvals []string
		p.Object(n, path, yamltree.Fields{
			"user":      p.Text(&r.User),
			"approvals": p.Texts(&approvals),
			"published": p.Bool(new(bool)),
			"checked": func(n *yamltree.Node, path string) {
				r.Checked = &authz.PolicyCheck{}
				p.Object(n, path, yamltree.Fields{"ok": p.Bool(&r.Checked.OK), "cases": p.count(&r.Checked.Cases)})
			},
			"difference": func(n *yamltree.Node, path string) {
				d := &authz.AccessSummary{}
				p.Object(n, path, yamltree.Fields{
					"complete": p.Bool(&d.Complete), "locked_out": p.Bool(&d.LockedOut), "gained": p.count(&d.Gained), "lost": p.count(&d.Lost),
				})
				r.Difference = d
			},
		})
		if n.Kind != yamltree.Map {
			return
		}
		if r.User != "" {
			r.Author = "user/" + r.User
		}
		for _, user := range approvals {
			r.Approvals = append(r.Approvals, authz.PolicyApproval{By: "user/" + user, User: user})
		}
		if published := n.Get("published"); published != nil && published.Text == "true" {
			r.Publications = []authz.Publication{{}}
		}
		*dst = r
	}
}

// count decodes a number of things.
func (p *parser) count(dst *int) yamltree.Field {
	return func(n *yamltree.Node, path string) {
		v, _ := n.Value()
		count, whole := v.(int64)
		if !whole || count < 0 || count > 1<<40 {
			p.Fault(n.Pos, path, "is no number of things: want a whole number from 0")
			return
		}
		*dst = int(count)
	}
}

// checkRevision reports a revision of what is about none.
func (p *parser) checkRevision(c *Case, path string) {
	if c.revision == nil {
		return
	}
	path = yamltree.Dot(path, "revision")
	number, err := strconv.ParseInt(c.Query.Resource.ID, 10, 64)
	switch {
	case c.Query.Resource.Type != string(authz.PolicyEntity) || err != nil || number < 1:
		p.Fault(c.at, path, "goes with a resource such as policy/7 alone")
	case !c.Query.IsCall():
		p.Fault(c.at, path, "goes with the actions admin:read, admin:update, admin:approve and admin:publish alone")
	case c.set != nil:
		p.Fault(c.at, path, "cannot go with set: leave one out")
	}
	c.revision.Number = number
}
