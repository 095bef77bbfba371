package admin

import (
	"context"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Read returns the entity.
func (s *Service) Read(ctx context.Context, call Call, k authz.Key) (Entity, error) {
	v, err := s.stored(ctx, call.Portal, k)
	if err != nil {
		return Entity{}, err
	}
	if _, err := s.permit(ctx, &call, about(authz.ReadCall, k, v.Stored, nil)); err != nil {
		return Entity{}, err
	}
	if v.Stored == nil {
		return Entity{}, absent(authz.CallResource(k))
	}
	return entityOf(v), nil
}

// stored returns the entity as it is stored, without a Stored when it is not.
func (s *Service) stored(ctx context.Context, portal string, k authz.Key) (authz.Versioned, error) {
	v, err := s.store.Entity(ctx, portal, k)
	if authz.KindOf(err) == authz.NotFound && err != nil {
		return authz.Versioned{}, nil
	}
	return v, err
}

func entityOf(v authz.Versioned) Entity {
	return Entity{
		Key: v.Key(), Document: shown(v.Stored), ETag: entityTag(v.Revision),
		Revision: v.Revision, UpdatedAt: v.UpdatedAt, UpdatedBy: v.UpdatedBy,
	}
}

// shown returns the entity's document with a level by its name.
func shown(e authz.Stored) map[string]any {
	d := authz.Document(e)
	if r, ok := e.(authz.Right); ok {
		d["level"] = r.Level.String()
	}
	return d
}

// Bounds of one page.
const (
	standardPage = 100
	// maxLooked is how many entities are looked at for one page: of a caller who may
	// read few of many, a page may be empty and have a next one.
	maxLooked = 2000
)

// List returns a page of those entities that the caller may read, each by a
// decision of its own.
func (s *Service) List(ctx context.Context, call Call, q authz.ListQuery) (Page, error) {
	limit, err := pageSize(q.Limit)
	if err != nil {
		return Page{}, err
	}
	var p Page
	for {
		q.Limit = min(limit-len(p.Items), maxLooked-p.Looked)
		got, err := s.store.List(ctx, call.Portal, q)
		if err != nil {
			return Page{}, err
		}
		p.Looked += len(got.Items)
		if p.Items, err = s.readable(ctx, &call, got.Items, p.Items); err != nil {
			return Page{}, err
		}
		p.Next, q.After = got.Next, got.Next
		if p.Next == "" || len(p.Items) >= limit || p.Looked >= maxLooked {
			return p, nil
		}
	}
}

// pageSize returns how many a page may hold, for what was asked.
func pageSize(asked int) (int, error) {
	switch {
	case asked == 0:
		return standardPage, nil
	case asked < 0 || asked > authz.MaxPage:
		return 0, authz.Errorf(authz.Invalid, "is %d: want 1 to %d", asked, authz.MaxPage).At("limit")
	}
	return asked, nil
}

// readable appends those entities that the caller may read. One for which that cannot
// be decided ends the list: left out, it would pass for one that is not there, and
// whoever copies the list would lose it.
func (s *Service) readable(ctx context.Context, call *Call, all []authz.Versioned, to []Entity) ([]Entity, error) {
	for _, v := range all {
		if err := ctx.Err(); err != nil {
			return nil, authz.Errorf(authz.Unavailable, "the time for this request ran out: ask for a smaller page").Because(err)
		}
		asked := call
		if k := v.Key(); k.Kind == authz.PortalEntity {
			if asked = inPortal(call, k.ID); asked == nil {
				continue
			}
		}
		d, _, err := s.decide(ctx, asked, about(authz.ReadCall, v.Key(), v.Stored, nil))
		if authz.KindOf(err) == authz.NotFound && err != nil && asked != call {
			continue // a portal that is gone, or not loaded yet
		}
		if err == nil && d.Err != nil {
			err = authz.Errorf(authz.Unavailable, "whether %s may be read cannot be decided now: %s; try again", v.Key(), d.Reason).Because(d.Err)
		}
		if err != nil {
			return nil, err
		}
		if d.Allowed() {
			to = append(to, entityOf(v))
		}
	}
	return to, nil
}

// inPortal returns the call as one about the portal, or nil when the caller's key
// does not open that one. Of each portal its own policy says who may read it.
func inPortal(call *Call, portal string) *Call {
	if by := call.Acting.Caller; by != nil && !by.Opens(authz.PermitAdmin, portal) {
		return nil
	}
	c := *call
	c.Portal = portal
	return &c
}
