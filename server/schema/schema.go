package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/policies"
)

// draft is the dialect of all schemas.
const draft = "http://json-schema.org/draft-07/schema#"

// kind is a set of schemas that one name stands for on the command line.
type kind struct {
	name  string
	files []string
}

// kinds are the schemas by what they are of.
func kinds() []kind {
	return []kind{
		{"input", []string{"input"}},
		{"fixture", []string{"portal", "user_types", "roles", "screens", "rights", "accounts", "contacts", "users", "records"}},
		{"suite", []string{"suite"}},
	}
}

// Files returns the schemas of a kind (input, fixture, suite; all when none is given)
// by file name, such as "users.json".
func Files(of ...string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, k := range kinds() {
		if len(of) > 0 && !slices.Contains(of, k.name) {
			continue
		}
		for _, name := range k.files {
			text, err := text(name)
			if err != nil {
				return nil, err
			}
			files[name+".json"] = text
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no schema of %s: want input, fixture or suite", strings.Join(of, ", "))
	}
	return files, nil
}

// text returns the schema of one file as JSON.
func text(name string) ([]byte, error) {
	if name == "input" {
		return policies.InputSchema, nil
	}
	s := roots()[name]
	s["$schema"] = draft
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(s)
	return b.Bytes(), err
}

// roots returns the schema of each file that is written in YAML.
func roots() map[string]object {
	r := map[string]object{
		"portal": portal(), "rights": rights(false), "suite": suite(),
		"screens": {"type": "array", "items": ref("node"), "definitions": object{"node": nodeWithChildren()}},
	}
	for name, entity := range entities() {
		if name != "screens" {
			r[name] = list(entity)
		}
	}
	for name, s := range r {
		s["title"] = "Portcullis: " + name + ".yaml"
	}
	r["suite"]["title"] = "Portcullis: decisions.yaml, a suite of cases"
	return r
}

// object is a schema, or a part of one.
type object map[string]any

// closed returns the schema of a mapping with these keys and no others.
func closed(properties object, required ...string) object {
	o := object{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

func list(items object) object { return object{"type": "array", "items": items} }

// each returns the schema of a mapping from any name to values of one schema.
func each(value object) object { return object{"type": "object", "additionalProperties": value} }

func words(w ...string) object { return object{"type": "string", "enum": w} }

func ref(name string) object { return object{"$ref": "#/definitions/" + name} }

// told adds a description to a schema.
func told(s object, description string) object {
	s = maps.Clone(s)
	s["description"] = description
	return s
}

// orNull returns a schema that allows null too, which removes in a patch.
func orNull(s object) object { return object{"anyOf": []any{s, object{"type": "null"}}} }

func id() object    { return object{"type": "string", "minLength": 1} }
func str() object   { return object{"type": "string"} }
func texts() object { return list(str()) }
func flag() object  { return object{"type": "boolean"} }
func flags() object { return each(flag()) }
func free() object  { return object{"type": "object"} }
func moment() object {
	return object{"type": "string", "description": "RFC 3339, to the millisecond, such as 2026-01-31T00:00:00Z"}
}
