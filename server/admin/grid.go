package admin

import (
	"cmp"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// grid is a range of rights: roles by nodes, with the levels that there are.
type grid struct {
	query RightsQuery
	roles *rolesInOrder
	nodes []string       // in the order of the tree
	shown []string       // the nodes first, and then what else lies below them
	place map[string]int // of each in shown, by which it is known here
	below [][]int        // places of what lies directly below, by place
	depth map[string]int // of a node in the tree

	// Explicit levels of the roles at the nodes shown: those of roles[i] are
	// levels[start[i]:start[i+1]].
	levels levels
	start  []int
}

// levels are explicit levels of one role, in the order of the places.
type levels []explicit

// explicit is a level of its own at a place.
type explicit struct {
	place int
	level authz.Level
	right int // place among the rights of the configuration
}

// gridOf returns the range of the query. A role or a node that there is not is an
// authz.NotFound error, and a range that is too large authz.TooLarge.
func (s *Service) gridOf(b *authz.Bundle, q RightsQuery) (*grid, error) {
	g := &grid{query: q, depth: map[string]int{}}
	switch {
	case q.Role == "":
		g.roles = s.sorted.of(b.Roles)
	case slices.ContainsFunc(b.Roles, func(r authz.Role) bool { return r.ID == q.Role }):
		g.roles = inOrder(q.Role)
	default:
		return nil, absent(authz.Entity{Type: string(authz.RoleEntity), ID: q.Role})
	}
	if err := g.takeNodes(b); err != nil {
		return nil, err
	}
	if n := len(g.roles.ids) * len(g.nodes); n > maxCells {
		return nil, authz.Errorf(authz.TooLarge, "has %d rights: at most %d; name a role or a screen", n, maxCells)
	}
	g.takeLevels(b)
	return g, nil
}

// sortedRoles keeps the roles of a configuration in order, which portals of thousands are
// asked for again and again, for the last that was asked about. The zero value is empty.
type sortedRoles struct{ last atomic.Pointer[lastRoles] }

type lastRoles struct {
	of []authz.Role
	rolesInOrder
}

// rolesInOrder are ids of roles, sorted, with the number of each. Nobody may write to them.
type rolesInOrder struct {
	ids    []string
	number map[string]int
}

func inOrder(ids ...string) *rolesInOrder {
	slices.Sort(ids)
	r := &rolesInOrder{ids, make(map[string]int, len(ids))}
	for i, id := range ids {
		r.number[id] = i
	}
	return r
}

// of returns the roles in order. Nobody may write to them afterwards.
func (s *sortedRoles) of(roles []authz.Role) *rolesInOrder {
	if last := s.last.Load(); last != nil && len(roles) > 0 && len(last.of) == len(roles) && &last.of[0] == &roles[0] {
		return &last.rolesInOrder
	}
	ids := make([]string, len(roles))
	for i := range roles {
		ids[i] = roles[i].ID
	}
	next := &lastRoles{roles, *inOrder(ids...)}
	s.last.Store(next)
	return &next.rolesInOrder
}

// takeNodes walks the tree from the root, siblings in the order of the bundle.
func (g *grid) takeNodes(b *authz.Bundle) error {
	children := make(map[string][]string, len(b.Screens))
	also := map[string][]string{}
	for i := range b.Screens {
		n := &b.Screens[i]
		children[n.Parent] = append(children[n.Parent], n.ID)
		for _, workspace := range n.AlsoIn {
			also[workspace] = append(also[workspace], n.ID)
		}
	}
	below := maps.Clone(children)
	for workspace, more := range also {
		below[workspace] = append(slices.Clone(children[workspace]), more...)
	}
	g.shown = g.walk(children, "", 0, nil)
	g.nodes = g.shown
	if g.query.Node != "" {
		if !slices.Contains(g.shown, g.query.Node) {
			return absent(authz.Entity{Type: string(authz.NodeEntity), ID: g.query.Node})
		}
		g.shown = unique(g.walk(below, g.query.Node, g.depth[g.query.Node]+1, []string{g.query.Node}))
		if g.nodes = g.shown; !g.query.Below {
			g.nodes = g.shown[:1]
		}
	}
	g.number(below)
	return nil
}

// number gives the nodes their places.
func (g *grid) number(below map[string][]string) {
	g.place, g.below = make(map[string]int, len(g.shown)), make([][]int, len(g.shown))
	for i, id := range g.shown {
		g.place[id] = i
	}
	for i, id := range g.shown {
		for _, child := range below[id] {
			g.below[i] = append(g.below[i], g.place[child])
		}
	}
}

// walk appends what lies below the node, and takes down how deep.
func (g *grid) walk(children map[string][]string, id string, depth int, to []string) []string {
	if depth > authz.MaxNodeDepth+1 {
		return to
	}
	for _, child := range children[id] {
		if _, known := g.depth[child]; !known {
			g.depth[child] = depth
		}
		to = g.walk(children, child, depth+1, append(to, child))
	}
	return to
}

// unique leaves out what is there already: a screen that several workspaces show.
func unique(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	return slices.DeleteFunc(ids, func(id string) bool {
		twice := seen[id]
		seen[id] = true
		return twice
	})
}

// takeLevels sorts the rights in the range by role and place.
func (g *grid) takeLevels(b *authz.Bundle) {
	type found struct {
		role int
		explicit
	}
	all := make([]found, 0, len(g.roles.ids))
	g.start = make([]int, len(g.roles.ids)+1)
	for i := range b.Rights {
		r := &b.Rights[i]
		if g.query.Role != "" && r.Role != g.query.Role || len(g.shown) == 1 && r.Node != g.shown[0] {
			continue
		}
		place, shown := g.place[r.Node]
		role, known := g.roles.number[r.Role]
		if !shown || !known {
			continue
		}
		all = append(all, found{role, explicit{place, r.Level, i}})
		g.start[role+1]++
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Or(a.role-b.role, a.place-b.place) })
	g.levels = make(levels, len(all))
	for i := range all {
		g.levels[i] = all[i].explicit
	}
	for i := range g.roles.ids {
		g.start[i+1] += g.start[i]
	}
}

// of returns the levels of the role by its number.
func (g *grid) of(role int) levels { return g.levels[g.start[role]:g.start[role+1]] }

// at returns the level at the place, and whether there is one.
func (all levels) at(place int) (explicit, bool) {
	i, there := slices.BinarySearchFunc(all, place, func(e explicit, place int) int { return e.place - place })
	if !there {
		return explicit{}, false
	}
	return all[i], true
}

// find returns where in the range the right of a role at a node is, and false when it is not
// one of those.
func (g *grid) find(role, node string) (number, place int, ok bool) {
	number, known := g.roles.number[role]
	place, shown := g.place[node]
	return number, place, known && shown
}

// right returns the right of the key as it is, nil when there is none, and whether it is one
// of the range, or below it.
func (g *grid) right(k authz.Key) (authz.Stored, bool) {
	role, place, ok := g.find(k.Of, k.ID)
	if !ok || k.Kind != authz.RightEntity {
		return nil, false
	}
	if e, explicit := g.of(role).at(place); explicit {
		return authz.Right{Role: k.Of, Node: k.ID, Level: e.level}, true
	}
	return nil, true
}

// cells returns the range by role and within one in the order of the tree.
func (g *grid) cells() []Cell {
	cells := make([]Cell, 0, len(g.roles.ids)*len(g.nodes))
	for i, role := range g.roles.ids {
		levels := g.of(i)
		for place, node := range g.nodes {
			c := Cell{Role: role, Node: node, Level: Inherit}
			if e, ok := levels.at(place); ok {
				c.Level, c.Explicit = e.level.String(), true
			}
			if c.Shown = c.Level; len(levels) > 0 {
				c.Shown = g.show(levels, place, Inherit)
			}
			cells = append(cells, c)
		}
	}
	return cells
}

// show returns the level that the node at the place and all that lies below it have alike,
// where what has no level of its own has that from above, or Multiple. A node without a
// level of its own is shown by what lies below it alone.
func (g *grid) show(levels levels, place int, above string) string {
	e, explicit := levels.at(place)
	own := above
	if explicit {
		own = e.level.String()
	}
	shown := ""
	if explicit || len(g.below[place]) == 0 {
		shown = own
	}
	for _, child := range g.below[place] {
		switch s := g.show(levels, child, own); {
		case shown == "":
			shown = s
		case s != shown:
			return Multiple
		}
	}
	return shown
}
