package mongodb

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

const (
	maxFaultsTold = 10  // faults in the message of one refused write
	maxAncestors  = 100 // accounts above one that is written
)

// surroundings are what a changeset's users, accounts, contacts and records refer
// to, as it will be stored: enough of a World to check them alone.
type surroundings struct {
	p  *planner
	w  authz.World
	at map[string][]int // which changes the first entities of a list are from
}

// references refuses a changeset whose entities refer to what will not be there,
// and returns everything that is wrong.
func (p *planner) references(ctx context.Context) error {
	x := &surroundings{p: p, at: make(map[string][]int)}
	x.w.Portal = authz.Portal{ID: p.before.ID, Policy: p.after.Fields.Policy}
	for i := range p.c.Changes {
		x.enter(i, p.c.Changes[i].New)
	}
	if len(x.at) == 0 {
		return nil
	}
	for _, step := range []func(context.Context) error{x.types, x.roles, x.contacts, x.ancestors, x.accounts, x.parents} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := x.verdict(); err != nil {
		return err
	}
	return p.leftBehind(ctx)
}

// enter puts what change i makes into the world.
func (x *surroundings) enter(i int, e authz.Stored) {
	list := ""
	switch e := e.(type) {
	case authz.User:
		list, x.w.Users = "users", append(x.w.Users, e)
	case authz.Account:
		list, x.w.Accounts = "accounts", append(x.w.Accounts, e)
	case authz.Contact:
		list, x.w.Contacts = "contacts", append(x.w.Contacts, e)
	case authz.Record:
		list, x.w.Records = "records", append(x.w.Records, e)
	default:
		return
	}
	x.at[list] = append(x.at[list], i)
}

// found returns what will be there of the ids, less what the changeset itself says.
func (x *surroundings) found(ctx context.Context, kind authz.EntityKind, ids []string) (map[string]*glimpse, error) {
	var keys []authz.Key
	for _, id := range distinct(ids) {
		k := authz.Key{Kind: kind, ID: id}
		if kind == authz.RecordEntity {
			k.Of, k.ID, _ = strings.Cut(id, "/")
		}
		if _, written := x.p.writes[k]; !written && storable(k) {
			keys = append(keys, k)
		}
	}
	byID, err := x.p.stand(ctx, kind, keys)
	found := make(map[string]*glimpse, len(byID))
	for _, g := range byID {
		found[x.p.sc.key(g.ID)] = g
	}
	return found, err
}

func (x *surroundings) types(ctx context.Context) error {
	if c := x.p.c.Config; c != nil {
		for i := range c.UserTypes {
			x.w.UserTypes = append(x.w.UserTypes, authz.UserType{ID: c.UserTypes[i].ID, Linked: authz.LinkedContact})
		}
		return nil
	}
	found, err := x.found(ctx, authz.UserTypeEntity, each(x.w.Users, func(u authz.User) string { return u.UserType }))
	for id := range found {
		x.w.UserTypes = append(x.w.UserTypes, authz.UserType{ID: id, Linked: authz.LinkedContact})
	}
	return err
}

func (x *surroundings) roles(ctx context.Context) error {
	if c := x.p.c.Config; c != nil {
		x.w.Roles = each(c.Roles, func(r authz.Role) authz.Role { return authz.Role{ID: r.ID} })
		return nil
	}
	var ids []string
	for i := range x.w.Users {
		for _, g := range x.w.Users[i].Grants {
			ids = append(ids, g.Role)
		}
	}
	found, err := x.found(ctx, authz.RoleEntity, ids)
	for id := range found {
		x.w.Roles = append(x.w.Roles, authz.Role{ID: id})
	}
	return err
}

// contacts adds those that are referred to with their accounts, which their users'
// must agree with.
func (x *surroundings) contacts(ctx context.Context) error {
	ids := each(x.w.Users, func(u authz.User) string { return u.Contact })
	for i := range x.w.Records {
		ids = append(ids, x.w.Records[i].Contact)
	}
	found, err := x.found(ctx, authz.ContactEntity, ids)
	for id, g := range found {
		x.w.Contacts = append(x.w.Contacts, authz.Contact{ID: id, Account: g.Account})
	}
	return err
}

// ancestors follows the parents of accounts up, where a cycle would close.
func (x *surroundings) ancestors(ctx context.Context) error {
	known := make(map[string]bool)
	level := x.w.Accounts
	for n := 0; len(level) > 0; n++ {
		var parents []string
		for i := range level {
			if id := level[i].Parent; id != "" && !known[id] {
				known[id] = true
				parents = append(parents, id)
			}
		}
		found, err := x.found(ctx, authz.AccountEntity, parents)
		if err != nil {
			return err
		}
		if len(found) > 0 && n == maxAncestors {
			return authz.Errorf(authz.TooLarge, "%s lies under more than %d accounts: move it up", x.w.Accounts[0].Key(), maxAncestors).At("parent")
		}
		first := len(x.w.Accounts)
		for id, g := range found {
			x.w.Accounts = append(x.w.Accounts, authz.Account{ID: id, Parent: g.Parent})
		}
		level = x.w.Accounts[first:]
	}
	return nil
}

// accounts adds those that are referred to, without their parents.
func (x *surroundings) accounts(ctx context.Context) error {
	ids := each(x.w.Users, func(u authz.User) string { return u.Account })
	for i := range x.w.Contacts {
		ids = append(ids, x.w.Contacts[i].Account)
	}
	for i := range x.w.Records {
		ids = append(ids, x.w.Records[i].Account)
	}
	known := make(map[string]bool, len(x.w.Accounts))
	for i := range x.w.Accounts {
		known[x.w.Accounts[i].ID] = true
	}
	found, err := x.found(ctx, authz.AccountEntity, slices.DeleteFunc(ids, func(id string) bool { return known[id] }))
	for id := range found {
		x.w.Accounts = append(x.w.Accounts, authz.Account{ID: id})
	}
	return err
}

// parents adds the records that others belong to, without their own references.
func (x *surroundings) parents(ctx context.Context) error {
	var ids []string
	for i := range x.w.Records {
		if _, ok := x.w.Records[i].ParentKey(); ok {
			ids = append(ids, x.w.Records[i].Parent)
		}
	}
	found, err := x.found(ctx, authz.RecordEntity, ids)
	for id := range found {
		typ, id, _ := strings.Cut(id, "/")
		x.w.Records = append(x.w.Records, authz.Record{Type: typ, ID: id})
	}
	return err
}

// verdict returns what is wrong as one error, and as Faults with the places of the
// changes.
func (x *surroundings) verdict() error {
	faults := x.w.Validate()
	if len(faults) == 0 {
		return nil
	}
	var told []string
	var first, field string
	for i, f := range faults {
		change, rest := x.origin(f.Path)
		name := f.Path
		if change >= 0 {
			name = strings.TrimSpace(x.p.c.Changes[change].Entity.String())
			faults[i].Path = strings.TrimSuffix(fmt.Sprintf("changes[%d].%s", change, rest), ".")
		}
		if i == 0 {
			first, field = name, rest
		}
		if i < maxFaultsTold {
			told = append(told, x.line(len(faults) > 1, name, first, rest, f.Msg))
		}
	}
	msg := strings.Join(told, "\n")
	if more := len(faults) - len(told); more > 0 {
		msg += fmt.Sprintf("\nand %d more", more)
	}
	return authz.Errorf(authz.Invalid, "%s cannot be stored: %s", first, msg).At(field).Because(faults)
}

// line is one fault of the message, with what it is of when there are several.
func (x *surroundings) line(several bool, name, first, field, msg string) string {
	switch {
	case !several:
		return msg
	case name != first:
		return name + ": " + field + ": " + msg
	}
	return field + ": " + msg
}

// origin returns which change the path leads to, and the rest of the path; -1 for
// what was stored before, such as the other end of a cycle.
func (x *surroundings) origin(path string) (change int, rest string) {
	list, tail, _ := strings.Cut(path, "[")
	n, rest, _ := strings.Cut(tail, "]")
	i, err := strconv.Atoi(n)
	if err != nil || i >= len(x.at[list]) {
		return -1, path
	}
	return x.at[list][i], strings.TrimPrefix(rest, ".")
}
