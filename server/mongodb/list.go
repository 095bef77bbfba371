package mongodb

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// List returns a page of the portal's entities of one kind in the order of their
// keys: of type and then id for records, of role and then node for rights. What is
// there from the first page to the last is on exactly one of them, whatever comes
// and goes meanwhile. A login is compared as authz.FoldLogin does, everything else
// byte by byte; for a filter with an empty value what it names is to be missing.
//
// Portals are listed whatever the portal is. A query that is none is authz.Invalid;
// a page after an import, which begins a list anew, is authz.Stale.
func (s *Store) List(ctx context.Context, portal string, q authz.ListQuery) (authz.Listed, error) {
	after, filter, err := checkList(&q)
	if err != nil {
		return authz.Listed{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	if q.Kind == authz.PortalEntity {
		return s.listPortals(ctx, after, q.Limit)
	}
	h, err := s.current(ctx, portal)
	if err != nil {
		return authz.Listed{}, err
	}
	if after.Generation != "" && after.Generation != h.Generation {
		return authz.Listed{}, authz.Errorf(authz.Stale, "portal %q was imported anew since the page before: start over, without after", portal).At("after")
	}
	p := page{Store: s, sc: h.scope(), q: &q, after: after, filter: filter}
	read := p.documents
	if q.Kind == authz.RightEntity {
		read = p.rights
	}
	found, err := read(ctx)
	if err != nil {
		return authz.Listed{}, unavailable("read", err)
	}
	return pageOf(found, q.Limit, h.Generation), s.still(ctx, h.scope())
}

// pageOf makes a page of what was found, which is one more than the limit when there
// are others.
func pageOf(found []authz.Versioned, limit int, generation string) authz.Listed {
	if len(found) <= limit {
		return authz.Listed{Items: found}
	}
	found = found[:limit]
	last := found[limit-1].Key()
	return authz.Listed{Items: found, Next: cursor{generation, last.Of, last.ID}.String()}
}

// cursor is after which key of which generation a page begins.
type cursor struct{ Generation, Of, ID string }

func (c cursor) String() string {
	text, _ := json.Marshal([]string{c.Generation, c.Of, c.ID}) // texts alone do not fail
	return base64.RawURLEncoding.EncodeToString(text)
}

func parseCursor(s string) (cursor, error) {
	if s == "" {
		return cursor{}, nil
	}
	var parts []string
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(text, &parts)
	}
	if err != nil || len(parts) != 3 || !storable(authz.Key{Of: parts[1], ID: parts[2]}) {
		return cursor{}, authz.Errorf(authz.Invalid, "is no cursor: give next of the page before, or none for the first").At("after").Because(err)
	}
	return cursor{parts[0], parts[1], parts[2]}, nil
}

// checkList returns where the page of a query begins, and what it filters by.
func checkList(q *authz.ListQuery) (after cursor, filter bson.D, err error) {
	_, known := readers[q.Kind]
	keyed := q.Kind == authz.RecordEntity || q.Kind == authz.RightEntity
	switch {
	case !known && q.Kind != authz.PortalEntity && q.Kind != authz.RightEntity:
		return after, nil, authz.Errorf(authz.Invalid, "nothing stored is of the kind %q", q.Kind).At("kind")
	case q.Limit < 1 || q.Limit > authz.MaxPage:
		return after, nil, authz.Errorf(authz.Invalid, "is %d: want 1 to %d", q.Limit, authz.MaxPage).At("limit")
	case q.Of != "" && !keyed:
		return after, nil, authz.Errorf(authz.Invalid, "entities of the kind %s are of nothing: leave it out", q.Kind).At("of")
	}
	if filter, err = filterOf(q); err != nil {
		return after, nil, err
	}
	after, err = parseCursor(q.After)
	return after, filter, err
}

// filterOf returns what documents are to be equal to, in a fixed order.
func filterOf(q *authz.ListQuery) (bson.D, error) {
	var filter bson.D
	there := authz.ListFilters(q.Kind)
	for _, name := range slices.Sorted(maps.Keys(q.Filter)) {
		if !slices.Contains(there, name) {
			return nil, authz.Errorf(authz.Invalid, "no %s is filtered by that: %s", q.Kind, filtersThere(there)).At(name)
		}
		e, err := equals(name, q.Filter[name])
		if err != nil {
			return nil, err
		}
		filter = append(filter, e)
	}
	return filter, nil
}

func filtersThere(names []string) string {
	if len(names) == 0 {
		return "it has no filters"
	}
	return "want " + strings.Join(names, ", ")
}

// equals returns the condition of one filter.
func equals(name, value string) (bson.E, error) {
	field := map[string]string{"role": "grants.role"}[name]
	field = cmp.Or(field, name)
	switch {
	case !utf8.ValidString(value):
		return bson.E{}, notText(name)
	case name == "active":
		on, err := strconv.ParseBool(value)
		if err != nil || value != strconv.FormatBool(on) {
			return bson.E{}, authz.Errorf(authz.Invalid, "is %q: want true or false", value).At(name)
		}
		return bson.E{Key: field, Value: on}, nil
	case value == "":
		return bson.E{Key: field, Value: bson.D{{Key: "$exists", Value: false}}}, nil
	case name == "login":
		return hasLogin(value), nil
	}
	return bson.E{Key: field, Value: value}, nil
}

// notText refuses what the database could not be asked for.
func notText(name string) error {
	return authz.Errorf(authz.Invalid, "is no text: want UTF-8").At(name)
}

// page is one page to be read.
type page struct {
	*Store
	sc     scope
	q      *authz.ListQuery
	after  cursor
	filter bson.D
}

// documents reads a page of a kind that has a document to each entity, and one more.
func (p *page) documents(ctx context.Context) ([]authz.Versioned, error) {
	first := p.within(p.sc.prefix())
	if p.q.Kind == authz.RecordEntity && p.q.Of != "" {
		if !storable(authz.Key{Kind: p.q.Kind, Of: p.q.Of, ID: "any"}) {
			return nil, nil
		}
		first = p.within(p.sc.prefix() + p.q.Of + "/")
	}
	if p.after.ID != "" {
		first[0].Value = append(first[0].Value.(bson.D), bson.E{Key: "$gt", Value: p.sc.id(authz.Key{Kind: p.q.Kind, Of: p.after.Of, ID: p.after.ID})})
	}
	var found []authz.Versioned
	read := readers[p.q.Kind]
	err := p.each(ctx, collectionOf[p.q.Kind], append(first, p.filter...), p.q.Limit+1, func(raw bson.Raw) (bool, error) {
		v, err := read(raw, p.sc)
		found = append(found, v)
		return true, err
	})
	return found, err
}

// within matches every _id that begins with the prefix, which ends with a slash.
func (p *page) within(prefix string) bson.D {
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: prefix}, {Key: "$lt", Value: prefix[:len(prefix)-1] + "0"}}}}
}

// rights reads a page of rights, whose documents hold those of a role each, and one
// more.
func (p *page) rights(ctx context.Context) ([]authz.Versioned, error) {
	filter := p.within(p.sc.prefix())
	if p.q.Of != "" {
		filter = byID(p.sc.prefix() + p.q.Of)
	} else if p.after.Of != "" { // the role before may have more
		filter[0].Value.(bson.D)[0].Value = p.sc.prefix() + p.after.Of
	}
	var found []authz.Versioned
	err := p.each(ctx, rights, filter, 0, func(raw bson.Raw) (more bool, err error) {
		found, err = p.row(raw, found)
		return len(found) <= p.q.Limit, err
	})
	return found[:min(len(found), p.q.Limit+1)], err
}

// row appends those rights of one role that belong to the list, by node.
func (p *page) row(raw bson.Raw, to []authz.Versioned) ([]authz.Versioned, error) {
	var d rightsDoc
	if err := bson.Unmarshal(raw, &d); err != nil {
		return to, err
	}
	all, err := d.entities(p.sc.key(d.Meta.ID), nil)
	slices.SortFunc(all, func(a, b authz.Right) int { return cmp.Compare(a.Node, b.Node) })
	node, only := p.q.Filter["node"]
	for _, r := range all {
		seen := r.Role < p.after.Of || r.Role == p.after.Of && r.Node <= p.after.ID
		if !seen && (!only || r.Node == node) {
			to = append(to, d.Meta.versioned(r))
		}
	}
	return to, err
}

// each calls visit for the documents in the order of their _ids, up to a number when
// that is not 0, until it wants no more.
func (s *Store) each(ctx context.Context, collection string, filter bson.D, most int, visit func(bson.Raw) (more bool, err error)) error {
	opts := options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(most)).SetBatchSize(scanBatch)
	cur, err := s.db.Collection(collection).Find(ctx, filter, opts)
	if err != nil {
		return err
	}
	defer func() { _ = cur.Close(context.WithoutCancel(ctx)) }()
	for cur.Next(ctx) {
		if more, err := visit(cur.Current); err != nil || !more {
			return err
		}
	}
	return cur.Err()
}

// listPortals returns a page of the portals that have data.
func (s *Store) listPortals(ctx context.Context, after cursor, limit int) (authz.Listed, error) {
	filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: after.ID}}}}
	var found []authz.Versioned
	err := s.each(ctx, portals, filter, 0, func(raw bson.Raw) (bool, error) {
		var h head
		if err := bson.Unmarshal(raw, &h); err != nil {
			return false, err
		}
		if plausible(h.ID) && h.Generation != "" {
			found = append(found, h.versioned())
		}
		return len(found) <= limit, nil
	})
	if err != nil {
		return authz.Listed{}, unavailable("read", err)
	}
	return pageOf(found, limit, ""), nil
}
