package policy

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// maxSights bounds the kinds of which a program keeps what can be seen. Portals have a
// few: callers or users, what is done, and what kinds of nodes there are.
const maxSights = 500

// sightKey is a kind of questions for the decision of a package, or of changes for its
// other rules.
type sightKey struct {
	pkg       string
	question  Kind
	operation authz.Operation  // of changes
	entity    authz.EntityKind // of changes; empty of questions
	node      authz.NodeKind   // of changes of rights
}

// known returns what holds of all that is of the kind, by the paths below input. Of a
// node it is said only where there is one.
func (k sightKey) known() map[string]string {
	if k.entity == "" {
		known := k.question.known()
		delete(known, "screen.kind") // there may be no screen
		return known
	}
	known := map[string]string{"entity.kind": string(k.entity), "operation": string(k.operation)}
	if k.node != "" {
		known["node.kind"] = string(k.node)
	}
	return known
}

// sight is what rules can see of what is of a kind.
type sight struct {
	questions needs
	changes   changeNeeds
}

// sight returns what the rules can see of what is of the kind, or nil where the program
// keeps too much already.
func (p *Program) sight(k sightKey, rules ...ast.Ref) *sight {
	if kept, ok := p.sights.Load(k); ok {
		return kept.(*sight)
	}
	if p.seen.Add(1) > maxSights {
		return nil
	}
	x := newScoping(p.compiler, k.known())
	x.byValue = true
	for _, rule := range rules {
		x.ref(nil, rule)
	}
	x.run()
	s := &sight{questions: x.reads.needs(), changes: x.reads.changeNeeds()}
	p.sights.Store(k, s)
	return s
}

// glance is a question or a change as far as the policy can tell it from others. What
// it cannot see is left out: two that are equal have the same answer, for a policy gives
// equal inputs equal answers.
type glance struct {
	policy *Policy // and so its settings
	kind   sightKey
	input  *ast.Term
}

func (g *glance) same(seen any) bool {
	other, ok := seen.(*glance)
	return ok && g.policy == other.policy && g.kind == other.kind && g.input.Value.Compare(other.input.Value) == 0
}

// answer returns what was answered to the same before.
func (g *glance) answer(among *authz.Alike) (answer any, found bool) {
	if g == nil {
		return nil, false
	}
	return among.Find(g.input.Hash(), g.same)
}

func (g *glance) keep(among *authz.Alike, answer any) {
	among.Keep(g.input.Hash(), g, answer)
}

// glanceAt returns the question as the policy sees it, or nil where that is not known or
// not asked for.
func (p *Policy) glanceAt(q *authz.Query, f *authz.Facts) *glance {
	if q.Alike == nil {
		return nil
	}
	k := sightKey{pkg: p.pkg, question: Kind{Subject: q.Subject.Type, Resource: q.Resource.Type, Action: q.Action.Name}}
	if k.question.Subject == "" || k.question.Resource == "" || k.question.Action == "" {
		return nil
	}
	s := p.program.sight(k, p.rule)
	if s == nil {
		return nil
	}
	return &glance{p, k, p.inputFor(&s.questions, q, f)}
}

// glanceAtChange returns the change as both rules see it, or nil where that is not known
// or not asked for.
func (p *Policy) glanceAtChange(c *authz.Change, f *authz.ChangeFacts) *glance {
	if c.Alike == nil {
		return nil
	}
	k := sightKey{pkg: p.pkg, operation: c.Operation, entity: c.Entity.Kind}
	if k.entity == authz.RightEntity && f.Node != nil {
		k.node = f.Node.Kind
	}
	s := p.program.sight(k, p.admission.ref, p.provisioning.ref)
	if s == nil {
		return nil
	}
	return &glance{p, k, p.changeInput(&s.changes, c, f)}
}
