package findings

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// twins finds the user types, and the roles, that differ in name only.
func (f *finder) twins(st *stage) {
	if f.wants(twinTypes) {
		f.alike(st, twinTypes, "user types", "differ in name only", authz.UserTypeEntity, st.typeFaces())
	}
	if f.wants(twinRoles) {
		f.alike(st, twinRoles, "roles", "have the same rights and inherit the same", authz.RoleEntity, st.roleFaces())
	}
}

// face is all of a thing but its name.
type face struct{ id, rest string }

// alike tells of those with one face, at the second and each further one.
func (f *finder) alike(st *stage, rule, nouns, what string, kind authz.EntityKind, faces []face) {
	first := map[string]string{}
	for _, x := range faces {
		if twin, known := first[x.rest]; known {
			f.add(st, rule, authz.Key{Kind: kind, ID: x.id}, fmt.Sprintf("the %s %q and %q %s", nouns, twin, x.id, what), "keep one of them")
			continue
		}
		first[x.rest] = x.id
	}
}

// named reports whether the policy, or something that it reads, can tell the id from
// others.
func (st *stage) named(id string) bool { return st.words[id] }

// nameSettings adds what the portal's settings and the attributes of its types say to
// the words of the policy.
func (st *stage) nameSettings() {
	p := &st.world.Portal
	st.name(p.Settings)
	st.name(p.Limits)
	st.name(p.Sharing)
	for _, t := range st.world.UserTypes {
		st.name(t.Attributes)
	}
	for _, r := range st.world.Roles {
		st.name(r.Attributes)
	}
}

func (st *stage) name(v any) {
	switch v := v.(type) {
	case string:
		st.words[v] = true
	case []any:
		for _, one := range v {
			st.name(one)
		}
	case map[string]any:
		for k, one := range v {
			st.words[k] = true
			st.name(one)
		}
	}
}

// typeFaces returns the user types that nothing names, by what they are.
func (st *stage) typeFaces() []face {
	var all []face
	for _, t := range st.world.UserTypes {
		if st.named(t.ID) {
			continue
		}
		all = append(all, face{t.ID, text(struct {
			Linked            authz.Linked
			Allowed           []authz.AllowedRole
			Manages, Managers []string
			Licence           string
			Attributes        map[string]any
		}{t.Linked, t.AllowedRoles, others(t.Manages, t.ID), others(st.managers(t.ID), t.ID), t.Licence, t.Attributes})})
	}
	return all
}

// others returns the ids with the type's own as a word for itself, so that two types
// that manage themselves are alike.
func others(ids []string, own string) []string {
	all := []string{}
	for _, id := range ids {
		if id == own {
			id = "\x00self"
		}
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}

// managers returns the types that manage the type.
func (st *stage) managers(id string) (ids []string) {
	for _, t := range st.world.UserTypes {
		if slices.Contains(t.Manages, id) {
			ids = append(ids, t.ID)
		}
	}
	return ids
}

// roleFaces returns the roles that have rights or inherit, and that nothing names, by
// what they are.
func (st *stage) roleFaces() []face {
	levels := map[string]map[string]authz.Level{}
	for _, r := range st.world.Rights {
		if levels[r.Role] == nil {
			levels[r.Role] = map[string]authz.Level{}
		}
		levels[r.Role][r.Node] = r.Level
	}
	var all []face
	for _, r := range st.world.Roles {
		if st.named(r.ID) || len(levels[r.ID])+len(r.Inherits) == 0 {
			continue
		}
		all = append(all, face{r.ID, text(struct {
			Guest      bool
			Inherits   []string
			Levels     map[string]authz.Level
			Attributes map[string]any
		}{r.Guest, r.Inherits, levels[r.ID], r.Attributes})})
	}
	return all
}

// text returns v in the one form in which equal values are equal.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
