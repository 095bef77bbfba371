package admin

import (
	"context"
	"errors"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// maxAttempts bounds how often a write is judged anew because the portal has moved.
const maxAttempts = 8

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

// Delete removes the entity. The rights of a role go with it.
func (s *Service) Delete(ctx context.Context, call Call, k authz.Key) (Result, error) {
	return s.one(ctx, call, Item{Operation: DeleteItem, Key: k})
}

// Batch makes several changes as one: all or none, each of another entity. They
// count one after another, so that a user may hold a role that the batch creates
// before.
func (s *Service) Batch(ctx context.Context, call Call, items []Item) (Result, error) {
	return s.write(ctx, &call, &order{items: items, batch: true})
}

func (s *Service) one(ctx context.Context, call Call, item Item) (Result, error) {
	return s.write(ctx, &call, &order{items: []Item{item}})
}

// order is what a call asks to have written: items, or cells of rights.
type order struct {
	items []Item
	batch bool // paths in refusals begin with the place of the item

	rights *RightsQuery // the range of the cells; nil for items
	cells  []Cell

	task *authz.StoredTask // that is performed; nil for a call

	supposed bool // nothing is written, so that no condition has to hold

	revising *revising // what becomes of the policy; nil for everything else
}

// write makes what is ordered, once: whole or not at all.
func (s *Service) write(ctx context.Context, call *Call, o *order) (Result, error) {
	if err := o.check(call); err != nil {
		return Result{}, err
	}
	give, err := s.turns.take(ctx, call.Portal, s.opts.Wait)
	if err != nil {
		return Result{}, err
	}
	defer give()
	once, err := s.idempotency(call, o)
	if err != nil {
		return Result{}, err
	}
	for range maxAttempts {
		if r, found, err := s.replay(ctx, call, once); found || err != nil {
			return r, err
		}
		r, err := s.attempt(ctx, call, o, once)
		if !errors.Is(err, authz.ErrMoved) && !errors.Is(err, authz.ErrReplayed) {
			return r, err
		}
	}
	return Result{}, authz.Errorf(authz.Unavailable, "others change portal %q all the time: try again later", call.Portal)
}

// attempt judges the order by what is stored now, and makes it if nothing speaks
// against it and nobody else was faster.
func (s *Service) attempt(ctx context.Context, call *Call, o *order, once *authz.Idempotency) (Result, error) {
	w, err := s.begin(ctx, call, o)
	if err != nil {
		return Result{}, err
	}
	if o.revising != nil {
		return w.revise(ctx, once)
	}
	for _, step := range []func(context.Context) error{w.read, w.decide, w.meet, w.precheck, w.apply, w.recheck} {
		if err := step(ctx); err != nil {
			return Result{}, err
		}
	}
	if err := w.refused(); err != nil {
		return Result{}, err
	}
	return w.finish(ctx, once)
}

// check says what is wrong with the call whatever is stored.
func (o *order) check(call *Call) error {
	switch {
	case call.Portal == "":
		return authz.Errorf(authz.Invalid, "is missing: name the portal").At("portal")
	case len(call.Note) > MaxNote:
		return authz.Errorf(authz.Invalid, "has %d bytes: at most %d", len(call.Note), MaxNote).At("note")
	case len(call.IdempotencyKey) > MaxKey:
		return authz.Errorf(authz.Invalid, "has %d bytes: at most %d", len(call.IdempotencyKey), MaxKey).At("Idempotency-Key")
	case len(o.items) > MaxItems:
		return authz.Errorf(authz.TooLarge, "has %d items: at most %d", len(o.items), MaxItems).At("items")
	case len(o.cells) > MaxItems:
		return authz.Errorf(authz.TooLarge, "has %d cells: at most %d", len(o.cells), MaxItems).At("cells")
	case o.rights == nil && o.task == nil && o.revising == nil && len(o.items) == 0:
		return authz.Errorf(authz.Invalid, "is empty: want at least one item").At("items")
	}
	return o.checkItems(call)
}

func (o *order) checkItems(call *Call) error {
	seen := make(map[authz.Key]int, len(o.items))
	for i, item := range o.items {
		first, twice := seen[item.Key]
		seen[item.Key] = i
		switch {
		case twice:
			return authz.Errorf(authz.Invalid, "%s is written by items[%d] already: make it one item", item.Key, first).At(o.place(i))
		case item.Key.Kind == authz.PortalEntity && item.Key.ID != call.Portal:
			return authz.Errorf(authz.Invalid, "is %s, and the call is about portal %q", item.Key, call.Portal).At(o.place(i))
		case item.Key.Kind == authz.PortalEntity && item.Operation == DeleteItem && len(o.items) > 1:
			return authz.Errorf(authz.Invalid, "deletes the portal, with which nothing else can be written").At(o.place(i))
		case item.Operation != CreateItem && item.Operation != ReplaceItem && item.Operation != PatchItem && item.Operation != DeleteItem:
			return authz.Errorf(authz.Invalid, "%q is no operation: want create, replace, patch or delete", item.Operation).At(join(o.place(i), "operation"))
		case !names(item.Key):
			return authz.Errorf(authz.Invalid, "%q names no entity", item.Key.Ref()).At(o.place(i))
		}
	}
	return nil
}

// names reports whether the key can be that of an entity.
func names(k authz.Key) bool {
	switch k.Kind {
	case authz.UserEntity, authz.AccountEntity, authz.ContactEntity:
		return k.ID != "" && k.Of == ""
	case authz.RecordEntity, authz.RightEntity:
		return k.ID != "" && k.Of != ""
	}
	return configures(k.Kind) && k.ID != "" && k.Of == ""
}

// place is where the item or cell is in the call; empty in a write of one item.
func (o *order) place(i int) string {
	switch {
	case o.rights != nil:
		return "cells" + index(i)
	case o.batch:
		return "items" + index(i)
	}
	return ""
}
