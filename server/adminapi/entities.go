package adminapi

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// family is a kind of entity as paths and the document call it.
type family struct {
	kind      authz.EntityKind
	path      string // of all of them
	one, many string // in operation ids
	noun      string // in sentences
	tag       string
}

// item is the path of one entity.
func (f *family) item() string {
	if f.kind == authz.PortalEntity {
		return f.path + "/{portal}"
	}
	return f.path + "/{id}"
}

// What the paths of operations say.
type (
	collection interface {
		portal() string
		of() string
	}
	member interface {
		collection
		id() string
	}
)

// Constraints on inputs: a pointer to I with what an operation needs of it.
type (
	listing[I any] interface {
		*I
		caller
		collection
		page() (after string, limit int)
		filter() map[string]string
	}
	reading[I any] interface {
		*I
		caller
		member
	}
	creating[I any] interface {
		*I
		caller
		collection
		document() *body
	}
	changing[I any] interface {
		*I
		caller
		member
		document() *body
	}
)

func (in *Paging) page() (string, int) { return in.After, in.Limit }

func (b *body) document() *body { return b }

// Inputs of operations on portals, on records, and on all other entities.
type (
	listPortals struct {
		NoPortal
		Paging
	}
	getPortal struct {
		ThisPortal
		Calling
	}
	createPortal struct {
		NoPortal
		Creating
		Body NewDocument[Portal]
	}
	putPortal struct {
		ThisPortal
		Replacing
		Body WholeDocument[Portal]
	}
	patchPortal struct {
		ThisPortal
		Changing
		Body MergePatch[Portal] `contentType:"application/merge-patch+json"`
	}
	deletePortal struct {
		ThisPortal
		Changing
	}
	listRecords struct {
		RecordsPath
		Paging
		Account string `query:"account" maxLength:"200" doc:"only those of this account"`
		Contact string `query:"contact" maxLength:"200" doc:"only those of this contact"`
		Owner   string `query:"owner" maxLength:"200" doc:"only those of this owner"`
		Parent  string `query:"parent" maxLength:"401" doc:"only those that belong to this record, as type/id"`
	}
	getRecord struct {
		RecordPath
		Calling
	}
	createRecord struct {
		RecordsPath
		Creating
		Body NewDocument[Record]
	}
	putRecord struct {
		RecordPath
		Replacing
		Body WholeDocument[Record]
	}
	patchRecord struct {
		RecordPath
		Changing
		Body MergePatch[Record] `contentType:"application/merge-patch+json"`
	}
	deleteRecord struct {
		RecordPath
		Changing
	}
	getEntity struct {
		EntityPath
		Calling
	}
	createEntity[D any] struct {
		PortalPath
		Creating
		Body NewDocument[D]
	}
	putEntity[D any] struct {
		EntityPath
		Replacing
		Body WholeDocument[D]
	}
	patchEntity[D any] struct {
		EntityPath
		Changing
		Body MergePatch[D] `contentType:"application/merge-patch+json"`
	}
	deleteEntity struct {
		EntityPath
		Changing
	}
)

func (in *createPortal) document() *body    { return in.Body.document() }
func (in *putPortal) document() *body       { return in.Body.document() }
func (in *patchPortal) document() *body     { return in.Body.document() }
func (in *createRecord) document() *body    { return in.Body.document() }
func (in *putRecord) document() *body       { return in.Body.document() }
func (in *patchRecord) document() *body     { return in.Body.document() }
func (in *createEntity[D]) document() *body { return in.Body.document() }
func (in *putEntity[D]) document() *body    { return in.Body.document() }
func (in *patchEntity[D]) document() *body  { return in.Body.document() }

func (*listPortals) filter() map[string]string { return nil }
func (in *listRecords) filter() map[string]string {
	return given("account", in.Account, "contact", in.Contact, "owner", in.Owner, "parent", in.Parent)
}

// Inputs of lists, by the filters of authz.ListFilters.
type (
	listPlain struct { // user types and roles
		PortalPath
		Paging
	}
	listScreens struct {
		PortalPath
		Paging
		Kind   string `query:"kind" enum:"workspace,screen,container,element" doc:"only those of this kind"`
		Parent string `query:"parent" maxLength:"200" doc:"only those right below this node"`
	}
	listUsers struct {
		PortalPath
		Paging
		Login    string `query:"login" maxLength:"200" doc:"only those with this login"`
		Active   string `query:"active" enum:"true,false" doc:"only those that are active, or are not"`
		UserType string `query:"user_type" maxLength:"200" doc:"only those of this type"`
		Role     string `query:"role" maxLength:"200" doc:"only those that are granted this role, in force or not"`
		Account  string `query:"account" maxLength:"200" doc:"only those of this account"`
		Contact  string `query:"contact" maxLength:"200" doc:"only the logins of this contact"`
	}
	listAccounts struct {
		PortalPath
		Paging
		Parent string `query:"parent" maxLength:"200" doc:"only those right below this account"`
		Owner  string `query:"owner" maxLength:"200" doc:"only those of this owner"`
	}
	listContacts struct {
		PortalPath
		Paging
		Account string `query:"account" maxLength:"200" doc:"only those of this account"`
		Email   string `query:"email" maxLength:"320" doc:"only those with this mail address"`
	}
)

type listRights struct {
	PortalPath
	Paging
	Role string `query:"role" maxLength:"200" doc:"only those of this role"`
	Node string `query:"node" maxLength:"200" doc:"only those at this node"`
}

// of is the role, by which rights are stored.
func (in *listRights) of() string { return in.Role }

func (in *listRights) filter() map[string]string { return given("node", in.Node) }
func (*listPlain) filter() map[string]string     { return nil }
func (in *listScreens) filter() map[string]string {
	return given("kind", in.Kind, "parent", in.Parent)
}
func (in *listUsers) filter() map[string]string {
	return given("login", in.Login, "active", in.Active, "user_type", in.UserType, "role", in.Role, "account", in.Account, "contact", in.Contact)
}
func (in *listAccounts) filter() map[string]string {
	return given("parent", in.Parent, "owner", in.Owner)
}
func (in *listContacts) filter() map[string]string {
	return given("account", in.Account, "email", in.Email)
}

// Shown is the answer to a read.
type Shown[D any] struct {
	ETag         string `header:"ETag" doc:"of this state, for If-Match" example:"\"r1z\""`
	LastModified string `header:"Last-Modified" doc:"when it was last written" example:"Mon, 02 Mar 2026 09:00:00 GMT"`
	Revision     int64  `header:"Portcullis-Revision" doc:"revision of the portal's data with which it was last written" example:"71"`
	Body         Document[D]
}

// Listed is the answer to a list.
type Listed[D any] struct {
	Link string `header:"Link" doc:"the next page, as rel=next" example:"</admin/v1/portals/helpdesk/users?after=ann.lee>; rel=\"next\""`
	Body ListedBody[D]
}

// ListedBody is one page.
type ListedBody[D any] struct {
	Items  []ListedItem[D] `json:"items" nullable:"false" doc:"in the order of their ids, less those that the caller may not read"`
	Next   string          `json:"next,omitempty" doc:"after of the next page; not there on the last" example:"ann.lee"`
	Looked int             `json:"looked" minimum:"0" doc:"how many were looked at for this page" example:"100"`
}

// ListedItem is one entity of a page.
type ListedItem[D any] struct {
	Document  Document[D] `json:"document"`
	ETag      string      `json:"etag" doc:"of this state, for If-Match" example:"\"r1z\""`
	Revision  int64       `json:"revision" minimum:"0" doc:"revision of the portal's data with which it was last written" example:"71"`
	UpdatedAt time.Time   `json:"updated_at,omitzero" doc:"when it was last written" example:"2026-03-02T09:00:00Z"`
	UpdatedBy string      `json:"updated_by,omitempty" doc:"by whom, as the audit names actors" example:"user/kim.gibbs"`
}

// entities registers the operations on one family: D is what its documents are, L, G,
// C, P, M and X the inputs to list, get, create, put, patch (merge) and delete them.
func entities[D, L, G, C, P, M, X any,
	PL listing[L], PG reading[G], PC creating[C], PP changing[P], PM changing[M], PX reading[X]](r *registrar, f family) {
	register(r, f.list(), func(ctx context.Context, in *L) (*Listed[D], error) { return list[D](ctx, r.api, &f, PL(in)) })
	register(r, f.create(), func(ctx context.Context, in *C) (*Written[D], error) {
		return create[D](ctx, r.api, &f, PC(in))
	})
	register(r, f.get(), func(ctx context.Context, in *G) (*Shown[D], error) { return get[D](ctx, r.api, &f, PG(in)) })
	register(r, f.put(), func(ctx context.Context, in *P) (*Written[D], error) {
		return put[D](ctx, r.api, &f, PP(in))
	})
	register(r, f.patch(), func(ctx context.Context, in *M) (*Written[D], error) {
		return patch[D](ctx, r.api, &f, PM(in))
	})
	register(r, f.remove(), func(ctx context.Context, in *X) (*Written[D], error) { return remove[D](ctx, r.api, &f, PX(in)) })
}

func list[D any](ctx context.Context, a *API, f *family, in interface {
	caller
	collection
	page() (string, int)
	filter() map[string]string
}) (*Listed[D], error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	after, limit := in.page()
	p, err := a.service.List(ctx, call, authz.ListQuery{Kind: f.kind, Of: in.of(), Filter: in.filter(), After: after, Limit: limit})
	if err != nil {
		return nil, err
	}
	out := &Listed[D]{Body: ListedBody[D]{Items: make([]ListedItem[D], 0, len(p.Items)), Next: p.Next, Looked: p.Looked}}
	for _, e := range p.Items {
		if f.kind == authz.PortalEntity && !opens(call.Acting, e.Key.ID) {
			continue
		}
		out.Body.Items = append(out.Body.Items, ListedItem[D]{
			Document: e.Document, ETag: quoted(e.ETag), Revision: e.Revision, UpdatedAt: e.UpdatedAt.UTC(), UpdatedBy: e.UpdatedBy,
		})
	}
	out.Link = nextLink(ctx, p.Next)
	return out, nil
}

// opens reports whether the key of the call, if it has one, opens the administration
// of the portal.
func opens(a authz.Acting, portal string) bool {
	return a.Caller == nil || a.Caller.Opens(authz.PermitAdmin, portal)
}

func get[D any](ctx context.Context, a *API, f *family, in interface {
	caller
	member
}) (*Shown[D], error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	e, err := a.service.Read(ctx, call, f.key(in))
	if err != nil {
		return nil, err
	}
	out := &Shown[D]{ETag: quoted(e.ETag), Revision: e.Revision, Body: e.Document}
	if !e.UpdatedAt.IsZero() {
		out.LastModified = e.UpdatedAt.UTC().Format(http.TimeFormat)
	}
	return out, nil
}

func (f *family) key(in member) authz.Key { return authz.Key{Kind: f.kind, Of: in.of(), ID: in.id()} }

// create takes the id of the new entity from its document.
func create[D any](ctx context.Context, a *API, f *family, in interface {
	caller
	collection
	document() *body
}) (*Written[D], error) {
	doc := in.document()
	if doc.err != nil {
		return nil, doc.err
	}
	id, ok := doc.members["id"].(string)
	if !ok || id == "" {
		return nil, authz.Faults{{Path: "id", Msg: "is missing: give an id that is not empty"}}
	}
	portal := in.portal()
	if f.kind == authz.PortalEntity {
		portal = id
	}
	call, err := newCall(ctx, portal, in)
	if err != nil {
		return nil, err
	}
	if !opens(call.Acting, portal) {
		return nil, authz.Errorf(authz.Forbidden, "this key does not open the administration of the portal")
	}
	res, err := a.service.Create(ctx, call, authz.Key{Kind: f.kind, Of: in.of(), ID: id}, doc.members)
	if err != nil {
		return nil, err
	}
	return written[D](&res, http.StatusCreated, f.address(in, id)), nil
}

// address returns the path of the entity with the id.
func (f *family) address(in collection, id string) string {
	portals := Prefix + "/portals/"
	switch f.kind {
	case authz.PortalEntity:
		return portals + url.PathEscape(id)
	case authz.RecordEntity:
		return portals + url.PathEscape(in.portal()) + "/records/" + url.PathEscape(in.of()) + "/" + url.PathEscape(id)
	}
	return portals + url.PathEscape(in.portal()) + "/" + f.many + "/" + url.PathEscape(id)
}

// put replaces or creates. A write that says nothing of what must be there has
// created what it is about: it would have been refused otherwise.
func put[D any](ctx context.Context, a *API, f *family, in interface {
	caller
	member
	document() *body
}) (*Written[D], error) {
	doc := in.document()
	if doc.err != nil {
		return nil, doc.err
	}
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	res, err := a.service.Replace(ctx, call, f.key(in), doc.members)
	if err != nil {
		return nil, err
	}
	if call.IfMatch == "" || call.IfMatch == admin.None {
		return written[D](&res, http.StatusCreated, f.address(in, in.id())), nil
	}
	return written[D](&res, http.StatusOK, ""), nil
}

func patch[D any](ctx context.Context, a *API, f *family, in interface {
	caller
	member
	document() *body
}) (*Written[D], error) {
	doc := in.document()
	if doc.err != nil {
		return nil, doc.err
	}
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	res, err := a.service.Patch(ctx, call, f.key(in), doc.members)
	if err != nil {
		return nil, err
	}
	return written[D](&res, http.StatusOK, ""), nil
}

func remove[D any](ctx context.Context, a *API, f *family, in interface {
	caller
	member
}) (*Written[D], error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	res, err := a.service.Delete(ctx, call, f.key(in))
	if err != nil {
		return nil, err
	}
	return written[D](&res, http.StatusOK, ""), nil
}

// nextLink returns the Link header to the page that begins after next, or "".
func nextLink(ctx context.Context, next string) string {
	r, ok := ctx.Value(requestKey{}).(*request)
	if next == "" || !ok {
		return ""
	}
	query := url.Values{}
	for name, v := range r.query {
		query[name] = v
	}
	query.Set("after", next)
	return "<" + r.path + "?" + query.Encode() + `>; rel="next"`
}

func (f *family) list() huma.Operation {
	return huma.Operation{OperationID: "list_" + f.many, Method: http.MethodGet, Path: f.path, Tags: []string{f.tag}, Summary: "List " + f.noun + "s",
		Description: "Those that the caller may read, each by a decision of its own, in the order of their ids."}
}

func (f *family) create() huma.Operation {
	return huma.Operation{OperationID: "create_" + f.one, Method: http.MethodPost, Path: f.path, Tags: []string{f.tag}, Summary: "Create a " + f.noun, DefaultStatus: http.StatusCreated,
		Description: "The policy decides on the call, and may refuse the new entity or add to it."}
}

func (f *family) get() huma.Operation {
	return huma.Operation{OperationID: "get_" + f.one, Method: http.MethodGet, Path: f.item(), Tags: []string{f.tag}, Summary: "Read a " + f.noun}
}

func (f *family) put() huma.Operation {
	return huma.Operation{OperationID: "put_" + f.one, Method: http.MethodPut, Path: f.item(), Tags: []string{f.tag}, Summary: "Replace or create a " + f.noun,
		Description: "With If-Match it replaces what is there; without, or with If-None-Match: *, it creates what is not."}
}

func (f *family) patch() huma.Operation {
	return huma.Operation{OperationID: "patch_" + f.one, Method: http.MethodPatch, Path: f.item(), Tags: []string{f.tag}, Summary: "Change a " + f.noun,
		Description: "A JSON merge patch (RFC 7396): members that are not there stay, null takes one away, lists are replaced whole."}
}

func (f *family) remove() huma.Operation {
	return huma.Operation{OperationID: "delete_" + f.one, Method: http.MethodDelete, Path: f.item(), Tags: []string{f.tag}, Summary: "Delete a " + f.noun}
}
