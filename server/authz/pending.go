package authz

import "slices"

// Pending are writes that are made together, at most one of each entity, in the
// order in which they were accepted. The zero value holds none.
type Pending struct {
	writes []EntityWrite
	at     map[Key]int          // place in writes
	kinds  map[EntityKind][]int // places of the writes of each kind
}

// PendingOf returns the writes as pending.
func PendingOf(writes ...EntityWrite) *Pending {
	p := &Pending{}
	for _, w := range writes {
		p.Put(w)
	}
	return p
}

// Put adds a write. One of an entity that has a write already takes its place, and
// keeps what was there before that one.
func (p *Pending) Put(w EntityWrite) {
	if i, ok := p.at[w.Entity]; ok {
		p.writes[i].New = w.New
		return
	}
	if p.at == nil {
		p.at, p.kinds = make(map[Key]int), make(map[EntityKind][]int)
	}
	p.at[w.Entity] = len(p.writes)
	p.kinds[w.Entity.Kind] = append(p.kinds[w.Entity.Kind], len(p.writes))
	p.writes = append(p.writes, w)
}

// Grow makes room for n more writes.
func (p *Pending) Grow(n int) {
	if p.at == nil {
		p.at, p.kinds = make(map[Key]int, n), make(map[EntityKind][]int)
	}
	p.writes = slices.Grow(p.writes, n)
}

// All returns the writes. Nobody may write to them.
func (p *Pending) All() []EntityWrite {
	if p == nil {
		return nil
	}
	return p.writes
}

// Of returns the write of the entity, or nil.
func (p *Pending) Of(k Key) *EntityWrite {
	if i, ok := p.At(k); ok {
		return &p.writes[i]
	}
	return nil
}

// At returns where among the writes that of the entity is, and whether there is one.
func (p *Pending) At(k Key) (int, bool) {
	if p == nil {
		return 0, false
	}
	i, ok := p.at[k]
	return i, ok && i < len(p.writes)
}

// Number returns how many of the writes are of entities of the kind.
func (p *Pending) Number(kind EntityKind) int {
	if p == nil {
		return 0
	}
	places := p.kinds[kind]
	n, _ := slices.BinarySearch(places, len(p.writes))
	return n
}

// First returns the first n of the writes, to be read as long as nothing is put to p.
// Nobody may put anything to them.
func (p *Pending) First(n int) Pending {
	return Pending{writes: p.writes[:n:n], at: p.at, kinds: p.kinds}
}
