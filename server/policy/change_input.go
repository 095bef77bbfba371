package policy

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// changeNeeds says which members of input a rule that judges changes may look at.
type changeNeeds struct {
	portal, operation, roles, users, sameLogin, levels, latches, now, typeUsers, screens bool

	entity, before, after, asked, actor, contact, account, owner, node, counts *shape
}

func (r reads) changeNeeds() changeNeeds {
	return changeNeeds{
		portal: r.any("portal"), operation: r.any("operation"), roles: r.any("roles"), users: r.any("users"),
		sameLogin: r.any("same_login"), levels: r.any("levels"), latches: r.any("latches"), now: r.any("context.now"),
		typeUsers: r.any("type_users"), screens: r.any("screens"),
		entity: r.shape("entity"), before: r.shape("old"), after: r.shape("new"), asked: r.shape("asked"), actor: r.shape("actor"),
		contact: r.shape("contact"), account: r.shape("account"), owner: r.shape("owner"),
		node: r.shape("node"), counts: r.shape("counts"),
	}
}

// changeFacts returns which facts have to be looked up for the rule.
func (r reads) changeFacts() authz.ChangeReads {
	f := authz.ChangeReads{
		Actor: r.any("actor"), Roles: r.any("roles"), Contact: r.any("contact"), Account: r.any("account"), Owner: r.any("owner"),
		Users: r.any("users"), SameLogin: r.any("same_login"), Node: r.any("node"), Levels: r.any("levels"),
		TypeUsers: r.any("type_users"), Screens: r.any("screens"),
		Counts: make(map[authz.CountName]bool),
	}
	for _, name := range authz.CountNames() {
		if r.any("counts." + string(name)) {
			f.Counts[name] = true
		}
	}
	return f
}

// changeInput returns the document that a rule sees which judges a change, as
// policies/schema/input.json describes it.
func (p *Policy) changeInput(n *changeNeeds, c *authz.Change, f *authz.ChangeFacts) *ast.Term {
	var room [mostMembers][2]*ast.Term
	return ast.ObjectTerm(p.changeMembers(room[:0], n, c, f)...)
}

// changeMembers appends the members of input for a rule with the needs.
func (p *Policy) changeMembers(all [][2]*ast.Term, n *changeNeeds, c *authz.Change, f *authz.ChangeFacts) [][2]*ast.Term {
	add := func(name string, value *ast.Term) {
		if value != nil {
			all = append(all, [2]*ast.Term{key(name), value})
		}
	}
	addIf := func(needed bool, name string, value func() *ast.Term) {
		if needed {
			add(name, value())
		}
	}
	addIf(n.portal, "portal", func() *ast.Term { return p.portal })
	addIf(n.operation, "operation", func() *ast.Term { return key(string(c.Operation)) })
	add("entity", n.entity.entity(c.Entity))
	add("old", n.before.document(c.Old))
	add("new", n.after.document(c.New))
	add("asked", n.asked.document(asked(c)))
	add("context", circumstances(c.Context, c.Now, n.now))
	add("actor", n.actor.principal(f.Actor))
	addIf(n.roles, "roles", func() *ast.Term { return roles(f.Roles) })
	add("contact", n.contact.contact(f.Contact))
	add("account", n.account.account(f.Account))
	add("owner", n.owner.principal(f.Owner))
	addIf(n.users, "users", func() *ast.Term { return users(f.Users) })
	addIf(n.sameLogin && f.SameLogin != nil, "same_login", func() *ast.Term { return plain(*f.SameLogin) })
	add("node", n.node.node(f.Node))
	addIf(n.levels, "levels", func() *ast.Term { return rights(f.Levels) })
	addIf(n.typeUsers && f.TypeUsers != nil, "type_users", func() *ast.Term { return users(f.TypeUsers) })
	addIf(n.screens && f.Screens != nil, "screens", func() *ast.Term { return plain(pathNodes(f.Screens)) })
	add("counts", n.counts.counts(f.Counts))
	addIf(n.latches, "latches", func() *ast.Term { return plain(append([]string{}, f.Latches...)) })
	return all
}

// asked returns the entity as the writer asked for it.
func asked(c *authz.Change) authz.Stored {
	if c.Asked != nil {
		return c.Asked
	}
	return c.New
}

func (s *shape) entity(k authz.Key) *ast.Term {
	if s == nil {
		return nil
	}
	m := s.members(3)
	m.add("kind", string(k.Kind))
	m.text("id", k.ID)
	m.text("of", k.Of)
	return m.term()
}

// document is the entity before or after the change.
func (s *shape) document(e authz.Stored) *ast.Term {
	if s == nil || e == nil {
		return nil
	}
	doc := authz.Document(e)
	m := s.members(len(doc))
	for name, v := range doc {
		m.add(name, v)
	}
	return m.term()
}

func roles(all map[string]*authz.RoleFacts) *ast.Term {
	byID := make([][2]*ast.Term, 0, len(all))
	for id, r := range all {
		byID = append(byID, [2]*ast.Term{ast.StringTerm(id), role(r)})
	}
	return ast.ObjectTerm(byID...)
}

// roleForm is by what a role's one form is kept: every policy sees it whole.
type roleForm struct{}

func role(r *authz.RoleFacts) *ast.Term {
	return r.Recall(roleForm{}, func() any {
		return ast.ObjectTerm(
			[2]*ast.Term{key("guest"), ast.InternedTerm(r.Guest)},
			[2]*ast.Term{key("inherits"), texts(r.Inherits)},
			[2]*ast.Term{key("attributes"), properties(r.Attributes)},
		)
	}).(*ast.Term)
}

func texts(all []string) *ast.Term {
	if len(all) == 0 {
		return ast.InternedEmptyArray
	}
	return plain(all)
}

// users are shown whole, as a policy that reads a list of them may read any.
func users(all []*authz.User) *ast.Term {
	whole := &shape{whole: true}
	list := make([]*ast.Term, len(all))
	for i, u := range all {
		list[i] = whole.target(&authz.Target{User: u})
	}
	return ast.ArrayTerm(list...)
}

func (s *shape) node(n *authz.NodeFacts) *ast.Term {
	if s == nil || n == nil {
		return nil
	}
	return n.Recall(s, func() any {
		m := s.members(3)
		m.add("id", n.ID)
		m.add("kind", string(n.Kind))
		if s.shows("below") {
			m.list = append(m.list, [2]*ast.Term{key("below"), below(n.Below)})
		}
		return m.term()
	}).(*ast.Term)
}

func below(nodes []authz.PathNode) *ast.Term {
	if len(nodes) == 0 {
		return ast.InternedEmptyArray
	}
	list := make([]*ast.Term, len(nodes))
	for i, n := range nodes {
		list[i] = ast.ObjectTerm([2]*ast.Term{keys.id, ast.StringTerm(n.ID)}, [2]*ast.Term{keys.kind, key(string(n.Kind))})
	}
	return ast.ArrayTerm(list...)
}

func (s *shape) counts(all map[authz.CountName]int) *ast.Term {
	if s == nil {
		return nil
	}
	m := members{shape: s}
	for name, n := range all {
		m.add(string(name), n)
	}
	return m.term()
}
