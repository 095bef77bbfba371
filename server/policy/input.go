package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// needs says which members of input the policy may look at. Those that it cannot
// reach are not made: it could not tell the difference.
type needs struct {
	portal, now, rights, fields, levels bool

	subject, resource, action claimNeeds

	user, actor, owner, screen, record, parent, contact, account, target, node *shape
}

// claimNeeds are the members of a claim that the policy may look at.
type claimNeeds struct{ any, id, properties bool }

// shape makes one stored thing as the policy may see it. A nil shape is of a thing
// that the policy cannot reach.
type shape struct {
	whole bool            // every member can be reached
	names map[string]bool // the members that can be
}

func (r reads) needs() needs {
	claim := func(member string) claimNeeds {
		return claimNeeds{any: r.any(member), id: r.any(member + ".id"), properties: r.any(member + ".properties")}
	}
	return needs{
		portal: r.any("portal"), now: r.any("context.now"), rights: r.any("rights"), fields: r.any("fields"), levels: r.any("levels"),
		subject: claim("subject"), resource: claim("resource"), action: claim("action"),
		user: r.shape("user"), actor: r.shape("actor"), owner: r.shape("owner"), screen: r.shape("screen"),
		record: r.shape("record"), parent: r.shape("parent"), contact: r.shape("contact"),
		account: r.shape("account"), target: r.shape("target"), node: r.shape("node"),
	}
}

// shape returns what the policy may look at inside the member. Asking the paths
// again for each name would take longer than to make most members.
func (r reads) shape(member string) *shape {
	if !r.any(member) {
		return nil
	}
	s := &shape{names: make(map[string]bool)}
	for path := range r {
		s.whole = s.whole || path == "" || path == member
		if inside, ok := strings.CutPrefix(path, member+"."); ok {
			name, _, _ := strings.Cut(inside, ".")
			s.names[name] = true
		}
	}
	return s
}

// shows reports whether the policy may look at the member called name.
func (s *shape) shows(name string) bool { return s.whole || s.names[name] }

// mayShow reports whether there is such a thing at all that the policy can reach, and in
// it one of the members.
func (s *shape) mayShow(names ...string) bool { return s != nil && slices.ContainsFunc(names, s.shows) }

// input returns the document that the policy sees, as policies/schema/input.json
// describes it.
func (p *Policy) input(q *authz.Query, f *authz.Facts) *ast.Term {
	var room [mostMembers][2]*ast.Term
	return ast.ObjectTerm(p.inputMembers(room[:0], &p.needs, q, f)...)
}

// mostMembers is how many members input has at most.
const mostMembers = 20

// inputMembers appends the members of input for rules with the needs.
func (p *Policy) inputMembers(members [][2]*ast.Term, n *needs, q *authz.Query, f *authz.Facts) [][2]*ast.Term {
	add := func(key, value *ast.Term) {
		if value != nil {
			members = append(members, [2]*ast.Term{key, value})
		}
	}
	if n.portal {
		add(keys.portal, p.portal)
	}
	add(keys.subject, p.claim(n.subject, keys.typ, q.Subject.Type, q.Subject.ID, q.Subject.Properties))
	add(keys.action, p.claim(n.action, keys.name, q.Action.Name, "", q.Action.Properties))
	add(keys.resource, p.claim(n.resource, keys.typ, q.Resource.Type, q.Resource.ID, q.Resource.Properties))
	add(keys.context, circumstances(q.Context, q.Now, n.now))
	add(keys.user, n.user.principal(f.User))
	add(keys.actor, n.actor.principal(f.Actor))
	add(keys.screen, n.screen.screen(f.Screen))
	if n.rights {
		add(keys.rights, p.rights(f))
	}
	if n.fields && f.Fields != nil {
		add(keys.fields, fields(f.Fields))
	}
	add(keys.record, n.record.record(f.Record))
	add(keys.parent, n.parent.record(f.Parent))
	add(keys.owner, n.owner.principal(f.Owner))
	add(keys.contact, n.contact.contact(f.Contact))
	add(keys.account, n.account.account(f.Account))
	add(keys.target, n.target.target(f.Target))
	if t := f.Target; t != nil && t.Node != nil {
		add(keys.node, n.node.node(t.Node))
		if n.levels {
			add(keys.levels, rights(t.Levels))
		}
	}
	return members
}

// keys are the member names of input, made once.
var keys = struct {
	portal, subject, action, resource, context, user, actor, screen, rights, fields, record, parent, owner, contact, account, target, node, levels,
	typ, id, name, properties, now, kind, path, configured *ast.Term
}{
	portal: key("portal"), subject: key("subject"), action: key("action"), resource: key("resource"),
	context: key("context"), user: key("user"), actor: key("actor"), screen: key("screen"),
	rights: key("rights"), fields: key("fields"), record: key("record"), parent: key("parent"),
	owner: key("owner"), contact: key("contact"), account: key("account"), target: key("target"), node: key("node"), levels: key("levels"),
	typ: key("type"), id: key("id"), name: key("name"), properties: key("properties"), now: key("now"),
	kind: key("kind"), path: key("path"), configured: key("configured"),
}

// words are the terms of what stands in nearly every input, besides those that OPA
// keeps itself.
var words = termsOf(
	"portal", "operation", "entity", "old", "new", "asked", "context", "actor", "roles", "contact", "account", "owner", "users", "same_login",
	"node", "levels", "type_users", "screens", "counts", "latches", "now", "subject", "action", "resource", "user", "screen", "rights", "fields",
	"record", "parent", "target", "before", "after", "properties", "type", "id", "of", "kind", "role", "level", "guest", "inherits", "attributes",
	"below", "workspace", "container", "element", "flags", "active", "login", "user_type", "effective_roles", "manages", "position", "configured", "right", "create", "update", "delete",
)

func termsOf(all ...string) map[string]*ast.Term {
	terms := make(map[string]*ast.Term, len(all))
	for _, word := range all {
		terms[word] = ast.StringTerm(word)
	}
	return terms
}

// key returns the term of a name of ours.
func key(name string) *ast.Term {
	if t := words[name]; t != nil {
		return t
	}
	return ast.InternedTerm(name)
}

// claim returns a subject, a resource or, with name in place of type and no id,
// an action. One that shows the policy no more than its type is made once.
func (p *Policy) claim(n claimNeeds, member *ast.Term, typ, id string, props map[string]any) *ast.Term {
	if !n.any {
		return nil
	}
	plainly := !(n.id && id != "") && !(n.properties && len(props) > 0)
	if plainly {
		if t := p.claims.get(claimKey{member, typ}); t != nil {
			return t
		}
	}
	var room [3][2]*ast.Term
	members := append(room[:0], [2]*ast.Term{member, ast.InternedTerm(typ)}, [2]*ast.Term{keys.properties, properties(props)})
	if n.id && id != "" {
		members = append(members, [2]*ast.Term{keys.id, ast.StringTerm(id)})
	}
	t := ast.ObjectTerm(members...)
	if plainly {
		p.claims.keep(claimKey{member, strings.Clone(typ)}, t)
	}
	return t
}

// claimKey is the type of a subject or a resource, or the name of an action.
type claimKey struct {
	member *ast.Term
	value  string
}

// few keeps what is made once for each of a few keys. The map is copied to add to it, so
// that reading takes no lock.
type few[K comparable, V any] struct {
	kept atomic.Pointer[map[K]V]
	mu   sync.Mutex
	most int // how many are kept; 0: maxFew
}

// maxFew bounds what is kept: types and actions are few, but callers choose the words.
const maxFew = 200

// get returns what is kept for the key, or else the zero value.
func (f *few[K, V]) get(key K) (v V) {
	if kept := f.kept.Load(); kept != nil {
		v = (*kept)[key]
	}
	return v
}

func (f *few[K, V]) full() bool {
	kept := f.kept.Load()
	return kept != nil && len(*kept) >= cmp.Or(f.most, maxFew)
}

// keep returns what is kept for the key: v, unless somebody was faster.
func (f *few[K, V]) keep(key K, v V) V {
	f.mu.Lock()
	defer f.mu.Unlock()
	var kept map[K]V
	if now := f.kept.Load(); now != nil {
		kept = *now
	}
	if first, there := kept[key]; there {
		return first
	}
	if len(kept) >= cmp.Or(f.most, maxFew) {
		return v
	}
	more := make(map[K]V, len(kept)+1)
	maps.Copy(more, kept)
	more[key] = v
	f.kept.Store(&more)
	return v
}

func properties(m map[string]any) *ast.Term {
	if len(m) == 0 {
		return ast.InternedEmptyObject
	}
	return plain(m)
}

// plain converts a value of the kinds that authz allows in a Query or an entity;
// another kind there is a fault of ours, and the panic becomes a denial in Decide.
func plain(v any) *ast.Term {
	if word, ok := v.(string); ok {
		return key(word)
	}
	return ast.NewTerm(ast.MustInterfaceToValue(v))
}

// circumstances is the caller's context with the service's own now, if the policy
// reads that; the caller cannot set it.
func circumstances(context map[string]any, now time.Time, shown bool) *ast.Term {
	if !shown && len(context) == 0 {
		return ast.InternedEmptyObject
	}
	members := make([][2]*ast.Term, 0, 1+len(context))
	if shown {
		members = append(members, [2]*ast.Term{keys.now, ast.StringTerm(now.UTC().Format(time.RFC3339Nano))})
	}
	for name, v := range context {
		if name != "now" {
			members = append(members, [2]*ast.Term{ast.StringTerm(name), plain(v)})
		}
	}
	return ast.ObjectTerm(members...)
}

func (s *shape) principal(p *authz.Principal) *ast.Term {
	if s == nil || p == nil {
		return nil
	}
	return p.Recall(s, func() any { return s.derivePrincipal(p) }).(*ast.Term)
}

// derivePrincipal is principal, and keeps nothing.
func (s *shape) derivePrincipal(p *authz.Principal) *ast.Term {
	if s == nil || p == nil {
		return nil
	}
	m := members{shape: s}
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
}

func (s *shape) screen(f *authz.ScreenFacts) *ast.Term {
	if s == nil || f == nil {
		return nil
	}
	return f.Recall(s, func() any {
		m := members{shape: s}
		m.text("id", f.ID)
		m.add("kind", string(f.Kind))
		m.text("title", f.Title)
		for _, step := range f.Path {
			if step.Kind == authz.Screen {
				m.text("screen_id", step.ID)
			}
		}
		m.add("path", pathNodes(f.Path))
		m.add("features", append([]string{}, f.Features...))
		m.add("features_off", append([]string{}, f.FeaturesOff...))
		m.flags(f.Flags)
		return m.term()
	}).(*ast.Term)
}

func pathNodes(nodes []authz.PathNode) []any {
	all := make([]any, len(nodes))
	for i, n := range nodes {
		all[i] = map[string]any{"id": n.ID, "kind": string(n.Kind), "configured": n.Configured}
	}
	return all
}

func rights(nodes []authz.NodeRights) *ast.Term {
	if len(nodes) == 0 {
		return ast.InternedEmptyObject
	}
	var room [8][2]*ast.Term
	byNode := room[:0]
	for _, n := range nodes {
		byNode = append(byNode, [2]*ast.Term{ast.InternedTerm(n.Node), levels(n.Levels)})
	}
	return ast.ObjectTerm(byNode...)
}

func levels(all []authz.RoleLevel) *ast.Term {
	if len(all) == 0 {
		return ast.InternedEmptyObject
	}
	byRole := make([][2]*ast.Term, len(all))
	for i, l := range all {
		byRole[i] = [2]*ast.Term{ast.InternedTerm(l.Role), ast.InternedTerm(int(l.Level))}
	}
	return ast.ObjectTerm(byRole...)
}

func fields(all []authz.FieldRights) *ast.Term {
	byField := make([][2]*ast.Term, len(all))
	for i, f := range all {
		byField[i] = [2]*ast.Term{ast.InternedTerm(f.Field), levels(f.Levels)}
	}
	return ast.ObjectTerm(byField...)
}

func (s *shape) record(r *authz.RecordFacts) *ast.Term {
	if s == nil || r == nil {
		return nil
	}
	return r.Recall(s, func() any {
		m := members{shape: s}
		m.text("type", r.Type)
		m.text("id", r.ID)
		m.text("account", r.Account)
		m.text("contact", r.Contact)
		m.text("owner", r.Owner)
		m.text("parent", r.Parent)
		m.flags(r.Flags)
		m.add("properties", orEmpty(r.Properties))
		return m.term()
	}).(*ast.Term)
}

func (s *shape) account(a *authz.AccountFacts) *ast.Term {
	if s == nil || a == nil {
		return nil
	}
	return a.Recall(s, func() any {
		m := members{shape: s}
		m.text("id", a.ID)
		m.text("name", a.Name)
		m.text("parent", a.Parent)
		m.text("owner", a.Owner)
		m.flags(a.Flags)
		m.add("attributes", orEmpty(a.Attributes))
		return m.term()
	}).(*ast.Term)
}

func (s *shape) contact(c *authz.ContactFacts) *ast.Term {
	if s == nil || c == nil {
		return nil
	}
	return c.Recall(s, func() any {
		m := members{shape: s}
		m.text("id", c.ID)
		m.text("name", c.Name)
		m.text("email", c.Email)
		m.text("account", c.Account)
		m.text("position", c.Position)
		m.flags(c.Flags)
		m.add("attributes", orEmpty(c.Attributes))
		return m.term()
	}).(*ast.Term)
}

func (s *shape) target(t *authz.Target) *ast.Term {
	if s == nil || t == nil {
		return nil
	}
	m := s.members(6)
	switch {
	case t.User != nil:
		m.user(t.User)
	case t.Contact != nil:
		m.contact(t.Contact)
	case t.Key != authz.Key{}:
		m.add("type", string(t.Key.Kind))
		m.text("id", t.Key.ID)
		m.text("of", t.Key.Of)
	default:
		return nil
	}
	m.document("before", t.Before)
	m.document("after", t.After)
	return m.term()
}

// user adds a user as it stands, which is managed.
func (m *members) user(u *authz.User) {
	m.add("type", "user")
	m.text("id", u.ID)
	m.text("login", u.Login)
	m.add("active", u.Active)
	m.text("user_type", u.UserType)
	m.text("account", u.Account)
	m.text("contact", u.Contact)
	m.text("position", u.Position)
	m.flags(u.Flags)
	m.add("attributes", orEmpty(u.Attributes))
	roles := make([]string, len(u.Grants))
	for i, g := range u.Grants {
		roles[i] = g.Role
	}
	m.add("roles", roles)
}

// contact adds a contact as it stands, which is managed or is to have a user.
func (m *members) contact(c *authz.Contact) {
	m.add("type", "contact")
	m.text("id", c.ID)
	m.text("account", c.Account)
	m.text("position", c.Position)
	m.flags(c.Flags)
	m.add("attributes", orEmpty(c.Attributes))
}

// members collects the members of a shape, less those that the policy cannot reach.
type members struct {
	shape *shape
	list  [][2]*ast.Term
}

// members returns room for n members.
func (s *shape) members(n int) members { return members{shape: s, list: make([][2]*ast.Term, 0, n)} }

func (m *members) add(name string, v any) {
	if m.shape.shows(name) {
		m.list = append(m.list, [2]*ast.Term{key(name), plain(v)})
	}
}

// document adds the entity as input.old and input.new show it.
func (m *members) document(name string, e authz.Stored) {
	if e != nil && m.shape.shows(name) {
		m.add(name, authz.Document(e))
	}
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

func (m *members) term() *ast.Term { return ast.ObjectTerm(m.list...) }
