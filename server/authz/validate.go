package authz

import (
	"slices"
	"strconv"
)

// Bounds on what a portal may hold. They apply to fixtures, imports and single
// writes alike.
const (
	MaxID = 200 // bytes of an identifier; a store's key joins several of them

	// MaxChain is the greatest number of links in a chain of role inheritance
	// or of managed user types. Casbin follows that many and says nothing of
	// the rest, so that a role at the end of a longer chain would lose rights
	// silently; a longer chain is refused instead.
	MaxChain = 10

	MaxNodeDepth  = 16     // nodes on a path of the screen tree, the root and the node itself included
	MaxValueDepth = 16     // lists and mappings within one another in settings, attributes and properties
	MaxValues     = 10_000 // values in one such mapping, at all depths together
)

// Validate returns all that is wrong with the world, its Bundle included, in
// the order of the data. A Path indexes the world's slices
// ("users[3].grants[0].role") or leads through mappings
// ("portal.resource_screens.case.create"); a key that is more than letters,
// digits, "_", "-" and "*" is written ["like this"]. Time and memory are linear
// in the size of the world.
func (w *World) Validate() Faults {
	c := newChecker()
	c.bundle(&w.Bundle)
	c.accounts(w.Accounts)
	c.contacts(w.Contacts)
	c.users(w.Users)
	c.records(w.Records)
	return c.faults
}

// Validate returns all that is wrong with the configuration, as
// [World.Validate] does. References from outside it, such as a user's roles, are
// not seen.
func (b *Bundle) Validate() Faults {
	c := newChecker()
	c.bundle(b)
	return c.faults
}

// checker gathers faults section by section. The indexes hold the first entity
// of each id, and are complete before anything is looked up in them.
type checker struct {
	faults  Faults
	section []found // of the section being checked, in the order found

	types, roles, nodes, accountIDs, contactIDs index

	contactAccounts []string
	guesses         int // work left for "did you mean"
	grants          []int
}

// found is a fault of one entity, kept with the entity's position until the
// section is complete.
type found struct {
	at  place
	msg string
}

func newChecker() *checker { return &checker{guesses: guessBudget} }

// add notes a fault, unless msg says that there is none.
func (c *checker) add(p place, msg string) {
	if msg != "" {
		c.section = append(c.section, found{p, msg})
	}
}

// close ends a section: its faults, those of the graph through it included,
// take the order of its entities.
func (c *checker) close() {
	slices.SortStableFunc(c.section, func(a, b found) int { return a.at.i - b.at.i })
	for _, f := range c.section {
		c.faults = append(c.faults, Fault{Path: f.at.String(), Msg: f.msg})
	}
	c.section = c.section[:0]
}

// place is the path of a value, put together only when there is a fault:
// list[i].sub[j].field with the parts that are set.
type place struct {
	list  string
	i     int // -1: list is no list but a mapping
	sub   string
	j     int
	field string
}

func in(list string, i int) place { return place{list: list, i: i} }

func (p place) item(sub string, j int) place { p.sub, p.j = sub, j; return p }

func (p place) dot(field string) place { p.field = field; return p }

// key extends the path by a key of a mapping.
func (p place) key(k string) place { p.field += keyPath(k); return p }

// elem extends the path by a position in a list within a mapping.
func (p place) elem(i int) place { p.field += "[" + strconv.Itoa(i) + "]"; return p }

func (p place) String() string {
	s := p.list
	if p.i >= 0 {
		s += "[" + strconv.Itoa(p.i) + "]"
	}
	if p.sub != "" {
		s += "." + p.sub + "[" + strconv.Itoa(p.j) + "]"
	}
	if p.field != "" {
		s += "." + p.field
	}
	return s
}

// keyPath returns k as a step of a path.
func keyPath(k string) string {
	plain := k != "" && len(k) <= MaxID
	for i := 0; plain && i < len(k); i++ {
		b := k[i]
		plain = 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_' || b == '-' || b == '*'
	}
	if plain {
		return "." + k
	}
	return "[" + quote(k) + "]"
}
