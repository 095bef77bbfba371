package admin

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// configures reports whether entities of the kind are configuration.
func configures(kind authz.EntityKind) bool {
	switch kind {
	case authz.PortalEntity, authz.UserTypeEntity, authz.RoleEntity, authz.NodeEntity, authz.RightEntity:
		return true
	}
	return false
}

// configured returns the entity of the configuration, or nil when there is none.
func configured(b *authz.Bundle, k authz.Key) authz.Stored {
	switch k.Kind {
	case authz.PortalEntity:
		if b.Portal.ID == k.ID && k.ID != "" {
			return b.Portal
		}
	case authz.UserTypeEntity:
		return find(b.UserTypes, func(t *authz.UserType) bool { return t.ID == k.ID })
	case authz.RoleEntity:
		return find(b.Roles, func(r *authz.Role) bool { return r.ID == k.ID })
	case authz.NodeEntity:
		return find(b.Screens, func(n *authz.Node) bool { return n.ID == k.ID })
	case authz.RightEntity:
		return find(b.Rights, func(r *authz.Right) bool { return r.Role == k.Of && r.Node == k.ID })
	}
	return nil
}

func find[E authz.Stored](list []E, is func(*E) bool) authz.Stored {
	for i := range list {
		if is(&list[i]) {
			return list[i]
		}
	}
	return nil
}

// reconfigured returns a configuration in which the writes are made. It shares with
// b the lists that they do not touch, so that what is the same is seen to be.
func reconfigured(b *authz.Bundle, writes *authz.Pending) *authz.Bundle {
	next := *b
	for _, w := range writes.All() {
		if w.Entity.Kind == authz.PortalEntity {
			next.Portal, _ = w.New.(authz.Portal)
		}
	}
	if structure(writes)+writes.Number(authz.RightEntity) > 0 {
		next.Structure = ""
	}
	next.UserTypes, next.Roles = edited(b.UserTypes, writes), edited(b.Roles, writes)
	next.Screens, next.Rights = edited(b.Screens, writes), edited(b.Rights, writes)
	return &next
}

// edited returns the list with those of the writes that are of its kind. What is new
// comes last, in the order of its keys, but a right behind the others of its role, so
// that as little as can be moves. All between the places that are touched is copied as
// it is.
func edited[E authz.Stored](list []E, writes *authz.Pending) []E {
	edits := editsOf(list, writes)
	if len(edits) == 0 {
		return list
	}
	next, from := make([]E, 0, len(list)+len(edits)), 0
	for _, e := range edits {
		place := min(e.place, len(list))
		next = append(next, list[from:place]...)
		if from = place; e.instead {
			from++
		}
		if new, is := e.New.(E); is {
			next = append(next, new)
		}
	}
	return append(next, list[from:]...)
}

// edit is a write in a list: before what is at the place, or instead of it.
type edit struct {
	*authz.EntityWrite
	place   int
	instead bool
}

// editsOf returns what becomes of the list by the writes, in the order of the places.
func editsOf[E authz.Stored](list []E, writes *authz.Pending) []edit {
	var none E
	kind := none.Key().Kind
	n := writes.Number(kind)
	if n == 0 {
		return nil
	}
	ids := make(map[string]bool)
	ends := make(map[string]int, n) // behind the last in the list of a role; further on, of a role that has none
	all := writes.All()
	for i := range all {
		if k := &all[i].Entity; k.Kind == kind {
			ids[k.ID], ends[k.Of] = true, len(list)+1
		}
	}
	edits, there := make([]edit, 0, n), make([]bool, len(all))
	of, same := "", false // neighbours are often of one role, and most of none that is touched
	for i := range list {
		k := list[i].Key()
		if i == 0 || k.Of != of {
			if same {
				ends[of] = i
			}
			of = k.Of
			_, same = ends[of]
		}
		if !same || !ids[k.ID] {
			continue
		}
		if at, ok := writes.At(k); ok {
			there[at] = true
			edits = append(edits, edit{&all[at], i, true})
		}
	}
	if same {
		ends[of] = len(list)
	}
	for i := range all {
		if w := &all[i]; w.Entity.Kind == kind && w.New != nil && !there[i] {
			edits = append(edits, edit{w, ends[w.Entity.Of], false})
		}
	}
	slices.SortFunc(edits, func(a, b edit) int {
		switch {
		case a.place != b.place:
			return a.place - b.place
		case a.instead:
			return 1
		case b.instead:
			return -1
		}
		return compareKeys(a.Entity, b.Entity)
	})
	return edits
}

func compareKeys(a, b authz.Key) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Of, b.Of), cmp.Compare(a.ID, b.ID))
}

// entityAt returns the entity of the configuration that the path of a fault leads
// to, and the rest of the path.
func entityAt(b *authz.Bundle, path string) (k authz.Key, rest string) {
	list, rest, indexed := strings.Cut(path, "[")
	if !indexed || strings.Contains(list, ".") {
		_, rest, _ = strings.Cut(path, ".")
		return b.Portal.Key(), rest
	}
	number, rest, _ := strings.Cut(rest, "]")
	i, err := strconv.Atoi(number)
	if err != nil {
		return authz.Key{}, path
	}
	rest = strings.TrimPrefix(rest, ".")
	switch list {
	case "user_types":
		return keyAt(b.UserTypes, i), rest
	case "roles":
		return keyAt(b.Roles, i), rest
	case "screens":
		return keyAt(b.Screens, i), rest
	case "rights":
		return keyAt(b.Rights, i), rest
	}
	return authz.Key{}, path
}

func keyAt[E authz.Stored](list []E, i int) authz.Key {
	if i < 0 || i >= len(list) {
		return authz.Key{}
	}
	return list[i].Key()
}
