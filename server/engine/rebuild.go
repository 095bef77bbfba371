package engine

import (
	"cmp"
	"maps"
	"reflect"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/rbac"
)

// Rebuild returns the snapshot that [Build] makes of b, and shares with old what
// is the same in both. What differs it finds by itself. A bundle whose rights alone
// differ, by a few at one place, costs little more than to compare it; one with the
// same roles and user types keeps the role graphs, and with them the principals of
// old; a nil old makes it a Build.
func Rebuild(old *Snapshot, b *authz.Bundle, model string, p Policy) (*Snapshot, error) {
	if p == nil {
		return nil, authz.Errorf(authz.Internal, "portal %q has no policy to decide by", b.Portal.ID)
	}
	if old != nil && old.model != model {
		old = nil
	}
	if s := old.withRights(b, p); s != nil {
		return s, nil
	}
	if faults := b.Validate(); len(faults) > 0 {
		return nil, authz.Errorf(authz.Invalid, "portal %q has %d faults, the first: %s", b.Portal.ID, len(faults), faults[0].Msg).
			At(faults[0].Path).Because(faults)
	}
	s := &Snapshot{bundle: b, model: model, policy: p}
	if err := s.compile(old); err != nil {
		return nil, err
	}
	at := number(b.Screens)
	s.rights = indexRights(b.Rights, at, s.graphs.Roles)
	s.tree = plant(b.Screens, at, b.Portal.Features, s.rights.configured)
	s.places = newPlaces(len(b.Screens))
	return s, nil
}

// compile gives s its role graphs: those of old when they are the same.
func (s *Snapshot) compile(old *Snapshot) error {
	if old != nil && old.bundle.Portal.ID == s.bundle.Portal.ID && sameGraphs(old.bundle, s.bundle) {
		s.graphs, s.manages, s.mark = old.graphs, old.manages, old.mark
		return nil
	}
	graphs, err := rbac.Compile(s.model, s.bundle)
	if err != nil {
		return err
	}
	s.graphs, s.manages, s.mark = graphs, names(graphs.Types), new(mark)
	return nil
}

// sameGraphs reports whether two bundles come to the same role graphs, which hold
// nothing but ids and references.
func sameGraphs(a, b *authz.Bundle) bool {
	return same(a.Roles, b.Roles, func(x, y *authz.Role) bool { return x.ID == y.ID && slices.Equal(x.Inherits, y.Inherits) }) &&
		same(a.UserTypes, b.UserTypes, func(x, y *authz.UserType) bool { return x.ID == y.ID && slices.Equal(x.Manages, y.Manages) })
}

// same reports whether two lists are equal. It does not look at what they share.
func same[E any](a, b []E, equal func(x, y *E) bool) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) == 0 || &a[0] == &b[0] {
		return true
	}
	for i := range a {
		if !equal(&a[i], &b[i]) {
			return false
		}
	}
	return true
}

// withRights returns the snapshot of a valid b that differs from the bundle of s in
// few of its rights; nil when b differs in more, or is not known to be valid.
func (s *Snapshot) withRights(b *authz.Bundle, p Policy) *Snapshot {
	if s == nil || !s.sameButRights(b) {
		return nil
	}
	edits, ok := s.edits(b)
	if !ok {
		return nil
	}
	next := &Snapshot{bundle: b, model: s.model, policy: p, graphs: s.graphs, manages: s.manages, mark: s.mark, tree: s.tree, rights: s.rights, places: s.places}
	if len(edits) == 0 {
		return next
	}
	if next.rights, ok = s.rights.with(edits); !ok {
		return nil
	}
	next.places = newPlaces(len(b.Screens))
	for _, e := range edits {
		if s.rights.configured(e.node) != next.rights.configured(e.node) {
			next.tree = plant(b.Screens, s.tree.at, b.Portal.Features, next.rights.configured)
			break
		}
	}
	return next
}

func (s *Snapshot) sameButRights(b *authz.Bundle) bool {
	return sameGraphs(s.bundle, b) &&
		same(s.bundle.Roles, b.Roles, func(x, y *authz.Role) bool { return reflect.DeepEqual(x, y) }) &&
		same(s.bundle.UserTypes, b.UserTypes, func(x, y *authz.UserType) bool { return reflect.DeepEqual(x, y) }) &&
		same(s.bundle.Screens, b.Screens, func(x, y *authz.Node) bool { return reflect.DeepEqual(x, y) }) &&
		reflect.DeepEqual(s.bundle.Portal, b.Portal)
}

// edit is what becomes of one role's explicit level at one node.
type edit struct {
	node, role int32
	level      authz.Level
	old, new   bool // whether there is one before, and after
}

const (
	maxEdits = 16_384 // rights that are gone or have come, which are worth making one by one
	farAhead = 64     // how far a right is looked for behind what has come, or is gone, before it
)

// edits returns how the rights of b differ from those of s, by node and role, and
// false when that is too much, or when what differs in b is not valid.
func (s *Snapshot) edits(b *authz.Bundle) ([]edit, bool) {
	gone, come := between(s.bundle.Rights, b.Rights)
	if len(gone)+len(come) > maxEdits {
		return nil, false // or more
	}
	type place struct{ node, role int32 }
	all := make(map[place]edit, len(come))
	for _, r := range gone {
		node, role, ok := s.place(r)
		if !ok {
			return nil, false
		}
		all[place{node, role}] = edit{node: node, role: role, old: true}
	}
	for _, r := range come {
		node, role, ok := s.place(r)
		e := all[place{node, role}]
		if !ok || e.new || !r.Level.Valid() {
			return nil, false
		}
		all[place{node, role}] = edit{node, role, r.Level, e.old, true}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b edit) int { return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.role, b.role)) }), true
}

// between returns rights of a, and rights of b, without which the two lists hold the
// same; few of them, where b is a with some rights changed, taken out and put in. It ends
// where they are more than maxEdits.
func between(a, b []authz.Right) (gone, come []authz.Right) {
	if len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) {
		return nil, nil
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	for len(gone)+len(come) <= maxEdits {
		for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
			a, b = a[1:], b[1:]
		}
		if len(a) == 0 || len(b) == 0 {
			return append(gone, a...), append(come, b...)
		}
		left, right := 1, 1 // another level, or other rights
		if n := ahead(b, &a[0]); n > 0 {
			left, right = 0, n
		} else if n := ahead(a, &b[0]); n > 0 {
			left, right = n, 0
		}
		gone, come = append(gone, a[:left]...), append(come, b[:right]...)
		a, b = a[left:], b[right:]
	}
	return gone, come
}

// ahead returns how far on in the list there is the right, at whatever level, or 0.
func ahead(list []authz.Right, r *authz.Right) int {
	for n := range min(len(list), farAhead) {
		if list[n].Node == r.Node && list[n].Role == r.Role {
			return n
		}
	}
	return 0
}

// place returns the numbers of the right's node and role.
func (s *Snapshot) place(r authz.Right) (node, role int32, ok bool) {
	node, there := s.tree.at[r.Node]
	role, ok = s.graphs.Roles.Index(r.Role)
	return node, role, ok && there
}

// with returns the rights with the edits made, which are sorted by node and role,
// and false when what they say was before was not.
func (r *rights) with(edits []edit) (rights, bool) {
	next := rights{start: slices.Clone(r.start), role: make([]int32, 0, len(r.role)+len(edits)), level: make([]authz.Level, 0, len(r.level)+len(edits))}
	from, node, more := int32(0), int32(0), int32(0)
	for _, e := range edits {
		for ; node < e.node; node++ {
			next.start[node+1] += more
		}
		held := r.role[r.start[e.node]:r.start[e.node+1]]
		n, found := slices.BinarySearch(held, e.role)
		if found != e.old {
			return next, false
		}
		to := r.start[e.node] + int32(n)
		next.role, next.level = append(next.role, r.role[from:to]...), append(next.level, r.level[from:to]...)
		if from = to; e.old {
			from, more = from+1, more-1
		}
		if e.new {
			next.role, next.level = append(next.role, e.role), append(next.level, e.level)
			more++
		}
	}
	for ; int(node) < len(next.start)-1; node++ {
		next.start[node+1] += more
	}
	next.role, next.level = append(next.role, r.role[from:]...), append(next.level, r.level[from:]...)
	return next, true
}
