package engine

import (
	"slices"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/rbac"
)

// Principal is a user with what follows from its grants and type, as one
// snapshot, and those with the same role graphs, see it at one time. It is
// immutable and may be cached: a snapshot that meets a principal of other graphs,
// or for another time than it is asked about, works it out anew.
type Principal struct {
	authz.Principal
	mark  *mark
	set   *roleSet  // effective
	since time.Time // when the last grant began or ended; zero: never
}

// Principal returns what follows from u's grants in force at now, and from its
// user type. Roles and types that the snapshot does not know are not held: a
// user may have been written after the snapshot. It returns nil when u is nil.
// Nobody may write to u afterwards.
func (s *Snapshot) Principal(u *authz.User, now time.Time, sameLogin int) *Principal {
	if u == nil {
		return nil
	}
	p := &Principal{mark: s.mark}
	p.User, p.SameLogin = u, sameLogin
	p.since, p.ValidUntil = around(u.Grants, now)
	direct := s.inForce(u.Grants, now)
	p.Roles = idsOf(s.graphs.Roles, direct)
	p.set = s.mark.set(union(s.graphs.Roles, direct), s.graphs.Roles)
	p.EffectiveRoles = p.set.ids
	if t, ok := s.graphs.Types.Index(u.UserType); ok {
		p.Manages = s.manages[t]
	}
	return p
}

// around returns when a grant last began or ended, now included, and when the
// next one does. Between the two, the grants in force stay the same.
func around(grants []authz.Grant, now time.Time) (since, until time.Time) {
	for _, g := range grants {
		for _, t := range [...]time.Time{g.From, g.Until} {
			switch {
			case t.IsZero():
			case t.After(now):
				if until.IsZero() || t.Before(until) {
					until = t
				}
			case t.After(since):
				since = t
			}
		}
	}
	return since, until
}

// inForce returns the roles granted at now as a sorted set.
func (s *Snapshot) inForce(grants []authz.Grant, now time.Time) []int32 {
	if len(grants) == 0 {
		return nil
	}
	roles := make([]int32, 0, len(grants))
	for _, g := range grants {
		if i, ok := s.graphs.Roles.Index(g.Role); ok && g.InForce(now) {
			roles = append(roles, i)
		}
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

// union returns the union of the members' sets, sorted.
func union(c *rbac.Closure, members []int32) []int32 {
	switch len(members) {
	case 0:
		return nil
	case 1:
		return slices.Clone(c.Of(members[0])) // a copy: sharing would keep the closure in memory
	}
	n := 0
	has := make([]bool, c.Len())
	for _, m := range members {
		for _, to := range c.Of(m) {
			if !has[to] {
				has[to] = true
				n++
			}
		}
	}
	all := make([]int32, 0, n)
	for i, in := range has {
		if in {
			all = append(all, int32(i))
		}
	}
	return all
}

// Entities are the stored things that a question is about. Those that do not
// exist, or that the question does not name, are nil.
type Entities struct {
	User    *Principal          // the subject
	Actor   *Principal          // who acts as the subject
	Record  *authz.RecordFacts  // the resource
	Parent  *authz.RecordFacts  // which the record belongs to
	Owner   *Principal          // of the record
	Contact *authz.ContactFacts // of the record, or else of the target
	Account *authz.AccountFacts // which the record, or else the target, belongs to
	Target  *authz.Target       // what an administration action is about
	// Fields asks for the rights at the elements of the screen as well.
	Fields bool
}

// Facts returns what the snapshot and the entities say about q, with the rights
// of the subject at the screen in question. Of its own it allocates the rights
// alone, where these are not kept: see rightsOn.
func (s *Snapshot) Facts(q *authz.Query, ents Entities) authz.Facts {
	f := authz.Facts{
		Record: ents.Record, Parent: ents.Parent, Contact: ents.Contact, Account: ents.Account, Target: ents.Target,
		Actor: s.Current(ents.Actor, q.Now), Owner: s.Current(ents.Owner, q.Now),
	}
	user := s.current(ents.User, q.Now)
	node, ok := s.screen(q)
	if ok {
		f.Screen = &s.tree.facts[node]
	}
	var roles []int32
	if user != nil {
		f.User, roles = &user.Principal, user.set.roles
	}
	if ok && ents.Fields {
		f.Fields = s.fieldRights(node, roles)
	}
	if ok && user != nil {
		f.Rights, f.Place = s.rightsAt(node, user.set)
	}
	return f
}

// Current returns p as this snapshot sees it at now, for a policy to be shown; nil
// for nil.
func (s *Snapshot) Current(p *Principal, now time.Time) *authz.Principal {
	if p = s.current(p, now); p == nil {
		return nil
	}
	return &p.Principal
}

// current returns p if it holds for this snapshot at now, or else what does. A
// principal of another snapshot counts roles in other numbers, and one of
// another time may hold a role that has ended.
func (s *Snapshot) current(p *Principal, now time.Time) *Principal {
	if p == nil {
		return nil
	}
	early := now.Before(p.since)
	late := !p.ValidUntil.IsZero() && !now.Before(p.ValidUntil)
	if p.mark == s.mark && !early && !late {
		return p
	}
	return s.Principal(p.User, now, p.SameLogin)
}
