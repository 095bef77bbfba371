package pdp

import (
	"context"
	"errors"
	"fmt"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Admit says whether the portal's policy accepts the change, and what it adds to
// it. portal "" is the default one. What is known need not be looked up. The change
// is judged for its own moment, or for now when it has none.
//
// A change that is not of one piece is an authz.Invalid error, and an unknown portal
// authz.NotFound. Whatever else goes wrong refuses.
func (d *Decider) Admit(ctx context.Context, portal string, c *authz.Change, known authz.Known) (authz.Admission, error) {
	x, err := d.resolver(portal, c, known)
	if err != nil {
		return authz.Admission{}, err
	}
	if err := x.draft(d); err != nil {
		return authz.RefuseChange(authz.ReasonNotReady, err), nil
	}
	if x.view.Snapshot == nil || x.view.Changes == nil {
		return authz.RefuseChange(x.view.withoutPolicy(), nil), nil
	}
	if err := x.resolve(ctx, x.view.Changes.AdmissionReads()); err != nil {
		return authz.RefuseChange(reasonOf(err), err), nil
	}
	return x.view.Changes.Admit(ctx, &x.change, &x.facts), nil
}

// Provision says what the portal's policy wants done because of the change. As for
// Admit, but what goes wrong is the Err of the result.
func (d *Decider) Provision(ctx context.Context, portal string, c *authz.Change, known authz.Known) (authz.Provisioning, error) {
	x, err := d.resolver(portal, c, known)
	if err != nil {
		return authz.Provisioning{}, err
	}
	if err := x.draft(d); err != nil {
		return authz.FailProvisioning(authz.ReasonNotReady, err), nil
	}
	if x.view.Snapshot == nil || x.view.Changes == nil {
		return authz.FailProvisioning(x.view.withoutPolicy(), nil), nil
	}
	if err := x.resolve(ctx, x.view.Changes.ProvisioningReads()); err != nil {
		return authz.FailProvisioning(reasonOf(err), err), nil
	}
	return x.view.Changes.Provision(ctx, &x.change, &x.facts), nil
}

// Plain reports whether the portal's policy accepts the change as it is and wants nothing
// done because of it. It says false where that is not known, or something goes wrong, of
// which Admit and Provision say what. The errors are those of Admit. As of a call
// ([Decider.DecideCall]), anyRole reports that it is so for the right of any other role.
func (d *Decider) Plain(ctx context.Context, portal string, c *authz.Change, known authz.Known) (plain, anyRole bool, err error) {
	x, err := d.resolver(portal, c, known)
	if err != nil {
		return false, false, err
	}
	if x.draft(d) != nil || x.view.Snapshot == nil || x.view.Changes == nil {
		return false, false, nil
	}
	if x.resolve(ctx, x.view.Changes.PlainReads()) != nil {
		return false, false, nil
	}
	plain = x.view.Changes.Plain(ctx, &x.change, &x.facts)
	return plain, plain && known.Config == nil && x.view.anyRoleChange(&x.change), nil
}

// withoutPolicy returns the reason why a view judges no changes.
func (v *View) withoutPolicy() string {
	if v.Refusal != "" {
		return v.Refusal
	}
	return authz.ReasonPolicyMissing
}

// errNoActor says that who writes is no user of the portal. It must not be left to
// the policy, which takes a change without an actor for the system's own.
var errNoActor = errors.New("who makes the change is no user of the portal")

func reasonOf(err error) string {
	if errors.Is(err, errNoActor) {
		return authz.ReasonActorUnknown
	}
	return authz.ReasonStoreUnavailable
}

// resolver states the facts around one change, those that are read.
type resolver struct {
	dir     *directory
	source  Directory // of what is not cached; it holds nothing of a portal that is being made
	stored  *View     // as published, by which entities are read and the actor is judged
	view    *View     // by which the change is judged: with what is pending in the configuration
	change  authz.Change
	known   authz.Known
	pending pending
	reads   authz.ChangeReads
	facts   authz.ChangeFacts

	contact, account string // ids that the entity refers to
}

func (d *Decider) resolver(portal string, c *authz.Change, known authz.Known) (*resolver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	v, err := d.views.View(portal)
	if err != nil && (known.Config == nil || authz.KindOf(err) != authz.NotFound) {
		return nil, err
	}
	x := &resolver{dir: d.dir, source: d.dir.source, stored: v, view: v, change: *c, known: known, pending: pending{all: known.Pending, but: c.Entity}}
	if x.change.Now.IsZero() {
		x.change.Now = d.now()
	}
	return x, nil
}

// draft takes the configuration with what is pending for the judgement, if it makes
// a difference. A portal that is being made has no other.
func (x *resolver) draft(d *Decider) (err error) {
	if x.known.Config == nil || x.stored != nil && (x.stored.Snapshot == nil || !x.pending.reconfigures(x.change.Entity.Kind)) {
		return nil
	}
	if x.view, err = d.draft(x.stored, x.known.Config); err == nil && x.stored == nil {
		x.stored, x.source = x.view, IndexWorlds([]authz.World{{Bundle: authz.Bundle{Portal: authz.Portal{ID: x.known.Config.Portal.ID}}}})
	}
	return err
}

// subject returns the entity as it will be, or as it was when it is deleted.
func (x *resolver) subject() authz.Stored {
	if x.change.New != nil {
		return x.change.New
	}
	return x.change.Old
}

// written returns the id of the entity when it is of the kind, and else "".
func (x *resolver) written(kind authz.EntityKind) string {
	if x.change.Entity.Kind == kind {
		return x.change.Entity.ID
	}
	return ""
}

// steps state one fact each, some by way of those before.
var steps = [...]func(*resolver, context.Context) error{
	(*resolver).actor, (*resolver).contactFact, (*resolver).accountFact, (*resolver).owner,
	(*resolver).users, (*resolver).typeUsers, (*resolver).sameLogin, (*resolver).counts,
}

func (x *resolver) resolve(ctx context.Context, reads authz.ChangeReads) error {
	x.reads, x.facts.Latches = reads, x.known.Latches
	for _, step := range steps {
		if err := step(x, ctx); err != nil {
			return err
		}
	}
	s := x.view.Snapshot
	if reads.Roles {
		ids := rolesOf(x.change.Old, rolesOf(x.change.New, nil))
		if u, ok := x.change.New.(authz.User); ok {
			ids = append(ids, s.AllowedRoles(u.UserType)...)
		}
		x.facts.Roles = x.pending.roles(s, ids)
	}
	if x.written(authz.PortalEntity) != "" && reads.Screens {
		x.facts.Roles, x.facts.Screens = s.Unset()
	}
	if right := x.change.Entity; right.Kind == authz.RightEntity {
		if reads.Node {
			x.facts.Node = s.Node(right.ID)
		}
		if reads.Levels {
			x.facts.Levels = x.pending.levels(s, right)
		}
	}
	return nil
}

func (x *resolver) actor(ctx context.Context) (err error) {
	if !x.reads.Actor || x.change.Actor == "" {
		return nil
	}
	if x.facts.Actor, err = x.principal(ctx, x.change.Actor); err == nil && x.facts.Actor == nil {
		return fmt.Errorf("%w: %q", errNoActor, x.change.Actor)
	}
	return err
}

func (x *resolver) principal(ctx context.Context, id string) (*authz.Principal, error) {
	p, err := x.dir.principal(ctx, x.stored, id, x.change.Now)
	return x.stored.Snapshot.Current(p, x.change.Now), err
}

// contactFact finds the contact, which is also where an entity without an account
// of its own has it from.
func (x *resolver) contactFact(ctx context.Context) (err error) {
	switch e := x.subject().(type) {
	case authz.User:
		x.contact, x.account = e.Contact, e.Account
	case authz.Record:
		x.contact, x.account = e.Contact, e.Account
	case authz.Contact:
		x.contact, x.account = e.ID, e.Account
		x.facts.Contact = &authz.ContactFacts{Contact: &e}
		return nil
	case authz.Account:
		x.account = e.ID
		x.facts.Account = &authz.AccountFacts{Account: &e}
		return nil
	}
	if !x.reads.Contact && (x.account != "" || !x.needsAccountID()) {
		return nil
	}
	if x.facts.Contact, err = x.contactOf(ctx, x.contact); err == nil && x.account == "" && x.facts.Contact != nil {
		x.account = x.facts.Contact.Account
	}
	return err
}

// needsAccount reports whether something that is read is found by way of the
// account, and needsAccountID whether it is by way of its id.
func (x *resolver) needsAccount() bool {
	return x.reads.Account || x.reads.Owner || x.counting(authz.CountAccountsOfOwner)
}

func (x *resolver) needsAccountID() bool {
	return x.needsAccount() || x.counting(authz.CountUsersOfAccount)
}

// counting reports whether the store has to be asked for the count.
func (x *resolver) counting(n authz.CountName) bool {
	_, known := x.known.Counts[n]
	return x.reads.Counts[n] && !known
}

func (x *resolver) accountFact(ctx context.Context) (err error) {
	if x.facts.Account == nil && x.needsAccount() {
		x.facts.Account, err = x.accountOf(ctx, x.account)
	}
	return err
}

func (x *resolver) owner(ctx context.Context) (err error) {
	if a := x.facts.Account; a != nil && a.Owner != "" && x.reads.Owner {
		x.facts.Owner, err = x.ownerOf(ctx, a.Owner)
	}
	return err
}

func (x *resolver) users(ctx context.Context) error {
	if !x.reads.Users || x.contact == "" {
		return nil
	}
	all, err := x.source.UsersOfContact(ctx, x.stored.key.portal, x.stored.Generation, x.contact)
	for _, u := range x.pending.users(all, func(u *authz.User) bool { return u.Contact == x.contact }) {
		if u.ID != x.written(authz.UserEntity) {
			x.facts.Users = append(x.facts.Users, u)
		}
	}
	return err
}

// typeUsers finds the users of the type that is written, unless they are too many.
func (x *resolver) typeUsers(ctx context.Context) (err error) {
	if id := x.written(authz.UserTypeEntity); id != "" && x.reads.TypeUsers {
		x.facts.TypeUsers, err = x.source.UsersOfType(ctx, x.stored.key.portal, x.stored.Generation, id)
		if authz.KindOf(err) == authz.TooLarge {
			return nil
		}
		x.facts.TypeUsers = x.pending.users(x.facts.TypeUsers, func(u *authz.User) bool { return u.UserType == id })
	}
	return err
}

func (x *resolver) sameLogin(ctx context.Context) error {
	u, ok := x.change.New.(authz.User)
	if !ok || !x.reads.SameLogin {
		return nil
	}
	n, err := x.sharing(ctx, &u)
	x.facts.SameLogin = &n
	return err
}

func (x *resolver) counts(ctx context.Context) error {
	if len(x.reads.Counts)+len(x.known.Counts) == 0 {
		return nil
	}
	x.facts.Counts = make(map[authz.CountName]int)
	for _, name := range authz.CountNames() {
		if n, known := x.known.Counts[name]; known {
			x.facts.Counts[name] = n
		}
		c, there := x.count(name)
		if !there || !x.counting(name) {
			continue
		}
		n, err := x.counted(ctx, c)
		if err != nil {
			return err
		}
		x.facts.Counts[name] = n + x.pending.more(c)
	}
	return nil
}

// counted returns how many there are without what is pending.
func (x *resolver) counted(ctx context.Context, c authz.Count) (int, error) {
	if c.Name == authz.CountScreens {
		return x.stored.Snapshot.Screens("custom", c.Except), nil
	}
	return x.source.Count(ctx, x.stored.key.portal, x.stored.Generation, c)
}

// count returns what is to be counted, and false when the change names no type,
// account or owner of which there could be any number.
func (x *resolver) count(name authz.CountName) (authz.Count, bool) {
	c := authz.Count{Name: name, Except: x.written(authz.UserEntity)}
	switch name {
	case authz.CountUsersOfType:
		u, _ := x.subject().(authz.User)
		c.Of = u.UserType
		return c, c.Of != ""
	case authz.CountUsersOfAccount:
		c.Of = x.account
		return c, c.Of != ""
	case authz.CountAccountsOfOwner:
		if x.facts.Account != nil {
			c.Of = x.facts.Account.Owner
		}
		c.Except = x.written(authz.AccountEntity)
		return c, c.Of != ""
	case authz.CountPositions:
		c.Except = x.written(authz.AccountEntity)
	case authz.CountScreens:
		c.Except = x.written(authz.NodeEntity)
	}
	return c, true
}

// rolesOf appends the roles that the entity names.
func rolesOf(s authz.Stored, ids []string) []string {
	switch e := s.(type) {
	case authz.User:
		for _, g := range e.Grants {
			ids = append(ids, g.Role)
		}
	case authz.UserType:
		for _, a := range e.AllowedRoles {
			ids = append(ids, a.Role)
		}
	case authz.Role:
		ids = append(ids, e.Inherits...)
	case authz.Right:
		ids = append(ids, e.Role)
	}
	return ids
}
