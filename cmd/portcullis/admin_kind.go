package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// adminKind is a kind of entity as the commands of administration name it.
type adminKind struct {
	name    string // of the path, such as "users"
	kind    authz.EntityKind
	of      string   // type of records
	columns []string // members of a document that a list shows
}

// adminKinds are all but records, in the order in which they refer to one another.
var adminKinds = []adminKind{
	{name: "portals", kind: authz.PortalEntity, columns: []string{"id", "title", "policy"}},
	{name: "roles", kind: authz.RoleEntity, columns: []string{"id", "title", "guest", "inherits"}},
	{name: "user_types", kind: authz.UserTypeEntity, columns: []string{"id", "title", "linked", "allowed_roles", "manages"}},
	{name: "screens", kind: authz.NodeEntity, columns: []string{"id", "kind", "title", "parent"}},
	{name: "rights", kind: authz.RightEntity, columns: []string{"role", "node", "level"}},
	{name: "accounts", kind: authz.AccountEntity, columns: []string{"id", "name", "parent", "owner"}},
	{name: "contacts", kind: authz.ContactEntity, columns: []string{"id", "name", "email", "account", "position"}},
	{name: "users", kind: authz.UserEntity, columns: []string{"id", "login", "active", "user_type", "grants", "account"}},
}

// UnmarshalText takes the name of a kind, in the singular too.
func (k *adminKind) UnmarshalText(name []byte) error {
	first, of, _ := strings.Cut(string(name), "/")
	if first == "records" || first == string(authz.RecordEntity) {
		if of == "" || strings.Contains(of, "/") {
			return authz.Errorf(authz.Invalid, "want the type of the records, such as records/case")
		}
		*k = adminKind{name: "records", kind: authz.RecordEntity, of: of, columns: []string{"id", "account", "contact", "owner", "parent"}}
		return nil
	}
	names := []string{"records/TYPE"}
	for _, known := range adminKinds {
		if known.name == string(name) || string(known.kind) == string(name) {
			*k = known
			return nil
		}
		names = append(names, known.name)
	}
	near := authz.Nearest(string(name), slices.Values(names))
	if near != "" {
		near = fmt.Sprintf("; did you mean %q?", near)
	}
	return authz.Errorf(authz.Invalid, "unknown kind %q: want one of %s%s", name, strings.Join(names, ", "), near)
}

// kindNamed returns one of adminKinds, which the name must be of.
func kindNamed(name string) *adminKind {
	for i := range adminKinds {
		if adminKinds[i].name == name {
			k := adminKinds[i]
			return &k
		}
	}
	return &adminKind{}
}

// path returns the path of all entities of the kind, or of the one with the id.
func (k *adminKind) path(ctx context.Context, a *administration, id ...string) (string, error) {
	if k.kind == authz.RightEntity && len(id) > 0 {
		return "", authz.Errorf(authz.Invalid, "a right is of a role and a screen: see admin rights and admin set-right")
	}
	if k.kind == authz.PortalEntity {
		return pathOf(append([]string{"portals"}, id...)...), nil
	}
	segments := []string{k.name}
	if k.of != "" {
		segments = append(segments, k.of)
	}
	return a.within(ctx, append(segments, id...)...)
}

// ref names an entity of the kind in messages.
func (k *adminKind) ref(id string) string {
	return authz.Key{Kind: k.kind, Of: k.of, ID: id}.String()
}

// entityPage is one page of entities as the API lists them.
type entityPage struct {
	Items []listedEntity `json:"items"`
	Next  string         `json:"next,omitempty"`
}

type listedEntity struct {
	Document  map[string]any `json:"document"`
	ETag      string         `json:"etag"`
	Revision  json.Number    `json:"revision"`
	UpdatedAt string         `json:"updated_at,omitempty"`
	UpdatedBy string         `json:"updated_by,omitempty"`
}

// idOf returns the id of a document as it stands.
func idOf(document map[string]any) string {
	id, _ := document["id"].(string)
	return id
}

// text returns a value of a document as a cell of a table shows it.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return moment(v)
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case []any:
		var all []string
		for _, e := range v {
			all = append(all, text(e))
		}
		return strings.Join(all, ", ")
	case map[string]any:
		return objectText(v)
	}
	return fmt.Sprint(v)
}

// moment returns the first moment of a day as the day alone, and any other text as
// it is.
func moment(s string) string {
	const midnight = "T00:00:00Z"
	if day, ok := strings.CutSuffix(s, midnight); ok && len(day) == len("2026-12-31") {
		return day
	}
	return s
}

// objectText returns an object on one line. A grant and an allowed role begin with
// the role.
func objectText(m map[string]any) string {
	role, ok := m["role"].(string)
	if !ok {
		var all []string
		for _, name := range slices.Sorted(maps.Keys(m)) {
			all = append(all, name+": "+text(m[name]))
		}
		return strings.Join(all, ", ")
	}
	for _, word := range []string{"from", "until", "by", "why"} {
		if v := text(m[word]); v != "" {
			role += " " + word + " " + v
		}
	}
	if m["default"] == true {
		role += " (default)"
	}
	return role
}

// flat returns the members of a document by their paths: those of objects one by
// one, all else whole.
func flat(document map[string]any) map[string]string {
	all := map[string]string{}
	var walk func(prefix string, m map[string]any)
	walk = func(prefix string, m map[string]any) {
		for name, v := range m {
			switch v := v.(type) {
			case map[string]any:
				walk(prefix+name+".", v)
			case []any:
				if len(v) > 0 {
					all[prefix+name] = text(v)
				}
			default:
				all[prefix+name] = text(v)
			}
		}
	}
	walk("", document)
	return all
}

// differences returns a table of the members in which two documents differ; nil is
// an entity that is not there.
func differences(before, after map[string]any) *terminal.Table {
	t := &terminal.Table{Heading: []string{"FIELD", "BEFORE", "AFTER"}}
	was, is := flat(before), flat(after)
	names := maps.Clone(was)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if was[name] != is[name] {
			t.Add(name, was[name], is[name])
		}
	}
	return t
}
