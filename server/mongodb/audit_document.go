package mongodb

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// auditDoc is one entry of a chain. Meta.Portal is the chain, Meta.UpdatedAt the
// entry's At and Meta.UpdatedBy its Actor.
type auditDoc struct {
	Meta       meta             `bson:",inline"`
	Seq        int64            `bson:"seq"`
	OnBehalfOf string           `bson:"on_behalf_of,omitempty"`
	Decision   string           `bson:"decision,omitempty"`
	Request    string           `bson:"request,omitempty"`
	Operation  string           `bson:"operation"`
	Note       string           `bson:"note,omitempty"`
	Changes    []changeDoc      `bson:"changes,omitempty"`
	Counts     map[string]int64 `bson:"counts,omitempty"`
	Prev       string           `bson:"prev,omitempty"`
	Hash       string           `bson:"hash"`
	// What entries are looked for by: Key.Ref of each entity, and the members that
	// the write changed in any of them.
	Entities []string `bson:"entities,omitempty"`
	Fields   []string `bson:"fields,omitempty"`
}

type changeDoc struct {
	Entity keyDoc `bson:"entity"`
	Before values `bson:"before,omitempty"`
	After  values `bson:"after,omitempty"`
}

// keyDoc is a Key that needs no parsing, since names may hold anything.
type keyDoc struct {
	Kind string `bson:"kind"`
	Of   string `bson:"of,omitempty"`
	ID   string `bson:"id"`
}

func keyDocOf(k authz.Key) keyDoc { return keyDoc{string(k.Kind), k.Of, k.ID} }

func (d keyDoc) key() authz.Key {
	return authz.Key{Kind: authz.EntityKind(d.Kind), Of: d.Of, ID: d.ID}
}

// auditID returns the _id of an entry. It sorts as Seq does.
func auditID(chain string, seq int64) string { return fmt.Sprintf("%s/%016d", chain, seq) }

func auditDocOf(e *authz.AuditEntry) *auditDoc {
	d := &auditDoc{
		Meta: meta{ID: auditID(e.Chain, e.Seq), Portal: e.Chain, Revision: e.Revision, UpdatedAt: e.At, UpdatedBy: e.Actor},
		Seq:  e.Seq, OnBehalfOf: e.OnBehalfOf, Decision: e.Decision, Request: e.Request, Operation: e.Operation, Note: e.Note,
		Changes: each(e.Changes, func(c authz.EntityChange) changeDoc { return changeDoc{keyDocOf(c.Entity), c.Before, c.After} }),
		Counts:  countsOf[int64](e.Counts), Prev: e.Prev, Hash: e.Hash,
	}
	for i := range e.Changes {
		d.Entities = append(d.Entities, e.Changes[i].Entity.Ref())
		d.Fields = append(d.Fields, changedFields(&e.Changes[i])...)
	}
	d.Entities, d.Fields = distinct(d.Entities), distinct(d.Fields)
	return d
}

// entry returns what was sealed. Counts that are empty and none are stored alike,
// which is why entries are sealed as they come back.
func (d *auditDoc) entry() authz.AuditEntry {
	return authz.AuditEntry{
		Chain: d.Meta.Portal, Seq: d.Seq, At: d.Meta.UpdatedAt.UTC(), Actor: d.Meta.UpdatedBy, OnBehalfOf: d.OnBehalfOf,
		Decision: d.Decision, Request: d.Request, Operation: d.Operation, Note: d.Note, Revision: d.Meta.Revision,
		Changes: each(d.Changes, func(c changeDoc) authz.EntityChange {
			return authz.EntityChange{Entity: c.Entity.key(), Before: c.Before, After: c.After}
		}),
		Counts: countsOf[int](d.Counts), Prev: d.Prev, Hash: d.Hash,
	}
}

func countsOf[B, A int | int64](from map[string]A) map[string]B {
	if len(from) == 0 {
		return nil
	}
	to := make(map[string]B, len(from))
	for k, n := range from {
		to[k] = B(n)
	}
	return to
}

// changedFields returns the members that differ before and after.
func changedFields(c *authz.EntityChange) []string {
	var fields []string
	for name, v := range c.After {
		if old, ok := c.Before[name]; !ok || !reflect.DeepEqual(old, v) {
			fields = append(fields, name)
		}
	}
	for name := range c.Before {
		if _, ok := c.After[name]; !ok {
			fields = append(fields, name)
		}
	}
	return fields
}

func distinct[T cmp.Ordered](list []T) []T {
	slices.Sort(list)
	return slices.Compact(list)
}
