package admin

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// grid is a range of rights: roles by nodes, with the levels that there are.
type grid struct {
	query RightsQuery
	roles []string       // sorted
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
}

// gridOf returns the range of the query. A role or a node that there is not is an
// authz.NotFound error, and a range that is too large authz.TooLarge.
func (s *Service) gridOf(b *authz.Bundle, q RightsQuery) (*grid, error) {
	g := &grid{query: q, depth: map[string]int{}, roles: []string{q.Role}}
	switch {
	case q.Role == "":
		g.roles = s.sorted.ids(b.Roles)
	case !slices.ContainsFunc(b.Roles, func(r authz.Role) bool { return r.ID == q.Role }):
		return nil, absent(authz.Entity{Type: string(authz.RoleEntity), ID: q.Role})
	}
	if err := g.takeNodes(b); err != nil {
		return nil, err
	}
	if n := len(g.roles) * len(g.nodes); n > maxCells {
		return nil, authz.Errorf(authz.TooLarge, "has %d rights: at most %d; name a role or a screen", n, maxCells)
	}
	g.takeLevels(b)
	return g, nil
}

// sortedRoles keeps the ids of roles in their order, which portals of thousands are asked
// for again and again, for the last configuration that was asked about. The zero value is
// empty.
type sortedRoles struct{ last atomic.Pointer[rolesInOrder] }

type rolesInOrder struct {
	of  []authz.Role
	ids []string
}

// ids returns the ids of the roles, sorted. Nobody may write to them, nor to the roles
// afterwards.
func (s *sortedRoles) ids(roles []authz.Role) []string {
	if last := s.last.Load(); last != nil && len(roles) > 0 && len(last.of) == len(roles) && &last.of[0] == &roles[0] {
		return last.ids
	}
	ids := make([]string, len(roles))
	for i := range roles {
		ids[i] = roles[i].ID
	}
	slices.Sort(ids)
	s.last.Store(&rolesInOrder{roles, ids})
	return ids
}

// role returns the number of the role in the range, and whether it is there. It tries near
// and the number after that first: roles are mostly asked for in their order.
func (g *grid) role(id string, near int) (int, bool) {
	for i := near; i < min(near+2, len(g.roles)); i++ {
		if g.roles[i] == id {
			return i, true
		}
	}
	return slices.BinarySearch(g.roles, id)
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
	near, all := 0, make([]found, 0, len(g.roles))
	g.start = make([]int, len(g.roles)+1)
	for i := range b.Rights {
		r := &b.Rights[i]
		if g.query.Role != "" && r.Role != g.query.Role || len(g.shown) == 1 && r.Node != g.shown[0] {
			continue
		}
		place, shown := g.place[r.Node]
		role, known := g.role(r.Role, near)
		if !shown || !known {
			continue
		}
		near = role
		all = append(all, found{role, explicit{place, r.Level}})
		g.start[role+1]++
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Or(a.role-b.role, a.place-b.place) })
	g.levels = make(levels, len(all))
	for i := range all {
		g.levels[i] = all[i].explicit
	}
	for i := range g.roles {
		g.start[i+1] += g.start[i]
	}
}

// of returns the levels of the role by its number.
func (g *grid) of(role int) levels { return g.levels[g.start[role]:g.start[role+1]] }

// at returns the level at the place, and whether there is one.
func (all levels) at(place int) (authz.Level, bool) {
	i, there := slices.BinarySearchFunc(all, place, func(e explicit, place int) int { return e.place - place })
	if !there {
		return 0, false
	}
	return all[i].level, true
}

// right returns the right of the key as it is, nil when there is none, and whether it is one
// of the range.
func (g *grid) right(k authz.Key) (authz.Stored, bool) {
	if k.Kind != authz.RightEntity {
		return nil, false
	}
	role, known := g.role(k.Of, 0)
	place, shown := g.place[k.ID]
	if !known || !shown {
		return nil, false
	}
	if l, explicit := g.of(role).at(place); explicit {
		return authz.Right{Role: k.Of, Node: k.ID, Level: l}, true
	}
	return nil, true
}

// cells returns the range by role and within one in the order of the tree.
func (g *grid) cells() []Cell {
	cells := make([]Cell, 0, len(g.roles)*len(g.nodes))
	for i, role := range g.roles {
		levels := g.of(i)
		for place, node := range g.nodes {
			c := Cell{Role: role, Node: node, Level: Inherit}
			if l, ok := levels.at(place); ok {
				c.Level, c.Explicit = l.String(), true
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
	l, explicit := levels.at(place)
	own := above
	if explicit {
		own = l.String()
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

// find returns where in the range the cell is, its place among those of its role, and what
// is wrong with what it names.
func (g *grid) find(c *change, cell Cell, near int) (role, place int, faults authz.Faults) {
	role, known := g.role(cell.Role, near)
	if !known {
		faults = append(faults, authz.Fault{Path: join(c.place, "role"), Msg: fmt.Sprintf("%q is no role of the range", cell.Role)})
	}
	if place, known = g.place[cell.Node]; !known || place >= len(g.nodes) {
		faults = append(faults, authz.Fault{Path: join(c.place, "node"), Msg: fmt.Sprintf("%q is no screen node of the range", cell.Node)})
	}
	return role, place, faults
}

// level returns the level that the cell is to have, whether it is to have one, and what is
// wrong with it.
func (c *change) level(cell Cell) (l authz.Level, explicit bool, faults authz.Faults) {
	if cell.Level == Inherit {
		return 0, false, nil
	}
	l, err := authz.ParseLevel(cell.Level)
	if err != nil {
		faults = authz.Faults{{Path: join(c.place, "level"), Msg: fmt.Sprintf("unknown level %q: want one of revoked, view, edit, insert, publish, delete, or inherit", cell.Level)}}
	}
	return l, true, faults
}
