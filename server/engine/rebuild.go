package engine

import (
	"cmp"
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
	maxEdits = 16_384 // rights that differ, which are worth making one by one
	farAhead = 64     // how far a right is looked for behind what has come, or is gone, before it
)

// edits returns how the rights of b differ from those of s, by node and role, and
// false when that is too much, or when what differs in b is not valid.
func (s *Snapshot) edits(b *authz.Bundle) ([]edit, bool) {
	found := between(s.bundle.Rights, b.Rights)
	if len(found) > maxEdits {
		return nil, false // or more
	}
	all := make([]edit, len(found))
	for i, d := range found {
		node, there := s.tree.at[d.Node]
		role, known := s.graphs.Roles.Index(d.Role)
		if !there || !known || d.new && !d.Level.Valid() {
			return nil, false
		}
		all[i] = edit{node, role, d.Level, d.old, d.new}
	}
	slices.SortFunc(all, func(a, b edit) int { return cmp.Or(int(a.node-b.node), int(a.role-b.role)) })
	return merged(all)
}

// merged makes one of what is gone and what has come at one place, and returns false where
// there are two of either.
func merged(sorted []edit) ([]edit, bool) {
	all := sorted[:0]
	for _, e := range sorted {
		last := len(all) - 1
		if last < 0 || all[last].node != e.node || all[last].role != e.role {
			all = append(all, e)
			continue
		}
		before := &all[last]
		if before.old && e.old || before.new && e.new {
			return nil, false
		}
		if before.old, before.new = true, true; e.new {
			before.level = e.level
		}
	}
	return all, true
}

// difference is a right that is in one of two lists alone, or in both at another level:
// that of the second.
type difference struct {
	authz.Right
	old, new bool // whether it is in the first, and in the second
}

// between returns how b differs from a: by little, where b is a with some rights changed,
// taken out and put in. What has moved is gone and has come. It ends where there are more
// than maxEdits.
func between(a, b []authz.Right) (found []difference) {
	if len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) {
		return nil
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	take := func(gone, come int) {
		for _, r := range a[:gone] {
			found = append(found, difference{r, true, false})
		}
		for _, r := range b[:come] {
			found = append(found, difference{r, false, true})
		}
		a, b = a[gone:], b[come:]
	}
	for len(found) <= maxEdits {
		for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
			a, b = a[1:], b[1:]
		}
		if len(a) == 0 || len(b) == 0 {
			take(len(a), len(b))
			return found
		}
		if a[0].Node == b[0].Node && a[0].Role == b[0].Role {
			found = append(found, difference{b[0], true, true})
			a, b = a[1:], b[1:]
		} else if n := ahead(b, &a[0]); n > 0 {
			take(0, n)
		} else if n := ahead(a, &b[0]); n > 0 {
			take(n, 0)
		} else {
			take(1, 1)
		}
	}
	return found
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
