package main

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/rbac"
)

// move turns a policy file into what is to change so that a portal is as it says.
type move struct {
	policy               *rbac.Policy
	roles, types, rights map[authz.Key]listedEntity // what there is
	users                map[string]*entity         // that the file names
	now                  time.Time
	items                []batchItem
}

// takeGrants tells the g rules of users from those of roles.
func (m *move) takeGrants(roles []string) {
	known := m.policy.Roles()
	for _, id := range roles {
		known[id] = true
	}
	m.policy.TakeGrants(func(id string) bool {
		_, role := m.roles[authz.Key{Kind: authz.RoleEntity, ID: id}]
		return !role && !known[id]
	})
}

// plan works the items out.
func (m *move) plan() error {
	roles := m.policy.Roles()
	for _, l := range m.policy.Inherits {
		roles[l.From] = true
	}
	types := map[string]bool{}
	for _, l := range m.policy.Manages {
		types[l.From], types[l.To] = true, true
	}
	m.graph(authz.RoleEntity, "inherits", roles, m.policy.Inherits, m.roles)
	m.graph(authz.UserTypeEntity, "manages", types, m.policy.Manages, m.types)
	if err := m.planRights(roles); err != nil {
		return err
	}
	for _, id := range sortedKeys(m.users) {
		m.user(id)
	}
	return nil
}

// graph plans what the named members of a role graph refer to.
func (m *move) graph(kind authz.EntityKind, field string, names map[string]bool, links []rbac.Link, there map[authz.Key]listedEntity) {
	to := map[string][]any{}
	for _, l := range links {
		to[l.From] = append(to[l.From], l.To)
	}
	for _, id := range sortedKeys(names) {
		want := to[id]
		if want == nil {
			want = []any{}
		}
		item := batchItem{Operation: "create", Kind: string(kind), ID: id, Document: map[string]any{"id": id, field: want}}
		if e, ok := there[authz.Key{Kind: kind, ID: id}]; ok {
			if sameTexts(e.Document[field], want) {
				continue
			}
			item.Operation, item.IfMatch, item.before, item.Document = "patch", e.ETag, e.Document, map[string]any{field: want}
		}
		m.items = append(m.items, item)
	}
}

// sameTexts reports whether two lists hold the same texts, in whatever order.
func sameTexts(a any, b []any) bool {
	list, _ := a.([]any)
	sorted := func(all []any) []string {
		texts := make([]string, len(all))
		for i, v := range all {
			texts[i], _ = v.(string)
		}
		slices.Sort(texts)
		return texts
	}
	return slices.Equal(sorted(list), sorted(b))
}

// planRights plans the rights of the named roles.
func (m *move) planRights(roles map[string]bool) error {
	want := map[authz.Key]authz.Level{}
	for _, r := range m.policy.Rights {
		if other, twice := want[r.Key()]; twice {
			return authz.Errorf(authz.Invalid, "the file gives role %q two levels at %q, %s and %s: a role has one there", r.Role, r.Node, other, r.Level)
		}
		want[r.Key()] = r.Level
	}
	for k, e := range m.rights {
		if _, wanted := want[k]; roles[k.Of] && !wanted {
			m.items = append(m.items, batchItem{Operation: "delete", Kind: string(k.Kind), Of: k.Of, ID: k.ID, IfMatch: e.ETag, before: e.Document})
		}
	}
	for k, level := range want {
		item := batchItem{Operation: "create", Kind: string(k.Kind), Of: k.Of, ID: k.ID,
			Document: map[string]any{"role": k.Of, "node": k.ID, "level": level.String()}}
		if e, ok := m.rights[k]; ok {
			if e.Document["level"] == level.String() {
				continue
			}
			item.Operation, item.IfMatch, item.before = "replace", e.ETag, e.Document
		}
		m.items = append(m.items, item)
	}
	slices.SortStableFunc(m.items, func(a, b batchItem) int {
		if a.Kind != b.Kind || a.Kind != string(authz.RightEntity) {
			return 0
		}
		return cmp.Or(cmp.Compare(a.Of, b.Of), cmp.Compare(a.ID, b.ID))
	})
	return nil
}

// user plans the grants of a user: those in force are the file's afterwards.
func (m *move) user(id string) {
	want := map[string]bool{}
	for _, l := range m.policy.Grants {
		if l.From == id {
			want[l.To] = true
		}
	}
	e := m.users[id]
	had, _ := e.before["grants"].([]any)
	grants, changed := []any{}, false
	for _, g := range had {
		role, inForce := grantOf(g, m.now)
		if inForce && !want[role] {
			changed = true
			continue
		}
		if inForce {
			delete(want, role)
		}
		grants = append(grants, g)
	}
	for _, role := range slices.Sorted(maps.Keys(want)) {
		grants, changed = append(grants, map[string]any{"role": role}), true
	}
	if changed {
		m.items = append(m.items, batchItem{Operation: "patch", Kind: string(authz.UserEntity), ID: id, IfMatch: e.etag, before: e.before, Document: map[string]any{"grants": grants}})
	}
}

// grantOf returns the role of a grant, and whether it is in force.
func grantOf(g any, now time.Time) (role string, inForce bool) {
	u, err := authz.FromDocument(authz.Key{Kind: authz.UserEntity, ID: "holder"}, map[string]any{"grants": []any{g}})
	if err != nil {
		return "", false
	}
	grant := u.(authz.User).Grants[0]
	return grant.Role, grant.InForce(now)
}
