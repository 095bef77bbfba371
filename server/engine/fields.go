package engine

import (
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// fields are the elements below a screen, in the order of the bundle, with the
// names that policies know them by.
type fields struct {
	nodes []int32
	names []string
}

// fieldsOf returns the elements below each node of kind screen, in the order of
// the bundle. Below the screen "Helpdesk" the element "Helpdesk.phone" is the field
// "phone"; an element that is called otherwise is a field by its whole id. Should
// two come to one name, the one whose id it is keeps it.
func (t *tree) fieldsOf() map[int32]fields {
	all := make(map[int32]fields)
	for i := range t.facts {
		if t.facts[i].Kind != authz.Element {
			continue
		}
		for _, up := range t.paths[i] {
			if t.facts[up].Kind == authz.Screen {
				f := all[up]
				all[up] = fields{append(f.nodes, int32(i)), append(f.names, t.fieldName(up, int32(i)))}
				break
			}
		}
	}
	return all
}

func (t *tree) fieldName(screen, element int32) string {
	id := t.facts[element].ID
	name, ok := strings.CutPrefix(id, t.facts[screen].ID+".")
	if !ok || name == "" {
		return id
	}
	if other, taken := t.at[name]; taken && t.facts[other].Kind == authz.Element && t.below(screen, other) {
		return id
	}
	return name
}

// below reports whether the node lies below the one above, or is it.
func (t *tree) below(above, node int32) bool {
	for _, step := range t.paths[node] {
		if step == above {
			return true
		}
	}
	return false
}

// fieldRights returns the explicit levels of the roles at every element below the
// screen, an element without any included; nil when the node is no screen or has
// no elements.
func (s *Snapshot) fieldRights(screen int32, roles []int32) []authz.FieldRights {
	of := s.tree.fields[screen]
	if len(of.nodes) == 0 {
		return nil
	}
	all := make([]authz.FieldRights, len(of.nodes))
	rest := s.rightsOn(of.nodes, roles)
	for i, node := range of.nodes {
		all[i].Field = of.names[i]
		if len(rest) > 0 && rest[0].Node == s.tree.facts[node].ID {
			all[i].Levels, rest = rest[0].Levels, rest[1:]
		}
	}
	return all
}
