package accessdiff

import (
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// subject is who asks: a user of either state, or a visitor who has not logged in.
type subject struct{ typ, id string }

const (
	userSubject      = "user"
	anonymousSubject = "anonymous"
	visitor          = "visitor"
)

// resource is what is asked about, with its title where it has one.
type resource struct {
	authz.Entity
	title string
	fresh bool // a record that is not there yet
}

// kind are the questions about resources of one type and one action.
type kind struct {
	action    string
	resources []resource
}

// newRecord is the id of the record that is asked about as one that is to be made.
const newRecord = "~new"

// OtherAction stands for every action that neither policy names for the type of the
// resource: a policy may grant what it does not name. Of those, answers that are merely
// other are not reported.
const OtherAction = "~other"

// kinds returns what is asked of both sides: every action that either policy names for
// the type of the resource.
func (c *comparison) kinds() ([]kind, error) {
	both, only := c.both, c.options.Actions
	families := resources(both)
	var all []kind
	for _, typ := range order(families) {
		actions := map[string]bool{}
		for i, s := range both {
			if i == 1 && c.samePolicy() {
				break
			}
			if err := s.addActions(typ, actions); err != nil {
				return nil, err
			}
		}
		if len(only) > 0 {
			maps.DeleteFunc(actions, func(a string, _ bool) bool { return !slices.Contains(only, a) })
		}
		for _, a := range slices.Sorted(maps.Keys(actions)) {
			all = append(all, kind{a, families[typ]})
		}
		if len(only) == 0 {
			all = append(all, kind{OtherAction, families[typ]})
		}
	}
	return append(all, administration(both)...), nil
}

// addActions adds the actions that the side's policy names for the type, be it for users
// or for visitors alone.
func (x *side) addActions(typ string, actions map[string]bool) error {
	for _, who := range []string{userSubject, anonymousSubject} {
		scope, err := x.scope(policy.Kind{Subject: who, Resource: typ})
		if err != nil {
			return err
		}
		if scope == nil {
			continue
		}
		for _, a := range scope.Actions() {
			if !strings.HasPrefix(a, "admin:") {
				actions[a] = true
			}
		}
	}
	return nil
}

// administration are the calls without which nobody could mend a policy.
func administration(both [2]*side) []kind {
	var id string
	for _, s := range both {
		if s.policy != nil {
			id = s.world.Portal.ID
		}
	}
	about := func(typ, id string) []resource { return []resource{{Entity: authz.Entity{Type: typ, ID: id}}} }
	return []kind{
		{authz.UpdateCall, about(string(authz.PortalEntity), id)},
		{authz.PublishCall, about(string(authz.PolicyEntity), authz.AnyResource)},
	}
}

// order returns the types: the tree from its root down, and then the others.
func order(families map[string][]resource) []string {
	tree := []string{string(authz.Workspace), string(authz.Screen), string(authz.Container), string(authz.Element)}
	var all []string
	for _, typ := range tree {
		if families[typ] != nil {
			all = append(all, typ)
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(families)) {
		if !slices.Contains(tree, typ) {
			all = append(all, typ)
		}
	}
	return all
}

// resources returns what can be asked about on either side, by type, in the order of the
// side after, with what is only before behind it.
func resources(both [2]*side) map[string][]resource {
	c := collector{all: map[string][]resource{}, seen: map[entityKey]bool{}}
	for _, s := range []*side{both[1], both[0]} {
		w := s.world
		for i := range w.Screens {
			n := &w.Screens[i]
			c.add(string(n.Kind), n.ID, n.Title)
		}
		if s.policy != nil {
			c.add(string(authz.PortalEntity), w.Portal.ID, w.Portal.Title)
		}
		for i := range w.Records {
			c.add(w.Records[i].Type, w.Records[i].ID, "")
		}
		for i := range w.Accounts {
			c.add(string(authz.AccountEntity), w.Accounts[i].ID, "")
		}
		for i := range w.Contacts {
			c.add(string(authz.ContactEntity), w.Contacts[i].ID, "")
		}
		for i := range w.Users {
			c.add(string(authz.UserEntity), w.Users[i].ID, "")
		}
	}
	for typ := range c.all {
		if !authz.NodeKind(typ).Valid() && typ != string(authz.PortalEntity) && typ != string(authz.UserEntity) {
			c.all[typ] = append(c.all[typ], resource{Entity: authz.Entity{Type: typ, ID: newRecord}, fresh: true})
		}
	}
	return c.all
}

type collector struct {
	all  map[string][]resource
	seen map[entityKey]bool
}

type entityKey struct{ typ, id string }

func (c *collector) add(typ, id, title string) {
	key := entityKey{typ, id}
	if c.seen[key] {
		return
	}
	c.seen[key] = true
	c.all[typ] = append(c.all[typ], resource{Entity: authz.Entity{Type: typ, ID: id}, title: title})
}
