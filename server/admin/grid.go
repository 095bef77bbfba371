package admin

import (
	"fmt"
	"maps"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// grid is a range of rights: roles by nodes, with the levels that there are.
type grid struct {
	query RightsQuery
	roles map[string]bool
	nodes []string // in the order of the tree
	shown []string // nodes and all that lies below them
	below map[string][]string
	depth map[string]int // of a node in the tree
	// levels are the explicit ones of the roles at the nodes shown, by role.
	levels map[string]map[string]authz.Level
}

// gridOf returns the range of the query. A role or a node that there is not is an
// authz.NotFound error, and a range that is too large authz.TooLarge.
func gridOf(b *authz.Bundle, q RightsQuery) (*grid, error) {
	g := &grid{query: q, depth: map[string]int{}, levels: map[string]map[string]authz.Level{}}
	if err := g.takeRoles(b); err != nil {
		return nil, err
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

func (g *grid) takeRoles(b *authz.Bundle) error {
	g.roles = make(map[string]bool)
	if g.query.Role == "" {
		g.roles = make(map[string]bool, len(b.Roles))
	}
	for i := range b.Roles {
		if id := b.Roles[i].ID; g.query.Role == "" || id == g.query.Role {
			g.roles[id] = true
		}
	}
	if g.query.Role != "" && len(g.roles) == 0 {
		return absent(authz.Entity{Type: string(authz.RoleEntity), ID: g.query.Role})
	}
	return nil
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
	g.below = maps.Clone(children)
	for workspace, more := range also {
		g.below[workspace] = append(slices.Clone(children[workspace]), more...)
	}
	all := g.walk(children, "", 0, nil)
	switch {
	case g.query.Node == "":
		g.nodes, g.shown = all, all
		return nil
	case !slices.Contains(all, g.query.Node):
		return absent(authz.Entity{Type: string(authz.NodeEntity), ID: g.query.Node})
	}
	g.nodes = []string{g.query.Node}
	g.shown = unique(g.walk(g.below, g.query.Node, g.depth[g.query.Node]+1, slices.Clone(g.nodes)))
	if g.query.Below {
		g.nodes = g.shown
	}
	return nil
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

func (g *grid) takeLevels(b *authz.Bundle) {
	wanted := make(map[string]bool, len(g.shown))
	for _, id := range g.shown {
		wanted[id] = true
	}
	for i := range b.Rights {
		r := &b.Rights[i]
		if g.query.Role != "" && r.Role != g.query.Role || len(g.shown) == 1 && r.Node != g.shown[0] || !wanted[r.Node] {
			continue
		}
		if g.levels[r.Role] == nil {
			g.levels[r.Role] = map[string]authz.Level{}
		}
		g.levels[r.Role][r.Node] = r.Level
	}
}

// level returns the explicit level of the role at the node, and whether it has one.
func (g *grid) level(role, node string) (authz.Level, bool) {
	l, ok := g.levels[role][node]
	return l, ok
}

// cells returns the range by role and within one in the order of the tree.
func (g *grid) cells() []Cell {
	cells := make([]Cell, 0, len(g.roles)*len(g.nodes))
	for _, role := range slices.Sorted(maps.Keys(g.roles)) {
		levels := g.levels[role]
		for _, node := range g.nodes {
			c := Cell{Role: role, Node: node, Level: Inherit}
			if l, ok := levels[node]; ok {
				c.Level, c.Explicit = l.String(), true
			}
			if c.Shown = c.Level; len(levels) > 0 {
				c.Shown = g.show(levels, node, Inherit)
			}
			cells = append(cells, c)
		}
	}
	return cells
}

// show returns the level that the node and all that lies below it have alike, where
// what has no level of its own has that from above, or Multiple. A node without a
// level of its own is shown by what lies below it alone.
func (g *grid) show(levels map[string]authz.Level, node, above string) string {
	l, explicit := levels[node]
	own := above
	if explicit {
		own = l.String()
	}
	shown := ""
	if explicit || len(g.below[node]) == 0 {
		shown = own
	}
	for _, child := range g.below[node] {
		switch s := g.show(levels, child, own); {
		case shown == "":
			shown = s
		case s != shown:
			return Multiple
		}
	}
	return shown
}

// check returns the level that a cell is to have, and whether it is to have one.
func (g *grid) check(c *change, cell Cell) (l authz.Level, explicit bool, faults authz.Faults) {
	fault := func(field, format string, args ...any) {
		faults = append(faults, authz.Fault{Path: join(c.place, field), Msg: fmt.Sprintf(format, args...)})
	}
	if !g.roles[cell.Role] {
		fault("role", "%q is no role of the range", cell.Role)
	}
	if !g.holds(cell.Node) {
		fault("node", "%q is no screen node of the range", cell.Node)
	}
	if cell.Level == Inherit {
		return 0, false, faults
	}
	l, err := authz.ParseLevel(cell.Level)
	if err != nil {
		fault("level", "unknown level %q: want one of revoked, view, edit, insert, publish, delete, or inherit", cell.Level)
	}
	return l, true, faults
}

func (g *grid) holds(node string) bool {
	if g.query.Node == "" {
		_, ok := g.depth[node]
		return ok
	}
	return slices.Contains(g.nodes, node)
}
