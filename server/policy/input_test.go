package policy

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// word draws an identifier, often none.
func word(t *rapid.T, name string) string {
	return rapid.SampledFrom([]string{"", "", "a", "b", "Customer User", "é\"\\", "ray.newman"}).Draw(t, name)
}

func maybe[E any](t *rapid.T, name string, draw func(*rapid.T) *E) *E {
	if rapid.Bool().Draw(t, name) {
		return draw(t)
	}
	return nil
}

func drawFlags(t *rapid.T) map[string]bool {
	return rapid.MapOfN(rapid.SampledFrom([]string{"closed", "admin"}), rapid.Bool(), 0, 2).Draw(t, "flags")
}

func drawProperties(t *rapid.T) map[string]any {
	value := rapid.SampledFrom([]any{nil, true, "x", json.Number("1.5"), int64(3), []any{"a", nil}, map[string]any{"k": "v"}})
	return rapid.MapOfN(rapid.SampledFrom([]string{"account", "x", "y"}), value, 0, 3).Draw(t, "properties")
}

func drawUser(t *rapid.T) *authz.User {
	return &authz.User{
		ID: word(t, "id") + "u", Login: word(t, "login"), Active: rapid.Bool().Draw(t, "active"), UserType: word(t, "type"),
		Account: word(t, "account"), Contact: word(t, "contact"), Position: word(t, "position"), Flags: drawFlags(t), Attributes: drawProperties(t),
		Grants: []authz.Grant{{Role: "r"}},
	}
}

func drawPrincipal(t *rapid.T) *authz.Principal {
	roles := rapid.SliceOf(rapid.SampledFrom([]string{"r", "q"}))
	return &authz.Principal{
		User: drawUser(t), Roles: roles.Draw(t, "roles"), EffectiveRoles: roles.Draw(t, "effective"),
		Manages: roles.Draw(t, "manages"), SameLogin: rapid.IntRange(0, 9).Draw(t, "same"),
	}
}

func drawScreen(t *rapid.T) *authz.ScreenFacts {
	kinds := []authz.NodeKind{authz.Workspace, authz.Screen, authz.Container, authz.Element}
	depth := rapid.IntRange(1, len(kinds)).Draw(t, "depth")
	path := make([]authz.PathNode, depth)
	for i := range path {
		path[i] = authz.PathNode{ID: fmt.Sprint("n", i), Kind: kinds[i], Configured: rapid.Bool().Draw(t, "configured")}
	}
	return &authz.ScreenFacts{
		Node: &authz.Node{ID: path[depth-1].ID, Kind: kinds[depth-1], Title: word(t, "title"), Flags: drawFlags(t)}, Path: path,
		Features: []string{"f", "g"}, FeaturesOff: rapid.SampledFrom([][]string{nil, {"f"}}).Draw(t, "off"),
	}
}

func drawQuery(t *rapid.T) *authz.Query {
	entity := func(name string) authz.Entity {
		return authz.Entity{Type: word(t, name+" type"), ID: word(t, name+" id") + "x", Properties: drawProperties(t)}
	}
	q := &authz.Query{Subject: entity("subject"), Resource: entity("resource"), Context: drawProperties(t), Now: time.Now()}
	q.Action = authz.Action{Name: word(t, "action"), Properties: drawProperties(t)}
	return q
}

func drawFacts(t *rapid.T) *authz.Facts {
	f := &authz.Facts{
		User: maybe(t, "user", drawPrincipal), Actor: maybe(t, "actor", drawPrincipal), Screen: maybe(t, "screen", drawScreen),
		Record: maybe(t, "record", func(t *rapid.T) *authz.RecordFacts {
			return &authz.RecordFacts{Record: &authz.Record{
				Type: "case", ID: "1", Account: word(t, "account"), Contact: word(t, "contact"), Owner: word(t, "owner"),
				Flags: drawFlags(t), Properties: drawProperties(t),
			}}
		}),
		Account: maybe(t, "account", func(t *rapid.T) *authz.AccountFacts {
			return &authz.AccountFacts{Account: &authz.Account{
				ID: "a", Name: word(t, "name"), Parent: word(t, "parent"), Owner: word(t, "owner"), Flags: drawFlags(t), Attributes: drawProperties(t),
			}}
		}),
		Target: maybe(t, "target", func(t *rapid.T) *authz.Target {
			return &authz.Target{User: maybe(t, "a user", drawUser), Contact: &authz.Contact{ID: "c", Account: word(t, "account"), Flags: drawFlags(t), Attributes: drawProperties(t)}}
		}),
	}
	if rapid.Bool().Draw(t, "rights") {
		f.Rights = []authz.NodeRights{{Node: "n0", Levels: []authz.RoleLevel{{Role: "q", Level: authz.Revoked}, {Role: "r", Level: authz.Delete}}}}
	}
	return f
}

// everything is a policy that reads input as a whole, and so is shown all of it.
func everything(t *testing.T) *Policy {
	program, err := Compile(Modules{"t.rego": "package t\n\ndecision := input"}, []byte("{}"), time.Second)
	require.NoError(t, err)
	p, err := program.Bind(&authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "t"}})
	require.NoError(t, err)
	return p
}

// TestInputMatchesSchema shows drawn questions and facts to a policy, and holds
// what it sees against the schema that policies are compiled against.
func TestInputMatchesSchema(t *testing.T) {
	schema, err := os.ReadFile("../../policies/schema/input.json")
	require.NoError(t, err)
	p := everything(t)
	conforms := func(input *ast.Term) string {
		var faults string
		operands := []*ast.Term{ast.StringTerm(input.String()), ast.StringTerm(string(schema))}
		err := topdown.GetBuiltin(ast.JSONMatchSchema.Name)(topdown.BuiltinContext{}, operands, func(result *ast.Term) error {
			if answer := result.Value.(*ast.Array); !ast.Boolean(true).Equal(answer.Elem(0).Value) {
				faults = answer.Elem(1).String()
			}
			return nil
		})
		require.NoError(t, err)
		return faults
	}
	require.NotEmpty(t, conforms(ast.MustParseTerm(`{"portal": "p", "more": 1}`)), "the schema is held")
	rapid.Check(t, func(t *rapid.T) {
		input := p.input(drawQuery(t), drawFacts(t))
		if faults := conforms(input); faults != "" {
			t.Fatalf("%s\n%s", faults, input)
		}
		empty := ast.StringTerm("")
		for _, fact := range []string{"user", "actor", "record", "account", "target"} {
			if v := input.Get(ast.StringTerm(fact)); v != nil {
				for _, name := range []string{"account", "contact", "user_type", "position", "owner", "parent", "name"} {
					if m := v.Get(ast.StringTerm(name)); m != nil && m.Equal(empty) {
						t.Fatalf("input.%s.%s is empty and not absent", fact, name)
					}
				}
			}
		}
	})
}

// TestInputIsNarrow holds that a policy is shown the same of what it reads,
// whatever else it does not read.
func TestInputIsNarrow(t *testing.T) {
	whole := everything(t)
	for _, member := range []string{"portal", "subject.id", "action.properties", "resource.type", "actor.id", "screen.path", "rights", "record.flags", "account.id", "target.type", "context.now", "user.roles"} {
		program, err := Compile(Modules{"t.rego": "package t\n\ndecision := input." + member}, []byte("{}"), time.Second)
		require.NoError(t, err)
		narrow, err := program.Bind(&authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "t"}})
		require.NoError(t, err)
		ref := ast.MustParseRef("input." + member)
		rapid.Check(t, func(t *rapid.T) {
			q, f := drawQuery(t), drawFacts(t)
			want, wantErr := whole.input(q, f).Value.Find(ref[1:])
			got, gotErr := narrow.input(q, f).Value.Find(ref[1:])
			if (wantErr == nil) != (gotErr == nil) || wantErr == nil && ast.Compare(want, got) != 0 {
				t.Fatalf("input.%s: want %v, got %v", member, want, got)
			}
		})
	}
}
