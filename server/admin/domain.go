package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

func errorsAs(err error) (authz.Faults, bool) { return errors.AsType[authz.Faults](err) }

// precheck looks at the configuration with all that is ordered, before the policy
// does: in a wrong one nothing can be judged.
func (w *writing) precheck(context.Context) error {
	if w.next != nil || w.broken || w.order.rights != nil {
		return nil // of rights each is looked at alone
	}
	var writes []authz.EntityWrite
	whole := false
	for _, c := range w.changes {
		if !configures(c.key.Kind) || c.missing || c.taken || c.same {
			continue
		}
		writes = append(append(writes, authz.EntityWrite{Entity: c.key, Old: c.was.Stored, New: c.new}), c.also...)
		whole = whole || c.key.Kind != authz.RightEntity
	}
	if !whole || w.deletesPortal() {
		return nil
	}
	w.next = reconfigured(w.config, authz.PendingOf(writes...))
	return w.usable()
}

func (w *writing) deletesPortal() bool {
	return len(w.changes) == 1 && w.changes[0].key.Kind == authz.PortalEntity && w.changes[0].new == nil
}

// usable checks the next configuration whole, and leads its faults back to what
// was ordered.
func (w *writing) usable() error {
	err := w.s.decider.Usable(w.next)
	if err == nil {
		return nil
	}
	w.broken = true
	faults, ok := errorsAs(err)
	if !ok {
		return w.unusable(err)
	}
	var elsewhere []string
	for _, f := range faults {
		k, field := entityAt(w.next, f.Path)
		c := w.changeOf(k)
		if c == nil {
			elsewhere = append(elsewhere, fmt.Sprintf("%s: %s", k, strings.TrimPrefix(field+": "+f.Msg, ": ")))
			continue
		}
		w.faults = append(w.faults, authz.Fault{Path: join(w.order.place(c.number), field), Msg: f.Msg})
	}
	return w.inUse(elsewhere)
}

// unusable keeps what is wrong with a configuration that is valid and cannot be
// decided on: its policy is not there, or its role graphs are too large.
func (w *writing) unusable(err error) error {
	e, ok := errors.AsType[*authz.Error](err)
	if !ok || e.Kind != authz.Invalid && e.Kind != authz.TooLarge && e.Kind != authz.NotFound {
		return err
	}
	c := w.changes[0]
	for _, x := range w.changes {
		if x.key.Kind == authz.PortalEntity {
			c = x
		}
	}
	w.faults = append(w.faults, authz.Fault{Path: join(w.order.place(c.number), e.Field), Msg: e.Msg})
	return nil
}

// inUse takes the faults of what was not written: something still refers to what is
// deleted, or does not go with what is changed.
func (w *writing) inUse(elsewhere []string) error {
	const most = 10
	if len(elsewhere) > most {
		elsewhere = append(elsewhere[:most:most], fmt.Sprintf("and %d more", len(elsewhere)-most))
	}
	if len(elsewhere) > 0 && len(w.faults) == 0 && w.deletes() {
		return authz.Errorf(authz.Conflict, "what is deleted is still in use: %s; change that first", strings.Join(elsewhere, "; "))
	}
	for _, msg := range elsewhere {
		w.faults = append(w.faults, authz.Fault{Msg: msg})
	}
	return nil
}

// deletes reports whether some of the configuration is deleted.
func (w *writing) deletes() bool {
	return slices.ContainsFunc(w.changes, func(c *change) bool { return c.new == nil && configures(c.key.Kind) })
}

func (w *writing) changeOf(k authz.Key) *change {
	for _, c := range w.changes {
		if c.key == k {
			return c
		}
	}
	return nil
}

// places are the roles and nodes that rights may be given to and at.
type places struct{ roles, nodes map[string]bool }

func placesOf(b *authz.Bundle) *places {
	p := &places{make(map[string]bool, len(b.Roles)), make(map[string]bool, len(b.Screens))}
	for i := range b.Roles {
		p.roles[b.Roles[i].ID] = true
	}
	for i := range b.Screens {
		p.nodes[b.Screens[i].ID] = true
	}
	return p
}

// fits returns what is wrong with an entity that refers to others, as far as they
// are stored or pending. Paths begin at the entity.
func (w *writing) fits(ctx context.Context, e authz.Stored) (authz.Faults, error) {
	if r, ok := e.(authz.Right); ok {
		return w.rightFits(r), nil
	}
	if e == nil || configures(e.Key().Kind) {
		return nil, nil // the configuration is checked whole
	}
	x := surroundings{w: w}
	x.world.Portal = authz.Portal{ID: "p", Policy: "p"}
	list, err := x.put(ctx, e)
	if err != nil {
		return nil, err
	}
	faults := x.faults(list)
	if len(faults) > 0 && x.widen(e) {
		faults = x.faults(list)
	}
	return faults, nil
}

func (w *writing) rightFits(r authz.Right) (faults authz.Faults) {
	if w.places == nil {
		b := w.config
		if w.next != nil && !w.broken {
			b = w.next
		}
		w.places = placesOf(b)
	}
	if !w.places.roles[r.Role] {
		faults = append(faults, authz.Fault{Path: "role", Msg: fmt.Sprintf("role %q does not exist", r.Role)})
	}
	if !w.places.nodes[r.Node] {
		faults = append(faults, authz.Fault{Path: "node", Msg: fmt.Sprintf("screen node %q does not exist", r.Node)})
	}
	return faults
}

// surroundings are what one entity refers to: enough of a World to check it.
type surroundings struct {
	w     *writing
	world authz.World
}

// put puts the entity and what it refers to into the world, and returns the name of
// its list.
func (x *surroundings) put(ctx context.Context, e authz.Stored) (list string, err error) {
	switch e := e.(type) {
	case authz.User:
		x.world.Users = []authz.User{e}
		x.types(e.UserType)
		x.roles(e.Grants)
		return "users", errors.Join(x.account(ctx, e.Account), x.contact(ctx, e.Contact))
	case authz.Contact:
		x.world.Contacts = []authz.Contact{e}
		return "contacts", x.account(ctx, e.Account)
	case authz.Account:
		x.world.Accounts = []authz.Account{e}
		if e.Parent == e.ID {
			return "accounts", nil
		}
		return "accounts", x.account(ctx, e.Parent)
	case authz.Record:
		x.world.Records = []authz.Record{e}
		return "records", errors.Join(x.account(ctx, e.Account), x.contact(ctx, e.Contact), x.parent(ctx, &e))
	}
	return "", authz.Errorf(authz.Internal, "%T is no entity with references", e)
}

// faults returns those of the first entity of the list.
func (x *surroundings) faults(list string) authz.Faults {
	var own authz.Faults
	for _, f := range x.world.Validate() {
		if rest, ok := strings.CutPrefix(f.Path, list+"[0]"); ok {
			own = append(own, authz.Fault{Path: strings.TrimPrefix(rest, "."), Msg: f.Msg})
		}
	}
	return own
}

// widen lays all roles and user types before the check, for the sake of guesses at
// what was meant. It reports whether that may change a message.
func (x *surroundings) widen(e authz.Stored) bool {
	if _, ok := e.(authz.User); !ok {
		return false
	}
	x.world.Roles, x.world.UserTypes = nil, nil
	b := x.w.known()
	for _, r := range b.Roles {
		x.world.Roles = append(x.world.Roles, authz.Role{ID: r.ID})
	}
	for _, t := range b.UserTypes {
		x.world.UserTypes = append(x.world.UserTypes, authz.UserType{ID: t.ID, Linked: authz.LinkedContact})
	}
	return true
}

// known is the configuration that references lead into.
func (w *writing) known() *authz.Bundle {
	if w.next != nil && !w.broken {
		return w.next
	}
	return w.config
}

func (x *surroundings) types(id string) {
	if configured(x.w.known(), authz.Key{Kind: authz.UserTypeEntity, ID: id}) != nil {
		x.world.UserTypes = append(x.world.UserTypes, authz.UserType{ID: id, Linked: authz.LinkedContact})
	}
}

func (x *surroundings) roles(grants []authz.Grant) {
	seen := make(map[string]bool, len(grants))
	for _, g := range grants {
		if !seen[g.Role] && configured(x.w.known(), authz.Key{Kind: authz.RoleEntity, ID: g.Role}) != nil {
			x.world.Roles = append(x.world.Roles, authz.Role{ID: g.Role})
		}
		seen[g.Role] = true
	}
}

// expected returns the entity as it will be: one that is ordered counts wherever in
// the order it stands, and even when something else speaks against it.
func (w *writing) expected(ctx context.Context, k authz.Key) (authz.Stored, error) {
	if w.pending.Of(k) == nil {
		if c := w.changeOf(k); c != nil {
			return c.new, nil
		}
	}
	return w.current(ctx, k)
}

func (x *surroundings) account(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	for _, a := range x.world.Accounts {
		if a.ID == id {
			return nil
		}
	}
	e, err := x.w.expected(ctx, authz.Key{Kind: authz.AccountEntity, ID: id})
	if e != nil {
		x.world.Accounts = append(x.world.Accounts, authz.Account{ID: id})
	}
	return err
}

// contact adds the contact with its account, which a user's must agree with.
func (x *surroundings) contact(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	e, err := x.w.expected(ctx, authz.Key{Kind: authz.ContactEntity, ID: id})
	c, ok := e.(authz.Contact)
	if err != nil || !ok {
		return err
	}
	x.world.Contacts = append(x.world.Contacts, authz.Contact{ID: id, Account: c.Account})
	return x.account(ctx, c.Account)
}

func (x *surroundings) parent(ctx context.Context, r *authz.Record) error {
	k, ok := r.ParentKey()
	if !ok || k == r.Key() {
		return nil
	}
	e, err := x.w.expected(ctx, k)
	if e != nil {
		x.world.Records = append(x.world.Records, authz.Record{Type: k.Of, ID: k.ID})
	}
	return err
}
