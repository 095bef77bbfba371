package policytest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

const head = "portal: p\nnow: 2026-03-01T09:00:00Z\n"

func parse(t testing.TB, source string) *policytest.Suite {
	t.Helper()
	s, err := policytest.Parse("s.yaml", []byte(source))
	require.NoError(t, err)
	return s
}

func TestParse(t *testing.T) {
	s := parse(t, head+`
given: {users: {all: {active: true}}}
cases:
  - id: A-1
    name: everything
    portal: q
    now: 2026-04-01T09:00:00Z
    subject: anonymous/visitor
    action: view
    resource: case/CS-1/x
    subject_properties: {a: 1}
    action_properties: {b: 2.5}
    properties: {c: [true, null]}
    context: {actor: u}
    given: {users: {one: null}}
    want: {outcome: challenge, reason: r, level: view, fields: {f: write}, obligations: [{id: o}], rules: [x, y]}
    skip: because
    only: true
  - {id: A-2, subject: u, action: edit, resource: screen/s, want: {outcome: deny, fields: {}, obligations: [], rules: []}}
pending:
  - {id: A-3, reason: waits}
`)
	require.Len(t, s.Cases, 2)
	c := s.Cases[0]
	require.Equal(t, "A-1 everything", c.String())
	require.Len(t, c.Given, 2)
	require.NotEqual(t, c.Given[0].Text, c.Given[1].Text)
	april := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	require.Equal(t, authz.Query{
		Subject:  authz.Entity{Type: "anonymous", ID: "visitor", Properties: map[string]any{"a": json.Number("1")}},
		Action:   authz.Action{Name: "view", Properties: map[string]any{"b": json.Number("2.5")}},
		Resource: authz.Entity{Type: "case", ID: "CS-1/x", Properties: map[string]any{"c": []any{true, nil}}},
		Context:  map[string]any{"actor": "u"}, Now: april,
	}, c.Query)
	require.Equal(t, policytest.Want{
		Outcome: authz.Challenge, Reason: "r", Level: "view", Fields: map[string]authz.Access{"f": authz.Write},
		Obligations: []map[string]any{{"id": "o"}}, Rules: []string{"x", "y"},
	}, c.Want)
	c.Given = nil
	require.Equal(t, policytest.Head{ID: "A-1", Name: "everything", Line: 6, Portal: "q", Now: april, Skip: "because", Only: true}, c.Head)

	c = s.Cases[1]
	require.Equal(t, authz.Entity{Type: "user", ID: "u"}, c.Query.Subject)
	require.Equal(t, policytest.Want{Outcome: authz.Deny, Fields: map[string]authz.Access{}, Obligations: []map[string]any{}, Rules: []string{}}, c.Want)
	require.Len(t, c.Given, 1, "that of the suite")
	require.Equal(t, []policytest.Pending{{ID: "A-3", Reason: "waits", Line: 23}}, s.Pending)
	require.Empty(t, s.Stored())
}

func TestGivenIsEqualByMeaning(t *testing.T) {
	s := parse(t, head+`
cases:
  - {id: a, subject: u, action: v, resource: s/x, want: {outcome: allow}, given: {users: {u: {active: true, login: x}}}}
  - {id: b, subject: u, action: v, resource: s/x, want: {outcome: allow}, given: {users: {u: {login: "x", active: true}}}}
  - {id: c, subject: u, action: v, resource: s/x, want: {outcome: allow}, given: {users: {u: {login: x, active: "true"}}}}
`)
	require.Equal(t, s.Cases[0].Given[0].Text, s.Cases[1].Given[0].Text)
	require.NotEqual(t, s.Cases[0].Given[0].Text, s.Cases[2].Given[0].Text, "text is no Boolean")
}

func TestMatrix(t *testing.T) {
	s := parse(t, head+`
matrices:
  - id: M
    name: levels
    subjects: [a, anonymous/b]
    actions: [view, edit]
    resources: [screen/x, screen/y]
    properties: {k: v}
    want:
      - {actions: [view], outcome: allow, reason: granted}
      - {subjects: [anonymous/b], resources: [screen/y], outcome: challenge, level: view, rules: [r]}
`)
	var got []string
	for i := range s.Cases {
		c := &s.Cases[i]
		require.Equal(t, map[string]any{"k": "v"}, c.Query.Resource.Properties)
		got = append(got, fmt.Sprintf("%d %s = %s %s %v", c.Line, c, c.Want.Outcome, c.Want.Reason, c.Want.Rules))
	}
	require.Equal(t, []string{
		"12 M levels: a view screen/x = allow granted []",
		"12 M levels: a view screen/y = allow granted []",
		"5 M levels: a edit screen/x = deny  []",
		"5 M levels: a edit screen/y = deny  []",
		"12 M levels: anonymous/b view screen/x = allow granted []",
		"13 M levels: anonymous/b view screen/y = challenge  [r]",
		"5 M levels: anonymous/b edit screen/x = deny  []",
		"13 M levels: anonymous/b edit screen/y = challenge  [r]",
	}, got)
	require.Equal(t, authz.Entity{Type: "anonymous", ID: "b", Properties: nil}, s.Cases[4].Query.Subject)
}

func TestParseFaults(t *testing.T) {
	one := func(extra string) string {
		return head + "cases:\n  - {id: a, subject: u, action: v, resource: s/x" + extra + "}\n"
	}
	ok := ", want: {outcome: allow}"
	matrix := func(extra string) string {
		return head + "matrices:\n  - {id: m, subjects: [a, b], actions: [v], resources: [s/x]" + extra + "}\n"
	}
	change := func(section, extra string) string {
		return head + section + ":\n  - {id: c" + extra + "}\n"
	}
	for name, tc := range map[string]struct {
		source string
		want   []string
	}{
		"empty":            {"", []string{"1:1: is empty: want a mapping with portal, now and cases"}},
		"a list":           {"- a\n", []string{"1:1: is a list: want a mapping, such as id: x"}},
		"no YAML":          {"a: [\n", []string{"1:4: is never closed: put a ] at its end"}},
		"unknown key":      {head + "case: []\n", []string{`3:1: case: unknown key "case"; did you mean "cases"?`}},
		"duplicate key":    {head + "portal: q\n", []string{`3:1: key "portal" is given twice, first at line 1: remove one`}},
		"no moment":        {"portal: p\n", []string{"1:1: now: is missing: add the moment of the decisions, such as 2026-03-01T09:00:00Z"}},
		"no time":          {"now: today\nportal: p\n", []string{`1:6: now: "today" is no time: want RFC 3339, such as 2026-01-31T00:00:00Z`}},
		"no portal":        {"now: 2026-03-01T09:00:00Z\ncases:\n  - {id: a, subject: u, action: v, resource: s/x, want: {outcome: deny}}\n", []string{"3:5: cases[0].portal: is missing: name the portal that is asked, here or for the whole suite"}},
		"cases no list":    {head + "cases: x\n", []string{"3:8: cases: is text: want a list, such as - {id: AC-01, ...}"}},
		"case no mapping":  {head + "cases: [x]\n", []string{"3:9: cases[0]: is text: want a mapping, such as id: x"}},
		"unknown in case":  {one(ok + ", subjet: u"), []string{`4:75: cases[0].subjet: unknown key "subjet"; did you mean "subject"?`}},
		"no want":          {one(""), []string{"4:5: cases[0].want: is missing: add want: {outcome: allow}, or deny, challenge, hide"}},
		"no outcome":       {one(", want: {reason: r}"), []string{"4:57: cases[0].want.outcome: is missing: add outcome: allow, deny, challenge or hide"}},
		"outcome":          {one(", want: {outcome: alow}"), []string{`4:67: cases[0].want.outcome: is "alow"; did you mean "allow"?`}},
		"outcome's type":   {one(", want: {outcome: true}"), []string{`4:67: cases[0].want.outcome: true is a Boolean to YAML where text is wanted: quote it: "true"`}},
		"level":            {one(", want: {outcome: deny, level: veiw}"), []string{`4:80: cases[0].want.level: is "veiw"; did you mean "view"?`}},
		"access":           {one(", want: {outcome: deny, fields: {f: reed}}"), []string{`4:85: cases[0].want.fields.f: is "reed"; did you mean "read"?`}},
		"obligation":       {one(", want: {outcome: deny, obligations: [x]}"), []string{"4:87: cases[0].want.obligations[0]: is text: want a mapping, such as {id: x}"}},
		"rules":            {one(", want: {outcome: deny, rules: x}"), []string{"4:80: cases[0].want.rules: is text: want a list, such as [a, b]"}},
		"resource":         {head + "cases:\n  - {id: a, subject: u, action: v, resource: x, want: {outcome: deny}}\n", []string{`4:46: cases[0].resource: is "x": want type/id, such as screen/SP408030`}},
		"missing all":      {head + "cases:\n  - {name: n}\n", []string{"cases[0].id", "cases[0].subject", "cases[0].action", "cases[0].resource", "cases[0].want"}},
		"empty skip":       {one(ok + `, skip: " "`), []string{"4:81: cases[0].skip: is empty: want the reason why the case is not run"}},
		"only":             {one(ok + `, only: x`), []string{"4:81: cases[0].only: is text: want a Boolean, such as true"}},
		"given":            {one(ok + `, given: x`), []string{"4:82: cases[0].given: is text: want a mapping, such as {users: {ray.newman: {active: false}}}"}},
		"context":          {one(ok + `, context: x`), []string{"4:84: cases[0].context: is text: want a mapping, such as {tier: gold}"}},
		"null":             {one(ok + `, context: null`), []string{"4:84: cases[0].context: is empty: give it a value or leave the key out"}},
		"pending":          {head + "pending:\n  - {id: a}\n  - {id: b, reason: ''}\n", []string{"4:5: pending[0].reason: is missing: add reason: why the row cannot be asked yet", "5:21: pending[1].reason: is empty: want why the row cannot be asked yet"}},
		"matrix subject":   {matrix(", want: [{subjects: [c], outcome: allow}]"), []string{`4:82: matrices[0].want[0].subjects[0]: "c" is none of the matrix`}},
		"matrix nearest":   {matrix(", want: [{resources: [s/xx], outcome: allow}]"), []string{`is none of the matrix; did you mean "s/x"?`}},
		"matrix outcome":   {matrix(", want: [{subjects: [a]}]"), []string{"4:70: matrices[0].want[0].outcome: is missing"}},
		"matrix twice":     {head + "matrices:\n  - {id: m, subjects: [a, a], actions: [v], resources: [s/x], want: []}\n", []string{`4:27: matrices[0].subjects[1]: "a" is named twice: remove one`}},
		"matrix resource":  {head + "matrices:\n  - {id: m, subjects: [a], actions: [v], resources: [x], want: []}\n", []string{`4:54: matrices[0].resources[0]: is "x": want type/id`}},
		"matrix dimension": {head + "matrices:\n  - {id: m, subjects: [], actions: [v], want: []}\n", []string{"4:23: matrices[0].subjects: is empty: name at least one", "4:5: matrices[0].resources: is missing"}},
		"operation":        {change("admission", ", operation: updat, entity: user/u, want: {refusals: []}"), []string{`4:24: admission[0].operation: is "updat"; did you mean "update"?`}},
		"entity":           {change("admission", ", operation: update, entity: user, want: {refusals: []}"), []string{`4:40: admission[0].entity: "user" names no entity`}},
		"refusals":         {change("admission", ", operation: update, entity: user/u, want: {}"), []string{"admission[0].want.refusals: is missing"}},
		"refusal":          {change("admission", ", operation: update, entity: user/u, want: {refusals: [{rul: x}]}"), []string{`admission[0].want.refusals[0].rul: unknown key "rul"; did you mean "rule"?`}},
		"count":            {change("admission", ", operation: update, entity: user/u, counts: {user: 1, users_of_type: -1}, want: {refusals: []}"), []string{`unknown count "user"; did you mean "users"?`, "is no number of things: want a whole number from 0"}},
		"set of a delete":  {change("admission", ", operation: delete, entity: user/u, set: {active: false}, want: {refusals: []}"), []string{"admission[0].set: cannot go with delete: leave it out"}},
		"tasks":            {change("provisioning", ", operation: delete, entity: user/u"), []string{"provisioning[0].want: is missing: add want: {tasks: []}"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policytest.Parse("s.yaml", []byte(tc.source))
			list, ok := errors.AsType[*yamltree.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, authz.Invalid, authz.KindOf(err))
			got := make(map[string]bool)
			for _, p := range list.Problems {
				require.Equal(t, "s.yaml", p.File)
				require.Positive(t, p.Line)
				got[strings.TrimPrefix(p.String(), "s.yaml:")] = true
			}
			require.Len(t, got, len(tc.want), "%v", err)
			for _, want := range tc.want {
				require.Contains(t, err.Error(), want)
			}
		})
	}
}

func TestParseBounds(t *testing.T) {
	many := func(n int) string {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("u%d", i)
		}
		return strings.Join(names, ", ")
	}
	_, err := policytest.Parse("s.yaml", []byte(head+"matrices:\n  - {id: m, subjects: ["+many(101)+"], actions: ["+many(100)+"], resources: [s/x], want: []}\n"))
	require.ErrorContains(t, err, "stands for 10100 cases: a matrix has at most 10000")
	_, err = policytest.Parse("s.yaml", []byte(head+"matrices:\n  - {id: m, subjects: [u], actions: [v], resources: [s/x], want: ["+strings.Repeat("{outcome: allow}, ", 501)+"]}\n"))
	require.ErrorContains(t, err, "has 501 lines of want: at most 500")
	_, err = policytest.Parse("s.yaml", []byte(head+"cases:\n"+strings.Repeat("- {id: a, subject: u, action: v, resource: s/x, want: {outcome: deny}}\n", policytest.MaxCases+1)))
	require.ErrorContains(t, err, "is one case too many: a suite has at most 20000")
	_, err = policytest.Parse("s.yaml", []byte(head+"given: "+strings.Repeat("{a: ", 50)+strings.Repeat("}", 50)))
	require.ErrorContains(t, err, "is nested too deep")
	_, err = policytest.Parse("s.yaml", make([]byte, policytest.MaxSuite+1))
	require.Equal(t, authz.TooLarge, authz.KindOf(err))
}

// FuzzParse reads arbitrary suites: whatever they hold, Parse returns, and says of a
// wrong one where it is wrong.
func FuzzParse(f *testing.F) {
	f.Add([]byte(head + "cases:\n  - {id: a, subject: u, action: v, resource: s/x, want: {outcome: allow}}\n"))
	f.Add([]byte(head + "given: {users: {a: null}}\nmatrices:\n  - {id: m, subjects: [a], actions: [v], resources: [s/x], want: [{outcome: allow}]}\n"))
	f.Add([]byte(head + "admission:\n  - {id: c, operation: update, entity: right/a/b, set: {level: view}, counts: {users: 3}, want: {refusals: []}}\n"))
	f.Add([]byte(head + "provisioning:\n  - {id: c, operation: delete, entity: user/a, latches: [x], want: {tasks: [{kind: mail, after: 3}]}}\n"))
	f.Fuzz(func(t *testing.T, source []byte) {
		s, err := policytest.Parse("s.yaml", source)
		if err != nil {
			require.Nil(t, s)
			require.NotEqual(t, authz.Internal, authz.KindOf(err))
			return
		}
		for i := range s.Cases {
			require.NotEmpty(t, s.Cases[i].Want.Outcome)
			require.NotEmpty(t, s.Cases[i].Query.Resource.ID)
		}
	})
}
