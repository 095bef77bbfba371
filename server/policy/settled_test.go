package policy

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// settling returns what settles the rule called name.
func (s settled) settling(name string) settling {
	if r := s.of(ast.MustParseRef("data." + name)); r != nil {
		return r.by
	}
	return unsettled
}

// boundTo returns the policy of the rules, compiled without the schema of input, under a setting.
func boundTo(t testing.TB, rules string, setting any) *Policy {
	t.Helper()
	p, err := Compile(Modules{"t.rego": "package t\n" + rules, "l.rego": "package l\n\nhere := input.screen.id\n\nanyone := input.user.id\n\nf(document) := document.user.id\n"}, []byte("{}"), time.Second)
	require.NoError(t, err)
	bound, err := p.Bind(&authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "t", Settings: map[string]any{"x": setting}}})
	require.NoError(t, err)
	return bound
}

// posed is a question with its facts; those about one place share what is kept there.
type posed struct {
	q authz.Query
	f authz.Facts
}

// questions returns questions that differ in all that a policy can see of them, each in
// one thing from some other.
func questions() (all []posed) {
	for _, roles := range [][]string{{"a"}, {"a", "b"}} {
		for _, screen := range []string{"s1", "s2"} {
			at := &authz.Memo{}
			for _, subject := range []string{"user", "anonymous"} {
				for _, typ := range []string{"screen", "case"} {
					for _, action := range []string{"view", "edit"} {
						for n := range 4 {
							q := authz.Query{
								Subject: authz.Entity{Type: subject, ID: fmt.Sprint("u", n%2)}, Resource: authz.Entity{Type: typ, ID: fmt.Sprint("r", n/2)},
								Action: authz.Action{Name: action, Properties: map[string]any{"x": fmt.Sprint(n % 2)}}, Context: map[string]any{"x": fmt.Sprint(n / 2), "who": "user"},
							}
							f := authz.Facts{
								User:   &authz.Principal{User: &authz.User{ID: q.Subject.ID, Active: n/2 == 0}, EffectiveRoles: roles},
								Screen: &authz.ScreenFacts{Node: &authz.Node{ID: screen, Kind: authz.Screen}},
								Record: &authz.RecordFacts{Record: &authz.Record{ID: q.Resource.ID}}, Place: at,
							}
							for _, r := range roles {
								f.Rights = append(f.Rights, authz.NodeRights{Node: screen, Levels: []authz.RoleLevel{{Role: r, Level: authz.Level(len(screen + r))}}})
							}
							all = append(all, posed{q, f})
						}
					}
				}
			}
		}
	}
	return all
}

// TestSettledRules tells of rules whether they are settled, and holds what is decided with
// values that are kept against what is decided without any, for all questions, from many
// sides at once.
func TestSettledRules(t *testing.T) {
	for _, tc := range []struct {
		name, rules string
		by          settling
	}{
		{"a constant", `value := "x"`, byKind},
		{"the action", `value := input.action.name`, byKind},
		{"what it is about", `value := input.resource.type`, byKind},
		{"who asks", `value := "x" if input.subject.type == "user"`, byKind},
		{"all three", `value := concat(" ", [input.action.name, input.resource.type, input.subject.type])`, byKind},
		{"the portal", `value := input.portal`, byKind},
		{"a setting", `value := data.portal.settings.x`, byKind},
		{"a function of the action", "value := f(input.action.name)\nf(x) := upper(x)", byKind},
		{"a screen", `value := input.screen.id`, byPlace},
		{"a right", `value := sprintf("%v", [input.rights])`, byPlace},
		{"roles", `value := sprintf("%v", [input.user.effective_roles])`, byPlace},
		{"a screen in another package", `value := data.l.here`, byPlace},
		{"a screen, undefined", `value := "x" if input.screen.id == "s2"`, byPlace},
		{"a screen, or else", "value := \"x\" if input.screen.id == \"s2\"\n\nelse := \"y\"", byPlace},
		{"a screen, by default", "default value := \"y\"\n\nvalue := \"x\" if input.screen.id == \"s2\"", byPlace},
		{"two rules of one name", "value := \"s1\" if input.screen.id == \"s1\"\n\nvalue := input.screen.id if input.screen.kind == \"screen\"", byPlace},
		{"roles in a comprehension", `value := concat(" ", {r | some r in input.user.effective_roles})`, byPlace},

		{"the action at a screen", `value := concat(" ", [input.action.name, input.screen.id])`, byBoth},
		{"who asks at a screen, undefined", `value := "x" if { input.subject.type == "user"; input.screen.id == "s2" }`, byBoth},
		{"rules of both kinds", "value := concat(\" \", [action, here])\n\naction := input.action.name\n\nhere := data.l.here", byBoth},
		{"roles for a type", `value := sprintf("%v %v", [input.resource.type, input.user.effective_roles])`, byBoth},
		{"who asks, by id", `value := input.subject.id`, unsettled},
		{"what it is about, by id", `value := input.resource.id`, unsettled},
		{"what it is about, all of it", `value := sprintf("%v", [input.resource])`, unsettled},
		{"a property of the action", `value := input.action.properties.x`, unsettled},
		{"the context", `value := input.context.x`, unsettled},
		{"a user", `value := input.user.id`, unsettled},
		{"a user who is there", `value := "x" if input.user.active`, unsettled},
		{"a user, all of it", `value := sprintf("%v", [input.user])`, unsettled},
		{"a record", `value := input.record.id`, unsettled},
		{"a record that is not read", `value := "x" if { input.record.id != ""; true }`, unsettled},
		{"all of input", `value := sprintf("%v", [input])`, unsettled},
		{"a member by a name that is read", `value := input[input.context.who].id`, unsettled},
		{"any member", `value := concat(" ", [x | some name; x := input[name].id])`, unsettled},
		{"a walk", `value := concat(" ", [x | walk(input, [_, x]); is_string(x)])`, unsettled},
		{"a user in another package", `value := data.l.anyone`, unsettled},
		{"any rule of another package", `value := concat(" ", [x | some name; x := data.l[name]])`, unsettled},
		{"a function of a user", `value := f(input.user)` + "\nf(x) := x.id", unsettled},
		{"a function of all of input", `value := data.l.f(input)`, unsettled},
		{"a function that reads by itself", "value := f(\"x\")\nf(x) := concat(x, [input.user.id, \"\"])", unsettled},
		{"something in the place of a screen", `value := x if x := data.l.here with input.screen.id as input.user.id`, unsettled},
		{"a user in one of two branches", "value := input.screen.id if input.screen.id == \"s2\"\n\nelse := input.user.id", unsettled},
		{"a user in one of two rules", "value := input.screen.id if input.screen.id == \"s2\"\n\nvalue := input.user.id if input.screen.id == \"s1\"", unsettled},
		{"a user by default", "default value := \"y\"\n\nvalue := \"x\" if input.user.id == \"u1\"", unsettled},
		{"a user in a comprehension", `value := concat(" ", {r | some r in [input.user.id]})`, unsettled},
		{"a user in an every", `value := "x" if every r in [1] { input.user.id != r }`, unsettled},
		{"no user", `value := "x" if not input.user.active`, unsettled},
		{"the action at a screen, for a user", `value := concat(" ", [input.action.name, input.screen.id, input.user.id])`, unsettled},
		{"a user of that screen", "value := other\n\nother := input.user.id if input.screen.id == \"s1\"", unsettled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rules := tc.rules + `

decision := {"outcome": "deny", "reason": value} if value

else := {"outcome": "deny", "reason": "replaced"} if value_with

else := {"outcome": "deny", "reason": "undefined"}

value_with if value == "s1" with input.screen.id as "s1"
`
			p := boundTo(t, rules, "one")
			value := ast.MustParseRef("data.t.value")
			require.Equal(t, tc.by, p.settled.settling("t.value"))
			all := questions()
			want := make([]string, len(all))
			for i, a := range all {
				cold := a.f
				cold.Place = nil
				d := p.copied().Decide(t.Context(), &a.q, &cold)
				require.NoError(t, d.Err)
				want[i] = d.Reason
			}
			var askers sync.WaitGroup
			for n := range 4 {
				askers.Go(func() {
					for i := range 2 * len(all) {
						at := (i*(2*n+1) + n) % len(all)
						if d := p.Decide(t.Context(), &all[at].q, &all[at].f); d.Err != nil || d.Reason != want[at] {
							t.Errorf("%+v: %v, without what is kept %q", all[at].q, d, want[at])
						}
					}
				})
			}
			askers.Wait()
			keeps := func(v *values) bool {
				entries := v.load()
				return entries != nil && slices.ContainsFunc(*entries, func(e ruleEntry) bool { return e.ref.Equal(value) })
			}
			ofKind, ofPlace, ofBoth := false, false, false
			for i := range all {
				kind, _ := kindOf(&all[i].q)
				ofKind = ofKind || keeps(p.kinds.get(kind))
				at := p.place(&all[i].f)
				ofPlace, ofBoth = ofPlace || keeps(&at.values), ofBoth || keeps(at.kinds.get(p.kinds.get(kind)))
			}
			require.Equal(t, tc.by == byKind, ofKind)
			require.Equal(t, tc.by == byPlace, ofPlace)
			require.Equal(t, tc.by == byBoth, ofBoth)
		})
	}
}

// TestSettledUnderSettings: what is kept is of one policy under the settings of one portal.
func TestSettledUnderSettings(t *testing.T) {
	one := boundTo(t, `value := concat(" ", [data.portal.settings.x, input.screen.id])

decision := {"outcome": "deny", "reason": value}`, "one")
	a := questions()[0]
	require.Equal(t, "one s1", new(one.Decide(t.Context(), &a.q, &a.f)).Reason)
	two, err := one.For(&authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "t", Settings: map[string]any{"x": "two"}}})
	require.NoError(t, err)
	require.Equal(t, "two s1", new(two.Decide(t.Context(), &a.q, &a.f)).Reason)
	require.Equal(t, "one s1", new(one.Decide(t.Context(), &a.q, &a.f)).Reason)
}

// TestSettledKeepsScalars: documents, the decision among them, are made for each question,
// and nothing is kept of what went wrong.
func TestSettledKeepsScalars(t *testing.T) {
	p := boundTo(t, `
decision := {"outcome": "deny", "reason": names[0], "level": level}

names := ["x"]

level := count(input.rights)

level := 1 / 0 if input.action.properties.x == "1"`, nil)
	all := questions()
	require.Error(t, p.Decide(t.Context(), &all[1].q, &all[1].f).Err)
	kind, _ := kindOf(&all[0].q)
	require.Nil(t, p.kinds.get(kind).load())
	require.NoError(t, p.Decide(t.Context(), &all[0].q, &all[0].f).Err)
	require.Nil(t, p.kinds.get(kind).load())
	require.Nil(t, p.place(&all[0].f).values.load())
	require.Error(t, p.Decide(t.Context(), &all[1].q, &all[1].f).Err)
}

// TestSettledKinds: callers choose the words of a kind, so that there is a bound on them;
// beyond it questions are answered as well.
func TestSettledKinds(t *testing.T) {
	p := boundTo(t, `value := input.action.name

decision := {"outcome": "deny", "reason": value}`, nil)
	a := questions()[0]
	for n := range maxFew + 50 {
		a.q.Action.Name = fmt.Sprint("do", n)
		require.Equal(t, a.q.Action.Name, new(p.Decide(t.Context(), &a.q, &a.f)).Reason)
	}
	require.True(t, p.kinds.full())
	require.Len(t, *p.kinds.kept.Load(), maxFew)
}

// TestSettledKindsAtAPlace: of fewer kinds something is kept at each place.
func TestSettledKindsAtAPlace(t *testing.T) {
	p := boundTo(t, `value := concat(" ", [input.action.name, input.screen.id])

decision := {"outcome": "deny", "reason": value}`, nil)
	all := questions()
	for n := range 3 * kindsAtPlace {
		for _, a := range []posed{all[0], all[len(all)-1]} {
			a.q.Action.Name = fmt.Sprint("do", n%(2*kindsAtPlace))
			require.Equal(t, a.q.Action.Name+" "+a.f.Screen.ID, new(p.Decide(t.Context(), &a.q, &a.f)).Reason)
			require.Len(t, *p.place(&a.f).kinds.kept.Load(), min(n+1, kindsAtPlace))
		}
	}
}

// TestSettledOfPresets names what the decision of a preset has settled.
func TestSettledOfPresets(t *testing.T) {
	modules, err := Load(policies.FS)
	require.NoError(t, err)
	p, err := Compile(modules, policies.InputSchema, time.Second)
	require.NoError(t, err)
	b, err := p.Bind(&authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "presets.acumatica"}})
	require.NoError(t, err)
	require.Equal(t, byKind, b.settled.settling("presets.acumatica.need"))
	for _, name := range []string{"presets.acumatica.level", "lib.levels.screen", "lib.levels.nearest"} {
		require.Equal(t, byPlace, b.settled.settling(name), name)
	}
	for _, name := range []string{"presets.acumatica.screen_reach", "presets.acumatica.record_reach", "presets.acumatica.too_low"} {
		require.Equal(t, byBoth, b.settled.settling(name), name)
	}
	for _, name := range []string{"presets.acumatica.decision", "presets.acumatica.granted", "presets.acumatica.administrator", "presets.acumatica.known", "lib.groups.closed"} {
		require.Equal(t, unsettled, b.settled.settling(name), name)
	}
}

// TestSettledWatched: who has decisions explained takes nothing from what is kept.
func TestSettledWatched(t *testing.T) {
	p := boundTo(t, `decision := {"outcome": "deny", "reason": node} if some node, _ in input.rights`, nil)
	a := questions()[0]
	require.Equal(t, "s1", new(p.Decide(t.Context(), &a.q, &a.f)).Reason)
	kept := p.place(&a.f)
	for range 5 {
		d, _ := Lens{}.Decide(t.Context(), p, &a.q, &a.f)
		require.Equal(t, "s1", d.Reason)
	}
	require.Same(t, kept, p.place(&a.f))
}
