package engine

import (
	"cmp"
	"slices"
	"sync"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Roles returns those of the roles that there are, with all that they inherit, by
// id. They are shared: nobody may write to them.
func (s *Snapshot) Roles(ids []string) map[string]*authz.RoleFacts {
	s.byNumber.once.Do(s.numberRoles)
	found := make(map[string]*authz.RoleFacts, len(ids))
	for _, id := range ids {
		if i, ok := s.graphs.Roles.Index(id); ok {
			for _, held := range s.graphs.Roles.Of(i) {
				r := &s.byNumber.roles[held]
				found[r.ID] = r
			}
		}
	}
	return found
}

// numbered are the roles by their numbers in the graph, made when they are first
// asked for.
type numbered struct {
	once  sync.Once
	roles []authz.RoleFacts
}

func (s *Snapshot) numberRoles() {
	s.byNumber.roles = make([]authz.RoleFacts, s.graphs.Roles.Len())
	for i := range s.bundle.Roles {
		r := &s.bundle.Roles[i]
		if n, ok := s.graphs.Roles.Index(r.ID); ok {
			s.byNumber.roles[n].Role = r
		}
	}
}

// AllowedRoles returns the ids of the roles that users of the type may hold.
func (s *Snapshot) AllowedRoles(userType string) []string {
	for i := range s.bundle.UserTypes {
		if t := &s.bundle.UserTypes[i]; t.ID == userType {
			return rolesOf(t)
		}
	}
	return nil
}

func rolesOf(t *authz.UserType) []string {
	ids := make([]string, len(t.AllowedRoles))
	for i, a := range t.AllowedRoles {
		ids[i] = a.Role
	}
	return ids
}

// Unset returns all roles by id and all nodes of kind screen in the order of the
// bundle, or nothing when the rights that no role has at them are more than
// authz.MaxUnset.
func (s *Snapshot) Unset() (map[string]*authz.RoleFacts, []authz.PathNode) {
	screens, unset := []authz.PathNode{}, 0
	for i := range s.tree.facts {
		path := s.tree.facts[i].Path
		node := path[len(path)-1]
		if node.Kind != authz.Screen {
			continue
		}
		if screens = append(screens, node); !node.Configured {
			unset++
		}
	}
	if unset > 0 && len(s.bundle.Roles) > authz.MaxUnset/unset {
		return nil, nil
	}
	s.byNumber.once.Do(s.numberRoles)
	roles := make(map[string]*authz.RoleFacts, len(s.bundle.Roles))
	for i := range s.byNumber.roles {
		r := &s.byNumber.roles[i]
		roles[r.ID] = r
	}
	return roles, screens
}

// Node returns the node called id with all that lies below it, parents first and
// otherwise in the order of the bundle, or nil when there is none. It is shared: nobody
// may write to it.
func (s *Snapshot) Node(id string) *authz.NodeFacts {
	top, ok := s.tree.at[id]
	if !ok {
		return nil
	}
	s.tree.list()
	return &s.tree.lists.nodes[top]
}

// lists are the nodes below each node, made when the first is asked for: a write of
// many rights asks for them again and again.
type lists struct {
	once  sync.Once
	below [][]int32
	nodes []authz.NodeFacts
}

func (t *tree) list() { t.lists.once.Do(t.makeLists) }

func (t *tree) makeLists() {
	t.lists.below, t.lists.nodes = t.descents(), make([]authz.NodeFacts, len(t.facts))
	for top := range t.lists.nodes {
		n, below := &t.lists.nodes[top], t.lists.below[top][1:]
		n.ID, n.Kind, n.Below = t.facts[top].ID, t.facts[top].Kind, make([]authz.PathNode, len(below))
		for i, node := range below {
			n.Below[i] = authz.PathNode{ID: t.facts[node].ID, Kind: t.facts[node].Kind}
		}
	}
}

// under returns the node and those below it, parents first and itself before all.
// A screen that a workspace shows too is below that one as well. Nobody may write to
// what is returned.
func (t *tree) under(top int32) []int32 {
	t.list()
	return t.lists.below[top]
}

// descents returns what is under every node.
func (t *tree) descents() [][]int32 {
	all := make([][]int32, len(t.facts))
	for i := range t.facts {
		node := int32(i)
		for _, top := range t.over(node) {
			all[top] = append(all[top], node)
		}
	}
	for i, nodes := range all {
		top := int32(i)
		slices.SortStableFunc(nodes, func(a, b int32) int {
			switch top {
			case a:
				return -1
			case b:
				return 1
			}
			return cmp.Compare(len(t.paths[a]), len(t.paths[b]))
		})
	}
	return all
}

// over returns the node and all that it is below, each once: what lies on its path,
// and on the paths of the workspaces in which it, or a node above it, is shown too.
func (t *tree) over(node int32) []int32 {
	all := slices.Clone(t.paths[node])
	for _, step := range t.paths[node] {
		for _, id := range t.facts[step].AlsoIn {
			if at, ok := t.at[id]; ok {
				all = append(all, t.paths[at]...)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// LevelsOf returns the explicit levels of the role at the node called id and at the
// nodes below it that have one, parents first.
func (s *Snapshot) LevelsOf(role, id string) []authz.NodeRights {
	top, ok := s.tree.at[id]
	number, held := s.graphs.Roles.Index(role)
	if !ok || !held {
		return nil
	}
	var all []authz.NodeRights
	for _, node := range s.tree.under(top) {
		from, to := s.rights.start[node], s.rights.start[node+1]
		if at, has := slices.BinarySearch(s.rights.role[from:to], number); has {
			level := s.rights.level[from+int32(at)]
			all = append(all, authz.NodeRights{Node: s.tree.facts[node].ID, Levels: []authz.RoleLevel{{Role: role, Level: level}}})
		}
	}
	return all
}

// Screens returns how many nodes of kind screen carry the flag, the one called
// except not counted.
func (s *Snapshot) Screens(flag, except string) int {
	n := 0
	for i := range s.bundle.Screens {
		if x := &s.bundle.Screens[i]; x.Kind == authz.Screen && x.Flags[flag] && x.ID != except {
			n++
		}
	}
	return n
}
