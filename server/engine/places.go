package engine

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/rbac"
)

// mark stands for the role graphs of snapshots, and keeps one of each set of roles that
// principals hold: few roles come together in few ways.
type mark struct {
	sets sync.Map // the roles as text -> *roleSet
	size atomic.Int64
}

// maxSets bounds what is kept of sets for the role graphs of a portal: they count as the
// roles in them, of about 24 bytes each, and setSize more.
const (
	maxSets = 1 << 20
	setSize = 10
)

// roleSet is a set of effective roles. It is immutable.
type roleSet struct {
	roles []int32 // sorted
	ids   []string
	kept  bool // by the mark: no other set that is kept has these roles
}

// set returns the set of the roles, which is kept unless there is too much.
func (m *mark) set(roles []int32, c *rbac.Closure) *roleSet {
	text := make([]byte, 0, 4*len(roles))
	for _, r := range roles {
		text = binary.LittleEndian.AppendUint32(text, uint32(r))
	}
	if kept, ok := m.sets.Load(string(text)); ok {
		return kept.(*roleSet)
	}
	set := &roleSet{roles: roles, ids: idsOf(c, roles)}
	size := int64(len(roles) + setSize)
	if m.size.Add(size) > maxSets {
		m.size.Add(-size)
		return set
	}
	set.kept = true
	kept, there := m.sets.LoadOrStore(string(text), set)
	if there {
		m.size.Add(-size)
	}
	return kept.(*roleSet)
}

// places are the nodes of the tree as sets of roles see them. When there are too many,
// those in use are made again.
type places struct {
	nodes int
	table atomic.Pointer[table]
}

// table has a row for each set of roles, and in it a place for each node.
type table struct {
	rows       sync.Map // *roleSet -> []atomic.Pointer[place]
	slots, met atomic.Int64
}

// place is what is kept of one node for one set of roles.
type place struct {
	rights []authz.NodeRights
	memo   authz.Memo
}

// A snapshot keeps at most so many places, of one to three kilobytes each with what a policy
// keeps there, in rows of at most so many slots of eight bytes.
const (
	maxPlaces = 1 << 15
	maxSlots  = 1 << 20
)

func newPlaces(nodes int) *places {
	p := &places{nodes: nodes}
	p.table.Store(&table{})
	return p
}

// slot returns where the place is kept, or nil for one that is not.
func (p *places) slot(set *roleSet, node int32) (*table, *atomic.Pointer[place]) {
	if !set.kept || p.nodes > maxSlots {
		return nil, nil
	}
	t := p.table.Load()
	row, ok := t.rows.Load(set)
	if !ok {
		if t.slots.Load()+int64(p.nodes) > maxSlots {
			t = p.renewed(t)
		}
		var there bool
		if row, there = t.rows.LoadOrStore(set, make([]atomic.Pointer[place], p.nodes)); !there {
			t.slots.Add(int64(p.nodes))
		}
	}
	return t, &row.([]atomic.Pointer[place])[node]
}

// renewed returns an empty table, which is in the place of the full one from now on.
func (p *places) renewed(full *table) *table {
	p.table.CompareAndSwap(full, &table{})
	return p.table.Load()
}

// rightsAt returns the rights of the roles on the path of the node, and where to keep
// what follows from them: nil for nowhere.
func (s *Snapshot) rightsAt(node int32, set *roleSet) ([]authz.NodeRights, *authz.Memo) {
	t, slot := s.places.slot(set, node)
	if slot == nil {
		return s.rightsOn(s.tree.paths[node], set.roles), nil
	}
	kept := slot.Load()
	if kept == nil {
		kept = &place{rights: s.rightsOn(s.tree.paths[node], set.roles)}
		if t.met.Add(1) > maxPlaces {
			s.places.renewed(t)
		}
		slot.Store(kept)
	}
	return kept.rights, &kept.memo
}
