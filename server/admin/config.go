package admin

import (
	"cmp"
	"maps"
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
func reconfigured(b *authz.Bundle, writes []authz.EntityWrite) *authz.Bundle {
	next := *b
	types, roles, nodes, rights := edits[authz.UserType]{}, edits[authz.Role]{}, edits[authz.Node]{}, edits[authz.Right]{}
	for _, w := range writes {
		switch w.Entity.Kind {
		case authz.PortalEntity:
			next.Portal, _ = w.New.(authz.Portal)
		case authz.UserTypeEntity:
			types.add(w)
		case authz.RoleEntity:
			roles.add(w)
		case authz.NodeEntity:
			nodes.add(w)
		case authz.RightEntity:
			rights.add(w)
		}
	}
	if len(types)+len(roles)+len(nodes)+len(rights) > 0 {
		next.Structure = ""
	}
	next.UserTypes, next.Roles = types.made(b.UserTypes), roles.made(b.Roles)
	next.Screens, next.Rights = nodes.made(b.Screens), rights.made(b.Rights)
	return &next
}

// edits are what becomes of the entities of one list; nil: it is not there any more.
type edits[E authz.Stored] map[authz.Key]*E

func (x edits[E]) add(w authz.EntityWrite) {
	x[w.Entity] = nil
	if e, ok := w.New.(E); ok {
		x[w.Entity] = &e
	}
}

// made returns the list with the edits. What is new comes last, in the order of its
// keys, but a right behind the others of its role, so that as little as can be moves.
// All between the places that are touched is copied as it is.
func (x edits[E]) made(list []E) []E {
	if len(x) == 0 {
		return list
	}
	touched := x.touched(list)
	fresh, behind := x.fresh(list, touched)
	next, from := make([]E, 0, len(list)+len(x)), 0
	for _, i := range touched {
		next = append(next, list[from:i]...)
		from = i + 1
		k := list[i].Key()
		switch e, edited := x[k]; {
		case !edited:
			next = append(next, list[i])
		case e != nil:
			next = append(next, *e)
		}
		if behind[k.Of] == i {
			next = append(next, fresh[k.Of]...)
			delete(fresh, k.Of)
		}
	}
	next = append(next, list[from:]...)
	for _, of := range slices.Sorted(maps.Keys(fresh)) {
		next = append(next, fresh[of]...)
	}
	return next
}

// touched returns the places of the entities that are edited, or stand, as a right
// of the same role does, where something new may have to go behind them.
func (x edits[E]) touched(list []E) (places []int) {
	ofs := make(map[string]bool, len(x))
	for k := range x {
		ofs[k.Of] = true
	}
	last, same := "", ofs[""] // neighbours are often of one role, and most of none that is touched
	for i := range list {
		if of := list[i].Key().Of; of != last {
			last, same = of, ofs[of]
		}
		if same {
			places = append(places, i)
		}
	}
	return places
}

// fresh returns the entities that the list does not have, by role for rights, and
// the place of the last entity in the list of each role.
func (x edits[E]) fresh(list []E, touched []int) (fresh map[string][]E, behind map[string]int) {
	there := make(map[authz.Key]bool, len(x))
	behind = make(map[string]int)
	for _, i := range touched {
		k := list[i].Key()
		if _, edited := x[k]; edited {
			there[k] = true
		}
		behind[k.Of] = i
	}
	fresh = make(map[string][]E)
	for _, k := range slices.SortedFunc(maps.Keys(x), compareKeys) {
		if e := x[k]; e != nil && !there[k] {
			fresh[k.Of] = append(fresh[k.Of], *e)
		}
	}
	return fresh, behind
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
