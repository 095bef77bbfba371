package publishing_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/publishing"
)

func examiner() *publishing.Examiner {
	compile := func(m policy.Modules) (*policy.Program, error) {
		return policy.Compile(m, policies.InputSchema, 10*time.Second)
	}
	return publishing.New(publishing.Options{
		Modules: func() (policy.Modules, error) { return policy.Load(policies.FS) }, Compile: compile, Now: time.Now,
	})
}

// config is a portal under a policy of its own.
func config() *authz.Bundle {
	return &authz.Bundle{
		Portal:    authz.Portal{ID: "p", Policy: "test"},
		UserTypes: []authz.UserType{{ID: "customer", Linked: authz.LinkedContact, AllowedRoles: []authz.AllowedRole{{Role: "clerk"}}}},
		Roles:     []authz.Role{{ID: "clerk"}},
		Screens:   []authz.Node{{ID: "home", Kind: authz.Screen}},
		Rights:    []authz.Right{{Role: "clerk", Node: "home", Level: authz.View}},
	}
}

const good = `package test

# METADATA
# entrypoint: true
# custom:
#   reasons:
#     granted: A clerk may.
#     refused: Nobody else may.
default decision := {"outcome": "deny", "reason": "refused"}

decision := granted

# METADATA
# custom: {id: clerks, reason: granted}
granted := {"outcome": "allow", "reason": "granted"} if "clerk" in input.user.effective_roles
`

const suite = `portal: p
now: 2026-03-01T09:00:00Z
cases:
  - {id: A, subject: ann, action: view, resource: screen/home, want: {outcome: allow, reason: granted, rules: [clerks]}}
  - {id: B, subject: bob, action: view, resource: screen/home, want: {outcome: deny}}
`

const users = "- {id: ann, login: ann, active: true, grants: [clerk]}\n- {id: bob, login: bob, active: true}\n"

func files(change func(map[string]string)) map[string]string {
	all := map[string]string{
		"test.rego": good, "portal/decisions.yaml": suite, "portal/users.yaml": users,
		"test_test.rego": "package test_test\n\nimport data.test\n\ntest_nobody if test.decision.outcome == \"deny\" with input as {}\n",
	}
	if change != nil {
		change(all)
	}
	return all
}

func TestCheck(t *testing.T) {
	x, own := examiner(), config()
	for name, tc := range map[string]struct {
		change func(map[string]string)
		want   []string // parts of the faults, in order
		cases  int
	}{
		"good":             {cases: 3},
		"nothing":          {change: func(m map[string]string) { clear(m) }, want: []string{"the policy is empty"}},
		"does not compile": {change: func(m map[string]string) { m["test.rego"] += "\nx := {" }, want: []string{"test.rego:17:6: [syntax] unexpected eof token", "test.rego:17:6: [syntax]"}},
		"misspelt fact": {change: func(m map[string]string) {
			m["test.rego"] = strings.ReplaceAll(good, "effective_roles", "effectiv_roles")
		}, want: []string{`test.rego:15:68: [unknown-fact] input.user.effectiv_roles is no fact`}},
		"another package": {change: func(m map[string]string) {
			m["test.rego"] = strings.ReplaceAll(good, "package test", "package other")
			delete(m, "test_test.rego")
		}, want: []string{`no policy package "test" with a rule decision; there are: other`}},
		"failing case": {
			change: func(m map[string]string) { m["portal/users.yaml"] = strings.ReplaceAll(users, "[clerk]", "[]") },
			want:   []string{"portal/decisions.yaml:4: [case] A: ann view screen/home: outcome is deny and not allow, reason is refused and not granted"}, cases: 3,
		},
		"failing Rego test": {change: func(m map[string]string) {
			m["test_test.rego"] = strings.ReplaceAll(m["test_test.rego"], `"deny"`, `"allow"`)
		}, want: []string{"test_test.rego:5: [case]"}, cases: 3},
		"wrong suite": {change: func(m map[string]string) {
			m["portal/decisions.yaml"] = strings.ReplaceAll(suite, "outcome: deny", "outcome: dney")
		}, want: []string{`portal/decisions.yaml:5:`}},
		"suite of another portal": {change: func(m map[string]string) {
			m["portal/decisions.yaml"] = strings.ReplaceAll(suite, "portal: p", "portal: q")
		}, want: []string{`asks portal "q"`, `asks portal "q"`}},
		"user of no role": {
			change: func(m map[string]string) { m["portal/users.yaml"] = strings.ReplaceAll(users, "[clerk]", "[clrek]") },
			want:   []string{`portal/users.yaml:1:48: users[0].grants[0].role: role "clrek" does not exist; did you mean "clerk"?`},
		},
		"users twice": {change: func(m map[string]string) { m["users.yaml"] = users }, want: []string{"users.yaml: is a second file of its kind"}},
		"only": {change: func(m map[string]string) {
			m["portal/decisions.yaml"] += "  - {id: C, only: true, subject: bob, action: view, resource: screen/home, want: {outcome: deny}}\n"
		}, want: []string{"a case says only"}, cases: 1},
		"a file of another kind": {
			change: func(m map[string]string) { m["README.md"], m["usres.yaml"] = "x", "x" }, want: []string{"usres.yaml: is no part of a policy"}, cases: 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := x.Check(t.Context(), own, files(tc.change))
			require.NoError(t, err)
			require.Len(t, got.Faults, len(tc.want), "%q", got.Faults)
			for i, want := range tc.want {
				require.Contains(t, got.Faults[i], want)
			}
			require.Equal(t, len(tc.want) == 0, got.OK)
			require.Equal(t, tc.cases, got.Cases)
		})
	}
	require.Equal(t, config(), own, "the configuration stays as it is")
}

func TestCheckIsBounded(t *testing.T) {
	many := suite
	for range 300 {
		many += "  - {id: X, subject: bob, action: view, resource: screen/home, want: {outcome: allow}}\n"
	}
	got, err := examiner().Check(t.Context(), config(), files(func(m map[string]string) { m["portal/decisions.yaml"] = many }))
	require.NoError(t, err)
	require.Equal(t, 300, got.Failed)
	require.Len(t, got.Faults, publishing.MaxFaults)
	require.Equal(t, "201 more faults", got.Faults[publishing.MaxFaults-1])

	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err = examiner().Check(ctx, config(), files(nil))
	require.Equal(t, authz.Unavailable, authz.KindOf(err), "%v", err)
}

// TestSeed: every preset can be taken out of the folder, and what is taken passes
// review as it is.
func TestSeed(t *testing.T) {
	x := examiner()
	entries, err := os.ReadDir("../../policies/presets")
	require.NoError(t, err)
	for _, e := range entries {
		pkg := "presets." + strings.ReplaceAll(e.Name(), "-", "_")
		seeded, err := x.Seed(pkg)
		require.NoError(t, err)
		require.Contains(t, seeded, "presets/"+e.Name()+"/calls.rego")
		got, err := x.Check(t.Context(), &authz.Bundle{Portal: authz.Portal{ID: "p", Policy: pkg}}, seeded)
		require.NoError(t, err)
		require.Empty(t, got.Faults, pkg)
		require.Less(t, len(seeded), 20)
	}
	_, err = x.Seed("presets.none")
	require.Equal(t, authz.Invalid, authz.KindOf(err))
}

// TestCompare: of states that differ in the policy, in the configuration, and in
// nothing.
func TestCompare(t *testing.T) {
	x := examiner()
	world := func(change func(*authz.World)) *authz.World {
		w := &authz.World{Bundle: *config(), Users: []authz.User{{ID: "ann", Active: true, Grants: []authz.Grant{{Role: "clerk"}}}, {ID: "bob", Active: true}}}
		w.Published = &authz.PolicyRevision{Number: 1, Files: files(nil)}
		if change != nil {
			change(w)
		}
		return w
	}
	var told int
	compare := func(change func(*authz.World)) *accessdiff.Report {
		r, err := x.Compare(t.Context(), world(nil), world(change), func(int64, int64) { told++ })
		require.NoError(t, err)
		require.True(t, r.Complete())
		return r
	}
	require.Empty(t, compare(nil).Changes)
	r := compare(func(w *authz.World) {
		w.Published = &authz.PolicyRevision{Number: 2, Files: files(func(m map[string]string) {
			m["test.rego"] = strings.ReplaceAll(good, `if "clerk" in input.user.effective_roles`, "if input.user.active")
		})}
	})
	require.Equal(t, []int{1, 0}, []int{r.Gained, r.Lost})
	r = compare(func(w *authz.World) { w.Users[0].Grants = nil })
	require.Equal(t, []int{0, 1}, []int{r.Gained, r.Lost})
	require.NotZero(t, told)

	_, err := x.Compare(t.Context(), world(nil), world(func(w *authz.World) {
		w.Published = &authz.PolicyRevision{Files: map[string]string{"a.rego": "package a\nx := {"}}
	}), func(int64, int64) {})
	require.Equal(t, authz.Invalid, authz.KindOf(err))
}
