package adminapi

import (
	"maps"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Expressions of OpenAPI for what links carry.
const (
	fromPortal = "$request.path.portal"
	fromETag   = "$response.header.ETag"
)

// link adds to the document how the answers of operations lead to the next ones: a
// program that reads it can create, change and delete without being told how.
func link(doc *huma.OpenAPI) {
	l := linker{operations: map[string]*huma.Operation{}}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Patch} {
			if op != nil {
				l.operations[op.OperationID] = op
			}
		}
	}
	for _, one := range []string{"portal", "user_type", "role", "screen", "user", "account", "contact", "record"} {
		l.entity(one)
	}
	l.add("create_caller", "201", "get_caller", "", map[string]any{"id": "$response.body#/caller/id"})
	l.add("create_caller", "201", "delete_caller", "", map[string]any{"id": "$response.body#/caller/id"})
	l.add("list_callers", "200", "get_caller", "", map[string]any{"id": "$response.body#/items/0/id"})
	l.add("delete_caller", "204", "get_caller", "", map[string]any{"id": "$request.path.id"})
	l.add("list_tasks", "200", "retry_task", "", map[string]any{"portal": fromPortal, "name": "$response.body#/items/0/name"})
	l.policies()
	row := map[string]any{"portal": fromPortal, "role": "$response.body#/document/id"}
	l.add("create_role", "201", "get_row", "", row)
	l.add("create_screen", "201", "get_column", "", map[string]any{"portal": fromPortal, "id": "$response.body#/document/id"})
	cell := map[string]any{"portal": fromPortal, "role": "$request.path.role", "screen": "$request.path.screen", "header.If-Match": fromETag}
	l.add("get_cell", "200", "put_cell", "", cell)
	l.add("get_cell", "200", "delete_cell", "", cell)
	l.add("get_row", "200", "patch_row", "", map[string]any{"portal": fromPortal, "role": "$request.path.role", "header.If-Match": fromETag})
	l.add("get_column", "200", "patch_column", "", map[string]any{"portal": fromPortal, "id": "$request.path.id", "header.If-Match": fromETag})
}

// linker adds links between operations, by their ids.
type linker struct {
	operations map[string]*huma.Operation
}

// policies links the steps by which a revision of a policy comes into force.
func (l *linker) policies() {
	drafted := map[string]any{"portal": fromPortal, "number": "$response.body#/document/number"}
	for _, to := range []string{"get_revision", "check_revision"} {
		l.add("create_revision", "201", to, "", drafted)
	}
	l.add("list_revisions", "200", "get_revision", "", map[string]any{"portal": fromPortal, "number": "$response.body#/items/0/number"})
	begun := map[string]any{"portal": fromPortal, "id": "$response.body#/id"}
	for _, from := range []string{"check_revision", "preview_revision"} {
		l.add(from, "202", "get_examination", "", begun)
	}
	l.add("preview_revision", "202", "get_report", "", begun)
}

// entity links the operations on one kind of entity.
func (l *linker) entity(one string) {
	for _, made := range []string{"create_", "put_"} {
		l.next(made+one, "201", one, place(one, "$response.body#/document/id"), "$response.body#/document")
	}
	same := place(one, "$request.path.id")
	l.next("get_"+one, "200", one, same, "$response.body")
	l.next("patch_"+one, "200", one, same, "$response.body#/document")
	l.add("delete_"+one, "200", "get_"+one, "", same)
	l.add("list_"+one+"s", "200", "get_"+one, "", place(one, "$response.body#/items/0/document/id"))
	if one == "user" {
		for _, to := range []string{"activate_user", "deactivate_user"} {
			l.add("create_user", "201", to, "", place(one, "$response.body#/document/id"))
		}
	}
}

// next links an answer that carries an ETag to all that can be done with its entity.
func (l *linker) next(from, status, one string, at map[string]any, document string) {
	l.add(from, status, "get_"+one, "", at)
	seen := maps.Clone(at)
	seen["header.If-Match"] = fromETag
	l.add(from, status, "patch_"+one, "", seen)
	l.add(from, status, "put_"+one, document, seen)
	l.add(from, status, "delete_"+one, "", seen)
}

// place says where the entity with the id is, for a link from an operation on the
// same kind.
func place(one, id string) map[string]any {
	switch one {
	case "portal":
		return map[string]any{"portal": strings.Replace(id, "$request.path.id", fromPortal, 1)}
	case "record":
		return map[string]any{"portal": fromPortal, "type": "$request.path.type", "id": id}
	}
	return map[string]any{"portal": fromPortal, "id": id}
}

// add adds one link. body is what the next operation sends; empty: its own.
func (l *linker) add(from, status, to, body string, parameters map[string]any) {
	res := l.operations[from].Responses[status]
	if res.Links == nil {
		res.Links = map[string]*huma.Link{}
	}
	added := &huma.Link{OperationID: l.operations[to].OperationID, Parameters: parameters}
	if body != "" {
		added.RequestBody = body
	}
	res.Links[to] = added
}
