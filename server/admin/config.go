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
	return reconfiguredAt(b, writes, nil)
}

// reconfiguredAt is reconfigured where the places of the rights are known, as locate has
// them; nil: they are not.
func reconfiguredAt(b *authz.Bundle, writes *authz.Pending, rights []int) *authz.Bundle {
	next := *b
	for _, w := range writes.All() {
		if w.Entity.Kind == authz.PortalEntity {
			next.Portal, _ = w.New.(authz.Portal)
		}
	}
	if structure(writes)+writes.Number(authz.RightEntity) > 0 {
		next.Structure = ""
	}
	next.UserTypes, next.Roles, next.Screens = edited(b.UserTypes, writes), edited(b.Roles, writes), edited(b.Screens, writes)
	if rights == nil {
		rights = locate(b.Rights, writes)
	}
	next.Rights = editedAt(b.Rights, writes, rights)
	return &next
}

// edited returns the list with those of the writes that are of its kind. What is new
// comes last, in the order of its keys, but a right behind the others of its role, so
// that as little as can be moves. All between the places that are touched is copied as
// it is.
func edited[E authz.Stored](list []E, writes *authz.Pending) []E {
	return editedAt(list, writes, locate(list, writes))
}

// editedAt is edited where the places of what is written are known, as locate has them.
func editedAt[E authz.Stored](list []E, writes *authz.Pending, places []int) []E {
	kind := kindOf[E]()
	if writes.Number(kind) == 0 {
		return list
	}
	edits, stays := make([]edit[E], 0, writes.Number(kind)), true
	for i, w := range writes.All() {
		if w.Entity.Kind != kind {
			continue
		}
		e := edit[E]{place: places[i], goes: places[i] != nowhere}
		if e.new, e.comes = w.New.(E); e.goes || e.comes {
			edits, stays = append(edits, e), stays && e.goes && e.comes
		}
	}
	if !stays {
		return moved(list, edits)
	}
	next := slices.Clone(list)
	for i := range edits {
		next[edits[i].place] = edits[i].new
	}
	return next
}

// kindOf returns the kind of the entities of a list.
func kindOf[E authz.Stored]() authz.EntityKind {
	var none E
	return none.Key().Kind
}

// nowhere is the place of what is not in a list.
const nowhere = -1

// locate returns for each of the writes where in the list its entity is; nil when none is
// of the list's kind.
func locate[E authz.Stored](list []E, writes *authz.Pending) []int {
	kind := kindOf[E]()
	if writes.Number(kind) == 0 {
		return nil
	}
	ofs, ids := make(map[string]bool), make(map[string]bool)
	all, places := writes.All(), make([]int, len(writes.All()))
	for i := range all {
		if k := &all[i].Entity; k.Kind == kind {
			ofs[k.Of], ids[k.ID] = true, true
		}
		places[i] = nowhere
	}
	of, among := "", ofs[""] // neighbours are often of one role
	for i := range list {
		k := list[i].Key()
		if k.Of != of {
			of, among = k.Of, ofs[k.Of]
		}
		if !among || !ids[k.ID] {
			continue
		}
		if at, ok := writes.At(k); ok {
			places[at] = i
		}
	}
	return places
}

// edit is what becomes of one place of a list: what is there goes, or what is new comes
// before it, or instead of it.
type edit[E authz.Stored] struct {
	new         E
	place       int
	comes, goes bool
}

// moved returns the list with what comes, which has no place yet where nothing goes, and
// without what goes.
func moved[E authz.Stored](list []E, edits []edit[E]) []E {
	ends := make(map[string]int)
	for i := range edits {
		if e := &edits[i]; !e.goes {
			ends[e.new.Key().Of] = len(list) + 1
		}
	}
	takeEnds(list, ends)
	for i := range edits {
		if e := &edits[i]; !e.goes {
			e.place = ends[e.new.Key().Of]
		}
	}
	slices.SortFunc(edits, func(a, b edit[E]) int {
		switch {
		case a.place != b.place:
			return a.place - b.place
		case a.goes:
			return 1
		case b.goes:
			return -1
		}
		return compareKeys(a.new.Key(), b.new.Key())
	})
	next, from := make([]E, 0, len(list)+len(edits)), 0
	for i := range edits {
		e := &edits[i]
		place := min(e.place, len(list))
		next = append(next, list[from:place]...)
		if from = place; e.goes {
			from++
		}
		if e.comes {
			next = append(next, e.new)
		}
	}
	return append(next, list[from:]...)
}

// takeEnds finds the places behind the last in the list of each role there is in ends, and
// leaves those of roles that have none.
func takeEnds[E authz.Stored](list []E, ends map[string]int) {
	of, asked := "", false // neighbours are often of one role
	for i := range list {
		k := list[i].Key()
		if i == 0 || k.Of != of {
			of = k.Of
			_, asked = ends[of]
		}
		if asked {
			ends[of] = i + 1
		}
	}
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
