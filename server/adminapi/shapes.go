package adminapi

import (
	"maps"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// body is a request's body that is kept as it is: an object of any members, which is
// described by the schema that the types below give it. A fault of its JSON waits
// for the handler, so that it is told like all others.
type body struct {
	members map[string]any
	err     error
}

func (b *body) read(text []byte) { b.members, b.err = decodeObject(text) }

// entityBody is a body of one entity. It is not held against its schema, for the
// Service tells of all its faults itself, with what would be right.
type entityBody struct{ body }

func (*entityBody) unheld() {}

// NewDocument is the body that creates a D: all of it.
type NewDocument[D any] struct{ entityBody }

// Schema describes the body.
func (NewDocument[D]) Schema(r huma.Registry) *huma.Schema { return derived[D](r, "New", sent) }

// WholeDocument is the body that replaces a D. What the path says may be left out.
type WholeDocument[D any] struct{ entityBody }

// Schema describes the body.
func (WholeDocument[D]) Schema(r huma.Registry) *huma.Schema {
	return derived[D](r, "Whole", func(s *huma.Schema) *huma.Schema {
		whole := sent(s)
		whole.Required = slices.DeleteFunc(slices.Clone(s.Required), func(name string) bool { return name == "id" })
		return whole
	})
}

// MergePatch is the body that changes a D, as RFC 7396 has it.
type MergePatch[D any] struct{ entityBody }

// Schema describes the body.
func (MergePatch[D]) Schema(r huma.Registry) *huma.Schema { return derived[D](r, "Patch", mergePatch) }

// Document is a D in an answer.
type Document[D any] map[string]any

// Schema describes the document.
func (Document[D]) Schema(r huma.Registry) *huma.Schema { return documented[D](r) }

// documented returns a reference to the schema of D.
func documented[D any](r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[D](), true, "")
}

// derived returns a reference to what change makes of the schema of D, under D's
// name and the suffix.
func derived[D any](r huma.Registry, suffix string, change func(*huma.Schema) *huma.Schema) *huma.Schema {
	own := documented[D](r)
	name := reflect.TypeFor[D]().Name() + suffix
	if r.Map()[name] == nil {
		s := change(r.SchemaFromRef(own.Ref))
		s.PrecomputeMessages()
		r.Map()[name] = s
	}
	return &huma.Schema{Ref: schemaPrefix + name}
}

// sent returns the schema of what may be sent for what s describes: a role that is
// granted or allowed may be its id alone.
func sent(s *huma.Schema) *huma.Schema {
	out := *s
	out.Properties = maps.Clone(s.Properties)
	for _, name := range []string{"grants", "allowed_roles"} {
		if list := s.Properties[name]; list != nil {
			either := *list
			id := &huma.Schema{Type: huma.TypeString, Description: "id of the role", MinLength: new(1), MaxLength: new(authz.MaxID)}
			either.Items = &huma.Schema{AnyOf: []*huma.Schema{id, list.Items}}
			out.Properties[name] = &either
		}
	}
	return &out
}

// mergePatch returns the schema of a merge patch of what s describes: every member may
// be left out, and null takes one away.
func mergePatch(s *huma.Schema) *huma.Schema {
	p := *sent(s)
	p.Required = nil
	if s.Properties != nil {
		p.Properties = map[string]*huma.Schema{}
		for name, member := range sent(s).Properties {
			p.Properties[name] = removable(member)
		}
		for _, name := range []string{"id", "type"} { // of the path: they cannot go
			if fixed := s.Properties[name]; fixed != nil {
				p.Properties[name] = fixed
			}
		}
	}
	if each, ok := s.AdditionalProperties.(*huma.Schema); ok {
		p.AdditionalProperties = removable(each)
	}
	for i, example := range p.Examples {
		p.Examples = slices.Clone(p.Examples)
		p.Examples[i] = withoutID(example)
	}
	return &p
}

// removable is the patch of a member that null takes away.
func removable(s *huma.Schema) *huma.Schema {
	p := s
	if s.Type == huma.TypeObject {
		p = mergePatch(s)
	}
	if p.Type == "" && p.Ref == "" && len(p.AnyOf) == 0 {
		return p // of any kind, null included
	}
	outer := &huma.Schema{Description: s.Description, AnyOf: []*huma.Schema{p, {Type: "null"}}}
	return outer
}

func withoutID(example any) any {
	members, ok := example.(map[string]any)
	if !ok {
		return example
	}
	less := maps.Clone(members)
	delete(less, "id")
	return less
}
