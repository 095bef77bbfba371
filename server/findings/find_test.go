package findings_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/findings"
	"github.com/portcullis-authz/portcullis/server/policy"
)

func TestFind(t *testing.T) {
	for name, tc := range map[string]struct {
		files project
		want  []string
	}{
		"nothing": {},
		"unreached screen": {project{"p/screens.yaml": "- {id: home, kind: screen}\n- {id: attic, kind: screen}\n"},
			[]string{`p/screens.yaml:2:3 unreached-screen no active user can do anything at screen "attic"`}},
		"unreached with all below": {project{"p/screens.yaml": "- {id: home, kind: screen}\n- id: wing\n  kind: workspace\n  children:\n    - {id: attic, kind: screen}\n    - {id: cellar, kind: screen}\n"},
			[]string{`p/screens.yaml:2:3 unreached-screen no active user can do anything at workspace "wing", nor at the 2 nodes below it`}},
		"a workspace leads to what is open": {project{
			"p/screens.yaml": "- id: wing\n  kind: workspace\n  children:\n    - {id: home, kind: screen}\n    - {id: attic, kind: screen}\n"},
			[]string{`p/screens.yaml:5:7 unreached-screen no active user can do anything at screen "attic"`}},
		"behind a feature that is off": {project{"p/screens.yaml": "- {id: home, kind: screen}\n- {id: attic, kind: screen, feature: attics}\n", "p/rights.yaml": "clerk: {home: view, attic: view}\n"}, nil},
		"only an inactive user gets there": {project{
			"p/screens.yaml": "- {id: home, kind: screen}\n- {id: attic, kind: screen}\n",
			"p/roles.yaml":   "- {id: clerk}\n- {id: owl}\n",
			"p/rights.yaml":  "clerk: {home: view}\nowl: {attic: view}\n",
			"p/users.yaml":   "- {id: ann, login: ann, active: true, grants: [clerk]}\n- {id: bob, login: bob, active: false, grants: [owl]}\n"},
			[]string{
				`p/screens.yaml:2:3 unreached-screen no active user can do anything at screen "attic"`,
				`p/users.yaml:2:3 ended-grant user "bob" is inactive and still granted "owl"`,
			}},
		"a visitor gets there": {project{"p/screens.yaml": "- {id: home, kind: screen}\n- {id: lobby, kind: screen, flags: {public: true}}\n"}, nil},
		"idle right": {project{
			"p/screens.yaml": "- id: home\n  kind: screen\n  children:\n    - {id: home.bell, kind: element}\n",
			"p/rights.yaml":  "clerk:\n  home: edit\n  home.bell: view\n"},
			[]string{`p/rights.yaml:3:3 idle-right the right of role "clerk" at "home.bell" never matters: without view no user's decision is another`}},
		"idle by inheritance": {project{
			"p/roles.yaml":  "- {id: clerk, inherits: [base]}\n- {id: base}\n",
			"p/rights.yaml": "base: {home: view}\nclerk: {home: view}\n"},
			[]string{`p/rights.yaml:2:9 idle-right the right of role "clerk" at "home" is view, which the role inherits from "base" at that level: removing it changes no decision`}},
		"a case shows what a right is for": {project{
			"p/screens.yaml": "- id: home\n  kind: screen\n  children:\n    - {id: home.bell, kind: element}\n",
			"p/rights.yaml":  "clerk: {home: edit, home.bell: view}\n",
			"decisions.yaml": plain()["decisions.yaml"] +
				"  - {id: B, subject: ann, action: view, resource: element/home.bell, given: {rights: {clerk: {home: null}}}, want: {outcome: allow}}\n",
		}, nil},
		"a right of nobody is the role's finding": {project{"p/roles.yaml": "- {id: clerk}\n- {id: owl}\n", "p/rights.yaml": "clerk: {home: view}\nowl: {home: edit}\n"},
			[]string{`p/roles.yaml:2:3 memberless-role no user holds role "owl", be it by inheritance, and no user type gives it by default`}},
		"held by inheritance": {project{"p/roles.yaml": "- {id: clerk, inherits: [base]}\n- {id: base}\n", "p/rights.yaml": "base: {home: view}\n"}, nil},
		"given by default":    {project{"p/roles.yaml": "- {id: clerk}\n- {id: owl}\n", "p/user_types.yaml": "- {id: A, linked: contact, allowed_roles: [{role: owl, default: true}]}\n"}, nil},
		"allowed, not given": {project{"p/roles.yaml": "- {id: clerk}\n- {id: owl}\n", "p/user_types.yaml": "- {id: A, linked: contact, allowed_roles: [owl]}\n"},
			[]string{`p/roles.yaml:2:3 memberless-role no user holds role "owl", be it by inheritance, and no user type gives it by default (it is allowed to "A")`}},
		"twin types": {project{"p/user_types.yaml": "- {id: A, title: One, linked: contact, manages: [A]}\n- {id: B, title: Two, linked: contact, manages: [B]}\n"},
			[]string{`p/user_types.yaml:2:3 twin-types the user types "A" and "B" differ in name only`}},
		"types managed by others":  {project{"p/user_types.yaml": "- {id: A, linked: contact}\n- {id: B, linked: contact}\n- {id: C, linked: employee, manages: [A]}\n"}, nil},
		"types that are not alike": {project{"p/user_types.yaml": "- {id: A, linked: contact}\n- {id: B, linked: employee}\n"}, nil},
		"a type that a setting names": {project{
			"p/user_types.yaml": "- {id: A, linked: contact}\n- {id: B, linked: contact}\n", "p/portal.yaml": "policy: doors\nsettings: {portal_user_type: B}\n"}, nil},
		"twin roles": {project{"p/roles.yaml": "- {id: clerk}\n- {id: scribe}\n", "p/rights.yaml": "clerk: {home: view}\nscribe: {home: view}\n",
			"p/users.yaml": "- {id: ann, login: ann, active: true, grants: [clerk]}\n- {id: bob, login: bob, active: true, grants: [scribe]}\n"},
			[]string{`p/roles.yaml:2:3 twin-roles the roles "clerk" and "scribe" have the same rights and inherit the same`}},
		"a role that the policy names": {project{"p/roles.yaml": "- {id: clerk}\n- {id: opened}\n", "p/rights.yaml": "clerk: {home: view}\nopened: {home: view}\n",
			"p/users.yaml": "- {id: ann, login: ann, active: true, grants: [clerk]}\n- {id: bob, login: bob, active: true, grants: [opened]}\n"}, nil},
		"generous guest": {project{
			"p/roles.yaml":    "- {id: clerk}\n- {id: outside, guest: true}\n",
			"p/rights.yaml":   "clerk: {home: view}\noutside: {home: edit}\n",
			"p/accounts.yaml": "- {id: ACME}\n",
			"p/users.yaml":    "- {id: ann, login: ann, active: true, grants: [clerk], account: ACME}\n- {id: gus, login: gus, active: true, grants: [outside], account: ACME}\n"},
			[]string{`p/users.yaml:2:3 generous-guest guest "gus" may edit screen "home", which no member of account "ACME" may ("ann")`}},
		"a guest of another account": {project{
			"p/roles.yaml":    "- {id: clerk}\n- {id: outside, guest: true}\n",
			"p/rights.yaml":   "clerk: {home: view}\noutside: {home: edit}\n",
			"p/accounts.yaml": "- {id: ACME}\n- {id: OTHER}\n",
			"p/users.yaml":    "- {id: ann, login: ann, active: true, grants: [clerk], account: ACME}\n- {id: gus, login: gus, active: true, grants: [outside], account: OTHER}\n"}, nil},
		"a visitor who may more": {project{
			"p/screens.yaml":  "- {id: home, kind: screen}\n- {id: lobby, kind: screen, flags: {public: true}}\n",
			"p/accounts.yaml": "- {id: ACME}\n",
			"p/users.yaml":    "- {id: ann, login: ann, active: true, grants: [clerk], account: ACME}\n- {id: bob, login: bob, active: true, account: ACME, flags: {barred: true}}\n"},
			[]string{`p/screens.yaml:2:3 generous-guest visitors who have not logged in may view screen "lobby", and "bob" may not`}},
		"a right that can go when others are gone": {project{ // where no role has a level, all have the greatest
			"p/portal.yaml": "policy: presets.acumatica\nsettings: {rights_generation: 2023r2}\n",
			"p/roles.yaml":  "- {id: chief, inherits: [clerk]}\n- {id: clerk}\n- {id: reader}\n",
			"p/rights.yaml": "chief: {home: delete}\nclerk: {home: delete}\nreader: {home: view}\n",
			"p/users.yaml":  "- {id: ann, login: ann, active: true, grants: [chief, clerk, reader]}\n",
			"decisions.yaml": "portal: p\nnow: 2026-03-01T09:00:00Z\ncases:\n" +
				"  - {id: A, subject: ann, action: view, resource: screen/home, want: {outcome: allow, rules: [screen_right]}}\n",
		}, []string{
			`p/rights.yaml:1:9 idle-right the right of role "chief" at "home" is delete, which the role inherits from "clerk" at that level: removing it changes no decision`,
			`p/rights.yaml:2:9 idle-right the right of role "clerk" at "home" never matters: without delete no user's decision is another`,
			`p/rights.yaml:3:10 idle-right the right of role "reader" at "home" never matters: without view no user's decision is another`,
		}},
		"ended grant": {project{"p/users.yaml": "- id: ann\n  login: ann\n  active: true\n  grants:\n    - {role: clerk, from: 2026-02-01T00:00:00Z}\n    - {role: clerk, until: 2026-02-01T00:00:00Z}\n"},
			[]string{`p/users.yaml:6:7 ended-grant the grant of role "clerk" to user "ann" ended at 2026-02-01T00:00:00Z`}},
		"a grant that ends later": {project{"p/users.yaml": "- {id: ann, login: ann, active: true, grants: [{role: clerk, until: 2026-03-01T09:00:00.001Z}]}\n"}, nil},
		"uncovered rule": {project{"policies/doors.rego": doors + "\n# METADATA\n# custom: {id: spare, reason: x}\nspare if input.user.id == \"x\"\n"},
			[]string{`policies/doors.rego:20:1 uncovered-rule no case covers rule spare`}},
		"untested portal": {project{"q/portal.yaml": "policy: doors\n"},
			[]string{`q/portal.yaml:1:1 untested-portal no suite asks portal "q"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, missing := plain().with(tc.files).find(t, t.Context(), options())
			require.Equal(t, tc.want, got)
			require.Empty(t, missing)
		})
	}
}

func TestWithoutUsers(t *testing.T) {
	files := project{"p/users.yaml": "", "decisions.yaml": strings.ReplaceAll(plain()["decisions.yaml"], "allow, rules: [opened]", "deny")}
	got, missing := plain().with(files).find(t, t.Context(), options())
	require.Equal(t, []string{"policies/doors.rego:9:1 uncovered-rule no case covers rule opened"}, got)
	require.Equal(t, []string{"memberless-role: portal p has no user here", "unreached-screen: portal p has no active user here"}, missing)
}

func TestOutOfTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, missing := plain().find(t, ctx, options())
	require.Empty(t, got)
	require.Equal(t, []string{
		"unreached-screen: 1 of 1 nodes of portal p, for lack of time",
		"generous-guest: portal p, for lack of time",
		"uncovered-rule: 1 rule, for lack of time",
		"idle-right: 1 of 1 rights of portal p, for lack of time",
	}, missing)
}

// TestManyRecords: of a type with more than can be asked about, the rest is told.
func TestManyRecords(t *testing.T) {
	var b strings.Builder
	for i := range 203 {
		fmt.Fprintf(&b, "- {type: case, id: C%d}\n", i)
	}
	_, missing := plain().with(project{"p/records.yaml": b.String(), "p/portal.yaml": "policy: doors\nresource_screens: {case: {\"*\": home}}\n"}).find(t, t.Context(), options())
	require.Equal(t, []string{"idle-right: at portal p not asked about 3 of 203 of type case"}, missing)
}

func TestClip(t *testing.T) {
	all := []policy.Finding{{Rule: "a", Line: 1}, {Rule: "b"}, {Rule: "a", Line: 2}, {Rule: "a", Line: 3}}
	shown, more := findings.Clip(all, 1)
	require.Equal(t, all[:2], shown)
	require.Equal(t, map[string]int{"a": 2}, more)
}
