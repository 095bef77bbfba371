package findings

import (
	"fmt"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// maxOfKind bounds the records, users, contacts and accounts of one type that are
// asked about.
const maxOfKind = 200

// ask is a question that anyone may ask.
type ask struct {
	query authz.Query // less who asks
	own   bool        // about something that the asker would make, for themselves
}

// by returns the question as s asks it.
func (a *ask) by(s *subject) authz.Query {
	q := a.query
	q.Subject.Type, q.Subject.ID = s.Type, s.ID
	if a.own && s.user != nil {
		q.Resource.Properties = map[string]any{"owner": s.ID}
		for name, v := range map[string]string{"account": s.user.Account, "contact": s.user.Contact} {
			if v != "" {
				q.Resource.Properties[name] = v
			}
		}
	}
	return q
}

// kept returns what make gives, made once for the name.
func (st *stage) kept(name string, make func() []ask) []ask {
	st.mu.Lock()
	defer st.mu.Unlock()
	all, known := st.asks[name]
	if !known {
		all = make()
		st.asks[name] = all
	}
	return all
}

// at returns the questions about the node itself.
func (st *stage) at(i int) []ask {
	n := &st.world.Screens[i]
	return st.kept("at "+n.ID, func() []ask { return st.about(string(n.Kind), n.ID, st.actions, false) })
}

// about returns the questions about a resource: each action, and what suites ask.
func (st *stage) about(typ, id string, actions []string, own bool) []ask {
	var all []ask
	for _, name := range actions {
		all = append(all, ask{authz.Query{Action: authz.Action{Name: name}, Resource: authz.Entity{Type: typ, ID: id}}, own})
	}
	for _, q := range st.posed[authz.Key{Of: typ, ID: id}] {
		if q.Subject.Properties != nil || q.Action.Properties != nil || q.Resource.Properties != nil || q.Context != nil {
			q.Subject = authz.Entity{Properties: q.Subject.Properties}
			all = append(all, ask{query: q})
		}
	}
	return all
}

// shown returns the questions about what the portal shows on the node.
func (st *stage) shown(i int) []ask {
	id := st.world.Screens[i].ID
	return st.kept("on "+id, func() []ask {
		var all []ask
		for _, typ := range sortedKeys(st.world.Portal.ResourceScreens) {
			actions := st.shownActions(typ, id)
			if len(actions) == 0 {
				continue
			}
			stored, _ := st.stored(typ)
			for _, one := range stored {
				all = append(all, st.about(typ, one, actions, false)...)
			}
			all = append(all, st.about(typ, st.unused(stored), actions, true)...)
		}
		return all
	})
}

// calls are the administration calls that can be asked about.
func calls() []string {
	return []string{authz.ReadCall, authz.CreateCall, authz.UpdateCall, authz.DeleteCall}
}

// shownActions returns the actions, calls among them, for which resources of the type
// are shown on the node.
func (st *stage) shownActions(typ, node string) []string {
	var some []string
	for _, names := range [...][]string{st.actions, calls()} {
		for _, name := range names {
			q := authz.Query{Action: authz.Action{Name: name}}
			if st.world.Portal.ScreenFor(typ, q.ShownAction()) == node {
				some = append(some, name)
			}
		}
	}
	return some
}

// stored returns the ids of what is stored of the type, within the bound, and how
// many there are.
func (st *stage) stored(typ string) (ids []string, of int) {
	add := func(id string) {
		if of++; of <= maxOfKind {
			ids = append(ids, id)
		}
	}
	w := st.world
	switch authz.EntityKind(typ) {
	case authz.UserEntity:
		each(w.Users, func(u *authz.User) { add(u.ID) })
	case authz.ContactEntity:
		each(w.Contacts, func(c *authz.Contact) { add(c.ID) })
	case authz.AccountEntity:
		each(w.Accounts, func(a *authz.Account) { add(a.ID) })
	case authz.RoleEntity:
		each(w.Roles, func(r *authz.Role) { add(r.ID) })
	case authz.UserTypeEntity:
		each(w.UserTypes, func(t *authz.UserType) { add(t.ID) })
	}
	each(w.Records, func(r *authz.Record) {
		if r.Type == typ {
			add(r.ID)
		}
	})
	return ids, of
}

func each[E any](list []E, do func(*E)) {
	for i := range list {
		do(&list[i])
	}
}

// unused returns an id that is none of those.
func (st *stage) unused(ids []string) string {
	taken := map[string]bool{}
	for _, id := range ids {
		taken[id] = true
	}
	id := "new"
	for n := 2; taken[id]; n++ {
		id = fmt.Sprintf("new-%d", n)
	}
	return id
}

// leftOut says what of the portal's records and users is not asked about.
func (st *stage) leftOut() []string {
	var all []string
	for _, typ := range sortedKeys(st.world.Portal.ResourceScreens) {
		if _, of := st.stored(typ); of > maxOfKind {
			all = append(all, fmt.Sprintf("%d of %d of type %s", of-maxOfKind, of, typ))
		}
	}
	return all
}
