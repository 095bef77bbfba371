package policytest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

// TestMutate holds the suites of the presets against every fiftieth small change of
// their policies and portals. One that no case notices is a hole in a suite, or is
// explained by its survivors.txt. All take minutes: `portcullis test --mutate` tries
// them, and so does .ci/run.
func TestMutate(t *testing.T) {
	p, err := policytest.Load(policytest.Source{Paths: []string{"../../fixtures"}, Policies: "../../policies"})
	require.NoError(t, err)
	every, least := 50, 100
	if testing.Short() {
		every, least = 500, 10
	}
	r, err := policytest.Mutate(t.Context(), p, policytest.MutateOptions{Every: every})
	require.NoError(t, err)
	for i := range r.Mutants {
		if m := &r.Mutants[i]; m.Fate == policytest.FateSurvived && m.Why == "" {
			t.Errorf("no case notices %s", m)
		}
	}
	require.Greater(t, r.Killed, least)
	require.Greater(t, r.Killed, 10*r.Invalid, "too many mutants say nothing")
}

// TestWorldMutants holds the mutants of a small world against a list.
func TestWorldMutants(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	world := func() authz.World {
		var w authz.World
		w.Portal = authz.Portal{
			ID: "p", Policy: "x", Settings: map[string]any{"mode": "old", "menu": map[string]any{"a": true}}, Features: map[string]bool{"cases": true},
			Sharing:         []any{map[string]any{"id": "g", "kind": "restriction_group", "type": "A", "active": true}, map[string]any{"id": "h", "kind": "list"}, "text"},
			ResourceScreens: map[string]map[string]string{"case": {"*": "s"}},
		}
		w.UserTypes = []authz.UserType{{ID: "t", Manages: []string{"t"}}}
		w.Roles = []authz.Role{{ID: "r", Inherits: []string{"q"}}, {ID: "q"}}
		w.Screens = []authz.Node{{ID: "s", Kind: authz.Screen, Feature: "cases", Flags: map[string]bool{"unlisted": false}}}
		w.Rights = []authz.Right{{Role: "r", Node: "s", Level: authz.Revoked}, {Role: "q", Node: "s", Level: authz.Delete}}
		w.Accounts = []authz.Account{{ID: "a", Attributes: map[string]any{"restriction_groups": []any{"g"}}}, {ID: "b"}}
		w.Contacts = []authz.Contact{{ID: "c", Account: "a"}, {ID: "d"}}
		w.Users = []authz.User{{
			ID: "u", Active: true, UserType: "t", Account: "a", Contact: "c", Attributes: map[string]any{"restriction_groups": []any{"g"}},
			Grants: []authz.Grant{{Role: "r", From: now.Add(-time.Minute)}, {Role: "q", Until: now}},
		}}
		w.Records = []authz.Record{{Type: "case", ID: "1", Account: "a", Contact: "c", Flags: map[string]bool{"closed": true}}, {Type: "case", ID: "2"}}
		return w
	}
	w, other := world(), world()
	other.Portal.Settings["mode"], other.Portal.Settings["menu"] = "new", map[string]any{"a": false}
	mutants := policytest.Mutants([]authz.World{w, other}, 0, now)
	require.Equal(t, world(), w, "the original is as it was")
	var got []string
	for i := range mutants {
		require.NotEqual(t, w, mutants[i].World, mutants[i].What)
		got = append(got, strings.TrimPrefix(mutants[i].What, "p: "))
	}
	require.Equal(t, []string{
		`portal "p": setting menu: map[a:true] -> map[a:false]`,
		`portal "p": setting mode: old -> new`,
		`portal "p": feature cases: false`,
		`portal "p": no screen for * of case`,
		`portal "p": group g: active false`,
		`portal "p": group g: type B`,
		`portal "p": group g: type A Inverse`,
		`portal "p": group g: type B Inverse`,
		`user_type "t": no longer manages "t"`,
		`role "r": no longer inherits "q"`,
		`screen "s": without its feature`,
		`screen "s": flag unlisted: true`,
		`right of role "r" at screen "s": removed`,
		`right of role "r" at screen "s": revoked -> view`,
		`right of role "q" at screen "s": removed`,
		`right of role "q" at screen "s": delete -> publish`,
		`user "u": active false`,
		`user "u": without its type`,
		`user "u": without its account`,
		`user "u": without its contact`,
		`user "u": without role "r"`,
		`user "u": role "r": from moved past now`,
		`user "u": role "q": until removed`,
		`user "u": role "q": until moved past now`,
		`user "u": out of group g`,
		`account "a": out of group g`,
		`contact "c": of account ""`,
		`contact "c": of account "b"`,
		`case "1": removed`,
		`case "1": flag closed: false`,
		`case "1": of account ""`,
		`case "1": of account "b"`,
		`case "1": of contact ""`,
		`case "1": of contact "d"`,
		`case "2": removed`,
	}, got)
}
