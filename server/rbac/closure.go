package rbac

import (
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Bounds on one closure. Inheritance multiplies: a few thousand references can
// stand for many millions of members.
const (
	maxEntries = 2_000_000  // members of all sets together, 4 bytes each
	maxSteps   = 20_000_000 // of work to find them
)

// Closure holds, for every member of a graph, the set of members that can be
// reached from it. Members are numbered from 0 in the order of their ids, so
// that a sorted set of numbers is a sorted set of ids. It is immutable.
type Closure struct {
	ids   []string
	at    map[string]int32
	start []int32 // the set of member i is sets[start[i]:start[i+1]], sorted
	sets  []int32
}

// Len returns the number of members.
func (c *Closure) Len() int { return len(c.ids) }

// Index returns the number of the member called id, and whether there is one.
func (c *Closure) Index(id string) (int32, bool) {
	i, ok := c.at[id]
	return i, ok
}

// ID returns the id of member i, which must be less than Len.
func (c *Closure) ID(i int32) string { return c.ids[i] }

// Of returns the set of member i, sorted. It is shared: nobody may write to it.
func (c *Closure) Of(i int32) []int32 {
	from, to := c.start[i], c.start[i+1]
	return c.sets[from:to:to]
}

// number returns a closure with its members and without their sets.
func number(of members) (*Closure, error) {
	c := &Closure{ids: make([]string, of.n), at: make(map[string]int32, of.n)}
	for i := range of.n {
		c.ids[i] = of.id(i)
	}
	slices.Sort(c.ids)
	for i, id := range c.ids {
		if i > 0 && c.ids[i-1] == id {
			return nil, authz.Errorf(authz.Invalid, "%s %q is there twice", of.noun, id).At(of.field)
		}
		c.at[id] = int32(i)
	}
	return c, nil
}

// freezer works out the sets from the direct links. In round r it completes the
// members whose longest chain has r links, all of whose links lead to complete
// ones; what is left after the last round has a longer chain or a cycle.
type freezer struct {
	*members
	ids    []string
	direct [][]int32
	rounds []int8    // in which a member was completed; -1: not yet
	sets   [][]int32 // unsorted, the member itself not included
	seen   []int32   // the member, plus one, whose set was last found to hold this one
	self   []bool    // members linked with themselves, which is no cycle unless reflexive
	// Work done.
	entries, steps int
}

func (c *Closure) freeze(direct [][]int32, of members) error {
	n := len(direct)
	f := &freezer{members: &of, ids: c.ids, direct: direct,
		rounds: slices.Repeat([]int8{-1}, n), sets: make([][]int32, n), seen: make([]int32, n), self: make([]bool, n)}
	f.takeSelf()
	for round := range int8(authz.MaxChain + 1) {
		if err := f.round(round); err != nil {
			return err
		}
	}
	if i := slices.Index(f.rounds, -1); i >= 0 {
		return f.refuse(int32(i))
	}
	c.pack(f)
	return nil
}

// takeSelf takes links of members with themselves out of a graph in which they
// are allowed.
func (f *freezer) takeSelf() {
	if f.reflexive {
		return
	}
	for i, links := range f.direct {
		n := len(links)
		f.direct[i] = slices.DeleteFunc(links, func(to int32) bool { return int(to) == i })
		f.self[i] = len(f.direct[i]) < n
	}
}

func (f *freezer) round(r int8) error {
	for i := range int32(len(f.direct)) {
		if f.rounds[i] >= 0 || !f.ready(i, r) {
			continue
		}
		if err := f.complete(i); err != nil {
			return err
		}
		f.rounds[i] = r
	}
	return nil
}

// ready reports whether every link of i leads to a member completed before
// round r.
func (f *freezer) ready(i int32, r int8) bool {
	for _, to := range f.direct[i] {
		if f.rounds[to] < 0 || f.rounds[to] >= r {
			return false
		}
	}
	return true
}

// complete joins the sets of the members that i links to.
func (f *freezer) complete(i int32) error {
	var set []int32
	for _, to := range f.direct[i] {
		f.steps += 1 + len(f.sets[to])
		if f.seen[to] == i+1 {
			continue // it came with another link, and its set with it
		}
		set = f.join(set, i, to)
	}
	f.sets[i] = set
	f.entries += 1 + len(set)
	if f.entries > maxEntries || f.steps > maxSteps {
		return authz.Errorf(authz.TooLarge, "the graph of %ss is too dense: what they reach comes to more than %d entries or %d steps; give fewer references",
			f.noun, maxEntries, maxSteps).At(f.field)
	}
	return nil
}

func (f *freezer) join(set []int32, i, to int32) []int32 {
	f.seen[to] = i + 1
	set = append(set, to)
	for _, m := range f.sets[to] {
		if f.seen[m] != i+1 {
			f.seen[m] = i + 1
			set = append(set, m)
		}
	}
	return set
}

// refuse returns why member i could not be completed. Following links that are
// not complete either, one comes upon a member for the second time, or upon one
// whose chain is a single link too long.
func (f *freezer) refuse(i int32) error {
	var way []int32
	place := make(map[int32]int)
	for {
		if first, ok := place[i]; ok {
			return authz.Errorf(authz.Invalid, "%ss form a cycle: %s", f.noun, f.path(append(way[first:], i))).At(f.field)
		}
		place[i] = len(way)
		way = append(way, i)
		next := slices.IndexFunc(f.direct[i], func(to int32) bool { return f.rounds[to] < 0 })
		if next < 0 {
			return authz.Errorf(authz.Invalid, "chain of %ss has more than %d links: %s", f.noun, authz.MaxChain, f.path(f.longest(i))).At(f.field)
		}
		i = f.direct[i][next]
	}
}

// longest returns the longest chain from i, whose links are all complete.
func (f *freezer) longest(i int32) []int32 {
	way := []int32{i}
	for len(f.direct[i]) > 0 {
		i = slices.MaxFunc(f.direct[i], func(a, b int32) int { return int(f.rounds[a]) - int(f.rounds[b]) })
		way = append(way, i)
	}
	return way
}

// maxNamed bounds the names in a message.
const maxNamed = 24

func (f *freezer) path(way []int32) string {
	var names []string
	for _, i := range way[:min(len(way), maxNamed)] {
		names = append(names, f.ids[i])
	}
	if len(way) > maxNamed {
		names = append(names, "…")
	}
	return strings.Join(names, " > ")
}

// pack puts the sets, sorted and with the members' own places, end to end.
func (c *Closure) pack(f *freezer) {
	c.start = make([]int32, 1, len(f.sets)+1)
	c.sets = make([]int32, 0, f.entries)
	for i, set := range f.sets {
		from := len(c.sets)
		c.sets = append(c.sets, set...)
		if f.reflexive || f.self[i] {
			c.sets = append(c.sets, int32(i))
		}
		slices.Sort(c.sets[from:])
		c.start = append(c.start, int32(len(c.sets)))
	}
}
