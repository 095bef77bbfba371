package authz

import (
	"fmt"
	"strings"
)

// maxNamed bounds how many names of a path a message gives; the middle of a
// longer path is counted only.
const maxNamed = 24

// graph holds references among the entities of one list. The references of
// entity i are edges[start[i]:start[i+1]].
type graph struct {
	start []int
	edges []edge
}

// edge leads to an entity and keeps its place in the list that it was read from.
type edge struct{ to, at int }

// next closes the references of one entity and opens those of the one after.
func (g *graph) next() { g.start = append(g.start, len(g.edges)) }

func (g *graph) of(i int) []edge { return g.edges[g.start[i]:g.start[i+1]] }

// rules say what is wrong with a graph and how to tell it.
type rules struct {
	most  int                      // links that a chain may have; negative: any number
	name  func(i int) string       // of an entity
	place func(i, ref int) place   // of a reference
	loop  func(path string) string // message for a cycle
	long  func(path string) string // message for a chain of more than most links
}

// Marks of a walk.
const (
	unseen = iota
	open   // on the way from where the walk began to where it is
	done
)

// walker goes through a graph once, depth first and with a stack of its own, so
// that neither depth nor the number of ways to an entity matters.
type walker struct {
	g     *graph
	mark  []uint8
	at    []int // where on the stack an open entity is
	stack []step
	// For entities that are done:
	below []int  // links of the longest chain that begins here
	via   []int  // index among its edges of the first link of that chain
	loops []bool // some chain from here never ends, so that below means nothing
}

// step is an entity on the stack and how many of its edges were followed.
type step struct{ node, edge int }

// check reports each cycle once, at the reference that closes it, and each chain
// that is too long at the entity from which it is too long by one link. Of
// several cycles through the same references, those are reported without which
// no cycle is left.
func (g *graph) check(c *checker, r rules) {
	n := len(g.start) - 1
	w := walker{g: g, mark: make([]uint8, n), at: make([]int, n), below: make([]int, n), via: make([]int, n), loops: make([]bool, n)}
	for i := range n {
		if w.mark[i] == unseen {
			w.from(i, func(e edge) { c.add(r.place(w.top().node, e.at), r.loop(w.cycle(e.to, r.name))) })
		}
	}
	for i := range n {
		if r.most >= 0 && !w.loops[i] && w.below[i] == r.most+1 {
			c.add(r.place(i, g.of(i)[w.via[i]].at), r.long(w.chain(i, r.name)))
		}
	}
}

// from walks everything that can be reached from i, and calls cycle for every
// edge that leads back to an entity on the way; that edge counts as absent from
// then on.
func (w *walker) from(i int, cycle func(edge)) {
	w.push(i)
	for len(w.stack) > 0 {
		s := w.top()
		edges := w.g.of(s.node)
		if s.edge == len(edges) {
			w.pop()
			continue
		}
		e := edges[s.edge]
		switch w.mark[e.to] {
		case open:
			w.loops[s.node] = true
			cycle(e)
			s.edge++
		case done:
			w.link(s.node, s.edge, e.to)
			s.edge++
		default:
			w.push(e.to)
		}
	}
}

func (w *walker) top() *step { return &w.stack[len(w.stack)-1] }

func (w *walker) push(i int) {
	w.mark[i], w.at[i] = open, len(w.stack)
	w.stack = append(w.stack, step{node: i})
}

func (w *walker) pop() {
	w.mark[w.top().node] = done
	w.stack = w.stack[:len(w.stack)-1]
}

// link takes over into i what is known of the entity behind its k-th edge.
func (w *walker) link(i, k, to int) {
	if d := w.below[to] + 1; d > w.below[i] {
		w.below[i], w.via[i] = d, k
	}
	w.loops[i] = w.loops[i] || w.loops[to]
}

// cycle returns the path of the cycle that an edge from the top of the stack to
// the entity "to" closes.
func (w *walker) cycle(to int, name func(int) string) string {
	on := w.stack[w.at[to]:]
	return path(len(on)+1, func(i int) string {
		if i == len(on) {
			return name(to)
		}
		return name(on[i].node)
	})
}

// chain returns the path of the longest chain from i.
func (w *walker) chain(i int, name func(int) string) string {
	names := make([]string, 0, w.below[i]+1)
	for left := w.below[i]; left >= 0; left-- {
		names = append(names, name(i))
		if left > 0 {
			i = w.g.of(i)[w.via[i]].to
		}
	}
	return path(len(names), func(i int) string { return names[i] })
}

// path joins n names as "a > b > c". Its time is bounded however large n is.
func path(n int, name func(int) string) string {
	names := make([]string, 0, min(n, maxNamed+1))
	for i := 0; i < n; i++ {
		if n > maxNamed && i == maxNamed/2 {
			names = append(names, fmt.Sprintf("… %d more …", n-maxNamed))
			i = n - maxNamed/2
		}
		names = append(names, clip(name(i)))
	}
	return strings.Join(names, " > ")
}
