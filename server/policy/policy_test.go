package policy_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// bind compiles package t from the source below its package clause, and binds the
// settings of a portal to it.
func bind(t testing.TB, limit time.Duration, source string) *policy.Policy {
	program, err := policy.Compile(policy.Modules{"t.rego": "package t\n\n" + source}, policies.InputSchema, limit)
	require.NoError(t, err)
	p, err := program.Bind(&authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "t", Settings: map[string]any{"n": int64(7)}}})
	require.NoError(t, err)
	return p
}

func decide(t testing.TB, source string, q *authz.Query, f *authz.Facts) authz.Decision {
	return bind(t, 10*time.Second, source).Decide(t.Context(), q, f)
}

func TestDocuments(t *testing.T) {
	for _, tc := range []struct{ name, document, reason, cause string }{
		{"the least", `{"outcome": "deny", "reason": "x"}`, "x", ""},
		{"all of it", `{"outcome": "allow", "reason": "x", "level": 5, "fields": {"a": "hidden", "b": "read", "c": "write"}, "obligations": [{"id": 1}]}`, "x", ""},
		{"no object", `true`, authz.ReasonPolicyMalformed, "not an object"},
		{"a list", `[{"outcome": "allow", "reason": "x"}]`, authz.ReasonPolicyMalformed, "not an object"},
		{"empty", `{}`, authz.ReasonPolicyMalformed, "no outcome"},
		{"no outcome", `{"reason": "x"}`, authz.ReasonPolicyMalformed, "no outcome"},
		{"no reason", `{"outcome": "allow"}`, authz.ReasonPolicyMalformed, "no reason"},
		{"empty reason", `{"outcome": "allow", "reason": ""}`, authz.ReasonPolicyMalformed, "no reason"},
		{"unknown outcome", `{"outcome": "Allow", "reason": "x"}`, authz.ReasonPolicyMalformed, "outcome is \"Allow\""},
		{"outcome is a switch", `{"outcome": true, "reason": "x"}`, authz.ReasonPolicyMalformed, "outcome is true"},
		{"reason is a number", `{"outcome": "allow", "reason": 1}`, authz.ReasonPolicyMalformed, "reason is number"},
		{"level is a name", `{"outcome": "allow", "reason": "x", "level": "view"}`, authz.ReasonPolicyMalformed, "level is \"view\""},
		{"level below", `{"outcome": "allow", "reason": "x", "level": -1}`, authz.ReasonPolicyMalformed, "level is -1"},
		{"level above", `{"outcome": "allow", "reason": "x", "level": 6}`, authz.ReasonPolicyMalformed, "level is 6"},
		{"level between", `{"outcome": "allow", "reason": "x", "level": 1.5}`, authz.ReasonPolicyMalformed, "level is 1.5"},
		{"level is huge", `{"outcome": "allow", "reason": "x", "level": 1e99}`, authz.ReasonPolicyMalformed, "level is 1e99"},
		{"level is null", `{"outcome": "allow", "reason": "x", "level": null}`, authz.ReasonPolicyMalformed, "level is null"},
		{"fields is a list", `{"outcome": "allow", "reason": "x", "fields": ["a"]}`, authz.ReasonPolicyMalformed, "fields is array"},
		{"a field is unknown", `{"outcome": "allow", "reason": "x", "fields": {"a": "edit"}}`, authz.ReasonPolicyMalformed, "fields[\"a\"]"},
		{"a field is a switch", `{"outcome": "allow", "reason": "x", "fields": {"a": true}}`, authz.ReasonPolicyMalformed, "fields[\"a\"]"},
		{"a field has no name", `{"outcome": "allow", "reason": "x", "fields": {1: "read"}}`, authz.ReasonPolicyMalformed, "fields[1]"},
		{"obligations is an object", `{"outcome": "allow", "reason": "x", "obligations": {"id": 1}}`, authz.ReasonPolicyMalformed, "obligations is object"},
		{"an obligation is a word", `{"outcome": "allow", "reason": "x", "obligations": ["log"]}`, authz.ReasonPolicyMalformed, "an obligation is \"log\""},
		{"another member", `{"outcome": "allow", "reason": "x", "because": 1}`, authz.ReasonPolicyMalformed, "unknown member \"because\""},
		{"a member without a name", `{"outcome": "allow", "reason": "x", 1: 2}`, authz.ReasonPolicyMalformed, "unknown member 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := decide(t, "decision := "+tc.document, &authz.Query{}, &authz.Facts{})
			require.Equal(t, tc.reason, d.Reason, "%v", d.Err)
			if tc.cause != "" {
				require.Equal(t, authz.Deny, d.Outcome)
				require.ErrorContains(t, d.Err, tc.cause)
				require.Empty(t, d.Level)
				require.Nil(t, d.Fields)
				require.Nil(t, d.Obligations)
			}
			require.NotEmpty(t, d.Policy)
		})
	}
	d := decide(t, `decision := {"outcome": "allow", "reason": "x", "level": 4, "fields": {"a": "hidden"}, "obligations": [{"id": "o", "n": 1}]}`, &authz.Query{}, &authz.Facts{})
	require.NoError(t, d.Err)
	require.Equal(t, "publish", d.Level)
	require.Equal(t, map[string]authz.Access{"a": authz.Hidden}, d.Fields)
	require.Equal(t, "[map[id:o n:1]]", fmt.Sprint(d.Obligations))
}

// TestRefusals gives evaluations that come to nothing.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct{ name, source, reason string }{
		{"undefined", `decision := {"outcome": "allow", "reason": "x"} if input.context.no`, authz.ReasonPolicyUndefined},
		{"conflict", "decision := {\"outcome\": \"allow\", \"reason\": \"x\"}\n\ndecision := {\"outcome\": \"deny\", \"reason\": \"x\"}", authz.ReasonPolicyError},
		{"a built-in fails", `decision := {"outcome": "allow", "reason": "x"} if 1 / count(input.action.properties) > 0`, authz.ReasonPolicyError},
		{"a built-in fails on the way to a default", "default decision := {\"outcome\": \"allow\", \"reason\": \"x\"}\n\ndecision := {\"outcome\": \"deny\", \"reason\": \"x\"} if to_number(\"y\") == 1", authz.ReasonPolicyError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := decide(t, tc.source, &authz.Query{}, &authz.Facts{})
			require.Equal(t, authz.Deny, d.Outcome)
			require.Equal(t, tc.reason, d.Reason, "%v", d.Err)
			require.Equal(t, tc.reason != authz.ReasonPolicyUndefined, d.Err != nil)
		})
	}
	// A value of a kind that no store and no transport makes.
	d := decide(t, `decision := {"outcome": "allow", "reason": "x"} if input.context.x`, &authz.Query{Context: map[string]any{"x": make(chan int)}}, &authz.Facts{})
	require.Equal(t, authz.ReasonPolicyError, d.Reason)
	require.ErrorContains(t, d.Err, "panicked")
}

const allowing = "\n\ndecision := {\"outcome\": \"allow\", \"reason\": \"x\"} if endless\n"

var endless = map[string]string{
	"a range":          `endless if count([x | some x in numbers.range(1, 100000000)]) > 0`,
	"nested products":  `endless if count({[a, b, c, d] | some a in xs; some b in xs; some c in xs; some d in xs}) < 0` + "\n\nxs := numbers.range(1, 300)",
	"sums":             `endless if sum([c | some a in xs; some b in xs; c := a * b]) < 0` + "\n\nxs := numbers.range(1, 20000)",
	"every":            `endless if { every a in xs { every b in xs { a + b > 0 } } }` + "\n\nxs := numbers.range(1, 20000)",
	"a growing string": `endless if count([x | some a in xs; some b in xs; x := sprintf("%d%d", [a, b])]) < 0` + "\n\nxs := numbers.range(1, 20000)",
}

func TestTimeLimit(t *testing.T) {
	for name, source := range endless {
		t.Run(name, func(t *testing.T) {
			const limit = 50 * time.Millisecond
			p := bind(t, limit, source+allowing)
			start := time.Now()
			d := p.Decide(t.Context(), &authz.Query{}, &authz.Facts{})
			took := time.Since(start)
			require.Equal(t, authz.Deny, d.Outcome)
			require.Equal(t, authz.ReasonPolicyTimeout, d.Reason, "%v", d.Err)
			require.Error(t, d.Err)
			require.Less(t, took, 20*time.Second, "an evaluation stops soon after its limit")
		})
	}
}

func TestTimeLimitOfTheRequest(t *testing.T) {
	p := bind(t, time.Minute, endless["nested products"]+allowing)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	start := time.Now()
	d := p.Decide(ctx, &authz.Query{}, &authz.Facts{})
	require.Less(t, time.Since(start), 30*time.Second)
	require.Equal(t, authz.ReasonPolicyTimeout, d.Reason, "%v", d.Err)
	require.ErrorIs(t, d.Err, context.DeadlineExceeded)
}

// TestStoppedByDefault proves that what was stopped halfway is not read as a
// condition that does not hold.
func TestStoppedByDefault(t *testing.T) {
	p := bind(t, 20*time.Millisecond, `default decision := {"outcome": "allow", "reason": "x"}

decision := {"outcome": "deny", "reason": "y"} if not endless

`+endless["nested products"])
	d := p.Decide(t.Context(), &authz.Query{}, &authz.Facts{})
	require.Equal(t, authz.ReasonPolicyTimeout, d.Reason, "%v", d.Err)
}

func TestNowIsTheServices(t *testing.T) {
	now := time.Date(2026, 3, 1, 10, 0, 0, 5, time.FixedZone("CET", 3600))
	q := &authz.Query{Now: now, Context: map[string]any{"now": "1999-01-01T00:00:00Z", "other": "said"}}
	d := decide(t, `decision := {"outcome": "deny", "reason": concat(" ", [input.context.now, input.context.other])}`, q, &authz.Facts{})
	require.Equal(t, "2026-03-01T09:00:00.000000005Z said", d.Reason)
	// A policy that does not read the moment does not see the claimed one either.
	d = decide(t, `decision := {"outcome": "deny", "reason": concat(" ", object.keys(input.context))}`, q, &authz.Facts{})
	require.Equal(t, "now other", d.Reason)
	d = decide(t, `decision := {"outcome": "deny", "reason": input.context.other}`, q, &authz.Facts{})
	require.Equal(t, "said", d.Reason)
}

func TestSettings(t *testing.T) {
	for expression, want := range map[string]string{
		`sprintf("%d", [data.portal.settings.n])`:     "7",
		`sprintf("%v", [data.portal.sharing])`:        "[]",
		`concat(",", sort(object.keys(data.portal)))`: "features,limits,settings,sharing,user_types",
		`input.portal`: "p",
	} {
		d := decide(t, `decision := {"outcome": "deny", "reason": `+expression+`}`, &authz.Query{}, &authz.Facts{})
		require.Equal(t, want, d.Reason, "%s: %v", expression, d.Err)
	}
	d := decide(t, `decision := {"outcome": "deny", "reason": "none"} if not data.portal.settings.m.x`, &authz.Query{}, &authz.Facts{})
	require.Equal(t, "none", d.Reason, "%v", d.Err)
}

// TestConcurrentDecide puts different questions to one policy at once: what one
// evaluation keeps must not reach another.
func TestConcurrentDecide(t *testing.T) {
	p := bind(t, 10*time.Second, `decision := {"outcome": "deny", "reason": concat("/", [whole, input.user.id, input.resource.type])}

whole := input.subject.id
`)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				id, typ := fmt.Sprint("u", g, "-", i), fmt.Sprint("t", i%7)
				d := p.Decide(t.Context(), &authz.Query{Subject: authz.Entity{ID: id}, Resource: authz.Entity{Type: typ}},
					&authz.Facts{User: &authz.Principal{User: &authz.User{ID: id}}})
				if want := strings.Join([]string{id, id, typ}, "/"); d.Reason != want {
					t.Errorf("want %s, got %s: %v", want, d.Reason, d.Err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestPolicyJudgesRevisions: a call about a revision shows what has come of it, and of
// each file what tells it from another.
func TestPolicyJudgesRevisions(t *testing.T) {
	r := authz.PolicyRevision{
		Number: 7, Author: "user/ann", User: "ann", Files: map[string]string{"x.rego": "package x"},
		Checked: &authz.PolicyCheck{OK: true, Cases: 3}, Difference: &authz.AccessSummary{Lost: 2, Complete: true},
		Approvals: []authz.PolicyApproval{{By: "user/bob", User: "bob"}}, Publications: []authz.Publication{{From: 6}},
	}
	d := decide(t, `
decision := {"outcome": "allow", "reason": concat(" ", [input.target.type, input.target.id, old.user, size, lost, approver, from])} if {
	input.action.name == "admin:publish"
	input.target.after.checked.ok
}
old := input.target.before
size := format_int(old.files["x.rego"].size, 10)
lost := format_int(old.difference.lost, 10)
approver := concat(",", [a.user | some a in old.approvals])
from := concat(",", [format_int(p.from, 10) | some p in old.publications])`,
		&authz.Query{Action: authz.Action{Name: authz.PublishCall}, Resource: authz.CallResource(r.Key())},
		&authz.Facts{Target: &authz.Target{Key: r.Key(), Before: r, After: r}})
	require.NoError(t, d.Err)
	require.Equal(t, "policy 7 ann 9 2 bob 6", d.Reason)
}

// TestAPolicyGoes has a policy that has decided be garbage as soon as nobody holds it:
// a server that publishes one after another must not keep the former ones.
func TestAPolicyGoes(t *testing.T) {
	p := bind(t, 10*time.Second, `decision := {"outcome": "allow", "reason": "x"}`)
	require.True(t, new(p.Decide(t.Context(), &authz.Query{}, &authz.Facts{})).Allowed())
	held := weak.Make(p)
	p = nil
	runtime.GC()
	require.Nil(t, held.Value())
}
