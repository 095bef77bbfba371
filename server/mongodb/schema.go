package mongodb

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// createCollections creates what is missing and brings validators up to date. The
// embedded database has neither validators nor use for indexes.
func (s *Store) createCollections(ctx context.Context) error {
	for _, name := range slices.Concat([]string{portals}, generational[:], lasting[:]) {
		if err := s.createCollection(ctx, name); err != nil {
			return unavailable("prepared", err)
		}
	}
	return nil
}

func (s *Store) createCollection(ctx context.Context, name string) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	opts := options.CreateCollection()
	if !s.opts.Embedded {
		opts.SetValidator(validator(name))
	}
	err := s.db.CreateCollection(ctx, name, opts)
	switch {
	case err != nil && !hasCode(err, codeExists):
		return err
	case s.opts.Embedded:
		return nil
	case err != nil:
		change := bson.D{{Key: "collMod", Value: name}, {Key: "validator", Value: validator(name)}}
		if err := s.db.RunCommand(ctx, change).Err(); err != nil {
			return err
		}
	}
	return s.createIndexes(ctx, name)
}

// indexed are the fields by which entities are looked for within a portal: logins
// at decisions, the others when a change is judged or when something that may be
// referred to is deleted.
var indexed = map[string][]string{
	users:    {"login", "login_key", "user_type", "grants.role", "account", "contact"},
	accounts: {"parent", "owner"},
	contacts: {"account", "email"},
	records:  {"account", "contact", "owner", "parent"},
	audit:    {"updated_at", "updated_by", "on_behalf_of", "entities", "fields"},
	tasks:    {"state"},
}

// createIndexes gives each field an index that goes on with the _id, whose range
// is the portal and generation.
func (s *Store) createIndexes(ctx context.Context, name string) error {
	var models []mongo.IndexModel
	for _, f := range indexed[name] {
		models = append(models, mongo.IndexModel{Keys: bson.D{{Key: f, Value: 1}, {Key: "_id", Value: 1}}})
	}
	switch name {
	case tasks: // for those that are due, held or old, of any portal
		for _, f := range []string{"due", "error", "done_at"} {
			models = append(models, mongo.IndexModel{Keys: bson.D{{Key: "state", Value: 1}, {Key: f, Value: 1}}})
		}
	case replies: // which the server deletes
		models = append(models, mongo.IndexModel{Keys: bson.D{{Key: "expires_at", Value: 1}}, Options: options.Index().SetExpireAfterSeconds(0)})
	}
	if len(models) == 0 {
		return nil
	}
	_, err := s.db.Collection(name).Indexes().CreateMany(ctx, models)
	return err
}

// validator returns the schema that the server holds other writers to. What an
// attribute may be is not its concern.
func validator(collection string) bson.D {
	switch collection {
	case portals, journal:
		return schema(bson.D{}, "_id") // the intent is among the heads
	}
	return schema(shapes[collection], "_id", "portal", "revision", "updated_at", "updated_by")
}

func schema(properties bson.D, required ...string) bson.D {
	properties = append(bson.D{
		{Key: "_id", Value: kind("string")},
		{Key: "portal", Value: kind("string")},
		{Key: "revision", Value: kind("long", "int")},
		{Key: "updated_at", Value: kind("date")},
		{Key: "updated_by", Value: kind("string")},
	}, properties...)
	return bson.D{{Key: "$jsonSchema", Value: bson.D{
		{Key: "bsonType", Value: "object"},
		{Key: "required", Value: required},
		{Key: "properties", Value: properties},
	}}}
}

func kind(types ...string) bson.D {
	if len(types) == 1 {
		return bson.D{{Key: "bsonType", Value: types[0]}}
	}
	return bson.D{{Key: "bsonType", Value: types}}
}

func listOf(items bson.D) bson.D {
	return bson.D{{Key: "bsonType", Value: "array"}, {Key: "items", Value: items}}
}

func objectOf(properties bson.D, required ...string) bson.D {
	d := bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: properties}}
	if len(required) > 0 { // the server takes no empty list
		d = append(d, bson.E{Key: "required", Value: required})
	}
	return d
}

func oneOf(names ...string) bson.D { return bson.D{{Key: "enum", Value: names}} }

var (
	text    = kind("string")
	boolean = kind("bool")
	object  = kind("object")
	date    = kind("date")
	binary  = kind("binData")
	whole   = kind("long", "int")
	key     = objectOf(bson.D{{Key: "kind", Value: text}, {Key: "of", Value: text}, {Key: "id", Value: text}}, "kind", "id")
)

// shapes are the fields of each collection, beyond those that every document has.
var shapes = map[string]bson.D{
	userTypes: {
		{Key: "order", Value: whole},
		{Key: "title", Value: text},
		{Key: "linked", Value: oneOf("contact", "employee")},
		{Key: "allowed_roles", Value: listOf(objectOf(bson.D{{Key: "role", Value: text}, {Key: "default", Value: boolean}}, "role"))},
		{Key: "manages", Value: listOf(text)},
		{Key: "licence", Value: text},
		{Key: "attributes", Value: object},
	},
	roles: {
		{Key: "order", Value: whole},
		{Key: "title", Value: text},
		{Key: "guest", Value: boolean},
		{Key: "inherits", Value: listOf(text)},
		{Key: "attributes", Value: object},
	},
	screens: {
		{Key: "order", Value: whole},
		{Key: "kind", Value: oneOf("workspace", "screen", "container", "element")},
		{Key: "title", Value: text},
		{Key: "parent", Value: text},
		{Key: "also_in", Value: listOf(text)},
		{Key: "feature", Value: text},
		{Key: "flags", Value: object},
	},
	rights: {
		{Key: "levels", Value: append(objectOf(bson.D{
			{Key: "revoked", Value: listOf(text)}, {Key: "view", Value: listOf(text)}, {Key: "edit", Value: listOf(text)},
			{Key: "insert", Value: listOf(text)}, {Key: "publish", Value: listOf(text)}, {Key: "delete", Value: listOf(text)},
		}), bson.E{Key: "additionalProperties", Value: false})},
	},
	users: {
		{Key: "login", Value: text},
		{Key: "login_key", Value: text},
		{Key: "active", Value: boolean},
		{Key: "user_type", Value: text},
		{Key: "grants", Value: listOf(objectOf(bson.D{
			{Key: "role", Value: text}, {Key: "by", Value: text}, {Key: "why", Value: text}, {Key: "from", Value: date}, {Key: "until", Value: date},
		}, "role"))},
		{Key: "account", Value: text},
		{Key: "contact", Value: text},
		{Key: "position", Value: text},
		{Key: "flags", Value: object},
		{Key: "attributes", Value: object},
	},
	accounts: {
		{Key: "name", Value: text},
		{Key: "parent", Value: text},
		{Key: "owner", Value: text},
		{Key: "flags", Value: object},
		{Key: "attributes", Value: object},
	},
	contacts: {
		{Key: "name", Value: text},
		{Key: "email", Value: text},
		{Key: "account", Value: text},
		{Key: "position", Value: text},
		{Key: "flags", Value: object},
		{Key: "attributes", Value: object},
	},
	records: {
		{Key: "type", Value: text},
		{Key: "id", Value: text},
		{Key: "account", Value: text},
		{Key: "contact", Value: text},
		{Key: "owner", Value: text},
		{Key: "parent", Value: text},
		{Key: "flags", Value: object},
		{Key: "properties", Value: object},
	},
	audit: {
		{Key: "seq", Value: whole},
		{Key: "on_behalf_of", Value: text},
		{Key: "decision", Value: text},
		{Key: "request", Value: text},
		{Key: "operation", Value: text},
		{Key: "note", Value: text},
		{Key: "changes", Value: listOf(objectOf(bson.D{{Key: "entity", Value: key}, {Key: "before", Value: object}, {Key: "after", Value: object}}, "entity"))},
		{Key: "counts", Value: object},
		{Key: "prev", Value: text},
		{Key: "hash", Value: text},
		{Key: "entities", Value: listOf(text)},
		{Key: "fields", Value: listOf(text)},
	},
	tasks: {
		{Key: "task", Value: text},
		{Key: "kind", Value: oneOf("create", "update", "deactivate", "delete", "mail")},
		{Key: "entity", Value: key},
		{Key: "set", Value: text},
		{Key: "template", Value: text},
		{Key: "to", Value: text},
		{Key: "after", Value: whole},
		{Key: "once", Value: boolean},
		{Key: "cause", Value: key},
		{Key: "actor", Value: text},
		{Key: "created_at", Value: date},
		{Key: "due", Value: date},
		{Key: "state", Value: oneOf("pending", "done", "refused", "dead")},
		{Key: "attempts", Value: whole},
		{Key: "error", Value: text},
		{Key: "done_at", Value: date},
		{Key: "depth", Value: whole},
		{Key: "since", Value: date},
		{Key: "claimed_until", Value: date},
		{Key: "claimed_by", Value: text},
	},
	latches: {
		{Key: "entity", Value: key},
		{Key: "tasks", Value: listOf(text)},
	},
	replies: {
		{Key: "fingerprint", Value: text},
		{Key: "answer", Value: binary},
		{Key: "expires_at", Value: date},
	},
	policies: {
		{Key: "number", Value: whole},
		{Key: "parent", Value: whole},
		{Key: "author", Value: text},
		{Key: "user", Value: text},
		{Key: "message", Value: text},
		{Key: "at", Value: date},
		{Key: "digest", Value: text},
		{Key: "checked", Value: objectOf(bson.D{
			{Key: "at", Value: date}, {Key: "config_revision", Value: whole}, {Key: "ok", Value: boolean}, {Key: "cases", Value: whole},
			{Key: "failed", Value: whole}, {Key: "findings", Value: whole}, {Key: "faults", Value: listOf(text)},
		}, "at", "config_revision", "ok")},
		{Key: "difference", Value: objectOf(bson.D{
			{Key: "at", Value: date}, {Key: "against", Value: whole}, {Key: "config_revision", Value: whole}, {Key: "complete", Value: boolean},
			{Key: "users", Value: whole}, {Key: "gained", Value: whole}, {Key: "lost", Value: whole}, {Key: "locked_out", Value: boolean},
		}, "at", "against", "config_revision", "complete")},
		{Key: "approvals", Value: listOf(objectOf(bson.D{{Key: "by", Value: text}, {Key: "user", Value: text}, {Key: "at", Value: date}, {Key: "note", Value: text}}, "by", "at"))},
		{Key: "publications", Value: listOf(objectOf(bson.D{{Key: "at", Value: date}, {Key: "by", Value: text}, {Key: "from", Value: whole}}, "at", "by", "from"))},
	},
	policyFiles: {
		{Key: "files", Value: listOf(objectOf(bson.D{{Key: "path", Value: text}, {Key: "text", Value: text}}, "path", "text"))},
	},
	callers: {
		{Key: "name", Value: text},
		{Key: "hash", Value: binary},
		{Key: "portals", Value: listOf(text)},
		{Key: "permissions", Value: listOf(text)},
		{Key: "user", Value: text},
		{Key: "acts_for", Value: listOf(text)},
		{Key: "created_at", Value: date},
		{Key: "created_by", Value: text},
		{Key: "until", Value: date},
	},
}
