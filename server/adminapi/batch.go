package adminapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// BatchBody are writes that are made as one.
type BatchBody struct{ body }

// BatchItem is one of them. It describes the body and is never filled.
type BatchItem struct {
	Operation string         `json:"operation" enum:"create,replace,patch,delete" doc:"what is done; replace creates what is not there, and patch takes a merge patch (RFC 7396)" example:"replace"`
	Kind      string         `json:"kind" enum:"user_type,role,screen,right,user,account,contact,record" doc:"kind of the entity" example:"right"`
	Of        string         `json:"of,omitempty" maxLength:"200" doc:"the role of a right, the type of a record" example:"Clerk"`
	ID        string         `json:"id" minLength:"1" maxLength:"200" doc:"id of the entity; the node of a right" example:"orders"`
	Document  map[string]any `json:"document,omitempty" doc:"the entity, or the patch; none to delete" example:"{\"level\": \"edit\"}"`
	IfMatch   string         `json:"if_match,omitempty" maxLength:"1000" doc:"ETag that the entity must still have; * for whatever is there, none for nothing. Without it a change of what is there is refused" example:"*"`
}

// Schema describes the body.
func (BatchBody) Schema(r huma.Registry) *huma.Schema {
	least, most := 1, admin.MaxItems
	return &huma.Schema{
		Type: huma.TypeObject, Required: []string{"items"}, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{
			"items": {Type: huma.TypeArray, Items: documented[BatchItem](r), MinItems: &least, MaxItems: &most, Description: "of different entities"},
		},
	}
}

// batch is the input of the operation.
type batch struct {
	PortalPath
	Creating
	Body BatchBody
}

// Batched is the answer to a batch.
type Batched struct {
	Body BatchedBody
}

// BatchedBody is what came of a batch.
type BatchedBody struct {
	Items int `json:"items" minimum:"0" doc:"how many were sent" example:"12"`
	Outcome
}

func (r *registrar) batch() {
	op := huma.Operation{OperationID: "batch", Method: http.MethodPost, Path: portalsPath + "/{portal}/batch", Tags: []string{tagOperation}, Summary: "Make many writes as one",
		Description: "All or none. The writes are judged together: a role and the rights that it is to have may come in one batch. Faults name the item, as items[3].title."}
	register(r, op, func(ctx context.Context, in *batch) (*Batched, error) { return r.api.batch(ctx, in) })
}

func (a *API) batch(ctx context.Context, in *batch) (*Batched, error) {
	doc := in.Body.document()
	if doc.err != nil {
		return nil, doc.err
	}
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	items, err := batchItems(doc.members["items"])
	if err != nil {
		return nil, err
	}
	res, err := a.service.Batch(ctx, call, items)
	if err != nil {
		return nil, err
	}
	return &Batched{Body: BatchedBody{Items: len(items), Outcome: outcome(&res)}}, nil
}

// batchItems reads items whose form the schema has held good.
func batchItems(v any) ([]admin.Item, error) {
	list, _ := v.([]any)
	items := make([]admin.Item, len(list))
	var faults authz.Faults
	for i, v := range list {
		m, _ := v.(map[string]any)
		text := func(name string) string { s, _ := m[name].(string); return s }
		k := authz.Key{Kind: authz.EntityKind(text("kind")), Of: text("of"), ID: text("id")}
		if owned := k.Kind == authz.RightEntity || k.Kind == authz.RecordEntity; owned == (k.Of == "") {
			faults = append(faults, authz.Fault{Path: fmt.Sprintf("items[%d].of", i), Msg: "is the role of a right, or the type of a record, and of nothing else"})
		}
		document, _ := m["document"].(map[string]any)
		items[i] = admin.Item{Operation: admin.Operation(text("operation")), Key: k, Document: document, IfMatch: text("if_match")}
	}
	return items, faults.Err()
}
