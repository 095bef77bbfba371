package policy

import (
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// needs says which members of input the policy may look at. Those that it cannot
// reach are not made: it could not tell the difference.
type needs struct {
	portal, now, actor, screen, rights, record, account, target bool

	subject, resource, action claimNeeds
}

// claimNeeds are the members of a claim that the policy may look at.
type claimNeeds struct{ any, id, properties bool }

func (r reads) needs() needs {
	claim := func(member string) claimNeeds {
		return claimNeeds{any: r.any(member), id: r.any(member + ".id"), properties: r.any(member + ".properties")}
	}
	return needs{
		portal: r.any("portal"), now: r.any("context.now"), actor: r.any("actor"),
		screen: r.any("screen"), rights: r.any("rights"), record: r.any("record"),
		account: r.any("account"), target: r.any("target"),
		subject: claim("subject"), resource: claim("resource"), action: claim("action"),
	}
}

// input returns the document that the policy sees, as policies/schema/input.json
// describes it.
func (p *Policy) input(q *authz.Query, f *authz.Facts) *ast.Term {
	var room [12][2]*ast.Term
	members := room[:0]
	add := func(needed bool, key *ast.Term, value func() *ast.Term) {
		if needed {
			if v := value(); v != nil {
				members = append(members, [2]*ast.Term{key, v})
			}
		}
	}
	n := &p.needs
	add(n.portal, keys.portal, func() *ast.Term { return p.portal })
	add(n.subject.any, keys.subject, func() *ast.Term { return p.claim(n.subject, keys.typ, q.Subject) })
	add(n.action.any, keys.action, func() *ast.Term {
		return p.claim(n.action, keys.name, authz.Entity{Type: q.Action.Name, Properties: q.Action.Properties})
	})
	add(n.resource.any, keys.resource, func() *ast.Term { return p.claim(n.resource, keys.typ, q.Resource) })
	add(true, keys.context, func() *ast.Term { return circumstances(q, n.now) })
	add(true, keys.user, func() *ast.Term { return user(f.User) })
	add(n.actor, keys.actor, func() *ast.Term { return user(f.Actor) })
	add(n.screen, keys.screen, func() *ast.Term { return screen(f.Screen) })
	add(n.rights, keys.rights, func() *ast.Term { return rights(f.Rights) })
	add(n.record, keys.record, func() *ast.Term { return record(f.Record) })
	add(n.account, keys.account, func() *ast.Term { return account(f.Account) })
	add(n.target, keys.target, func() *ast.Term { return target(f.Target) })
	return ast.ObjectTerm(members...)
}

// keys are the member names of input, made once.
var keys = struct {
	portal, subject, action, resource, context, user, actor, screen, rights, record, account, target,
	typ, id, name, properties, now, kind, path, configured *ast.Term
}{
	portal: key("portal"), subject: key("subject"), action: key("action"), resource: key("resource"),
	context: key("context"), user: key("user"), actor: key("actor"), screen: key("screen"),
	rights: key("rights"), record: key("record"), account: key("account"), target: key("target"),
	typ: key("type"), id: key("id"), name: key("name"), properties: key("properties"), now: key("now"),
	kind: key("kind"), path: key("path"), configured: key("configured"),
}

func key(name string) *ast.Term { return ast.InternedTerm(name) }

// claim returns a subject, a resource or, with name in place of type and no id,
// an action. One that shows the policy no more than its type is made once.
func (p *Policy) claim(n claimNeeds, typ *ast.Term, e authz.Entity) *ast.Term {
	plainly := !(n.id && e.ID != "") && !(n.properties && len(e.Properties) > 0)
	if plainly {
		if t, ok := p.claims.Load(claimKey{typ, e.Type}); ok {
			return t.(*ast.Term)
		}
	}
	var room [3][2]*ast.Term
	members := append(room[:0], [2]*ast.Term{typ, ast.InternedTerm(e.Type)}, [2]*ast.Term{keys.properties, properties(e.Properties)})
	if n.id && e.ID != "" {
		members = append(members, [2]*ast.Term{keys.id, ast.StringTerm(e.ID)})
	}
	t := ast.ObjectTerm(members...)
	if plainly && p.claimed.Add(1) <= maxClaims {
		p.claims.Store(claimKey{typ, strings.Clone(e.Type)}, t)
	}
	return t
}

// claimKey is the type of a subject or a resource, or the name of an action.
type claimKey struct {
	member *ast.Term
	value  string
}

// maxClaims bounds the claims kept: types and actions are few, but callers choose
// the words.
const maxClaims = 1_000

func properties(m map[string]any) *ast.Term {
	if len(m) == 0 {
		return ast.InternedEmptyObject
	}
	return plain(m)
}

// plain converts a value of the kinds that authz allows in a Query or an entity;
// another kind there is a fault of ours, and the panic becomes a denial in Decide.
func plain(v any) *ast.Term { return ast.NewTerm(ast.MustInterfaceToValue(v)) }

// circumstances is the caller's context with the service's own now, if the policy
// reads that; the caller cannot set it.
func circumstances(q *authz.Query, now bool) *ast.Term {
	if !now && len(q.Context) == 0 {
		return ast.InternedEmptyObject
	}
	members := make([][2]*ast.Term, 0, 1+len(q.Context))
	if now {
		members = append(members, [2]*ast.Term{keys.now, ast.StringTerm(q.Now.UTC().Format(time.RFC3339Nano))})
	}
	for name, v := range q.Context {
		if name != "now" {
			members = append(members, [2]*ast.Term{ast.StringTerm(name), plain(v)})
		}
	}
	return ast.ObjectTerm(members...)
}

func user(p *authz.Principal) *ast.Term {
	if p == nil {
		return nil
	}
	return p.Recall(func() any {
		m := members{}
		m.text("id", p.ID)
		m.add("login", p.Login)
		m.add("active", p.Active)
		m.text("user_type", p.UserType)
		m.add("roles", p.Roles)
		m.add("effective_roles", p.EffectiveRoles)
		m.add("manages", p.Manages)
		m.text("account", p.Account)
		m.text("contact", p.Contact)
		m.text("position", p.Position)
		m.flags(p.Flags)
		m.add("attributes", orEmpty(p.Attributes))
		m.add("same_login", p.SameLogin)
		return m.term()
	}).(*ast.Term)
}

func screen(s *authz.ScreenFacts) *ast.Term {
	if s == nil {
		return nil
	}
	return s.Recall(func() any {
		m := members{}
		m.text("id", s.ID)
		m.add("kind", string(s.Kind))
		m.text("title", s.Title)
		path := make([]any, len(s.Path))
		for i, step := range s.Path {
			path[i] = map[string]any{"id": step.ID, "kind": string(step.Kind), "configured": step.Configured}
			if step.Kind == authz.Screen {
				m.text("screen_id", step.ID)
			}
		}
		m.add("path", path)
		m.add("features", append([]string{}, s.Features...))
		m.add("features_off", append([]string{}, s.FeaturesOff...))
		m.flags(s.Flags)
		return m.term()
	}).(*ast.Term)
}

func rights(nodes []authz.NodeRights) *ast.Term {
	if len(nodes) == 0 {
		return ast.InternedEmptyObject
	}
	var room [8][2]*ast.Term
	byNode := room[:0]
	for _, n := range nodes {
		levels := make([][2]*ast.Term, len(n.Levels))
		for i, l := range n.Levels {
			levels[i] = [2]*ast.Term{ast.InternedTerm(l.Role), ast.InternedTerm(int(l.Level))}
		}
		byNode = append(byNode, [2]*ast.Term{ast.InternedTerm(n.Node), ast.ObjectTerm(levels...)})
	}
	return ast.ObjectTerm(byNode...)
}

func record(r *authz.RecordFacts) *ast.Term {
	if r == nil {
		return nil
	}
	return r.Recall(func() any {
		m := members{}
		m.text("type", r.Type)
		m.text("id", r.ID)
		m.text("account", r.Account)
		m.text("contact", r.Contact)
		m.text("owner", r.Owner)
		m.flags(r.Flags)
		m.add("properties", orEmpty(r.Properties))
		return m.term()
	}).(*ast.Term)
}

func account(a *authz.AccountFacts) *ast.Term {
	if a == nil {
		return nil
	}
	return a.Recall(func() any {
		m := members{}
		m.text("id", a.ID)
		m.text("name", a.Name)
		m.text("parent", a.Parent)
		m.text("owner", a.Owner)
		m.flags(a.Flags)
		m.add("attributes", orEmpty(a.Attributes))
		return m.term()
	}).(*ast.Term)
}

func target(t *authz.Target) *ast.Term {
	m := members{}
	switch {
	case t == nil:
		return nil
	case t.User != nil:
		u := t.User
		m.add("type", "user")
		m.text("id", u.ID)
		m.add("active", u.Active)
		m.text("user_type", u.UserType)
		m.text("account", u.Account)
		m.text("contact", u.Contact)
		m.flags(u.Flags)
		m.add("attributes", orEmpty(u.Attributes))
		roles := make([]string, len(u.Grants))
		for i, g := range u.Grants {
			roles[i] = g.Role
		}
		m.add("roles", roles)
	case t.Contact != nil:
		c := t.Contact
		m.add("type", "contact")
		m.text("id", c.ID)
		m.text("account", c.Account)
		m.flags(c.Flags)
		m.add("attributes", orEmpty(c.Attributes))
	default:
		return nil
	}
	return m.term()
}

// members collects an object.
type members [][2]*ast.Term

func (m *members) add(name string, v any) {
	*m = append(*m, [2]*ast.Term{key(name), plain(v)})
}

// text leaves out what is empty: a fact that does not exist is absent.
func (m *members) text(name, v string) {
	if v != "" {
		m.add(name, v)
	}
}

func (m *members) flags(flags map[string]bool) {
	object := make(map[string]any, len(flags))
	for name, on := range flags {
		object[name] = on
	}
	m.add("flags", object)
}

func (m members) term() *ast.Term { return ast.ObjectTerm(m...) }
