package adminapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// RolePath names a role whose rights are meant.
type RolePath struct {
	PortalPath
	Role string `path:"role" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f]+$" doc:"id of the role" example:"Clerk"`
}

// CellPath names one role and one node.
type CellPath struct {
	RolePath
	Screen string `path:"screen" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f]+$" doc:"id of the node" example:"orders"`
}

// ColumnPath names a node whose rights are meant, and those below it.
type ColumnPath struct {
	EntityPath
	Below bool   `query:"below" doc:"true: the nodes below it too"`
	Role  string `query:"role" maxLength:"200" doc:"only those of this role"`
}

func (p *RolePath) rights() admin.RightsQuery { return admin.RightsQuery{Role: p.Role} }
func (p *CellPath) rights() admin.RightsQuery {
	return admin.RightsQuery{Role: p.Role, Node: p.Screen}
}
func (p *ColumnPath) rights() admin.RightsQuery {
	return admin.RightsQuery{Role: p.Role, Node: p.ID, Below: p.Below}
}

// Right is an explicit level of a role at a node.
type Right struct {
	Role  string `json:"role" minLength:"1" maxLength:"200" doc:"id of the role" example:"Clerk"`
	Node  string `json:"node" minLength:"1" maxLength:"200" doc:"id of the node" example:"orders"`
	Level string `json:"level" enum:"revoked,view,edit,insert,publish,delete" doc:"the role's own level there" example:"view"`
}

// Cell is the right of one role at one node.
type Cell struct {
	Role     string `json:"role" doc:"id of the role" example:"Clerk"`
	Node     string `json:"node" doc:"id of the node" example:"orders"`
	Level    string `json:"level" enum:"revoked,view,edit,insert,publish,delete,inherit" doc:"the role's own level there; inherit: it has none" example:"view"`
	Explicit bool   `json:"explicit" doc:"the role has a level of its own there" example:"true"`
	Shown    string `json:"shown" enum:"revoked,view,edit,insert,publish,delete,inherit,multiple" doc:"as a tree of screens shows it: multiple when what lies below differs" example:"multiple"`
}

// Cells is the answer to a read of rights.
type Cells struct {
	ETag string `header:"ETag" doc:"of these rights together, for If-Match" example:"\"c9Jt0\""`
	Body CellsBody
}

// CellsBody is a range of rights.
type CellsBody struct {
	Cells []Cell `json:"cells" nullable:"false" doc:"by role, and within one in the order of the tree"`
}

// SetLevel is the new level of one cell.
type SetLevel struct {
	Level string `json:"level" enum:"revoked,view,edit,insert,publish,delete,inherit" doc:"inherit takes the role's own level away" example:"edit"`
}

// SetCell is the new level of one of several cells.
type SetCell struct {
	Role  string `json:"role,omitempty" minLength:"1" maxLength:"200" doc:"id of the role; may be left out where the path or the query names one" example:"Clerk"`
	Node  string `json:"node,omitempty" minLength:"1" maxLength:"200" doc:"id of the node; may be left out where the path names one" example:"orders"`
	Level string `json:"level" enum:"revoked,view,edit,insert,publish,delete,inherit" doc:"inherit takes the role's own level away" example:"edit"`
}

// SetCells are the new levels of several cells.
type SetCells struct {
	Cells []SetCell `json:"cells" nullable:"false" minItems:"1" maxItems:"10000" doc:"those that are not named stay as they are"`
}

type (
	getRow struct {
		RolePath
		Calling
	}
	getCell struct {
		CellPath
		Calling
	}
	getColumn struct {
		ColumnPath
		Calling
	}
	patchRow struct {
		RolePath
		Changing
		Body SetCells
	}
	patchColumn struct {
		ColumnPath
		Changing
		Body SetCells
	}
	putCell struct {
		CellPath
		Changing
		Body SetLevel
	}
	deleteCell struct {
		CellPath
		Changing
	}
)

func (in *patchRow) cells() []SetCell    { return in.Body.Cells }
func (in *patchColumn) cells() []SetCell { return in.Body.Cells }
func (in *putCell) cells() []SetCell     { return []SetCell{{Level: in.Body.Level}} }
func (*deleteCell) cells() []SetCell     { return []SetCell{{Level: admin.Inherit}} }

// WrittenRights is the answer to a write of rights.
type WrittenRights struct {
	Body Outcome
}

func (r *registrar) rights() {
	row, cell, column := portalsPath+"/{portal}/rights/{role}", portalsPath+"/{portal}/rights/{role}/{screen}", portalsPath+"/{portal}/screens/{id}/rights"
	all := family{authz.RightEntity, portalsPath + "/{portal}/rights", "right", "rights", "explicit right", tagRights}
	op := all.list()
	op.Description = "Those that the caller may read, each by a decision of its own, by role and screen."
	register(r, op, func(ctx context.Context, in *listRights) (*Listed[Right], error) {
		return list[Right](ctx, r.api, &all, in)
	})
	register(r, huma.Operation{OperationID: "get_row", Method: http.MethodGet, Path: row, Tags: []string{tagRights}, Summary: "Read the rights of a role"},
		func(ctx context.Context, in *getRow) (*Cells, error) { return r.api.readRights(ctx, in) })
	register(r, huma.Operation{OperationID: "get_cell", Method: http.MethodGet, Path: cell, Tags: []string{tagRights}, Summary: "Read the right of a role at a screen"},
		func(ctx context.Context, in *getCell) (*Cells, error) { return r.api.readRights(ctx, in) })
	register(r, huma.Operation{OperationID: "get_column", Method: http.MethodGet, Path: column, Tags: []string{tagRights}, Summary: "Read the rights at a screen"},
		func(ctx context.Context, in *getColumn) (*Cells, error) { return r.api.readRights(ctx, in) })
	register(r, huma.Operation{OperationID: "patch_row", Method: http.MethodPatch, Path: row, Tags: []string{tagRights}, Summary: "Change rights of a role"},
		func(ctx context.Context, in *patchRow) (*WrittenRights, error) { return r.api.writeRights(ctx, in) })
	register(r, huma.Operation{OperationID: "put_cell", Method: http.MethodPut, Path: cell, Tags: []string{tagRights}, Summary: "Set the right of a role at a screen"},
		func(ctx context.Context, in *putCell) (*WrittenRights, error) { return r.api.writeCell(ctx, in) })
	register(r, huma.Operation{OperationID: "delete_cell", Method: http.MethodDelete, Path: cell, Tags: []string{tagRights}, Summary: "Take the right of a role at a screen away"},
		func(ctx context.Context, in *deleteCell) (*WrittenRights, error) { return r.api.writeCell(ctx, in) })
	register(r, huma.Operation{OperationID: "patch_column", Method: http.MethodPatch, Path: column, Tags: []string{tagRights}, Summary: "Change rights at a screen"},
		func(ctx context.Context, in *patchColumn) (*WrittenRights, error) { return r.api.writeRights(ctx, in) })
}

// rightsRange is what inputs about rights say.
type rightsRange interface {
	caller
	portal() string
	rights() admin.RightsQuery
}

func (a *API) readRights(ctx context.Context, in rightsRange) (*Cells, error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	v, err := a.service.Rights(ctx, call, in.rights())
	if err != nil {
		return nil, err
	}
	out := &Cells{ETag: quoted(v.ETag), Body: CellsBody{Cells: make([]Cell, 0, len(v.Cells))}}
	for _, c := range v.Cells {
		out.Body.Cells = append(out.Body.Cells, Cell(c))
	}
	return out, nil
}

func (a *API) writeRights(ctx context.Context, in interface {
	rightsRange
	cells() []SetCell
}) (*WrittenRights, error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	q := in.rights()
	var cells []admin.Cell
	for _, c := range in.cells() {
		cells = append(cells, admin.Cell{Role: orElse(c.Role, q.Role), Node: orElse(c.Node, q.Node), Level: c.Level, Explicit: c.Level != admin.Inherit})
	}
	res, err := a.service.SetRights(ctx, call, q, cells)
	if err != nil {
		return nil, err
	}
	return &WrittenRights{Body: outcome(&res)}, nil
}

// writeCell writes the one cell of a request, whose faults are the request's own and
// not those of an item.
func (a *API) writeCell(ctx context.Context, in interface {
	rightsRange
	cells() []SetCell
}) (*WrittenRights, error) {
	const item = "cells[0]"
	out, err := a.writeRights(ctx, in)
	refused, ok := errors.AsType[*admin.Refused](err)
	if !ok {
		return out, err
	}
	own := *refused
	own.Refusals, own.Faults = slices.Clone(own.Refusals), slices.Clone(own.Faults)
	for i := range own.Refusals {
		own.Refusals[i].Place = strings.TrimPrefix(own.Refusals[i].Place, item)
	}
	for i := range own.Faults {
		own.Faults[i].Path = strings.TrimPrefix(strings.TrimPrefix(own.Faults[i].Path, item), ".")
	}
	return nil, &own
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
