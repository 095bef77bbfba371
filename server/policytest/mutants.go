package policytest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Mutant is a portal that differs in one stored fact from another. A decision
// table that cannot tell the two apart does not hold that fact.
type Mutant struct {
	What   string    // such as `storehut: user "ray.newman": not active`
	Entity authz.Key // that differs
	World  authz.World
}

// Mutants returns the mutants of worlds[i], in a fixed order: rights removed or
// moved to a neighbouring level, grants, inheritance and managed types removed,
// grants moved past now, flags and features flipped, settings given the values
// that other worlds have, restriction groups and memberships changed, belongings
// removed or changed. Mutants need not be valid.
//
// Nobody may write to the worlds afterwards: a mutant shares what it does not
// change.
func Mutants(worlds []authz.World, i int, now time.Time) []Mutant {
	e := &editor{world: &worlds[i], now: now}
	e.portal(worlds)
	e.sharing()
	e.userTypes()
	e.roles()
	e.screens()
	e.rights()
	e.users()
	e.companies()
	e.records()
	return e.mutants
}

// editor collects the mutants of one world.
type editor struct {
	world   *authz.World
	now     time.Time
	mutants []Mutant
}

// offer adds the mutant that apply makes of a copy of the world. The copy is
// shallow: apply replaces what it changes.
func (e *editor) offer(of authz.Stored, what string, apply func(*authz.World)) {
	w := *e.world
	apply(&w)
	e.mutants = append(e.mutants, Mutant{What: fmt.Sprintf("%s: %s: %s", e.world.Portal.ID, of.Key(), what), Entity: of.Key(), World: w})
}

// at replaces the list by one whose element i is changed.
func at[E any](list *[]E, i int, change func(*E)) {
	*list = slices.Clone(*list)
	change(&(*list)[i])
}

// without returns the list less element i.
func without[E any](list []E, i int) []E { return slices.Delete(slices.Clone(list), i, i+1) }

// with returns the mapping with another value for a key.
func with[V any](m map[string]V, key string, v V) map[string]V {
	m = maps.Clone(m)
	m[key] = v
	return m
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (e *editor) portal(worlds []authz.World) {
	p := e.world.Portal
	for _, name := range sorted(p.Settings) {
		for _, other := range otherValues(worlds, name, p.Settings[name]) {
			e.offer(p, fmt.Sprintf("setting %s: %v -> %v", name, p.Settings[name], other), func(w *authz.World) {
				w.Portal.Settings = with(p.Settings, name, other)
			})
		}
	}
	for _, name := range sorted(p.Features) {
		e.offer(p, fmt.Sprintf("feature %s: %t", name, !p.Features[name]), func(w *authz.World) {
			w.Portal.Features = with(p.Features, name, !p.Features[name])
		})
	}
	for _, kind := range sorted(p.ResourceScreens) {
		for _, action := range sorted(p.ResourceScreens[kind]) {
			e.offer(p, fmt.Sprintf("no screen for %s of %s", action, kind), func(w *authz.World) {
				rest := maps.Clone(p.ResourceScreens[kind])
				delete(rest, action)
				w.Portal.ResourceScreens = with(p.ResourceScreens, kind, rest)
			})
		}
	}
}

// otherValues returns the values but for v that the worlds give the setting, each
// once.
func otherValues(worlds []authz.World, name string, v any) []any {
	var found []any
	for i := range worlds {
		o, ok := worlds[i].Portal.Settings[name]
		same := func(x any) bool { return reflect.DeepEqual(x, o) }
		if ok && !same(v) && !slices.ContainsFunc(found, same) {
			found = append(found, o)
		}
	}
	return found
}

func (e *editor) sharing() {
	p := e.world.Portal
	for i, rule := range p.Sharing {
		group, ok := rule.(map[string]any)
		if !ok || group["kind"] != "restriction_group" {
			continue
		}
		change := func(what, member string, v any) {
			e.offer(p, fmt.Sprintf("group %v: %s", group["id"], what), func(w *authz.World) {
				at(&w.Portal.Sharing, i, func(r *any) { *r = with(group, member, v) })
			})
		}
		if active, ok := group["active"].(bool); ok {
			change(fmt.Sprintf("active %t", !active), "active", !active)
		}
		for _, typ := range []string{"A", "B", "A Inverse", "B Inverse"} {
			if typ != group["type"] {
				change("type "+typ, "type", typ)
			}
		}
	}
}

func (e *editor) userTypes() {
	for i, t := range e.world.UserTypes {
		for j, managed := range t.Manages {
			e.offer(t, fmt.Sprintf("no longer manages %q", managed), func(w *authz.World) {
				at(&w.UserTypes, i, func(t *authz.UserType) { t.Manages = without(t.Manages, j) })
			})
		}
	}
}

func (e *editor) roles() {
	for i, r := range e.world.Roles {
		for j, inherited := range r.Inherits {
			e.offer(r, fmt.Sprintf("no longer inherits %q", inherited), func(w *authz.World) {
				at(&w.Roles, i, func(r *authz.Role) { r.Inherits = without(r.Inherits, j) })
			})
		}
	}
}

func (e *editor) screens() {
	for i, n := range e.world.Screens {
		if n.Feature != "" {
			e.offer(n, "without its feature", func(w *authz.World) {
				at(&w.Screens, i, func(n *authz.Node) { n.Feature = "" })
			})
		}
		for _, flag := range sorted(n.Flags) {
			e.offer(n, fmt.Sprintf("flag %s: %t", flag, !n.Flags[flag]), func(w *authz.World) {
				at(&w.Screens, i, func(n *authz.Node) { n.Flags = with(n.Flags, flag, !n.Flags[flag]) })
			})
		}
	}
}

func (e *editor) rights() {
	for i, r := range e.world.Rights {
		e.offer(r, "removed", func(w *authz.World) { w.Rights = without(w.Rights, i) })
		for _, l := range []authz.Level{r.Level - 1, r.Level + 1} {
			if l.Valid() {
				e.offer(r, fmt.Sprintf("%s -> %s", r.Level, l), func(w *authz.World) {
					at(&w.Rights, i, func(r *authz.Right) { r.Level = l })
				})
			}
		}
	}
}

func (e *editor) users() {
	for i, u := range e.world.Users {
		change := func(when bool, what string, change func(*authz.User)) {
			if when {
				e.offer(u, what, func(w *authz.World) { at(&w.Users, i, change) })
			}
		}
		change(true, fmt.Sprintf("active %t", !u.Active), func(u *authz.User) { u.Active = !u.Active })
		change(u.UserType != "", "without its type", func(u *authz.User) { u.UserType = "" })
		change(u.Account != "", "without its account", func(u *authz.User) { u.Account = "" })
		change(u.Contact != "", "without its contact", func(u *authz.User) { u.Contact = "" })
		for j, g := range u.Grants {
			change(g.InForce(e.now), fmt.Sprintf("without role %q", g.Role), func(u *authz.User) { u.Grants = without(u.Grants, j) })
			e.times(g, func(what string, g authz.Grant) {
				change(true, what, func(u *authz.User) { at(&u.Grants, j, func(h *authz.Grant) { *h = g }) })
			})
		}
		e.groups("restriction_groups", u.Attributes, func(what string, m map[string]any) {
			change(true, what, func(u *authz.User) { u.Attributes = m })
		})
	}
}

// times gives the grant with each of its times removed, and moved to the other
// side of now, where that puts it in force or out of it.
func (e *editor) times(g authz.Grant, give func(string, authz.Grant)) {
	past := func(t time.Time) time.Time {
		if t.After(e.now) {
			return e.now.Add(-time.Hour)
		}
		return e.now.Add(time.Hour)
	}
	change := func(t time.Time, what string, change func(*authz.Grant)) {
		h := g
		if change(&h); !t.IsZero() && h.InForce(e.now) != g.InForce(e.now) {
			give(fmt.Sprintf("role %q: %s", g.Role, what), h)
		}
	}
	change(g.From, "from removed", func(g *authz.Grant) { g.From = time.Time{} })
	change(g.From, "from moved past now", func(g *authz.Grant) { g.From = past(g.From) })
	change(g.Until, "until removed", func(g *authz.Grant) { g.Until = time.Time{} })
	change(g.Until, "until moved past now", func(g *authz.Grant) { g.Until = past(g.Until) })
}

// groups gives the mapping with each restriction group in its list removed.
func (e *editor) groups(list string, m map[string]any, give func(string, map[string]any)) {
	groups, _ := m[list].([]any)
	for i, g := range groups {
		give(fmt.Sprintf("out of group %v", g), with(m, list, any(without(groups, i))))
	}
}

func (e *editor) companies() {
	for i, a := range e.world.Accounts {
		e.groups("restriction_groups", a.Attributes, func(what string, m map[string]any) {
			e.offer(a, what, func(w *authz.World) { at(&w.Accounts, i, func(a *authz.Account) { a.Attributes = m }) })
		})
	}
	for i, c := range e.world.Contacts {
		for _, other := range e.otherAccounts(c.Account) {
			e.offer(c, fmt.Sprintf("of account %q", other), func(w *authz.World) {
				at(&w.Contacts, i, func(c *authz.Contact) { c.Account = other })
			})
		}
	}
}

// others returns none, and the first id of the list that is another, in place of
// id; of none there is nothing to take away.
func others[E any](id string, list []E, name func(*E) string) []string {
	if id == "" {
		return nil
	}
	found := []string{""}
	for i := range list {
		if other := name(&list[i]); other != id {
			return append(found, other)
		}
	}
	return found
}

func (e *editor) otherAccounts(account string) []string {
	return others(account, e.world.Accounts, func(a *authz.Account) string { return a.ID })
}

func (e *editor) otherContacts(contact string) []string {
	return others(contact, e.world.Contacts, func(c *authz.Contact) string { return c.ID })
}

func (e *editor) records() {
	for i, r := range e.world.Records {
		change := func(what string, change func(*authz.Record)) {
			e.offer(r, what, func(w *authz.World) { at(&w.Records, i, change) })
		}
		e.offer(r, "removed", func(w *authz.World) { w.Records = without(w.Records, i) })
		for _, flag := range sorted(r.Flags) {
			change(fmt.Sprintf("flag %s: %t", flag, !r.Flags[flag]), func(r *authz.Record) { r.Flags = with(r.Flags, flag, !r.Flags[flag]) })
		}
		for _, other := range e.otherAccounts(r.Account) {
			change(fmt.Sprintf("of account %q", other), func(r *authz.Record) { r.Account = other })
		}
		for _, other := range e.otherContacts(r.Contact) {
			change(fmt.Sprintf("of contact %q", other), func(r *authz.Record) { r.Contact = other })
		}
		e.groups("restriction_groups", r.Properties, func(what string, m map[string]any) {
			change(what, func(r *authz.Record) { r.Properties = m })
		})
	}
}
