package rbac_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
	"github.com/casbin/casbin/v2/persist"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/rbac"
)

// textAdapter hands Casbin the lines of a policy file one by one, as its file
// adapter does.
type textAdapter struct{ text string }

func (a *textAdapter) LoadPolicy(m model.Model) error {
	for line := range strings.Lines(a.text) {
		if err := persist.LoadPolicyLine(strings.TrimSpace(line), m); err != nil {
			return err
		}
	}
	return nil
}

var errReadOnly = errors.New("read only")

func (*textAdapter) SavePolicy(model.Model) error                              { return errReadOnly }
func (*textAdapter) AddPolicy(string, string, []string) error                  { return errReadOnly }
func (*textAdapter) RemovePolicy(string, string, []string) error               { return errReadOnly }
func (*textAdapter) RemoveFilteredPolicy(string, string, int, ...string) error { return errReadOnly }

func TestWritePolicy(t *testing.T) {
	b := bundle([]authz.Role{role("Customer User", "reader"), role("reader")}, userType("admin", "user", "admin"), userType("user"))
	b.Rights = []authz.Right{{Role: "reader", Node: "SP408030", Level: authz.View}, {Role: "Customer User", Node: `a, "b"`, Level: authz.Revoked}}
	var out strings.Builder
	require.NoError(t, rbac.WritePolicy(&out, b))
	require.Equal(t, `p, "Customer User", storehut, "a, ""b""", revoked
p, reader, storehut, SP408030, view
p, admin, storehut, admin, manage
g, "Customer User", reader, storehut
g2, admin, user, storehut
`, out.String())
}

// TestStockTools reads the model and the policy from files by Casbin's own means.
func TestStockTools(t *testing.T) {
	b := bundle([]authz.Role{role(` "Customer", User `, "reader"), role("reader")}, userType("#admin", "user", "#admin"), userType("user"))
	b.Rights = []authz.Right{{Role: "reader", Node: "Fälle, alle", Level: authz.View}}
	file := filepath.Join(t.TempDir(), "policy.csv")
	var out strings.Builder
	require.NoError(t, rbac.WritePolicy(&out, b))
	require.NoError(t, os.WriteFile(file, []byte(out.String()), 0o600))
	e, err := casbin.NewEnforcer("../../policies/rbac_model.conf", file)
	require.NoError(t, err)
	for _, tt := range []struct {
		sub, obj, act string
		want          bool
	}{
		{` "Customer", User `, "Fälle, alle", "view", true},
		{` "Customer", User `, "Fälle, alle", "edit", false},
		{"#admin", "user", "manage", true},
		{"#admin", "#admin", "manage", true},
		{"user", "user", "manage", false},
	} {
		ok, err := e.Enforce(tt.sub, "storehut", tt.obj, tt.act)
		require.NoError(t, err)
		require.Equal(t, tt.want, ok, tt)
	}
}

func TestPolicyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := graphs(t)
		want := rbac.PolicyOf(b)
		var out strings.Builder
		require.NoError(t, rbac.WritePolicy(&out, b))
		got, err := rbac.ReadPolicy(strings.NewReader(out.String()))
		require.NoError(t, err)
		if out.Len() == 0 {
			want.Portal = "" // nothing names it
		}
		require.Equal(t, want, got)
	})
}

func TestWritePolicyRefusesWhatCasbinMixesUp(t *testing.T) {
	b := bundle([]authz.Role{role("a,b", "c"), role("a", "b,c"), role("b,c"), role("c")})
	var out strings.Builder
	err := rbac.WritePolicy(&out, b)
	require.ErrorContains(t, err, `Casbin cannot tell the rules "g,a,b,c,storehut" apart`)
	require.Equal(t, authz.Invalid, authz.KindOf(err))
	err = rbac.WritePolicy(&out, bundle([]authz.Role{role("a\ng", "b"), role("b")}))
	require.ErrorContains(t, err, "line break")
	require.Zero(t, out.Len())
}

func TestWritePolicyReportsTheWriter(t *testing.T) {
	err := rbac.WritePolicy(failing{}, bundle([]authz.Role{role("a", "b"), role("b")}))
	require.Equal(t, authz.Unavailable, authz.KindOf(err))
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errReadOnly }

func TestReadPolicy(t *testing.T) {
	p, err := rbac.ReadPolicy(strings.NewReader("# made by hand\n\n  p,a , s,  n,view\np, a, s, n, view\ng2, t, t, s\n"))
	require.NoError(t, err)
	require.Equal(t, &rbac.Policy{Portal: "s", Manages: []rbac.Link{{From: "t", To: "t"}},
		Rights: []authz.Right{{Role: "a", Node: "n", Level: authz.View}, {Role: "a ", Node: "n", Level: authz.View}}}, p)

	many := strings.Repeat("g,a,b,s\n", 1_000_001)
	tests := []struct {
		name, text string
		kind       authz.Kind
		want       string
	}{
		{"kind", "g, a, b, s\nq, a, b, s\n", authz.Invalid, `line 2: want "p, role`},
		{"fields", "p, a, s, n\n", authz.Invalid, `line 1: want "p, role`},
		{"too many fields", "g, a, b, s, t\n", authz.Invalid, `line 1: want`},
		{"empty field", "g, a, , s\n", authz.Invalid, `line 1: a field is empty`},
		{"quote", "g, a, \"b, s\n", authz.Invalid, `line 1: not a rule`},
		{"level", "p, a, s, n, veiw\n", authz.Invalid, `line 1: unknown level "veiw"`},
		{"inherited level", "p, a, s, n, inherit\n", authz.Invalid, `line 1: unknown level "inherit"`},
		{"manages another", "p, a, s, b, manage\n", authz.Invalid, `line 1: a p rule with the action "manage" is of a user type and itself`},
		{"two portals", "g, a, b, s\n\ng, a, b, t\n", authz.Invalid, `line 3: rule of portal "t" in a file of portal "s"`},
		{"long line", "g, a, b, s\n#" + strings.Repeat("x", 20_000), authz.TooLarge, `line 2: the line is longer than`},
		{"many rules", many, authz.TooLarge, `line 1000001: more than 1000000 rules`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := rbac.ReadPolicy(strings.NewReader(tt.text))
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, tt.kind, authz.KindOf(err))
		})
	}
	_, err = rbac.ReadPolicy(iotest.ErrReader(errReadOnly))
	require.Equal(t, authz.Unavailable, authz.KindOf(err))
}

func FuzzReadPolicy(f *testing.F) {
	f.Add("p, a, s, n, view\ng, a, b, s\ng2, \"t, \"\"u\"\"\", v, s\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := rbac.ReadPolicy(strings.NewReader(text))
		require.Equal(t, err == nil, p != nil)
	})
}
