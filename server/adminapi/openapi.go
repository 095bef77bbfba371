package adminapi

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-authz/portcullis/server/authz"
)

const portalsPath = Prefix + "/portals"

// Tags of operations.
const (
	tagPortals   = "portals"
	tagConfig    = "configuration"
	tagRights    = "rights"
	tagUsers     = "users"
	tagCRM       = "accounts, contacts and records"
	tagOperation = "operation"
	tagCallers   = "callers"
)

// openAPI is the document before any operation is in it.
func (a *API) openAPI() *huma.OpenAPI {
	bearer := map[string]*huma.SecurityScheme{"key": {
		Type: "http", Scheme: "bearer", Description: "A key with the permission admin for the portal: portcullis key create makes the first.",
	}}
	schemas := huma.NewMapRegistry(schemaPrefix, huma.DefaultSchemaNamer)
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{Title: "Portcullis administration", Version: orElse(a.version, "dev"), Description: "Who may change what in a portal is decided by the portal's own policy. " +
			"A write is made whole or not at all, and leaves an entry in the audit. Whatever is refused is told as problem+json (RFC 9457), all faults at once."},
		Servers:    []*huma.Server{{URL: "/", Description: "this server"}},
		Components: &huma.Components{Schemas: schemas, Responses: refusalResponses(schemas), SecuritySchemes: bearer},
		Security:   []map[string][]string{{"key": {}}},
		Tags: []*huma.Tag{
			{Name: tagPortals, Description: "Portals and their settings."},
			{Name: tagConfig, Description: "User types, roles and the screen tree."},
			{Name: tagRights, Description: "Levels of roles at screens: one cell, a role's row, a screen's column, a subtree."},
			{Name: tagUsers, Description: "Users and the roles that they hold."},
			{Name: tagCRM, Description: "What portals show."},
			{Name: tagOperation, Description: "Tasks, audit and imports."},
			{Name: tagPolicy, Description: "Revisions of the policy: drafted, checked, previewed, approved, published, and returned to."},
			{Name: tagCallers, Description: "Who may call with a key. It takes a key to all portals without a user, or the command line."},
		},
	}
}

// registrar adds operations to the app and to the document in one.
type registrar struct {
	api  *API
	huma huma.API
}

// all registers everything there is.
func (r *registrar) all() {
	r.openAPI()
	entities[Portal, listPortals, getPortal, createPortal, putPortal, patchPortal, deletePortal](r,
		family{authz.PortalEntity, portalsPath, "portal", "portals", "portal", tagPortals})
	in := func(path string) string { return portalsPath + "/{portal}/" + path }
	entities[UserType, listPlain, getEntity, createEntity[UserType], putEntity[UserType], patchEntity[UserType], deleteEntity](r,
		family{authz.UserTypeEntity, in("user_types"), "user_type", "user_types", "user type", tagConfig})
	entities[Role, listPlain, getEntity, createEntity[Role], putEntity[Role], patchEntity[Role], deleteEntity](r,
		family{authz.RoleEntity, in("roles"), "role", "roles", "role", tagConfig})
	entities[Screen, listScreens, getEntity, createEntity[Screen], putEntity[Screen], patchEntity[Screen], deleteEntity](r,
		family{authz.NodeEntity, in("screens"), "screen", "screens", "screen", tagConfig})
	entities[User, listUsers, getEntity, createEntity[User], putEntity[User], patchEntity[User], deleteEntity](r,
		family{authz.UserEntity, in("users"), "user", "users", "user", tagUsers})
	entities[Account, listAccounts, getEntity, createEntity[Account], putEntity[Account], patchEntity[Account], deleteEntity](r,
		family{authz.AccountEntity, in("accounts"), "account", "accounts", "account", tagCRM})
	entities[Contact, listContacts, getEntity, createEntity[Contact], putEntity[Contact], patchEntity[Contact], deleteEntity](r,
		family{authz.ContactEntity, in("contacts"), "contact", "contacts", "contact", tagCRM})
	entities[Record, listRecords, getRecord, createRecord, putRecord, patchRecord, deleteRecord](r,
		family{authz.RecordEntity, in("records/{type}"), "record", "records", "record", tagCRM})
	r.switches()
	r.rights()
	r.grants()
	r.tasks()
	r.audit()
	r.imports()
	r.batch()
	r.policies()
	r.callers()
}

// document returns the document as it is served.
func (r *registrar) document() []byte {
	doc := r.huma.OpenAPI()
	link(doc)
	// huma describes its own form of errors too, which no operation has.
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
	text, err := json.Marshal(doc)
	if err != nil {
		panic("the OpenAPI document cannot be written: " + err.Error()) // at start, by a mistake in this package
	}
	return text
}

// register adds one operation. What do returns as an error is answered as a Problem.
func register[I, O any](r *registrar, op huma.Operation, do func(context.Context, *I) (*O, error)) {
	a := r.api
	r.describe(&op)
	bodies[I](r, &op)
	huma.Register(r.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, op.OperationID, err)
		}
		return out, nil
	})
	r.complete(&op)
}

// refusals are the statuses that operations refuse with, and what each means.
var refusals = []struct {
	status int
	writes bool // only writes do
	means  string
}{
	{http.StatusBadRequest, false, "The request cannot be read: its path, its query, its headers or its JSON."},
	{http.StatusUnauthorized, false, "No key, or one that does not count."},
	{http.StatusForbidden, false, "The key, or the policy, does not allow it."},
	{http.StatusNotFound, false, "It is not there, or is not for the caller to know."},
	{http.StatusConflict, true, "What is stored forbids it now: it is there already, is still referred to, or moves too fast."},
	{http.StatusPreconditionFailed, true, "It has been changed since it was read, or is there though it must not."},
	{http.StatusRequestEntityTooLarge, true, "Beyond a limit of size."},
	{http.StatusUnsupportedMediaType, true, "The body is of another media type than described."},
	{http.StatusUnprocessableEntity, true, "Readable, and against the data's rules or the policy's."},
	{http.StatusPreconditionRequired, true, "If-Match is missing."},
	{http.StatusServiceUnavailable, false, "It cannot be answered now."},
}

// describe adds what all operations have in common.
func (r *registrar) describe(op *huma.Operation) {
	op.SkipValidateParams = true // received has checked them
	op.MaxBodyBytes = -1         // the transport bounds bodies
	op.Responses = map[string]*huma.Response{}
	op.Responses[longHeaders] = &huma.Response{Ref: "#/components/responses/" + longHeaders}
	for _, x := range refusals {
		if !x.writes || op.Method != http.MethodGet {
			op.Responses[strconv.Itoa(x.status)] = &huma.Response{Ref: "#/components/responses/" + strconv.Itoa(x.status)}
		}
	}
}

// refusalResponses are the answers that operations share, by status.
func refusalResponses(schemas huma.Registry) map[string]*huma.Response {
	problem := schemas.Schema(reflect.TypeFor[Problem](), true, "")
	all := map[string]*huma.Response{longHeaders: {
		Description: "The request's line and headers are too long together. Nothing was read of them, so that the answer is a message alone.",
		Content:     map[string]*huma.MediaType{mimeJSON: {Schema: &huma.Schema{Type: huma.TypeString}}}, Headers: map[string]*huma.Param{headerID: idHeader()},
	}}
	for _, x := range refusals {
		res := &huma.Response{Description: x.means, Content: map[string]*huma.MediaType{mimeProblem: {Schema: problem}}, Headers: map[string]*huma.Param{headerID: idHeader()}}
		if x.status == http.StatusUnauthorized {
			res.Headers["WWW-Authenticate"] = &huma.Param{Description: "how to say who calls", Schema: &huma.Schema{Type: huma.TypeString}}
		}
		all[strconv.Itoa(x.status)] = res
	}
	return all
}

const headerID = "X-Request-ID"

// longHeaders is the status of requests that are refused before they are read.
const longHeaders = "431"

func idHeader() *huma.Param {
	return &huma.Param{Description: "id of the request: the caller's own, or a new one", Schema: &huma.Schema{Type: huma.TypeString, MinLength: new(1)}}
}

// bodies says how the body of an operation is read: whether it is held against its
// schema, and that a merge patch may come as plain JSON too.
func bodies[I any](r *registrar, op *huma.Operation) {
	f, ok := reflect.TypeFor[I]().FieldByName("Body")
	if !ok {
		return
	}
	b := reflect.New(f.Type).Interface()
	_, op.SkipValidateBody = b.(interface{ unheld() })
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
	if p, ok := b.(huma.SchemaProvider); ok && f.Tag.Get("contentType") == mimePatch {
		op.RequestBody.Content[mimeJSON] = &huma.MediaType{Schema: p.Schema(r.huma.OpenAPI().Components.Schemas)}
	}
}

// complete adds to an operation what huma does not know of its answers.
func (r *registrar) complete(op *huma.Operation) {
	created, ok := op.Responses[strconv.Itoa(http.StatusCreated)]
	switch {
	case ok && created.Content != nil && op.OperationID != "create_caller":
		op.Responses["200"] = &huma.Response{Description: "What would be created: nothing was written.", Content: created.Content}
	case op.Method == http.MethodPut && op.OperationID != "put_cell":
		op.Responses["201"] = &huma.Response{Description: "Created.", Content: op.Responses["200"].Content, Headers: op.Responses["200"].Headers}
	}
	for _, res := range op.Responses {
		if res.Ref != "" {
			continue
		}
		if res.Headers == nil {
			res.Headers = map[string]*huma.Param{}
		}
		res.Headers[headerID] = idHeader()
	}
}

// openAPI registers the document itself.
func (r *registrar) openAPI() {
	type answer struct {
		Body []byte
	}
	op := huma.Operation{OperationID: "get_openapi", Method: http.MethodGet, Path: Prefix + "/openapi.json", Summary: "Read this document"}
	r.describe(&op)
	op.Responses["200"] = &huma.Response{Description: "This document.", Content: map[string]*huma.MediaType{mimeJSON: {Schema: &huma.Schema{Type: huma.TypeObject}}}}
	huma.Register(r.huma, op, func(context.Context, *struct{}) (*answer, error) { return &answer{Body: r.api.document}, nil })
	r.complete(&op)
}
