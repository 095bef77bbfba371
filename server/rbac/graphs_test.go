package rbac_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/rbac"
)

// role returns a role that inherits the others.
func role(id string, inherits ...string) authz.Role { return authz.Role{ID: id, Inherits: inherits} }

func userType(id string, manages ...string) authz.UserType {
	return authz.UserType{ID: id, Linked: authz.LinkedContact, Manages: manages}
}

func bundle(roles []authz.Role, types ...authz.UserType) *authz.Bundle {
	return &authz.Bundle{Portal: authz.Portal{ID: "storehut", Policy: "p"}, Roles: roles, UserTypes: types}
}

// set returns the ids in the set of the member called id.
func set(t require.TestingT, c *rbac.Closure, id string) []string {
	i, ok := c.Index(id)
	require.True(t, ok, id)
	ids := []string{}
	for _, m := range c.Of(i) {
		ids = append(ids, c.ID(m))
	}
	return ids
}

func TestClosures(t *testing.T) {
	g, err := rbac.Compile(policies.RBACModel, bundle(
		[]authz.Role{role("z", "m", "a"), role("m", "a", "b"), role("b"), role("a"), role("alone")},
		userType("admin", "super", "user"), userType("super", "super", "guest"), userType("user"), userType("guest")))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "m", "z"}, set(t, g.Roles, "z"))
	require.Equal(t, []string{"a", "b", "m"}, set(t, g.Roles, "m"))
	require.Equal(t, []string{"alone"}, set(t, g.Roles, "alone"))
	require.Equal(t, []string{"guest", "super", "user"}, set(t, g.Types, "admin"), "a type that does not list itself does not manage its own kind")
	require.Equal(t, []string{"guest", "super"}, set(t, g.Types, "super"))
	require.Empty(t, set(t, g.Types, "user"))
	_, ok := g.Roles.Index("none")
	require.False(t, ok)
	require.Equal(t, 5, g.Roles.Len())
}

// chain returns n roles, each of which inherits the next.
func chain(n int) []authz.Role {
	roles := make([]authz.Role, n)
	for i := range roles {
		roles[i] = role(fmt.Sprintf("r%05d", i))
		if i+1 < n {
			roles[i].Inherits = []string{fmt.Sprintf("r%05d", i+1)}
		}
	}
	return roles
}

func closed(roles []authz.Role, to string) []authz.Role {
	roles[len(roles)-1].Inherits = append(roles[len(roles)-1].Inherits, to)
	return roles
}

// limit is far more than any refusal takes, on a busy machine and under the race
// detector too, and far less than trying every way through a graph would.
const limit = 30 * time.Second

func TestRefused(t *testing.T) {
	hub := []authz.Role{role("hub")}
	for i := range 1500 {
		leaf, top := fmt.Sprint("leaf", i), fmt.Sprint("top", i)
		hub[0].Inherits = append(hub[0].Inherits, leaf)
		hub = append(hub, role(leaf), role(top, "hub"))
	}
	hubs := []authz.Role{}
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprint("hub", i))
		hubs = append(hubs, role(names[i]))
	}
	for i := range 1500 {
		leaf := fmt.Sprint("leaf", i)
		for h := range names {
			hubs[h].Inherits = append(hubs[h].Inherits, leaf)
		}
		hubs = append(hubs, role(leaf))
	}
	for i := range 460 {
		hubs = append(hubs, role(fmt.Sprint("top", i), names...))
	}
	tests := []struct {
		name string
		b    *authz.Bundle
		kind authz.Kind
		want string
	}{
		{"unknown role", bundle([]authz.Role{role("a", "b")}), authz.Invalid, `roles: role "a" refers to "b", which does not exist`},
		{"role twice", bundle([]authz.Role{role("a"), role("a")}), authz.Invalid, `roles: role "a" is there twice`},
		{"role inherits itself", bundle([]authz.Role{role("a", "a")}), authz.Invalid, `roles: roles form a cycle: a > a`},
		{"cycle", bundle([]authz.Role{role("z", "a"), role("a", "b", "x"), role("b", "a"), role("x")}), authz.Invalid, `roles: roles form a cycle: a > b > a`},
		{"long cycle", bundle(closed(chain(15), "r00003")), authz.Invalid, `r00003 > r00004 > r00005 > r00006 > r00007 > r00008 > r00009 > r00010 > r00011 > r00012 > r00013 > r00014 > r00003`},
		{"huge cycle", bundle(closed(chain(20_000), "r00000")), authz.Invalid, `roles form a cycle: r00000 > r00001`},
		{"chain", bundle(chain(authz.MaxChain + 2)), authz.Invalid, `roles: chain of roles has more than 10 links: r00000 > r00001`},
		{"huge chain", bundle(chain(20_000)), authz.Invalid, `chain of roles has more than 10 links: r19988 > r19989`},
		{"cycle of types", bundle(nil, userType("a", "b"), userType("b", "a", "b")), authz.Invalid, `user_types: user types form a cycle: a > b > a`},
		{"too many entries", bundle(hub), authz.TooLarge, `too dense`},
		{"too many steps", bundle(hubs), authz.TooLarge, `too dense`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			_, err := rbac.Compile(policies.RBACModel, tt.b)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, tt.kind, authz.KindOf(err))
			require.Less(t, time.Since(start), limit)
			require.Less(t, len(err.Error()), 1000)
		})
	}
	_, err := rbac.Compile(policies.RBACModel, bundle(chain(authz.MaxChain+1)))
	require.NoError(t, err)
}

func TestModelWithoutTheGraphs(t *testing.T) {
	for name, text := range map[string]string{
		"none":          "",
		"no model":      "[matchers",
		"no domain":     strings.ReplaceAll(policies.RBACModel, "g2 = _, _, _", "g2 = _, _"),
		"no type graph": strings.ReplaceAll(policies.RBACModel, "g2 = _, _, _", ""),
	} {
		_, err := rbac.Compile(text, bundle(nil))
		require.Error(t, err, name)
		require.Equal(t, authz.Invalid, authz.KindOf(err), name)
	}
}

// enforcer returns stock Casbin with the policy file of b.
func enforcer(t require.TestingT, b *authz.Bundle) *casbin.Enforcer {
	var file strings.Builder
	require.NoError(t, rbac.WritePolicy(&file, b))
	m, err := model.NewModelFromString(policies.RBACModel)
	require.NoError(t, err)
	e, err := casbin.NewEnforcer(m, &textAdapter{file.String()})
	require.NoError(t, err)
	return e
}

// TestCasbinLosesLongChains shows why MaxChain is what it is: one link more, and
// Casbin denies without an error.
func TestCasbinLosesLongChains(t *testing.T) {
	b := bundle(chain(authz.MaxChain + 2))
	b.Rights = []authz.Right{{Role: "r00010", Node: "n", Level: authz.View}, {Role: "r00011", Node: "n", Level: authz.Edit}}
	e := enforcer(t, b)
	ok, err := e.Enforce("r00000", "storehut", "n", "view")
	require.NoError(t, err)
	require.True(t, ok)
	ok, err = e.Enforce("r00000", "storehut", "n", "edit")
	require.NoError(t, err)
	require.False(t, ok)
}

// graphs draws a bundle whose roles and types are the same DAG of names.
func graphs(t *rapid.T) *authz.Bundle {
	names := []string{"a", "b,c", `d "e"`, "f f", "ü", " g ", "#h", "i", "j", "k"}[:rapid.IntRange(1, 10).Draw(t, "n")]
	b := bundle(nil)
	for i, id := range names {
		var roles, types []string
		for _, to := range names[i+1:] {
			if rapid.IntRange(0, 3).Draw(t, "inherits") == 0 {
				roles = append(roles, to)
			}
			if rapid.IntRange(0, 3).Draw(t, "manages") == 0 {
				types = append(types, to)
			}
		}
		if rapid.Bool().Draw(t, "itself") {
			types = append(types, id)
		}
		b.Roles = append(b.Roles, role(id, roles...))
		b.UserTypes = append(b.UserTypes, userType(id, types...))
		for _, node := range []string{"n", "n/o, p"} {
			if l := rapid.IntRange(-4, 5).Draw(t, "level"); l >= 0 {
				b.Rights = append(b.Rights, authz.Right{Role: id, Node: node, Level: authz.Level(l)})
			}
		}
	}
	return b
}

func TestClosuresEqualCasbins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := graphs(t)
		g, err := rbac.Compile(policies.RBACModel, b)
		require.NoError(t, err)
		e := enforcer(t, b)
		for _, r := range b.Roles {
			want, err := e.GetNamedImplicitRolesForUser("g", r.ID, "storehut")
			require.NoError(t, err)
			want = append(want, r.ID)
			slices.Sort(want)
			require.Equal(t, want, set(t, g.Roles, r.ID))
			for _, other := range b.Roles {
				ok, err := e.Enforce(r.ID, "storehut", other.ID, "manage")
				require.NoError(t, err)
				require.Equal(t, slices.Contains(set(t, g.Types, r.ID), other.ID), ok, "%q manages %q", r.ID, other.ID)
			}
			for _, node := range []string{"n", "n/o, p"} {
				requireLevels(t, b, g, e, r.ID, node)
			}
		}
	})
}

// requireLevels compares the explicit levels that a role has at a node, its own
// and inherited, with Enforce's answer for each level there is.
func requireLevels(t *rapid.T, b *authz.Bundle, g *rbac.Graphs, e *casbin.Enforcer, id, node string) {
	effective := set(t, g.Roles, id)
	for l := authz.Revoked; l.Valid(); l++ {
		want := slices.ContainsFunc(b.Rights, func(r authz.Right) bool {
			return r.Node == node && r.Level == l && slices.Contains(effective, r.Role)
		})
		got, err := e.Enforce(id, "storehut", node, l.String())
		require.NoError(t, err)
		require.Equal(t, want, got, "%q at %q: %s", id, node, l)
		other, err := e.Enforce(id, "another", node, l.String())
		require.NoError(t, err)
		require.False(t, other, "the portal is the domain")
	}
}

func BenchmarkCompile(b *testing.B) {
	roles := chain(5000)
	for i := range roles {
		if i%4 == 3 {
			roles[i].Inherits = nil
		}
	}
	in := bundle(roles)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rbac.Compile(policies.RBACModel, in); err != nil {
			b.Fatal(err)
		}
	}
}
