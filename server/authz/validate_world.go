package authz

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

func (c *checker) accounts(accounts []Account) {
	c.accountIDs = newIndex("account", "accounts", len(accounts))
	ids := c.enterAll(c.accountIDs, len(accounts), func(i int) string { return accounts[i].ID })
	c.section = append(c.section, ids...)
	g := &graph{start: make([]int, 1, len(accounts)+1)}
	for i := range accounts {
		a, p := &accounts[i], in("accounts", i)
		c.add(p.dot("name"), textFault(a.Name))
		c.add(p.dot("owner"), nameFault(a.Owner))
		if to, ok := c.optional(p.dot("parent"), c.accountIDs, a.Parent); ok {
			g.edges = append(g.edges, edge{to: to})
		}
		g.next()
		c.flags(p.dot("flags"), a.Flags)
		c.values(p.dot("attributes"), a.Attributes)
	}
	g.check(c, rules{
		most:  -1,
		name:  func(i int) string { return accounts[i].ID },
		place: func(i, _ int) place { return in("accounts", i).dot("parent") },
		loop: func(path string) string {
			return "accounts are parents of one another: " + path + ": remove one of them"
		},
	})
	c.close()
}

func (c *checker) contacts(contacts []Contact) {
	c.contactIDs = newIndex("contact", "contacts", len(contacts))
	c.contactAccounts = make([]string, len(contacts))
	for i := range contacts {
		k, p := &contacts[i], in("contacts", i)
		c.enter(c.contactIDs, i, k.ID)
		c.contactAccounts[i] = k.Account
		c.add(p.dot("name"), textFault(k.Name))
		c.add(p.dot("email"), textFault(k.Email))
		c.optional(p.dot("account"), c.accountIDs, k.Account)
		c.add(p.dot("position"), nameFault(k.Position))
		c.flags(p.dot("flags"), k.Flags)
		c.values(p.dot("attributes"), k.Attributes)
	}
	c.close()
}

func (c *checker) users(users []User) {
	ids := newIndex("user", "users", len(users))
	for i := range users {
		u, p := &users[i], in("users", i)
		c.enter(ids, i, u.ID)
		c.add(p.dot("login"), nameFault(u.Login))
		c.optional(p.dot("user_type"), c.types, u.UserType)
		c.grantList(p, u.Grants)
		c.belonging(p, u)
		c.add(p.dot("position"), nameFault(u.Position))
		c.flags(p.dot("flags"), u.Flags)
		c.values(p.dot("attributes"), u.Attributes)
	}
	c.close()
}

// belonging checks the user's account and contact. They must agree, or a policy
// would take the user for two companies' at once.
func (c *checker) belonging(p place, u *User) {
	c.optional(p.dot("account"), c.accountIDs, u.Account)
	contact, ok := c.optional(p.dot("contact"), c.contactIDs, u.Contact)
	if !ok || u.Account == "" || c.contactAccounts[contact] == u.Account {
		return
	}
	where := "no account"
	if a := c.contactAccounts[contact]; a != "" {
		where = "account " + quote(a)
	}
	c.add(p.dot("account"), fmt.Sprintf("is %s, but contact %s belongs to %s: make them the same", quote(u.Account), quote(u.Contact), where))
}

func (c *checker) grantList(p place, grants []Grant) {
	for j := range grants {
		g, at := &grants[j], p.item("grants", j)
		c.ref(at.dot("role"), c.roles, g.Role)
		c.add(at.dot("by"), nameFault(g.By))
		c.add(at.dot("why"), textFault(g.Why))
		if !g.From.IsZero() && !g.Until.IsZero() && !g.From.Before(g.Until) {
			c.add(at.dot("until"), fmt.Sprintf("is %s, not after from %s: the grant would never be in force", stamp(g.Until), stamp(g.From)))
		}
	}
	if len(grants) > 1 {
		c.overlaps(p, grants)
	}
}

// overlaps reports grants of one role whose times overlap, at the later one of
// the list.
func (c *checker) overlaps(p place, grants []Grant) {
	order := c.grants[:0]
	for j := range grants {
		order = append(order, j)
	}
	c.grants = order
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(grants[a].Role, grants[b].Role), grants[a].From.Compare(grants[b].From), a-b)
	})
	last := order[0] // of those of its role so far, the one that ends last
	for _, j := range order[1:] {
		same := grants[j].Role == grants[last].Role
		if end := grants[last].Until; same && (end.IsZero() || grants[j].From.Before(end)) {
			c.add(p.item("grants", max(j, last)), fmt.Sprintf("role %s is granted twice at the same time: grants[%d] overlaps, join the two", quote(grants[j].Role), min(j, last)))
		}
		if !same || endsLater(&grants[j], &grants[last]) {
			last = j
		}
	}
}

func endsLater(a, b *Grant) bool {
	return !b.Until.IsZero() && (a.Until.IsZero() || a.Until.After(b.Until))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// recordKey names a record within its portal.
type recordKey struct{ typ, id string }

func (c *checker) records(records []Record) {
	first := make(map[recordKey]int, len(records)) // complete before a parent is looked up
	for i := range records {
		if k := (recordKey{records[i].Type, records[i].ID}); !has(first, k) {
			first[k] = i
		}
	}
	for i := range records {
		r, p := &records[i], in("records", i)
		c.add(p.dot("type"), typeFault(r.Type))
		c.add(p.dot("id"), idFault(r.ID))
		if j := first[recordKey{r.Type, r.ID}]; j < i {
			c.add(p.dot("id"), fmt.Sprintf("record %s of type %s is there twice: records[%d] is the same; rename one or remove it", quote(r.ID), quote(r.Type), j))
		}
		c.optional(p.dot("account"), c.accountIDs, r.Account)
		c.optional(p.dot("contact"), c.contactIDs, r.Contact)
		c.add(p.dot("owner"), nameFault(r.Owner))
		c.parent(p.dot("parent"), r, first)
		c.flags(p.dot("flags"), r.Flags)
		c.values(p.dot("properties"), r.Properties)
	}
	c.close()
}

func has(first map[recordKey]int, k recordKey) bool {
	_, ok := first[k]
	return ok
}

// parent checks the record that r belongs to. A policy is shown one step up, so
// that of all cycles only a record that is its own parent would mislead it.
func (c *checker) parent(p place, r *Record, first map[recordKey]int) {
	if r.Parent == "" {
		return
	}
	k, ok := r.ParentKey()
	switch {
	case !ok:
		c.add(p, fmt.Sprintf("%s names no record: want its type and id, such as \"case/CS-1\"", quote(r.Parent)))
	case EntityKind(k.Of) == ContactEntity || EntityKind(k.Of) == AccountEntity:
		c.add(p, fmt.Sprintf("%s is no record: name it as the record's %s", quote(r.Parent), k.Of))
	case k == r.Key():
		c.add(p, "is the record itself: name the record that it belongs to, or leave parent out")
	case !has(first, recordKey{k.Of, k.ID}):
		c.add(p, c.absentRecord(r.Parent, first))
	}
}

// absentRecord is absent for a record, which is named by its type and id.
func (c *checker) absentRecord(name string, first map[recordKey]int) string {
	known := func(yield func(string) bool) {
		for k := range first {
			if !yield(k.typ + "/" + k.id) {
				return
			}
		}
	}
	msg := fmt.Sprintf("record %s does not exist", quote(name))
	if near := nearest(name, known, &c.guesses); near != "" {
		return msg + "; did you mean " + quote(near) + "?"
	}
	return msg + ": add it to records or remove what refers to it"
}
