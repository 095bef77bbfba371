package authz

import (
	"fmt"
	"maps"
)

// index finds the entities of one list by id.
type index struct {
	noun string // as messages call an entity
	list string // as paths call the list
	at   map[string]int
}

func newIndex(noun, list string, n int) index {
	return index{noun: noun, list: list, at: make(map[string]int, n)}
}

// enter checks the id of entity i and adds it to x. Of several entities with
// one id the first is the one that references mean.
func (c *checker) enter(x index, i int, id string) {
	p := in(x.list, i).dot("id")
	if msg := idFault(id); msg != "" {
		c.add(p, msg)
		return
	}
	if first, ok := x.at[id]; ok {
		c.add(p, fmt.Sprintf("%s %s is there twice: %s[%d] has the same id; rename one or remove it", x.noun, quote(id), x.list, first))
		return
	}
	x.at[id] = i
}

// ref returns the position of the entity called id, and false with a fault when
// there is none.
func (c *checker) ref(p place, x index, id string) (int, bool) {
	i, ok := x.at[id]
	if !ok {
		c.add(p, c.absent(x, id))
	}
	return i, ok
}

// optional is ref for a reference that may be left out.
func (c *checker) optional(p place, x index, id string) (int, bool) {
	if id == "" {
		return 0, false
	}
	return c.ref(p, x, id)
}

// absent says that no entity is called id, and which one may have been meant.
func (c *checker) absent(x index, id string) string {
	if id == "" {
		return fmt.Sprintf("is missing: name a %s", x.noun)
	}
	msg := fmt.Sprintf("%s %s does not exist", x.noun, quote(id))
	if near := nearest(id, maps.Keys(x.at), &c.guesses); near != "" {
		return msg + "; did you mean " + quote(near) + "?"
	}
	return msg + fmt.Sprintf(": add it to %s or remove what refers to it", x.list)
}

// refs checks a list of n references in the field sub of entity p, and adds
// those that lead somewhere to g, which may be nil.
func (c *checker) refs(p place, sub string, x index, g *graph, n int, id func(int) string) {
	seen := make(map[string]int, n)
	for j := range n {
		at := p.item(sub, j)
		if first, ok := seen[id(j)]; ok {
			c.add(at, fmt.Sprintf("%s %s is listed twice: %s[%d] is the same", x.noun, quote(id(j)), sub, first))
			continue
		}
		seen[id(j)] = j
		if to, ok := c.ref(at, x, id(j)); ok && g != nil {
			g.edges = append(g.edges, edge{to, j})
		}
	}
}

func (c *checker) bundle(b *Bundle) {
	c.types, c.roles = newIndex("user type", "user_types", len(b.UserTypes)), newIndex("role", "roles", len(b.Roles))
	c.nodes = newIndex("screen node", "screens", len(b.Screens))
	// References lead forward too: every id is known before one is followed.
	// The faults of the ids themselves stay with their sections.
	types := c.enterAll(c.types, len(b.UserTypes), func(i int) string { return b.UserTypes[i].ID })
	roles := c.enterAll(c.roles, len(b.Roles), func(i int) string { return b.Roles[i].ID })
	nodes := c.enterAll(c.nodes, len(b.Screens), func(i int) string { return b.Screens[i].ID })
	c.portal(&b.Portal, b.Screens)
	c.userTypes(types, b.UserTypes)
	c.roleList(roles, b.Roles)
	c.screens(nodes, b.Screens)
	c.rights(b.Rights)
}

// enterAll enters n entities and returns the faults of their ids.
func (c *checker) enterAll(x index, n int, id func(int) string) []found {
	for i := range n {
		c.enter(x, i, id(i))
	}
	faults := c.section
	c.section = nil
	return faults
}

func (c *checker) portal(p *Portal, screens []Node) {
	at := in("portal", -1)
	c.add(at.dot("id"), portalFault(p.ID))
	c.add(at.dot("title"), textFault(p.Title))
	c.add(at.dot("policy"), policyFault(p.Policy))
	c.values(at.dot("settings"), p.Settings)
	c.flags(at.dot("features"), p.Features)
	if len(p.Sharing) > 0 {
		left := MaxValues
		c.value(at.dot("sharing"), p.Sharing, 1, &left)
	}
	c.values(at.dot("limits"), p.Limits)
	c.resourceScreens(at.dot("resource_screens"), p.ResourceScreens, screens)
	c.close()
}

func (c *checker) resourceScreens(at place, m map[string]map[string]string, screens []Node) {
	for _, typ := range sortedKeys(m) {
		c.add(at.key(typ), typeFault(typ))
		for _, action := range sortedKeys(m[typ]) {
			p := at.key(typ).key(action)
			c.add(p, idFault(action))
			if i, ok := c.ref(p, c.nodes, m[typ][action]); ok && screens[i].Kind != Screen {
				c.add(p, fmt.Sprintf("%s is %s: name a screen", quote(screens[i].ID), withA(screens[i].Kind)))
			}
		}
	}
}

func (c *checker) userTypes(ids []found, types []UserType) {
	c.section = append(c.section, ids...)
	g := &graph{start: make([]int, 1, len(types)+1)}
	for i := range types {
		c.userType(in("user_types", i), &types[i], i, g)
	}
	g.check(c, rules{
		most:  MaxChain,
		name:  func(i int) string { return types[i].ID },
		place: func(i, ref int) place { return in("user_types", i).item("manages", ref) },
		loop:  func(path string) string { return "managed user types form a cycle: " + path + ": remove one of them" },
		long:  tooLong("managed user types", MaxChain),
	})
	c.close()
}

func (c *checker) userType(p place, t *UserType, i int, g *graph) {
	c.add(p.dot("title"), textFault(t.Title))
	c.add(p.dot("licence"), textFault(t.Licence))
	if t.Linked != LinkedContact && t.Linked != LinkedEmployee {
		c.add(p.dot("linked"), fmt.Sprintf("%s is no linked entity: want contact or employee", quote(string(t.Linked))))
	}
	c.refs(p, "allowed_roles", c.roles, nil, len(t.AllowedRoles), func(j int) string { return t.AllowedRoles[j].Role })
	first := len(g.edges)
	c.refs(p, "manages", c.types, g, len(t.Manages), func(j int) string { return t.Manages[j] })
	g.edges = dropSelf(g.edges, first, i)
	g.next()
	c.values(p.dot("attributes"), t.Attributes)
}

// dropSelf removes references of entity i to itself. A user type that lists
// itself manages its own kind, which is no cycle.
func dropSelf(edges []edge, first, i int) []edge {
	kept := edges[:first]
	for _, e := range edges[first:] {
		if e.to != i {
			kept = append(kept, e)
		}
	}
	return kept
}

func (c *checker) roleList(ids []found, roles []Role) {
	c.section = append(c.section, ids...)
	g := &graph{start: make([]int, 1, len(roles)+1)}
	for i := range roles {
		r, p := &roles[i], in("roles", i)
		c.add(p.dot("title"), textFault(r.Title))
		c.refs(p, "inherits", c.roles, g, len(r.Inherits), func(j int) string { return r.Inherits[j] })
		g.next()
		c.values(p.dot("attributes"), r.Attributes)
	}
	g.check(c, rules{
		most:  MaxChain,
		name:  func(i int) string { return roles[i].ID },
		place: func(i, ref int) place { return in("roles", i).item("inherits", ref) },
		loop:  func(path string) string { return "roles inherit in a cycle: " + path + ": remove one of them" },
		long:  tooLong("inheriting roles", MaxChain),
	})
	c.close()
}

// tooLong returns the message for a chain of one link more than most.
func tooLong(of string, most int) func(path string) string {
	return func(path string) string {
		return fmt.Sprintf("chain of %s has more than %d links: %s: shorten it", of, most, path)
	}
}

// above says which kinds a node's parent may be of; "" stands for the root.
var above = map[NodeKind][]NodeKind{
	Workspace: {"", Workspace},
	Screen:    {"", Workspace},
	Container: {Screen, Container},
	Element:   {Container, Screen},
}

func (c *checker) screens(ids []found, nodes []Node) {
	c.section = append(c.section, ids...)
	g := &graph{start: make([]int, 1, len(nodes)+1)}
	for i := range nodes {
		c.node(in("screens", i), &nodes[i], nodes, g)
	}
	g.check(c, rules{
		most:  MaxNodeDepth - 1,
		name:  func(i int) string { return nodes[i].ID },
		place: func(i, _ int) place { return in("screens", i).dot("parent") },
		loop: func(path string) string {
			return "screen nodes are parents of one another: " + path + ": remove one of them"
		},
		long: func(path string) string {
			return fmt.Sprintf("lies deeper than %d nodes below the root: %s: move it up", MaxNodeDepth, path)
		},
	})
	c.close()
}

func (c *checker) node(p place, n *Node, nodes []Node, g *graph) {
	c.add(p.dot("title"), textFault(n.Title))
	c.add(p.dot("feature"), nameFault(n.Feature))
	c.flags(p.dot("flags"), n.Flags)
	kinds, known := above[n.Kind]
	if !known {
		c.add(p.dot("kind"), fmt.Sprintf("unknown kind %s: want workspace, screen, container or element", quote(string(n.Kind))))
	}
	parent, ok := c.optional(p.dot("parent"), c.nodes, n.Parent)
	if ok {
		g.edges = append(g.edges, edge{to: parent})
	}
	g.next()
	if known && (ok || n.Parent == "") {
		c.parentKind(p.dot("parent"), n, kinds, nodes, parent)
	}
	c.alsoIn(p, n, nodes)
}

// parentKind checks that the node lies under a kind that it may lie under.
func (c *checker) parentKind(p place, n *Node, kinds []NodeKind, nodes []Node, parent int) {
	var kind NodeKind
	if n.Parent != "" {
		if kind = nodes[parent].Kind; above[kind] == nil {
			return // reported as the parent's own fault
		}
	}
	for _, k := range kinds {
		if k == kind {
			return
		}
	}
	if kind == "" {
		c.add(p, fmt.Sprintf("is missing: %s lies under %s or %s", withA(n.Kind), withA(kinds[0]), withA(kinds[1])))
		return
	}
	want := withA(kinds[0]) + " or " + withA(kinds[1])
	if kinds[0] == "" {
		want = withA(kinds[1]) + ", or none"
	}
	c.add(p, fmt.Sprintf("%s is %s, and %s cannot lie under it: want %s", quote(n.Parent), withA(kind), withA(n.Kind), want))
}

// withA returns the name of a kind with its article, whatever the kind.
func withA(k NodeKind) string {
	if k == Element {
		return "an element"
	}
	return "a " + clip(string(k))
}

func (c *checker) alsoIn(p place, n *Node, nodes []Node) {
	seen := make(map[string]int, len(n.AlsoIn))
	for j, id := range n.AlsoIn {
		at := p.item("also_in", j)
		if first, ok := seen[id]; ok {
			c.add(at, fmt.Sprintf("workspace %s is listed twice: also_in[%d] is the same", quote(id), first))
			continue
		}
		seen[id] = j
		if i, ok := c.ref(at, c.nodes, id); ok && nodes[i].Kind != Workspace {
			c.add(at, fmt.Sprintf("%s is %s: name a workspace", quote(id), withA(nodes[i].Kind)))
		}
	}
}

func (c *checker) rights(rights []Right) {
	seen := make(map[[2]int]int, len(rights))
	for i := range rights {
		r, p := &rights[i], in("rights", i)
		if !r.Level.Valid() {
			c.add(p.dot("level"), fmt.Sprintf("unknown %s: want one of revoked, view, edit, insert, publish, delete", r.Level))
		}
		role, ok := c.ref(p.dot("role"), c.roles, r.Role)
		node, there := c.ref(p.dot("node"), c.nodes, r.Node)
		if !ok || !there {
			continue
		}
		if first, twice := seen[[2]int{role, node}]; twice {
			c.add(p, fmt.Sprintf("role %s has two levels at node %s: rights[%d] gives the first, keep one", quote(r.Role), quote(r.Node), first))
			continue
		}
		seen[[2]int{role, node}] = i
	}
	c.close()
}
