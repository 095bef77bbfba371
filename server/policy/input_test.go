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

func drawRecord(t *rapid.T) *authz.RecordFacts {
	return &authz.RecordFacts{Record: &authz.Record{
		Type: "case", ID: "1", Account: word(t, "account"), Contact: word(t, "contact"), Owner: word(t, "owner"), Parent: word(t, "parent"),
		Flags: drawFlags(t), Properties: drawProperties(t),
	}}
}

func drawAccount(t *rapid.T) *authz.AccountFacts {
	return &authz.AccountFacts{Account: &authz.Account{
		ID: "a", Name: word(t, "name"), Parent: word(t, "parent"), Owner: word(t, "owner"), Flags: drawFlags(t), Attributes: drawProperties(t),
	}}
}

func drawContact(t *rapid.T) *authz.ContactFacts {
	return &authz.ContactFacts{Contact: &authz.Contact{
		ID: "c", Name: word(t, "name"), Email: word(t, "email"), Account: word(t, "account"), Position: word(t, "position"),
		Flags: drawFlags(t), Attributes: drawProperties(t),
	}}
}

func drawNode(*rapid.T) *authz.NodeFacts {
	return &authz.NodeFacts{ID: "n", Kind: authz.Screen, Below: []authz.PathNode{{ID: "e", Kind: authz.Element}}}
}

func drawFields(t *rapid.T) []authz.FieldRights {
	var all []authz.FieldRights
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"phone", "fax", "a.b"}), 0, 3, rapid.ID).Draw(t, "fields") {
		f := authz.FieldRights{Field: name}
		if rapid.Bool().Draw(t, "levels") {
			f.Levels = []authz.RoleLevel{{Role: "q", Level: authz.View}, {Role: "r", Level: authz.Delete}}
		}
		all = append(all, f)
	}
	return all
}

func drawFacts(t *rapid.T) *authz.Facts {
	f := &authz.Facts{
		User: maybe(t, "user", drawPrincipal), Actor: maybe(t, "actor", drawPrincipal), Screen: maybe(t, "screen", drawScreen),
		Record: maybe(t, "record", drawRecord), Parent: maybe(t, "parent", drawRecord), Owner: maybe(t, "owner", drawPrincipal),
		Contact: maybe(t, "contact", drawContact), Account: maybe(t, "account", drawAccount), Fields: drawFields(t),
		Target: maybe(t, "target", func(t *rapid.T) *authz.Target {
			if rapid.Bool().Draw(t, "called") {
				return drawCalled(t)
			}
			return &authz.Target{User: maybe(t, "a user", drawUser), Contact: drawContact(t).Contact}
		}),
	}
	if rapid.Bool().Draw(t, "rights") {
		f.Rights = []authz.NodeRights{{Node: "n0", Levels: []authz.RoleLevel{{Role: "q", Level: authz.Revoked}, {Role: "r", Level: authz.Delete}}}}
	}
	return f
}

func drawStored(t *rapid.T) authz.Stored {
	grants := []authz.Grant{{Role: "r"}, {Role: "q", By: "b", From: time.Now(), Until: time.Now().Add(time.Hour)}}
	u := *drawUser(t)
	u.Grants = grants[:rapid.IntRange(0, 2).Draw(t, "grants")]
	return rapid.SampledFrom([]authz.Stored{
		authz.Portal{ID: "p", Policy: "x", Settings: drawProperties(t), ResourceScreens: map[string]map[string]string{"case": {"*": "S"}}},
		authz.UserType{ID: "t", AllowedRoles: []authz.AllowedRole{{Role: "r", Default: true}}, Manages: []string{"t"}},
		authz.Role{ID: "r", Guest: true, Attributes: drawProperties(t)}, authz.Node{ID: "n", Kind: authz.Screen},
		authz.Right{Role: "r", Node: "n", Level: authz.Edit}, u, *drawAccount(t).Account, *drawContact(t).Contact, *drawRecord(t).Record,
	}).Draw(t, "entity")
}

// drawCalled returns what an administration call is about.
func drawCalled(t *rapid.T) *authz.Target {
	e := drawStored(t)
	if rapid.Bool().Draw(t, "a policy") {
		e = authz.PolicyRevision{Number: 7, At: time.Now(), Files: map[string]string{"x.rego": "package x"}, Checked: &authz.PolicyCheck{OK: true}}
	}
	levels := []authz.NodeRights{{Node: "n", Levels: []authz.RoleLevel{{Role: "r", Level: authz.Edit}}}}
	return rapid.SampledFrom([]*authz.Target{
		{Key: e.Key()}, {Key: e.Key(), Node: drawNode(t), Levels: levels}, {Key: e.Key(), Before: e, After: e}, {Key: e.Key(), After: e}, {Key: e.Key(), Before: e},
	}).Draw(t, "sides")
}

func drawChange(t *rapid.T) *authz.Change {
	e := drawStored(t)
	c := &authz.Change{Operation: authz.UpdateEntity, Entity: e.Key(), Old: e, New: e, Context: drawProperties(t), Now: time.Now()}
	switch rapid.IntRange(0, 2).Draw(t, "operation") {
	case 0:
		c.Operation, c.Old = authz.CreateEntity, nil
	case 1:
		c.Operation, c.New = authz.DeleteEntity, nil
	}
	return c
}

func drawChangeFacts(t *rapid.T) *authz.ChangeFacts {
	f := &authz.ChangeFacts{
		Actor: maybe(t, "actor", drawPrincipal), Owner: maybe(t, "owner", drawPrincipal),
		Contact: maybe(t, "contact", drawContact), Account: maybe(t, "account", drawAccount),
		Roles:     map[string]*authz.RoleFacts{"r": {Role: &authz.Role{ID: "r", Guest: rapid.Bool().Draw(t, "guest"), Inherits: []string{"q"}, Attributes: drawProperties(t)}}, "q": {Role: &authz.Role{ID: "q"}}},
		Users:     rapid.SliceOfN(rapid.Custom(drawUser), 0, 2).Draw(t, "users"),
		Node:      maybe(t, "node", drawNode),
		TypeUsers: rapid.SampledFrom([][]*authz.User{nil, {}, {drawUser(t)}}).Draw(t, "type users"),
		Screens:   rapid.SampledFrom([][]authz.PathNode{nil, {}, {{ID: "s", Kind: authz.Screen, Configured: true}}}).Draw(t, "screens"),
		Levels:    []authz.NodeRights{{Node: "n", Levels: []authz.RoleLevel{{Role: "r", Level: authz.Edit}}}},
		SameLogin: maybe(t, "same login", func(*rapid.T) *int { return new(int) }),
		Counts:    map[authz.CountName]int{authz.CountUsers: 3, authz.CountPositions: 0},
		Latches:   rapid.SliceOfN(rapid.SampledFrom([]string{"W1", "W2"}), 0, 2).Draw(t, "latches"),
	}
	return f
}

// everything is a policy that reads input as a whole, and so is shown all of it.
func everything(t *testing.T) *Policy {
	program, err := Compile(Modules{"t.rego": "package t\n\ndecision := input\n\nadmission := input"}, []byte("{}"), time.Second)
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
	require.NotEmpty(t, conforms(ast.MustParseTerm(`{"portal": "p", "context": {}, "more": 1}`)), "the schema is held")
	check := func(t *rapid.T, input *ast.Term, always ...string) {
		if faults := conforms(input); faults != "" {
			t.Fatalf("%s\n%s", faults, input)
		}
		for _, name := range always {
			if input.Get(ast.StringTerm(name)) == nil {
				t.Fatalf("input.%s is missing\n%s", name, input)
			}
		}
		empty := ast.StringTerm("")
		for _, fact := range []string{"user", "actor", "record", "parent", "owner", "contact", "account", "target", "old", "new"} {
			if v := input.Get(ast.StringTerm(fact)); v != nil {
				for _, name := range []string{"account", "contact", "user_type", "position", "owner", "parent", "name", "email"} {
					if m := v.Get(ast.StringTerm(name)); m != nil && m.Equal(empty) {
						t.Fatalf("input.%s.%s is empty and not absent", fact, name)
					}
				}
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, p.input(drawQuery(t), drawFacts(t)), "portal", "subject", "action", "resource", "context")
		check(t, p.changeInput(&p.admission.needs, drawChange(t), drawChangeFacts(t)),
			"portal", "operation", "entity", "context", "roles", "users", "levels", "counts", "latches")
	})
}

// TestInputIsNarrow holds that a policy is shown the same of what it reads,
// whatever else it does not read.
func TestInputIsNarrow(t *testing.T) {
	whole := everything(t)
	narrow := func(t *testing.T, member string) *Policy {
		source := "package t\n\ndecision := input." + member + "\n\nadmission := input." + member
		program, err := Compile(Modules{"t.rego": source}, []byte("{}"), time.Second)
		require.NoError(t, err)
		p, err := program.Bind(&authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "t"}})
		require.NoError(t, err)
		return p
	}
	same := func(t *rapid.T, member string, whole, narrow *ast.Term) {
		ref := ast.MustParseRef("input." + member)
		want, wantErr := whole.Value.Find(ref[1:])
		got, gotErr := narrow.Value.Find(ref[1:])
		if (wantErr == nil) != (gotErr == nil) || wantErr == nil && ast.Compare(want, got) != 0 {
			t.Fatalf("input.%s: want %v, got %v", member, want, got)
		}
	}
	for _, member := range []string{
		"portal", "subject.id", "action.properties", "resource.type", "actor.id", "screen.path", "rights", "record.flags", "account.id", "target.type", "context.now", "user.roles",
		"record.parent", "parent", "parent.type", "owner.active", "contact.position", "contact", "fields", "fields.phone", "target.login", "target.position",
		"node", "node.below", "levels", "target", "target.of", "target.before", "target.after.account",
	} {
		p := narrow(t, member)
		rapid.Check(t, func(t *rapid.T) {
			q, f := drawQuery(t), drawFacts(t)
			same(t, member, whole.input(q, f), p.input(q, f))
		})
	}
	for _, member := range []string{
		"portal", "operation", "entity", "entity.of", "old", "new.grants", "new", "actor.roles", "context.now", "roles", "roles.r.guest", "contact.id", "account.owner",
		"owner", "users", "same_login", "node", "node.below", "levels", "counts", "counts.users", "latches", "type_users", "screens",
	} {
		p := narrow(t, member)
		rapid.Check(t, func(t *rapid.T) {
			c, f := drawChange(t), drawChangeFacts(t)
			same(t, member, whole.changeInput(&whole.admission.needs, c, f), p.changeInput(&p.admission.needs, c, f))
		})
	}
}

// TestInputLeavesOutWhatIsNotRead counts the members that policies of one fact are
// shown.
func TestInputLeavesOutWhatIsNotRead(t *testing.T) {
	program, err := Compile(Modules{"t.rego": "package t\n\ndecision := input.owner.active\n\nadmission := input.new.login"}, []byte("{}"), time.Second)
	require.NoError(t, err)
	p, err := program.Bind(&authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "t"}})
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		q, f := drawQuery(t), drawFacts(t)
		q.Context, f.Owner = nil, drawPrincipal(t)
		if got := p.input(q, f); got.String() != `{"context": {}, "owner": {"active": `+fmt.Sprint(f.Owner.Active)+`}}` {
			t.Fatalf("got %s", got)
		}
		c := &authz.Change{New: authz.User{ID: "u", Login: "l"}}
		if got := p.changeInput(&p.admission.needs, c, drawChangeFacts(t)); got.String() != `{"context": {}, "new": {"login": "l"}}` {
			t.Fatalf("got %s", got)
		}
	})
}
