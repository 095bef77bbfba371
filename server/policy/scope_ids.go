package policy

import (
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// comparableIDs are the facts that are ids, and so texts that are absent or not empty.
var comparableIDs = map[string]bool{
	"subject.id": true, "user.id": true, "user.account": true, "user.contact": true,
	"resource.id": true, "record.id": true, "record.account": true, "record.contact": true, "record.owner": true,
	"parent.id": true, "parent.account": true, "parent.contact": true, "parent.owner": true,
	"owner.id": true, "owner.account": true, "owner.contact": true,
	"contact.id": true, "contact.account": true, "target.id": true, "target.account": true, "target.contact": true,
	"account.id": true, "account.parent": true, "account.owner": true,
}

// subjectID returns the id at the path of a subject, and false when it is no path of one.
func subjectID(path string, subject *authz.Entity, p *authz.Principal) (string, bool) {
	switch of, member, _ := strings.Cut(path, "."); of {
	case "subject":
		return subject.ID, true
	case "user":
		return principalID(p, member), true
	}
	return "", false
}

// resourceID returns the id at the path of what is asked about, and false when it is a
// path of something else.
func resourceID(path string, resource *authz.Entity, f *authz.Facts) (string, bool) {
	switch of, member, _ := strings.Cut(path, "."); of {
	case "resource":
		return resource.ID, true
	case "record":
		return recordID(f.Record, member), true
	case "parent":
		return recordID(f.Parent, member), true
	case "owner":
		return principalID(f.Owner, member), true
	case "contact":
		return contactID(f.Contact, member), true
	case "account":
		return accountID(f.Account, member), true
	case "target":
		return targetID(f.Target, member), true
	}
	return "", false
}

func principalID(p *authz.Principal, member string) string {
	if p == nil {
		return ""
	}
	return pick(member, "id", p.ID, "account", p.Account, "contact", p.Contact)
}

func recordID(r *authz.RecordFacts, member string) string {
	if r == nil {
		return ""
	}
	return pick(member, "id", r.ID, "account", r.Account, "contact", r.Contact, "owner", r.Owner)
}

func contactID(c *authz.ContactFacts, member string) string {
	if c == nil {
		return ""
	}
	return pick(member, "id", c.ID, "account", c.Account)
}

func accountID(a *authz.AccountFacts, member string) string {
	if a == nil {
		return ""
	}
	return pick(member, "id", a.ID, "parent", a.Parent, "owner", a.Owner)
}

func targetID(t *authz.Target, member string) string {
	switch {
	case t == nil:
		return ""
	case t.User != nil:
		return pick(member, "id", t.User.ID, "account", t.User.Account, "contact", t.User.Contact)
	case t.Contact != nil:
		return pick(member, "id", t.Contact.ID, "account", t.Contact.Account)
	}
	return pick(member, "id", t.Key.ID)
}

// pick returns the value behind the name in the list; "" for none.
func pick(name string, list ...string) string {
	for i := 0; i < len(list); i += 2 {
		if list[i] == name {
			return list[i+1]
		}
	}
	return ""
}
