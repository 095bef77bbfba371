package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

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
	g, err := w.s.gridOf(w.config, *w.order.rights)
	if err != nil { // who is not let in does not learn what there is
		return firstError(w.permitRange(ctx), func() error { return err })
	}
	if err := beside("the ETag of the range", func() { w.tag = cellsTag(g.cells()) }, func() { w.orderCells(g) }); err != nil {
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

// orderCells finds what becomes of the cells, those of nodes higher up in the tree first.
func (w *writing) orderCells(g *grid) {
	cells := w.order.cells
	made := make([]change, len(cells))
	w.grid, w.changes = g, make([]*change, 0, len(cells))
	seen := make([]bool, len(g.roles)*len(g.nodes))
	place, role := cellPlaces(len(cells)), 0
	for i, cell := range cells {
		c := &made[i]
		c.item, c.place, c.key = noItem, place(i), authz.Key{Kind: authz.RightEntity, Of: cell.Role, ID: cell.Node}
		at, ok := w.orderCell(g, c, cell, &role)
		switch {
		case !ok:
			continue
		case seen[at]:
			first := slices.IndexFunc(cells, func(x Cell) bool { return x.Role == cell.Role && x.Node == cell.Node })
			w.malformed = append(w.malformed, authz.Fault{Path: c.place, Msg: fmt.Sprintf("is the same as cells[%d]: leave one out", first)})
			continue
		}
		seen[at] = true
		w.changes = append(w.changes, c)
	}
	if len(g.nodes) > 1 {
		slices.SortStableFunc(w.changes, func(a, b *change) int { return g.depth[a.key.ID] - g.depth[b.key.ID] })
	}
}

// orderCell finds what becomes of the cell, which is likely to be of the role that follows
// the last, and returns its number in the range. It keeps what is wrong with it.
func (w *writing) orderCell(g *grid, c *change, cell Cell, last *int) (at int, ok bool) {
	role, place, faults := g.find(c, cell, *last)
	level, explicit, more := c.level(cell)
	if faults = append(faults, more...); len(faults) > 0 {
		w.malformed = append(w.malformed, faults...)
		return 0, false
	}
	*last = role
	old, had := g.of(role).at(place)
	if had {
		c.was.Stored = authz.Right{Role: cell.Role, Node: cell.Node, Level: old}
	}
	if explicit {
		c.new = authz.Right{Role: cell.Role, Node: cell.Node, Level: level}
	}
	c.same = had == explicit && old == level
	return role*len(g.nodes) + place, true
}

// cellPlaces returns the places of n cells in the document of a call. They share one text.
func cellPlaces(n int) func(i int) string {
	var text []byte
	ends := make([]int, n+1)
	for i := range n {
		text = append(strconv.AppendInt(append(text, "cells["...), int64(i), 10), ']')
		ends[i+1] = len(text)
	}
	all := string(text)
	return func(i int) string { return all[ends[i]:ends[i+1]] }
}

// permitRange asks whether the range as a whole may be changed.
func (w *writing) permitRange(ctx context.Context) error {
	_, err := w.s.permit(ctx, w.call, question{action: authz.UpdateCall, resource: w.order.rights.resource()})
	return err
}
