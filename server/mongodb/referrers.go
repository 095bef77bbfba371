package mongodb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// referrer is a field by which documents of a collection refer to something.
type referrer struct{ collection, field string }

// referrers of each kind, in what is not configuration.
var referrers = map[authz.EntityKind][]referrer{
	authz.UserTypeEntity: {{users, "user_type"}},
	authz.RoleEntity:     {{users, "grants.role"}},
	authz.AccountEntity:  {{users, "account"}, {contacts, "account"}, {records, "account"}, {accounts, "parent"}},
	authz.ContactEntity:  {{users, "contact"}, {records, "contact"}},
	authz.RecordEntity:   {{records, "parent"}},
}

// referrers refuses to delete what something refers to that stays as it is. What the
// changeset writes is judged by its own references.
func (p *planner) referrers(ctx context.Context) error {
	deleted := make(map[authz.EntityKind][]authz.Key)
	for i := range p.c.Changes {
		if w := &p.c.Changes[i]; w.New == nil {
			deleted[w.Entity.Kind] = append(deleted[w.Entity.Kind], w.Entity)
		}
	}
	for kind, keys := range deleted {
		for _, k := range keys {
			if by := configReferrer(p.c.Config, k); by != "" {
				return inUse(k, by)
			}
		}
		for _, r := range referrers[kind] {
			if err := p.referrer(ctx, r, keys); err != nil {
				return err
			}
		}
	}
	return nil
}

func inUse(k authz.Key, by string) error {
	return authz.Errorf(authz.Conflict, "%s is still in use: %s refers to it; change that first", k, by)
}

// referrer returns a Conflict error when a document refers to one of the keys.
func (p *planner) referrer(ctx context.Context, r referrer, keys []authz.Key) error {
	ids := bson.A{}
	byID := make(map[string]authz.Key, len(keys))
	for _, k := range keys {
		id := p.sc.key(p.sc.id(k))
		ids, byID[id] = append(ids, id), k
	}
	d, err := p.first(ctx, r, bson.E{Key: r.field, Value: bson.D{{Key: "$in", Value: ids}}})
	if err != nil || d == nil {
		return err
	}
	by := fmt.Sprintf("%s %q (%s)", strings.TrimSuffix(r.collection, "s"), p.sc.key(d.Lookup("_id").StringValue()), r.field)
	for _, id := range textsAt(d, strings.Split(r.field, ".")) {
		if k, ok := byID[id]; ok {
			return inUse(k, by)
		}
	}
	return inUse(keys[0], by)
}

// textsAt returns the strings at the path, through lists.
func textsAt(d bson.Raw, path []string) (found []string) {
	v, err := d.LookupErr(path[0])
	if err != nil {
		return nil
	}
	if s, ok := v.StringValueOK(); ok {
		return []string{s}
	}
	a, ok := v.ArrayOK()
	if !ok || len(path) == 1 {
		return nil
	}
	items, _ := a.Values()
	for _, item := range items {
		if inner, ok := item.DocumentOK(); ok {
			found = append(found, textsAt(inner, path[1:])...)
		}
	}
	return found
}

// first returns a document that matches and is not written by the changeset, or nil:
// its _id and the field.
func (p *planner) first(ctx context.Context, r referrer, match ...bson.E) (bson.Raw, error) {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	projection := bson.D{{Key: "_id", Value: 1}, {Key: r.field, Value: 1}}
	d, err := p.s.db.Collection(r.collection).FindOne(ctx, p.others(r.collection, match...), options.FindOne().SetProjection(projection)).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	return d, err
}

// others matches the documents of the collection that the changeset does not write.
func (p *planner) others(collection string, match ...bson.E) bson.D {
	written := bson.A{}
	for k := range p.writes {
		if collectionOf[k.Kind] == collection {
			written = append(written, p.sc.id(k))
		}
	}
	all := p.sc.all()
	if len(written) > 0 {
		all[0].Value = append(all[0].Value.(bson.D), bson.E{Key: "$nin", Value: written})
	}
	return append(all, match...)
}

// leftBehind refuses to move a contact away from its users' account.
func (p *planner) leftBehind(ctx context.Context) error {
	for i := range p.c.Changes {
		c, ok := p.c.Changes[i].New.(authz.Contact)
		if g := p.stored[p.c.Changes[i].Entity]; !ok || g == nil || g.Account == c.Account {
			continue
		}
		d, err := p.first(ctx, referrer{users, "account"}, bson.E{Key: "contact", Value: c.ID},
			bson.E{Key: "account", Value: bson.D{{Key: "$exists", Value: true}, {Key: "$ne", Value: c.Account}}})
		if err != nil {
			return err
		}
		if d != nil {
			user := p.sc.key(d.Lookup("_id").StringValue())
			return authz.Errorf(authz.Conflict, "%s has the user %q, whose account is another: give the user no account, or this one, first", c.Key(), user).At("account")
		}
	}
	return nil
}

// configReferrer returns what in the configuration refers to k, or "".
func configReferrer(b *authz.Bundle, k authz.Key) string {
	switch k.Kind {
	case authz.UserTypeEntity:
		return typeReferrer(b, k.ID)
	case authz.RoleEntity:
		return roleReferrer(b, k.ID)
	case authz.NodeEntity:
		return nodeReferrer(b, k.ID)
	}
	return ""
}
func typeReferrer(b *authz.Bundle, id string) string {
	for _, t := range b.UserTypes {
		if t.ID != id && slices.Contains(t.Manages, id) {
			return t.Key().String() + " (manages)"
		}
	}
	return ""
}

func roleReferrer(b *authz.Bundle, id string) string {
	for _, r := range b.Roles {
		if slices.Contains(r.Inherits, id) {
			return r.Key().String() + " (inherits)"
		}
	}
	for _, t := range b.UserTypes {
		if slices.ContainsFunc(t.AllowedRoles, func(a authz.AllowedRole) bool { return a.Role == id }) {
			return t.Key().String() + " (allowed_roles)"
		}
	}
	return ""
}

func nodeReferrer(b *authz.Bundle, id string) string {
	for _, n := range b.Screens {
		if n.Parent == id {
			return n.Key().String() + " (parent)"
		}
		if slices.Contains(n.AlsoIn, id) {
			return n.Key().String() + " (also_in)"
		}
	}
	for _, r := range b.Rights {
		if r.Node == id {
			return "the " + r.Key().String()
		}
	}
	for typ, byAction := range b.Portal.ResourceScreens {
		for _, screen := range byAction {
			if screen == id {
				return fmt.Sprintf("the portal (resource_screens of %q)", typ)
			}
		}
	}
	return ""
}
