package adminapi

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/csvfile"
)

type importCSV struct {
	PortalPath
	Creating
	Kind    string `query:"kind" required:"true" enum:"user_types,roles,rights,users" doc:"what the rows are about" example:"users"`
	RawBody []byte `contentType:"text/csv"`
}

// csvKinds are the kinds by the names that the parameter has for them.
var csvKinds = map[string]authz.EntityKind{
	"user_types": authz.UserTypeEntity, "roles": authz.RoleEntity, "rights": authz.RightEntity, "users": authz.UserEntity,
}

// Imported is the answer to an import.
type Imported struct {
	Body ImportedBody
}

// ImportedBody is what came of an import.
type ImportedBody struct {
	Rows      int `json:"rows" minimum:"0" doc:"rows of the file" example:"120"`
	Created   int `json:"created" minimum:"0" doc:"rows that created something" example:"100"`
	Changed   int `json:"changed" minimum:"0" doc:"rows that changed something" example:"15"`
	Deleted   int `json:"deleted" minimum:"0" doc:"rows that took a right away" example:"1"`
	Unchanged int `json:"unchanged" minimum:"0" doc:"rows that say what is so already" example:"4"`
	Outcome
}

func (r *registrar) imports() {
	op := huma.Operation{OperationID: "import_csv", Method: http.MethodPost, Path: portalsPath + "/{portal}/import", Tags: []string{tagOperation}, Summary: "Import a CSV file",
		Description: "Makes the rows of the file one write: all or none. A row creates what is not there, and changes the columns that the file has of what is. " +
			"Whatever is wrong is told with its line and column."}
	register(r, op, func(ctx context.Context, in *importCSV) (*Imported, error) { return r.api.importCSV(ctx, in) })
}

func (a *API) importCSV(ctx context.Context, in *importCSV) (*Imported, error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	rows, err := csvfile.Read(csvKinds[in.Kind], bytes.NewReader(in.RawBody))
	if err != nil {
		return nil, csvProblem(err)
	}
	w := &importing{body: ImportedBody{Rows: len(rows), Outcome: Outcome{Tasks: []MadeTask{}, DryRun: call.DryRun}}}
	for i := range rows {
		if err := w.add(ctx, a.service, call, &rows[i]); err != nil {
			return nil, err
		}
	}
	if len(w.items) == 0 {
		return &Imported{Body: w.body}, nil
	}
	res, err := a.service.Batch(ctx, call, w.items)
	if err != nil {
		return nil, w.problem(err)
	}
	w.body.Outcome = outcome(&res)
	return &Imported{Body: w.body}, nil
}

// importing is a file on its way to a batch.
type importing struct {
	body  ImportedBody
	items []admin.Item
	rows  []*csvfile.Row // of the items
}

// add reads what the row is about and appends the change that it makes. The change
// holds only as long as nobody else writes it.
func (w *importing) add(ctx context.Context, s Service, call admin.Call, row *csvfile.Row) error {
	was, err := s.Read(ctx, call, row.Key)
	if err != nil && authz.KindOf(err) != authz.NotFound {
		return err
	}
	after, change := row.Apply(was.Document)
	item := admin.Item{Operation: admin.ReplaceItem, Key: row.Key, Document: after, IfMatch: was.ETag}
	switch {
	case !change:
		w.body.Unchanged++
		return nil
	case after == nil:
		item.Operation = admin.DeleteItem
		w.body.Deleted++
	case was.Document == nil:
		item.IfMatch = admin.None
		w.body.Created++
	default:
		w.body.Changed++
	}
	w.items, w.rows = append(w.items, item), append(w.rows, row)
	return nil
}

// csvProblem is the problem of a file that cannot be read.
func csvProblem(err error) error {
	found, ok := errors.AsType[csvfile.Faults](err)
	if !ok {
		return err
	}
	p := newProblem(http.StatusUnprocessableEntity, "the file is faulty in "+places(len(found)))
	for _, f := range found {
		p.Errors = append(p.Errors, rowFault(f))
	}
	return p
}

func rowFault(f csvfile.Fault) ProblemFault {
	return ProblemFault{In: "body", Field: f.Name, Line: f.Line, Column: f.Column, Message: clip(f.Msg, maxMessage)}
}

// problem is the problem of a batch, with each fault at its row.
func (w *importing) problem(err error) error {
	p := problemOf(err)
	for i, f := range p.Errors {
		n, path, ok := itemPath(f.Field)
		if !ok || n >= len(w.rows) {
			continue
		}
		at := rowFault(w.rows[n].Fault(path, f.Message))
		at.Rule, at.Reason = f.Rule, f.Reason
		p.Errors[i] = at
	}
	return p
}

// itemPath takes "items[3].grants[0].role" apart.
func itemPath(field string) (n int, path string, ok bool) {
	rest, ok := strings.CutPrefix(field, "items[")
	if !ok {
		return 0, "", false
	}
	number, path, ok := strings.Cut(rest, "]")
	n, err := strconv.Atoi(number)
	return n, strings.TrimPrefix(path, "."), ok && err == nil && n >= 0
}
