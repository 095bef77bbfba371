package engine

import (
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/rbac"
)

// rights holds the explicit levels of all roles by node: those at node i are
// level[start[i]:start[i+1]], of the roles at the same places of role, sorted.
type rights struct {
	start []int32
	role  []int32
	level []authz.Level
}

// indexRights sorts the rights by node and role. They must be valid.
func indexRights(all []authz.Right, nodes map[string]int32, roles *rbac.Closure) rights {
	type entry struct {
		role  int32
		level authz.Level
	}
	start := make([]int32, len(nodes)+1)
	for i := range all {
		start[nodes[all[i].Node]+1]++
	}
	for i := 1; i < len(start); i++ {
		start[i] += start[i-1]
	}
	next := slices.Clone(start)
	entries := make([]entry, len(all))
	for i := range all {
		node := nodes[all[i].Node]
		role, _ := roles.Index(all[i].Role)
		entries[next[node]] = entry{role, all[i].Level}
		next[node]++
	}
	r := rights{start: start, role: make([]int32, len(all)), level: make([]authz.Level, len(all))}
	for i := range len(start) - 1 {
		slices.SortFunc(entries[start[i]:start[i+1]], func(a, b entry) int { return int(a.role - b.role) })
	}
	for i, e := range entries {
		r.role[i], r.level[i] = e.role, e.level
	}
	return r
}

// configured reports whether any role has an explicit level at the node.
func (r *rights) configured(node int32) bool { return r.start[node] < r.start[node+1] }

// hit is an explicit level of an effective role: of the right at place "at", on
// the node at place "step" of the path.
type hit struct{ step, at int32 }

// along returns the explicit levels of the roles, a sorted set, at the nodes of
// a path, and appends to hits.
func (r *rights) along(path, roles []int32, hits []hit) []hit {
	for step, node := range path {
		from, to := r.start[node], r.start[node+1]
		if from < to {
			hits = intersect(r.role[from:to], roles, int32(step), from, hits)
		}
	}
	return hits
}

// intersect appends a hit for every number that is in both sorted sets. It goes
// through the smaller one and gallops through the other, so that a node where
// thousands of roles are configured costs a user of few roles little, and the
// other way round.
func intersect(held, roles []int32, step, base int32, hits []hit) []hit {
	i, j := 0, 0
	for i < len(held) && j < len(roles) {
		switch {
		case held[i] < roles[j]:
			i = gallop(held, i+1, roles[j])
		case held[i] > roles[j]:
			j = gallop(roles, j+1, held[i])
		default:
			hits = append(hits, hit{step, base + int32(i)})
			i++
			j++
		}
	}
	return hits
}

// gallop returns the first place from i on whose number is at least want, in a
// time that grows with the logarithm of the distance.
func gallop(set []int32, i int, want int32) int {
	step := 1
	for i+step < len(set) && set[i+step] < want {
		i += step
		step *= 2
	}
	end := min(i+step, len(set))
	n, _ := slices.BinarySearch(set[i:end], want)
	return i + n
}

// rightsOn returns the explicit levels of the principal's effective roles at the
// nodes on the path, root first, or nil when there are none. It allocates two
// slices, and a third when there are more than 64 levels.
func (s *Snapshot) rightsOn(path, roles []int32) []authz.NodeRights {
	var buf [64]hit
	hits := s.rights.along(path, roles, buf[:0])
	if len(hits) == 0 {
		return nil
	}
	steps := 1
	for i := 1; i < len(hits); i++ {
		if hits[i].step != hits[i-1].step {
			steps++
		}
	}
	nodes, levels := make([]authz.NodeRights, 0, steps), make([]authz.RoleLevel, len(hits))
	first := 0
	for i, h := range hits {
		levels[i] = authz.RoleLevel{Role: s.graphs.Roles.ID(s.rights.role[h.at]), Level: s.rights.level[h.at]}
		if i+1 == len(hits) || hits[i+1].step != h.step {
			id := s.tree.facts[path[h.step]].ID
			nodes = append(nodes, authz.NodeRights{Node: id, Levels: levels[first : i+1 : i+1]})
			first = i + 1
		}
	}
	return nodes
}
