package csvfile

import (
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// column is one of a file's.
type column struct {
	name  string // in the first line
	field string // of the document
	key   string // of the attribute; only where field is attributes
	must  bool   // the column must be there, and none of its cells is empty
	cell  codec
}

// attributes is the field whose columns are "attributes.NAME".
const attributes = "attributes"

// columns returns the columns of a kind in the order in which they are written, and
// nil for a kind that has no form in CSV.
func columns(kind authz.EntityKind) []column {
	switch kind {
	case authz.UserEntity:
		return []column{id("id"), text("login"), yes("active"), text("user_type"), {name: "roles", field: "grants", cell: grantCodec},
			text("account"), text("contact"), text("position"), {name: "flags", field: "flags", cell: flagCodec}}
	case authz.UserTypeEntity:
		return []column{id("id"), text("title"), {name: "linked", field: "linked", cell: linkedCodec},
			{name: "allowed_roles", field: "allowed_roles", cell: allowedCodec}, ids("manages"), text("licence")}
	case authz.RoleEntity:
		return []column{id("id"), text("title"), yes("guest"), ids("inherits")}
	case authz.RightEntity:
		return []column{id("role"), {name: "screen", field: "node", must: true, cell: textCodec},
			{name: "level", field: "level", must: true, cell: levelCodec}}
	}
	return nil
}

func id(name string) column   { return column{name: name, field: name, must: true, cell: textCodec} }
func text(name string) column { return column{name: name, field: name, cell: textCodec} }
func yes(name string) column  { return column{name: name, field: name, cell: boolCodec} }
func ids(name string) column  { return column{name: name, field: name, cell: idsCodec} }

// Kinds are the kinds of entities that have a form in CSV, in the order in which
// they refer to one another.
func Kinds() []authz.EntityKind {
	return []authz.EntityKind{authz.RoleEntity, authz.UserTypeEntity, authz.RightEntity, authz.UserEntity}
}

// Columns returns the names of a kind's columns, with "attributes.NAME" for those
// of attributes; nil for a kind that has no form in CSV.
func Columns(kind authz.EntityKind) []string {
	var names []string
	for _, c := range columns(kind) {
		names = append(names, c.name)
	}
	if hasAttributes(kind) {
		names = append(names, attributes+".NAME")
	}
	return names
}

func hasAttributes(kind authz.EntityKind) bool {
	return kind == authz.UserEntity || kind == authz.UserTypeEntity || kind == authz.RoleEntity
}

func attribute(key string) column {
	return column{name: attributes + "." + key, field: attributes, key: key, cell: attributeCodec}
}

// find returns the column that a cell of the first line names.
func find(kind authz.EntityKind, cell string) (column, bool) {
	cell = strings.TrimLeft(original(cell), blank)
	if key, ok := strings.CutPrefix(cell, attributes+"."); ok && hasAttributes(kind) {
		return attribute(key), true
	}
	all := columns(kind)
	i := slices.IndexFunc(all, func(c column) bool { return c.name == strings.TrimRight(cell, blank) })
	if i < 0 {
		return column{}, false
	}
	return all[i], true
}
