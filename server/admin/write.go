package admin

import (
	"context"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Create makes a new entity. The document has the names of the fixture files, and
// levels by name or rank; what names the entity may be left out of it.
func (s *Service) Create(ctx context.Context, call Call, k authz.Key, doc map[string]any) (Result, error) {
	return s.one(ctx, call, Item{Operation: CreateItem, Key: k, Document: doc})
}

// Replace makes the entity what the document says, and creates it when it is not
// there.
func (s *Service) Replace(ctx context.Context, call Call, k authz.Key, doc map[string]any) (Result, error) {
	return s.one(ctx, call, Item{Operation: ReplaceItem, Key: k, Document: doc})
}

// Patch applies a merge patch (RFC 7396) to the entity.
func (s *Service) Patch(ctx context.Context, call Call, k authz.Key, patch map[string]any) (Result, error) {
	return s.one(ctx, call, Item{Operation: PatchItem, Key: k, Document: patch})
}

// Delete removes the entity.
func (s *Service) Delete(ctx context.Context, call Call, k authz.Key) (Result, error) {
	return s.one(ctx, call, Item{Operation: DeleteItem, Key: k})
}

// Batch makes several changes as one: all or none. They count one after another,
// so that a user may hold a role that the batch creates before.
func (s *Service) Batch(ctx context.Context, call Call, items []Item) (Result, error) {
	return s.write(ctx, &call, &order{items: items, batch: true})
}

func (s *Service) one(ctx context.Context, call Call, item Item) (Result, error) {
	return s.write(ctx, &call, &order{items: []Item{item}})
}

// order is what a call asks to have written.
type order struct {
	items []Item
	batch bool // paths in refusals begin with the place of the item
}

func (s *Service) write(ctx context.Context, call *Call, o *order) (Result, error) {
	return Result{}, authz.Errorf(authz.Internal, "writes are not made yet")
}
