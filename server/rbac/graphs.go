package rbac

import (
	"strings"

	"github.com/casbin/casbin/v2/model"
	defaultrolemanager "github.com/casbin/casbin/v2/rbac/default-role-manager"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Graphs are the closures of one portal's role graphs.
type Graphs struct {
	Roles *Closure // each role and all that it inherits; a role is in its own set
	Types *Closure // all user types that a type manages; a type is in its own set only if it lists itself
}

// Compile loads the graphs of b into the role managers of the Casbin model with
// the given text, and freezes their closures. It returns an authz.Invalid error
// for a model without the two graphs and for a graph that has a cycle, a chain
// that is too long, a duplicate or an unknown member, and authz.TooLarge for
// closures beyond their bound.
func Compile(text string, b *authz.Bundle) (*Graphs, error) {
	m, err := model.NewModelFromString(text)
	if err != nil {
		return nil, authz.Errorf(authz.Invalid, "the Casbin model cannot be read").Because(err)
	}
	roles := members{noun: "role", field: "roles", n: len(b.Roles), reflexive: true,
		id:   func(i int) string { return b.Roles[i].ID },
		refs: func(i int) []string { return b.Roles[i].Inherits }}
	types := members{noun: "user type", field: "user_types", n: len(b.UserTypes),
		id:   func(i int) string { return b.UserTypes[i].ID },
		refs: func(i int) []string { return b.UserTypes[i].Manages }}
	var g Graphs
	if g.Roles, err = compile(m, "g", b.Portal.ID, roles); err != nil {
		return nil, err
	}
	if g.Types, err = compile(m, "g2", b.Portal.ID, types); err != nil {
		return nil, err
	}
	return &g, nil
}

// members are what one graph is made of.
type members struct {
	noun, field string
	n           int
	id          func(i int) string
	refs        func(i int) []string
	reflexive   bool // each member belongs to its own set
}

func compile(m model.Model, graph, portal string, of members) (*Closure, error) {
	a, err := m.GetAssertion("g", graph)
	if err != nil || strings.Count(a.Value, "_") != 3 {
		return nil, authz.Errorf(authz.Invalid, "the Casbin model has no role definition %q with a domain: want \"%s = _, _, _\"", graph, graph).Because(err)
	}
	c, err := number(of)
	if err != nil {
		return nil, err
	}
	rm := defaultrolemanager.NewRoleManager(authz.MaxChain)
	if err := load(rm, c, portal, of); err != nil {
		return nil, err
	}
	direct, err := ask(rm, c, portal)
	if err != nil {
		return nil, err
	}
	if err := c.freeze(direct, of); err != nil {
		return nil, err
	}
	return c, nil
}

// load gives every reference to Casbin. It checks what Casbin does not: that
// both ends exist.
func load(rm *defaultrolemanager.RoleManager, c *Closure, portal string, of members) error {
	for i := range of.n {
		for _, ref := range of.refs(i) {
			if _, ok := c.Index(ref); !ok {
				return authz.Errorf(authz.Invalid, "%s %q refers to %q, which does not exist", of.noun, of.id(i), ref).At(of.field)
			}
			if err := rm.AddLink(of.id(i), ref, portal); err != nil {
				return authz.Errorf(authz.Internal, "Casbin refuses a link of %s %q", of.noun, of.id(i)).Because(err)
			}
		}
	}
	return nil
}

// ask returns what Casbin says each member is linked to directly. Casbin is not
// asked for closures: it follows authz.MaxChain links and keeps silent about the
// rest, and walks the graph anew for every member.
func ask(rm *defaultrolemanager.RoleManager, c *Closure, portal string) ([][]int32, error) {
	direct := make([][]int32, c.Len())
	for i, id := range c.ids {
		linked, err := rm.GetRoles(id, portal)
		if err != nil {
			return nil, authz.Errorf(authz.Internal, "Casbin cannot tell what %q is linked to", id).Because(err)
		}
		direct[i] = make([]int32, len(linked))
		for j, to := range linked {
			direct[i][j] = c.at[to]
		}
	}
	return direct, nil
}
