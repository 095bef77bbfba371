package policy

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// sights are what the rules of a package can see of what is of a kind, for the kinds that
// were asked about. Portals have a few: callers or users, what is done, and what kinds of
// nodes there are.
type sights struct {
	questions few[Kind, *sight]
	changes   few[changeKind, *sight]
}

// changeKind is a kind of changes.
type changeKind struct {
	operation authz.Operation
	entity    authz.EntityKind
	node      authz.NodeKind // of changes of rights
}

// known returns what holds of all changes of the kind, by the paths below input.
func (k changeKind) known() map[string]string {
	known := map[string]string{"entity.kind": string(k.entity), "operation": string(k.operation)}
	if k.node != "" {
		known["node.kind"] = string(k.node)
	}
	return known
}

// sight is what rules can see of what is of one kind.
type sight struct {
	questions needs
	changes   changeNeeds
	roles     bool // of a right it may be seen whose it is, or when
}

// sightOf returns what is kept for the kind, or works it out; nil where too much is kept
// already.
func sightOf[K comparable](among *few[K, *sight], k K, c *ast.Compiler, known func() map[string]string, rules ...ast.Ref) *sight {
	if s := among.get(k); s != nil || among.full() {
		return s
	}
	x := newScoping(c, known())
	x.byValue = true
	for _, rule := range rules {
		x.ref(nil, rule)
	}
	x.run()
	s := &sight{questions: x.reads.needs(), changes: x.reads.changeNeeds()}
	s.roles = s.questions.seeRoles() || s.changes.seeRoles()
	return among.keep(k, s)
}

// seeRoles reports whether rules with the needs may see of what role a right is that a
// call is about, or anything that depends on that, or the moment.
func (n *needs) seeRoles() bool {
	return n.now || n.resource.id || n.resource.properties || n.levels || n.target.mayShow("of", "before", "after")
}

// seeRoles is the same for changes.
func (n *changeNeeds) seeRoles() bool {
	return n.now || n.roles || n.levels || n.entity.mayShow("of") || n.before.mayShow("role") || n.after.mayShow("role") || n.asked.mayShow("role")
}

// AnyRoleCalls reports whether the decision on a call about a right is the same for every
// role, as long as nothing else is another.
func (p *Policy) AnyRoleCalls(q *authz.Query) bool {
	k, ok := kindOf(q)
	if !ok || k.Resource != string(authz.RightEntity) {
		return false
	}
	s := p.questions(k)
	return s != nil && !s.roles
}

// AnyRoleChanges is the same for Plain and a change of a right at a node of the kind.
func (p *Policy) AnyRoleChanges(c *authz.Change, node authz.NodeKind) bool {
	if p.both == nil || c.Entity.Kind != authz.RightEntity {
		return false
	}
	s := p.changes(c, node)
	return s != nil && !s.roles
}

// questions returns what the decision can see of questions of the kind.
func (p *Policy) questions(k Kind) *sight {
	return sightOf(&p.sights.questions, k, p.program.compiler, func() map[string]string {
		known := k.known()
		delete(known, "screen.kind") // there may be no screen
		return known
	}, p.rule)
}

// changes returns what the rules can see of such a change, of a right at a node of the
// kind. Where there is no node, nothing is known of its kind.
func (p *Policy) changes(c *authz.Change, node authz.NodeKind) *sight {
	k := changeKind{c.Operation, c.Entity.Kind, node}
	return sightOf(&p.sights.changes, k, p.program.compiler, k.known, p.admission.ref, p.provisioning.ref)
}

// glance is a question or a change as far as the policy can tell it from others. What
// it cannot see is left out: two that are equal have the same answer, for a policy gives
// equal inputs equal answers.
type glance struct {
	policy  *Policy        // and so its settings
	of      *sight         // and so its kind
	members [][2]*ast.Term // of input, in the order in which they are always made
	room    [mostMembers][2]*ast.Term
}

func (g *glance) same(seen any) bool {
	other, ok := seen.(*glance)
	return ok && g.policy == other.policy && g.of == other.of &&
		slices.EqualFunc(g.members, other.members, func(a, b [2]*ast.Term) bool { return a[0].Equal(b[0]) && a[1].Equal(b[1]) })
}

func (g *glance) hash() (h int) {
	for _, m := range g.members {
		h = 31*h + m[0].Hash() + m[1].Hash()
	}
	return h
}

// answer returns what was answered to the same before.
func (g *glance) answer(among *authz.Alike) (answer any, found bool) {
	if g == nil {
		return nil, false
	}
	return among.Find(g.hash(), g.same)
}

func (g *glance) keep(among *authz.Alike, answer any) {
	among.Keep(g.hash(), g, answer)
}

// glanceAt returns the question as the policy sees it, or nil where that is not known or
// not asked for.
func (p *Policy) glanceAt(q *authz.Query, f *authz.Facts) *glance {
	if q.Alike == nil {
		return nil
	}
	k, ok := kindOf(q)
	if !ok {
		return nil
	}
	s := p.questions(k)
	if s == nil {
		return nil
	}
	g := &glance{policy: p, of: s}
	g.members = p.inputMembers(g.room[:0], &s.questions, q, f)
	return g
}

// kindOf returns the kind of a question, and false where it lacks something of one.
func kindOf(q *authz.Query) (Kind, bool) {
	k := Kind{Subject: q.Subject.Type, Resource: q.Resource.Type, Action: q.Action.Name}
	return k, k.Subject != "" && k.Resource != "" && k.Action != ""
}

// glanceAtChange returns the change as both rules see it, or nil where that is not known
// or not asked for.
func (p *Policy) glanceAtChange(c *authz.Change, f *authz.ChangeFacts) *glance {
	if c.Alike == nil {
		return nil
	}
	var node authz.NodeKind
	if c.Entity.Kind == authz.RightEntity && f.Node != nil {
		node = f.Node.Kind
	}
	s := p.changes(c, node)
	if s == nil {
		return nil
	}
	g := &glance{policy: p, of: s}
	g.members = p.changeMembers(g.room[:0], &s.changes, c, f)
	return g
}
