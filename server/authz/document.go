package authz

import "time"

// Document returns the entity as an object with the names of the fixture files:
// text that is empty is left out, lists and mappings are always there, a level is
// its rank, and a time is text. It returns nil for what is none of the stored
// entities. The document may share lists and mappings with the entity. That of a
// PolicyRevision has the size and the digest of each file instead of its text.
func Document(s Stored) map[string]any {
	switch e := s.(type) {
	case Portal:
		return portalDocument(&e)
	case UserType:
		return userTypeDocument(&e)
	case Role:
		return roleDocument(&e)
	case Node:
		return nodeDocument(&e)
	case Right:
		return map[string]any{"role": e.Role, "node": e.Node, "level": int64(e.Level)}
	case User:
		return userDocument(&e)
	case Account:
		return accountDocument(&e)
	case Contact:
		return contactDocument(&e)
	case Record:
		return recordDocument(&e)
	case PolicyRevision:
		return revisionDocument(&e)
	}
	return nil
}

// IsStored reports whether s is one of the stored entities.
func IsStored(s Stored) bool {
	switch s.(type) {
	case Portal, UserType, Role, Node, Right, User, Account, Contact, Record, PolicyRevision:
		return true
	}
	return false
}

// document is an object being put together.
type document map[string]any

func (d document) text(name, v string) document {
	if v != "" {
		d[name] = v
	}
	return d
}

func (d document) values(name string, m map[string]any) document {
	if m == nil {
		m = map[string]any{}
	}
	d[name] = m
	return d
}

func (d document) flags(name string, m map[string]bool) document {
	all := make(map[string]any, len(m))
	for k, on := range m {
		all[k] = on
	}
	d[name] = all
	return d
}

func (d document) texts(name string, list []string) document {
	d[name] = anyList(list, func(s string) any { return s })
	return d
}

// time adds a moment as fixtures write it.
func (d document) time(name string, t time.Time) document {
	if !t.IsZero() {
		d[name] = t.UTC().Format(time.RFC3339Nano)
	}
	return d
}

func anyList[T any](list []T, item func(T) any) []any {
	all := make([]any, len(list))
	for i, x := range list {
		all[i] = item(x)
	}
	return all
}

func portalDocument(p *Portal) map[string]any {
	screens := make(map[string]any, len(p.ResourceScreens))
	for typ, byAction := range p.ResourceScreens {
		of := make(map[string]any, len(byAction))
		for action, id := range byAction {
			of[action] = id
		}
		screens[typ] = of
	}
	sharing := p.Sharing
	if sharing == nil {
		sharing = []any{}
	}
	return document{"sharing": sharing, "resource_screens": screens}.
		text("id", p.ID).text("title", p.Title).text("policy", p.Policy).
		values("settings", p.Settings).flags("features", p.Features).values("limits", p.Limits)
}

func userTypeDocument(t *UserType) map[string]any {
	roles := anyList(t.AllowedRoles, func(a AllowedRole) any { return map[string]any{"role": a.Role, "default": a.Default} })
	return document{"allowed_roles": roles}.
		text("id", t.ID).text("title", t.Title).text("linked", string(t.Linked)).texts("manages", t.Manages).
		text("licence", t.Licence).values("attributes", t.Attributes)
}

func roleDocument(r *Role) map[string]any {
	return document{"guest": r.Guest}.
		text("id", r.ID).text("title", r.Title).texts("inherits", r.Inherits).values("attributes", r.Attributes)
}

func nodeDocument(n *Node) map[string]any {
	return document{}.
		text("id", n.ID).text("kind", string(n.Kind)).text("title", n.Title).text("parent", n.Parent).
		texts("also_in", n.AlsoIn).text("feature", n.Feature).flags("flags", n.Flags)
}

func userDocument(u *User) map[string]any {
	grants := anyList(u.Grants, func(g Grant) any {
		d := document{}.text("role", g.Role).text("by", g.By).text("why", g.Why).time("from", g.From).time("until", g.Until)
		return map[string]any(d)
	})
	return document{"active": u.Active, "grants": grants}.
		text("id", u.ID).text("login", u.Login).text("user_type", u.UserType).text("account", u.Account).
		text("contact", u.Contact).text("position", u.Position).flags("flags", u.Flags).values("attributes", u.Attributes)
}

func accountDocument(a *Account) map[string]any {
	return document{}.
		text("id", a.ID).text("name", a.Name).text("parent", a.Parent).text("owner", a.Owner).
		flags("flags", a.Flags).values("attributes", a.Attributes)
}

func contactDocument(c *Contact) map[string]any {
	return document{}.
		text("id", c.ID).text("name", c.Name).text("email", c.Email).text("account", c.Account).
		text("position", c.Position).flags("flags", c.Flags).values("attributes", c.Attributes)
}

func recordDocument(r *Record) map[string]any {
	return document{}.
		text("type", r.Type).text("id", r.ID).text("account", r.Account).text("contact", r.Contact).
		text("owner", r.Owner).text("parent", r.Parent).flags("flags", r.Flags).values("properties", r.Properties)
}
