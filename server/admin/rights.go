package admin

import (
	"cmp"
	"context"
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
const maxCells = 1_000_000

// Rights returns the cells of the range that the caller may read.
func (s *Service) Rights(ctx context.Context, call Call, q RightsQuery) (RightsView, error) {
	return RightsView{}, authz.Errorf(authz.Internal, "rights are not read yet")
}

// SetRights gives the cells, which lie in the range of q, their levels, and leaves
// the others of the range as they are. The level Inherit takes an explicit level
// away.
func (s *Service) SetRights(ctx context.Context, call Call, q RightsQuery, cells []Cell) (Result, error) {
	return Result{}, authz.Errorf(authz.Internal, "rights are not written yet")
}

// byRole orders cells by role, and keeps the order of the tree within one.
func byRole(cells []Cell) {
	slices.SortStableFunc(cells, func(a, b Cell) int { return cmp.Compare(a.Role, b.Role) })
}
