package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// RightsQuery says which rights are meant: one cell (Role and Node), the row of a
// role (Role alone), the column of a node (Node alone), or with Below the node and
// all that lies below it in the screen tree, of one role or of all.
type RightsQuery struct {
	Role, Node string
	Below      bool
}

// Values of Cell.Level and Cell.Shown that are no level.
const (
	Inherit  = "inherit"  // there is no level of its own
	Multiple = "multiple" // what lies below differs
)

// Cell is the right of one role at one node.
type Cell struct {
	Role  string `json:"role"`
	Node  string `json:"node"`
	Level string `json:"level"` // name of the explicit level, or Inherit
	// Explicit says that the role has a level of its own there.
	Explicit bool `json:"explicit"`
	// Shown is the level as a tree of screens shows it: Multiple when not all nodes
	// below have the same, and else Level.
	Shown string `json:"shown"`
}

// RightsView is a range of rights, by role and within one in the order of the tree.
type RightsView struct {
	Cells []Cell
	ETag  string
}

// maxCells bounds the cells of one view.
const maxCells = 250_000

// Rights returns the cells of the range: one of a role and a node, a row in the
// order of the tree, a column by role, or a subtree. It is one decision, about the
// right that the range is, in which "*" stands for what it does not name.
func (s *Service) Rights(ctx context.Context, call Call, q RightsQuery) (RightsView, error) {
	if _, err := s.permit(ctx, &call, question{action: authz.ReadCall, resource: q.resource()}); err != nil {
		return RightsView{}, err
	}
	b, err := s.decider.Configuration(call.Portal)
	if err != nil {
		return RightsView{}, err
	}
	g, err := s.gridOf(b, q)
	if err != nil {
		return RightsView{}, err
	}
	cells := g.cells()
	return RightsView{Cells: cells, ETag: cellsTag(cells)}, nil
}

func (q RightsQuery) resource() authz.Entity {
	return authz.CallResource(authz.Key{Kind: authz.RightEntity, Of: cmp.Or(q.Role, authz.AnyResource), ID: cmp.Or(q.Node, authz.AnyResource)})
}

// SetRights gives the cells, which lie in the range of q, their levels, and leaves
// the others of the range as they are. The level Inherit takes an explicit level
// away. The cells that change are judged, each as a change of its own, those of
// nodes higher up in the tree first: what a cell says counts for more than what the
// policy copies down to it, even when it says what is there already.
func (s *Service) SetRights(ctx context.Context, call Call, q RightsQuery, cells []Cell) (Result, error) {
	return s.write(ctx, &call, &order{rights: &q, cells: cells})
}

// readCells finds the cells that change, and the state of the range before.
func (w *writing) readCells(ctx context.Context) error {
	var changes []change
	var g *grid
	err := beside("the reading of the cells", func() error {
		changes = w.order.changesOfCells()
		return nil
	}, func() (err error) {
		g, err = w.s.gridOf(w.config, *w.order.rights)
		return err
	})
	if err != nil { // who is not let in does not learn what there is
		return firstError(w.permitRange(ctx), func() error { return err })
	}
	err = beside("the ETag of the range", func() error {
		w.tag = cellsTag(g.cells())
		return nil
	}, func() error { return w.orderCells(ctx, g, changes) })
	if err != nil {
		return err
	}
	if len(w.changes) > fewCells {
		w.alike = &authz.Alike{}
	}
	if len(w.malformed) > 0 && len(w.changes) == 0 {
		return firstError(w.permitRange(ctx), func() error { return invalid(w.malformed) })
	}
	return nil
}

// noItem is the item of cells.
var noItem = &Item{}

// changesOfCells returns what the cells are to become, whatever there is.
func (o *order) changesOfCells() []change {
	all := make([]change, len(o.cells))
	for i := range all {
		c, cell := &all[i], &o.cells[i]
		c.number, c.item, c.key = i, noItem, authz.Key{Kind: authz.RightEntity, Of: cell.Role, ID: cell.Node}
		level, explicit, err := cell.level()
		if c.unread = err != nil; explicit && !c.unread {
			c.new = authz.Right{Role: cell.Role, Node: cell.Node, Level: level}
		}
	}
	return all
}

// orderCells finds which of the changes there are in the range, those of nodes higher up in
// the tree first.
func (w *writing) orderCells(ctx context.Context, g *grid, changes []change) error {
	at := make([]int, len(changes))
	err := inParts(ctx, "the ordering of the cells", len(changes), func(_ context.Context, from, to int) error {
		for i := from; i < to; i++ {
			at[i] = g.order(&changes[i])
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.grid, w.changes = g, make([]*change, 0, len(changes))
	seen := make([]bool, len(g.roles.ids)*len(g.nodes))
	for i := range changes {
		switch {
		case at[i] == nowhere:
			w.malformed = append(w.malformed, g.faults(w.order.place(i), w.order.cells[i])...)
			continue
		case seen[at[i]]:
			w.malformed = append(w.malformed, authz.Fault{Path: w.order.place(i), Msg: fmt.Sprintf("is the same as %s: leave one out", w.order.place(slices.Index(at, at[i])))})
			continue
		}
		seen[at[i]] = true
		w.changes = append(w.changes, &changes[i])
	}
	if len(g.nodes) > 1 {
		slices.SortStableFunc(w.changes, func(a, b *change) int { return g.depth[a.key.ID] - g.depth[b.key.ID] })
	}
	return nil
}

// order finds what the right of the change is now, and returns its number in the range;
// nowhere when it is none of the range or is to become what cannot be read.
func (g *grid) order(c *change) int {
	role, place, ok := g.find(c.key.Of, c.key.ID)
	if !ok || place >= len(g.nodes) || c.unread {
		return nowhere
	}
	c.right = nowhere
	old, had := g.of(role).at(place)
	if had {
		c.right = old.right
		c.was.Stored = authz.Right{Role: c.key.Of, Node: c.key.ID, Level: old.level}
	}
	c.same = c.was.Stored == c.new
	return role*len(g.nodes) + place
}

// level returns the level that the cell is to have, and whether it is to have one.
func (c *Cell) level() (l authz.Level, explicit bool, err error) {
	if c.Level == Inherit {
		return 0, false, nil
	}
	l, err = authz.ParseLevel(c.Level)
	return l, true, err
}

// faults says what is wrong with the cell at the place of the order.
func (g *grid) faults(at string, cell Cell) (faults authz.Faults) {
	if _, known := g.roles.number[cell.Role]; !known {
		faults = append(faults, authz.Fault{Path: join(at, "role"), Msg: fmt.Sprintf("%q is no role of the range", cell.Role)})
	}
	if place, known := g.place[cell.Node]; !known || place >= len(g.nodes) {
		faults = append(faults, authz.Fault{Path: join(at, "node"), Msg: fmt.Sprintf("%q is no screen node of the range", cell.Node)})
	}
	if _, _, err := cell.level(); err != nil {
		faults = append(faults, authz.Fault{Path: join(at, "level"), Msg: fmt.Sprintf("unknown level %q: want one of revoked, view, edit, insert, publish, delete, or inherit", cell.Level)})
	}
	return faults
}

// permitRange asks whether the range as a whole may be changed.
func (w *writing) permitRange(ctx context.Context) error {
	_, err := w.s.permit(ctx, w.call, question{action: authz.UpdateCall, resource: w.order.rights.resource()})
	return err
}
