package mongodb

import (
	"context"
	"strconv"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// walked is how many entries the embedded database is asked for one by one, which
// for more takes longer than to scan them all.
const walked = 256

// Audit returns a page of the chain's entries, newest first. A query that is none is
// authz.Invalid. The chain of a portal outlives it; one that never was has no
// entries.
func (s *Store) Audit(ctx context.Context, chain string, q authz.AuditQuery) (authz.AuditPage, error) {
	a, err := s.auditSearch(ctx, chain, &q)
	if err != nil {
		return authz.AuditPage{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	if s.opts.Embedded && a.wantsAll() {
		err = a.walk(ctx)
	}
	if err == nil && len(a.found) <= q.Limit && a.before > 1 {
		err = a.scan(ctx)
	}
	if err != nil {
		return authz.AuditPage{}, unavailable("read", err)
	}
	page := authz.AuditPage{Entries: a.found}
	if len(a.found) > q.Limit {
		page.Entries = a.found[:q.Limit]
		page.Next = strconv.FormatInt(page.Entries[q.Limit-1].Seq, 10)
	}
	return page, nil
}

// auditSearch finds entries of one chain, one more than the page takes.
type auditSearch struct {
	*Store
	chain  string
	q      *authz.AuditQuery
	before int64 // sequence number above all that are still to be looked at
	found  []authz.AuditEntry
}

func (s *Store) auditSearch(ctx context.Context, chain string, q *authz.AuditQuery) (*auditSearch, error) {
	if q.Limit < 1 || q.Limit > authz.MaxPage {
		return nil, authz.Errorf(authz.Invalid, "is %d: want 1 to %d", q.Limit, authz.MaxPage).At("limit")
	}
	for name, text := range map[string]string{"actor": q.Actor, "entity": q.Entity, "field": q.Field} {
		if !utf8.ValidString(text) {
			return nil, notText(name)
		}
	}
	head, err := s.Chain(ctx, chain)
	if err != nil {
		return nil, err
	}
	a := &auditSearch{Store: s, chain: chain, q: q, before: head.Seq + 1}
	if q.After == "" {
		return a, nil
	}
	last, err := strconv.ParseInt(q.After, 10, 64)
	if err != nil || last < 1 {
		return nil, authz.Errorf(authz.Invalid, "is no cursor: give next of the page before, or none for the first").At("after")
	}
	a.before = min(a.before, last)
	return a, nil
}

// wantsAll reports whether no entry is passed over.
func (a *auditSearch) wantsAll() bool {
	q := authz.AuditQuery{After: a.q.After, Limit: a.q.Limit}
	return *a.q == q
}

// walk takes the newest entries one by one.
func (a *auditSearch) walk(ctx context.Context) error {
	for range walked {
		if a.before <= 1 || len(a.found) > a.q.Limit {
			return nil
		}
		a.before--
		d, err := findIn[auditDoc](ctx, a.Store, audit, auditID(a.chain, a.before))
		if err != nil {
			return err
		}
		if d != nil {
			a.found = append(a.found, d.entry())
		}
	}
	return nil
}

// scan has the database look for the rest.
func (a *auditSearch) scan(ctx context.Context) error {
	opts := options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(int64(a.q.Limit + 1 - len(a.found)))
	cur, err := a.db.Collection(audit).Find(ctx, a.filter(), opts)
	if err != nil {
		return err
	}
	var docs []auditDoc
	if err := cur.All(ctx, &docs); err != nil {
		return err
	}
	for i := range docs {
		a.found = append(a.found, docs[i].entry())
	}
	return nil
}

func (a *auditSearch) filter() bson.D {
	filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: auditID(a.chain, 1)}, {Key: "$lt", Value: auditID(a.chain, a.before)}}}}
	if x := a.q.Actor; x != "" {
		filter = append(filter, bson.E{Key: "$or", Value: bson.A{bson.D{{Key: "updated_by", Value: x}}, bson.D{{Key: "on_behalf_of", Value: x}}}})
	}
	for field, x := range map[string]string{"entities": a.q.Entity, "fields": a.q.Field} {
		if x != "" {
			filter = append(filter, bson.E{Key: field, Value: x})
		}
	}
	var within bson.D
	for op, t := range map[string]time.Time{"$gte": a.q.From, "$lt": a.q.Until} {
		if !t.IsZero() {
			within = append(within, bson.E{Key: op, Value: upToMillisecond(t)})
		}
	}
	if within != nil {
		filter = append(filter, bson.E{Key: "updated_at", Value: within})
	}
	return filter
}

// upToMillisecond returns t, or the next moment that the database can tell from those
// before t: it keeps milliseconds.
func upToMillisecond(t time.Time) time.Time {
	if whole := t.Truncate(time.Millisecond); !whole.Equal(t) {
		return whole.Add(time.Millisecond)
	}
	return t
}
