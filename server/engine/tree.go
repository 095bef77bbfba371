package engine

import (
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// tree holds the screen nodes, numbered as in the bundle, with their paths.
type tree struct {
	at    map[string]int32
	facts []authz.ScreenFacts
	paths [][]int32 // root first, the node itself last

	fields map[int32]fields // elements below the nodes of kind screen
	lists  *lists           // shared with the trees of later snapshots that are this one
}

// number returns the position of each node by its id.
func number(nodes []authz.Node) map[string]int32 {
	at := make(map[string]int32, len(nodes))
	for i := range nodes {
		at[nodes[i].ID] = int32(i)
	}
	return at
}

// plant works out the path of every node, and which of its switches are not on.
// The nodes must be valid: parents exist and form no cycle.
func plant(nodes []authz.Node, at map[string]int32, on map[string]bool, configured func(node int32) bool) tree {
	t := tree{at: at, facts: make([]authz.ScreenFacts, len(nodes)), paths: make([][]int32, len(nodes)), lists: &lists{}}
	for i := range nodes {
		path := climb(nodes, at, int32(i))
		f := &t.facts[i]
		f.Node = &nodes[i]
		f.Path = make([]authz.PathNode, len(path))
		for k, n := range path {
			f.Path[k] = authz.PathNode{ID: nodes[n].ID, Kind: nodes[n].Kind, Configured: configured(n)}
		}
		f.Features = features(nodes, path)
		for _, x := range f.Features {
			if !on[x] {
				f.FeaturesOff = append(f.FeaturesOff, x)
			}
		}
		t.paths[i] = path
	}
	t.fields = t.fieldsOf()
	return t
}

// features returns the switches on which the nodes of a path depend, sorted,
// each once.
func features(nodes []authz.Node, path []int32) []string {
	var all []string
	for _, n := range path {
		if x := nodes[n].Feature; x != "" {
			all = append(all, x)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// climb returns the nodes from the root to node i.
func climb(nodes []authz.Node, at map[string]int32, i int32) []int32 {
	path := make([]int32, 1, 4)
	path[0] = i
	for nodes[i].Parent != "" {
		i = at[nodes[i].Parent]
		path = append(path, i)
	}
	slices.Reverse(path)
	return path
}

// screen returns the number of the node that q is about: the resource itself
// when its type is a kind of node, or else the screen on which the portal shows
// such resources. A node of another kind than the question says is not found,
// so that one node's rights do not answer for another's.
func (s *Snapshot) screen(q *authz.Query) (int32, bool) {
	switch kind := authz.NodeKind(q.Resource.Type); kind {
	case authz.Workspace, authz.Screen, authz.Container, authz.Element:
		i, ok := s.tree.at[q.Resource.ID]
		return i, ok && s.tree.facts[i].Kind == kind
	}
	i, ok := s.tree.at[s.bundle.Portal.ScreenFor(q.Resource.Type, q.ShownAction())]
	return i, ok
}

// Screen returns the facts of the node called id, whatever its kind, and whether
// there is one. They are shared: nobody may write to them.
func (s *Snapshot) Screen(id string) (*authz.ScreenFacts, bool) {
	i, ok := s.tree.at[id]
	if !ok {
		return nil, false
	}
	return &s.tree.facts[i], true
}
