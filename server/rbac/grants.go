package rbac

import (
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// AddGrants adds the roles that the users hold at now. A grant out of its time is
// left out, and so are users who are not active: a Casbin policy knows neither, and
// would let them in.
func (p *Policy) AddGrants(users []authz.User, now time.Time) {
	for i := range users {
		u := &users[i]
		if !u.Active {
			continue
		}
		for _, g := range u.Grants {
			if g.InForce(now) {
				p.Grants = append(p.Grants, Link{u.ID, g.Role})
			}
		}
	}
	p.sort()
}

// TakeGrants makes grants of the g rules whose first name isUser takes for a user's.
func (p *Policy) TakeGrants(isUser func(id string) bool) {
	var roles []Link
	for _, l := range p.Inherits {
		if isUser(l.From) {
			p.Grants = append(p.Grants, l)
		} else {
			roles = append(roles, l)
		}
	}
	p.Inherits = roles
	p.sort()
}

// Roles returns the ids that the rules cannot but mean roles by: those that have a
// right, or that something else inherits or holds.
func (p *Policy) Roles() map[string]bool {
	roles := map[string]bool{}
	for _, l := range p.Inherits {
		roles[l.To] = true
	}
	for _, l := range p.Grants {
		roles[l.To] = true
	}
	for _, r := range p.Rights {
		roles[r.Role] = true
	}
	return roles
}

// ownNames makes sure that no user has the name of a role or of a type.
func (p *Policy) ownNames() error {
	names := p.Roles()
	for _, l := range p.Inherits {
		names[l.From] = true
	}
	types := map[string]bool{}
	for _, l := range p.Manages {
		types[l.From], types[l.To] = true, true
	}
	for _, l := range p.Grants {
		switch {
		case names[l.From]:
			return authz.Errorf(authz.Invalid, "%q is a user and a role: Casbin would give the one what the other has; rename one, or leave the users out", l.From)
		case types[l.From]:
			return authz.Errorf(authz.Invalid, "%q is a user and a user type: Casbin would let the one manage what the other does; rename one, or leave the users out", l.From)
		}
	}
	return nil
}

// inReach makes sure that Casbin, which follows MaxChain links and says nothing of
// the rest, gets from each user to the end of the graph.
func (p *Policy) inReach() error {
	to := map[string][]string{}
	for _, l := range p.Inherits {
		to[l.From] = append(to[l.From], l.To)
	}
	links := map[string]int{}
	for _, l := range p.Grants {
		if longest(l.To, to, links, authz.MaxChain)+1 > authz.MaxChain {
			return authz.Errorf(authz.Invalid, "user %q holds role %q, from which a chain of %d roles inherits: Casbin follows %d links, the user's own included; shorten the chain, or leave the users out",
				l.From, l.To, authz.MaxChain, authz.MaxChain)
		}
	}
	return nil
}

// longest returns how many links the longest chain from a role has, at most budget.
// links holds the answers so far.
func longest(role string, to map[string][]string, links map[string]int, budget int) int {
	if n, known := links[role]; known || budget == 0 {
		return n
	}
	n := 0
	for _, next := range to[role] {
		n = max(n, 1+longest(next, to, links, budget-1))
	}
	links[role] = n
	return n
}
