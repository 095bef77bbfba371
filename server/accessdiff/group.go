package accessdiff

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// report makes people's sense of what differs.
func (c *comparison) report(results []*outcome) *Report {
	r := &Report{
		Portal: c.both[1].world.Portal.ID, Questions: c.total.Load(), Evaluated: c.evaluated.Load(),
		Missing: slices.Clone(c.options.Missing),
	}
	if c.both[1].policy == nil {
		r.Portal = c.both[0].world.Portal.ID
	}
	for _, who := range c.subjects {
		if who.typ == userSubject {
			r.Users++
		}
	}
	r.Screens, r.Records = c.sizes()
	if n := c.late.Load(); n > 0 {
		r.Missing = append(r.Missing, fmt.Sprintf("%d answers: the policy ran into its time limit", n))
	}
	for _, out := range results {
		r.ask(out.kind)
		r.LockedOut = r.LockedOut || strings.HasPrefix(out.kind.action, "admin:") && out.allowed[0] && !out.allowed[1]
	}
	g := c.groups(results)
	r.Changes = g.changes()
	r.Lost, r.Gained, r.Changed = g.counted(Lost), g.counted(Gained), g.counted(Changed)
	return r
}

// ask takes down what was asked about.
func (r *Report) ask(k *kind) {
	if n := len(r.Asked); n == 0 || r.Asked[n-1].Type != k.resources[0].Type {
		r.Asked = append(r.Asked, Asked{Type: k.resources[0].Type})
	}
	last := &r.Asked[len(r.Asked)-1]
	last.Actions = append(last.Actions, k.action)
}

// sizes returns how many nodes and records there are on either side.
func (c *comparison) sizes() (screens, records int) {
	nodes, stored := map[string]bool{}, map[authz.Key]bool{}
	for _, s := range c.both {
		for i := range s.world.Screens {
			nodes[s.world.Screens[i].ID] = true
		}
		for k := range s.records {
			stored[k] = true
		}
	}
	return len(nodes), len(stored)
}

// grouping are the subjects by what differs for them.
type grouping struct {
	c       *comparison
	results []*outcome
	groups  []group
}

// group are subjects for whom the very same differs.
type group struct {
	members []int32
	classes []classAt
}

// classAt names a class of an outcome.
type classAt struct{ result, class int32 }

func (c *comparison) groups(results []*outcome) *grouping {
	of := make([][]classAt, len(c.subjects))
	for i, out := range results {
		for k := range out.classes {
			for _, n := range out.classes[k].members {
				of[n] = append(of[n], classAt{int32(i), int32(k)})
			}
		}
	}
	g := &grouping{c: c, results: results}
	at := map[string]int{}
	for n, classes := range of {
		if len(classes) == 0 {
			continue
		}
		var key []byte
		for _, x := range classes {
			key = binary.AppendVarint(binary.AppendVarint(key, int64(x.result)), int64(x.class))
		}
		i, known := at[string(key)]
		if !known {
			i = len(g.groups)
			at[string(key)] = i
			g.groups = append(g.groups, group{classes: classes})
		}
		g.groups[i].members = append(g.groups[i].members, int32(n))
	}
	return g
}

func (d *delta) kind() Kind {
	switch before, after := d.answers[0].allowed, d.answers[1].allowed; {
	case before && !after:
		return Lost
	case after && !before:
		return Gained
	}
	return Changed
}

// spot is a kind of difference at one place.
type spot struct {
	kind          Kind
	result, place int32
}

// touched are the groups for which a spot differs, and in which ways.
type touched struct {
	groups  []int32
	answers map[[2]*answer]int // and for how many subjects
}

// spots returns what differs, with the groups for which it does.
func (g *grouping) spots() map[spot]*touched {
	all := map[spot]*touched{}
	for i := range g.groups {
		for _, at := range g.groups[i].classes {
			for _, d := range g.results[at.result].classes[at.class].deltas {
				k := spot{d.kind(), at.result, d.place}
				t := all[k]
				if t == nil {
					t = &touched{answers: map[[2]*answer]int{}}
					all[k] = t
				}
				if n := len(t.groups); n == 0 || t.groups[n-1] != int32(i) {
					t.groups = append(t.groups, int32(i))
				}
				t.answers[d.answers] += len(g.groups[i].members)
			}
		}
	}
	return all
}

// counted returns for how many users something of the kind differs.
func (g *grouping) counted(k Kind) (n int) {
	for i := range g.groups {
		has := false
		for _, at := range g.groups[i].classes {
			for _, d := range g.results[at.result].classes[at.class].deltas {
				has = has || d.kind() == k
			}
		}
		if !has {
			continue
		}
		for _, m := range g.groups[i].members {
			if g.c.subjects[m].typ == userSubject {
				n++
			}
		}
	}
	return n
}

// changes puts together what differs for the same subjects.
func (g *grouping) changes() []Change {
	type gathered struct {
		kind   Kind
		groups []int32
		spots  []spot
	}
	spots := g.spots()
	at := map[string]*gathered{}
	for k, t := range spots {
		key := fmt.Sprint(k.kind, t.groups)
		if at[key] == nil {
			at[key] = &gathered{kind: k.kind, groups: t.groups}
		}
		at[key].spots = append(at[key].spots, k)
	}
	type sorted struct {
		Change
		first spot
	}
	var all []sorted
	for _, x := range at {
		slices.SortFunc(x.spots, func(a, b spot) int { return g.compare(a, b) })
		ch := sorted{Change{Kind: x.kind}, x.spots[0]}
		for _, k := range x.spots {
			ch.Places = append(ch.Places, g.place(k, spots[k]))
		}
		g.people(&ch.Change, x.groups)
		all = append(all, ch)
	}
	order := []Kind{Lost, Gained, Changed}
	slices.SortFunc(all, func(a, b sorted) int {
		if by := cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)), cmp.Compare(b.Users, a.Users)); by != 0 {
			return by
		}
		return g.compare(a.first, b.first)
	})
	changes := make([]Change, len(all))
	for i := range all {
		changes[i] = all[i].Change
	}
	return changes
}

// compare orders places: by type as they are asked about, then by resource, and then by
// action.
func (g *grouping) compare(a, b spot) int {
	one, other := g.results[a.result], g.results[b.result]
	if t := cmp.Compare(g.firstOf(a.result), g.firstOf(b.result)); t != 0 {
		return t
	}
	return cmp.Or(
		cmp.Compare(g.number(one, a.place), g.number(other, b.place)), cmp.Compare(a.result, b.result), cmp.Compare(a.place, b.place),
	)
}

// firstOf returns the first result about resources of the type.
func (g *grouping) firstOf(result int32) int32 {
	for result > 0 && g.results[result-1].kind.resources[0].Type == g.results[result].kind.resources[0].Type {
		result--
	}
	return result
}

// number returns the position of the first resource of the place.
func (g *grouping) number(out *outcome, place int32) int32 {
	return slices.Min(slices.Collect(maps.Keys(out.places[place].records)))
}

func (g *grouping) place(k spot, t *touched) Place {
	out := g.results[k.result]
	x := &out.places[k.place]
	p := Place{Action: out.kind.action, Type: x.resource.Type, ID: x.resource.ID, Title: x.resource.title}
	switch {
	case x.many:
		p.ID, p.Title, p.Records = "", x.relation, len(x.records)
		for _, n := range slices.Sorted(maps.Keys(x.records)) {
			if len(p.Sample) == g.c.options.Sample {
				break
			}
			p.Sample = append(p.Sample, out.kind.resources[n].ID)
		}
	case x.resource.fresh:
		p.ID, p.Title = "", "new"
	}
	most := 0
	for answers, n := range t.answers {
		if n > most || n == most && answers[0].text+answers[1].text < p.Before.text()+p.After.text() {
			most = n
			p.Before, p.After = answers[0].shown, answers[1].shown
		}
	}
	return p
}

func (a *Answer) text() string { return fmt.Sprintf("%q %q %q", a.Outcome, a.Reason, a.Level) }

// people adds the users of the groups, by type, roles and account.
func (g *grouping) people(ch *Change, groups []int32) {
	side := 1
	if ch.Kind == Lost {
		side = 0
	}
	at := map[string]int{}
	for _, i := range groups {
		for _, n := range g.groups[i].members {
			who := g.c.subjects[n]
			if who.typ != userSubject {
				ch.Anonymous = true
				continue
			}
			ch.Users++
			x := g.c.groupOf(n, side)
			key := fmt.Sprintf("%q %q %q", x.UserType, x.Roles, x.Account)
			if _, known := at[key]; !known {
				at[key] = len(ch.Groups)
				ch.Groups = append(ch.Groups, x)
			}
			y := &ch.Groups[at[key]]
			y.Users++
			y.Sample = append(y.Sample, who.id)
		}
	}
	for i := range ch.Groups {
		named := ch.Groups[i].Sample
		slices.Sort(named)
		ch.Groups[i].Sample = slices.Clone(named[:min(len(named), g.c.options.Sample)])
	}
	slices.SortFunc(ch.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Users, a.Users), cmp.Compare(a.Account, b.Account), cmp.Compare(a.UserType, b.UserType), slices.Compare(a.Roles, b.Roles))
	})
}

// groupOf returns what the user is on the side, or on the other one when it is there
// alone.
func (c *comparison) groupOf(n int32, side int) Group {
	p := c.principals[side][n]
	if p == nil {
		p = c.principals[1-side][n]
	}
	return Group{UserType: p.UserType, Roles: p.EffectiveRoles, Account: p.Account}
}
