package mongodb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
)

const (
	maxFaultsTold = 10  // faults in the message of one refused write
	maxAncestors  = 100 // accounts above one that is written
)

func position(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

// refuse returns the faults that e would make, or nil. Paths begin at e itself;
// faults elsewhere, such as the other end of a cycle, keep their own.
func refuse(e authz.Stored, faults authz.Faults, at string) error {
	if len(faults) == 0 {
		return nil
	}
	told := slices.Clone(faults[:min(len(faults), maxFaultsTold)])
	for i := range told {
		if rest, ok := strings.CutPrefix(told[i].Path, at); ok {
			told[i].Path = strings.TrimPrefix(rest, ".")
		}
	}
	msg := told.Error()
	if len(told) == 1 {
		msg = told[0].Msg
	}
	if more := len(faults) - len(told); more > 0 {
		msg += fmt.Sprintf("\nand %d more", more)
	}
	return authz.Errorf(authz.Invalid, "%s cannot be stored: %s", e.Key(), msg).At(told[0].Path).Because(faults)
}

// surroundings are what one entity refers to, as far as it is stored: enough of
// a World to check that entity alone.
type surroundings struct {
	s  *Store
	h  *head
	w  authz.World
	at string // path of the entity
}

func (s *Store) around(h *head) *surroundings {
	return &surroundings{s: s, h: h, w: authz.World{Bundle: authz.Bundle{Portal: authz.Portal{ID: h.ID, Policy: h.Fields.Policy}}}}
}

// exists reports whether what k names is stored; no id names nothing.
func (x *surroundings) exists(ctx context.Context, k authz.Key) (bool, error) {
	d, err := find[meta](ctx, x.s, x.h.scope(), k)
	return d != nil, err
}

func (x *surroundings) verdict(e authz.Stored, err error) error {
	if err != nil {
		return err
	}
	return refuse(e, x.w.Validate(), x.at)
}

func (x *surroundings) userType(ctx context.Context, id string) error {
	ok, err := x.exists(ctx, authz.Key{Kind: authz.UserTypeEntity, ID: id})
	if ok {
		x.w.UserTypes = append(x.w.UserTypes, authz.UserType{ID: id, Linked: authz.LinkedContact})
	}
	return err
}

func (x *surroundings) roles(ctx context.Context, grants []authz.Grant) error {
	seen := make(map[string]bool, len(grants))
	for _, g := range grants {
		if seen[g.Role] {
			continue
		}
		seen[g.Role] = true
		ok, err := x.exists(ctx, authz.Key{Kind: authz.RoleEntity, ID: g.Role})
		if err != nil {
			return err
		}
		if ok {
			x.w.Roles = append(x.w.Roles, authz.Role{ID: g.Role})
		}
	}
	return nil
}

// account adds the account, once and without its parent.
func (x *surroundings) account(ctx context.Context, id string) error {
	if slices.ContainsFunc(x.w.Accounts, func(a authz.Account) bool { return a.ID == id }) {
		return nil
	}
	ok, err := x.exists(ctx, authz.Key{Kind: authz.AccountEntity, ID: id})
	if ok {
		x.w.Accounts = append(x.w.Accounts, authz.Account{ID: id})
	}
	return err
}

// contact adds the contact with its account, which a user's must agree with.
func (x *surroundings) contact(ctx context.Context, id string) error {
	d, err := find[contactDoc](ctx, x.s, x.h.scope(), authz.Key{Kind: authz.ContactEntity, ID: id})
	if err != nil || d == nil {
		return err
	}
	x.w.Contacts = append(x.w.Contacts, authz.Contact{ID: id, Account: d.Account})
	return x.account(ctx, d.Account)
}

// parent adds the record that r belongs to, without its own references.
func (x *surroundings) parent(ctx context.Context, r *authz.Record) error {
	k, ok := r.ParentKey()
	if !ok || k == r.Key() {
		return nil
	}
	ok, err := x.exists(ctx, k)
	if ok {
		x.w.Records = append(x.w.Records, authz.Record{Type: k.Of, ID: k.ID})
	}
	return err
}

func (s *Store) checkUser(ctx context.Context, h *head, u authz.User) error {
	x := s.around(h)
	x.w.Users, x.at = []authz.User{u}, position("users", 0)
	return x.verdict(u, errors.Join(x.userType(ctx, u.UserType), x.roles(ctx, u.Grants), x.account(ctx, u.Account), x.contact(ctx, u.Contact)))
}

func (s *Store) checkRecord(ctx context.Context, h *head, r authz.Record) error {
	x := s.around(h)
	x.w.Records, x.at = []authz.Record{r}, position("records", 0)
	return x.verdict(r, errors.Join(x.account(ctx, r.Account), x.contact(ctx, r.Contact), x.parent(ctx, &r)))
}

// checkContact looks, besides, for users who would be left with the account that
// their contact had.
func (s *Store) checkContact(ctx context.Context, h *head, c authz.Contact) error {
	x := s.around(h)
	x.w.Contacts, x.at = []authz.Contact{c}, position("contacts", 0)
	if err := x.verdict(c, x.account(ctx, c.Account)); err != nil {
		return err
	}
	filter := append(h.scope().all(), bson.E{Key: "contact", Value: c.ID},
		bson.E{Key: "account", Value: bson.D{{Key: "$exists", Value: true}, {Key: "$ne", Value: c.Account}}})
	id, err := s.first(ctx, users, filter)
	if err != nil || id == "" {
		return err
	}
	return authz.Errorf(authz.Conflict, "%s has the user %q, whose account is another: give the user no account, or this one, first", c.Key(), h.scope().key(id)).At("account")
}

// checkAccount follows the parents up, where a cycle would close.
func (s *Store) checkAccount(ctx context.Context, h *head, a authz.Account) error {
	x := s.around(h)
	x.w.Accounts, x.at = []authz.Account{a}, position("accounts", 0)
	for id := a.Parent; id != "" && id != a.ID; {
		d, err := find[accountDoc](ctx, s, h.scope(), authz.Key{Kind: authz.AccountEntity, ID: id})
		if err != nil {
			return err
		}
		if d == nil {
			break
		}
		if len(x.w.Accounts) > maxAncestors {
			return authz.Errorf(authz.TooLarge, "%s lies under more than %d accounts: move it up", a.Key(), maxAncestors).At("parent")
		}
		x.w.Accounts = append(x.w.Accounts, d.entity(id))
		id = d.Parent
	}
	return x.verdict(a, nil)
}

// referrer is a field by which documents of a collection refer to something.
type referrer struct{ collection, field string }

// referrers of each kind, in what is not configuration.
var referrers = map[authz.EntityKind][]referrer{
	authz.UserTypeEntity: {{users, "user_type"}},
	authz.RoleEntity:     {{users, "grants.role"}},
	authz.AccountEntity:  {{users, "account"}, {contacts, "account"}, {records, "account"}, {accounts, "parent"}},
	authz.ContactEntity:  {{users, "contact"}, {records, "contact"}},
	authz.RecordEntity:   {{records, "parent"}},
}

// checkDelete returns NotFound when k is not there and Conflict when something
// refers to it.
func (s *Store) checkDelete(ctx context.Context, h *head, k authz.Key) error {
	d, err := find[meta](ctx, s, h.scope(), k)
	if err != nil {
		return err
	}
	if d == nil {
		return absent(k, h.ID)
	}
	by, err := s.configReferrer(ctx, h, k)
	for _, r := range referrers[k.Kind] {
		if err != nil || by != "" {
			break
		}
		by, err = s.dataReferrer(ctx, h, r, k)
	}
	if err != nil || by == "" {
		return err
	}
	return authz.Errorf(authz.Conflict, "%s is still in use: %s refers to it; change that first", k, by)
}

func (s *Store) dataReferrer(ctx context.Context, h *head, r referrer, k authz.Key) (string, error) {
	id := k.ID
	if k.Kind == authz.RecordEntity {
		id = k.Of + "/" + k.ID
	}
	found, err := s.first(ctx, r.collection, append(h.scope().all(), bson.E{Key: r.field, Value: id}))
	if err != nil || found == "" {
		return "", err
	}
	return fmt.Sprintf("%s %q (%s)", strings.TrimSuffix(r.collection, "s"), h.scope().key(found), r.field), nil
}

// first returns the _id of one document that matches, or "".
func (s *Store) first(ctx context.Context, collection string, filter bson.D) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	var d struct {
		ID string `bson:"_id"`
	}
	err := s.db.Collection(collection).FindOne(ctx, filter, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return "", nil
	}
	return d.ID, err
}

// configReferrer returns what in the configuration refers to k, or "".
func (s *Store) configReferrer(ctx context.Context, h *head, k authz.Key) (string, error) {
	switch k.Kind {
	case authz.UserTypeEntity, authz.RoleEntity, authz.NodeEntity:
	default:
		return "", nil
	}
	b, err := s.configuration(ctx, h)
	if err != nil {
		return "", err
	}
	switch k.Kind {
	case authz.UserTypeEntity:
		return typeReferrer(b, k.ID), nil
	case authz.RoleEntity:
		return roleReferrer(b, k.ID), nil
	}
	return nodeReferrer(b, k.ID), nil
}

func typeReferrer(b *authz.Bundle, id string) string {
	for _, t := range b.UserTypes {
		if t.ID != id && slices.Contains(t.Manages, id) {
			return t.Key().String() + " (manages)"
		}
	}
	return ""
}

func roleReferrer(b *authz.Bundle, id string) string {
	for _, r := range b.Roles {
		if slices.Contains(r.Inherits, id) {
			return r.Key().String() + " (inherits)"
		}
	}
	for _, t := range b.UserTypes {
		if slices.ContainsFunc(t.AllowedRoles, func(a authz.AllowedRole) bool { return a.Role == id }) {
			return t.Key().String() + " (allowed_roles)"
		}
	}
	return ""
}

func nodeReferrer(b *authz.Bundle, id string) string {
	for _, n := range b.Screens {
		if n.Parent == id {
			return n.Key().String() + " (parent)"
		}
		if slices.Contains(n.AlsoIn, id) {
			return n.Key().String() + " (also_in)"
		}
	}
	for _, r := range b.Rights {
		if r.Node == id {
			return "the " + r.Key().String()
		}
	}
	for typ, byAction := range b.Portal.ResourceScreens {
		for _, screen := range byAction {
			if screen == id {
				return fmt.Sprintf("the portal (resource_screens of %q)", typ)
			}
		}
	}
	return ""
}
