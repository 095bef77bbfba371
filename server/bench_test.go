package server_test

import (
	"fmt"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/priority"
)

// sized returns a portal under the acumatica preset: users with one role each,
// roles in chains of four, screens that every fourth role has a level at, and a
// case for every user.
func sized(users, roles, screens int) authz.World {
	w := authz.World{Bundle: authz.Bundle{Portal: authz.Portal{
		ID: "sized", Policy: "presets.acumatica",
		Settings:        map[string]any{"rights_generation": "2024r1", "nested_rights": "manual"},
		Features:        map[string]bool{"customer_portal": true},
		ResourceScreens: map[string]map[string]string{"case": {"*": "S0"}},
	}}}
	w.Screens = append(w.Screens, authz.Node{ID: "W", Kind: authz.Workspace, Feature: "customer_portal"})
	for i := range screens {
		w.Screens = append(w.Screens, authz.Node{ID: fmt.Sprint("S", i), Kind: authz.Screen, Parent: "W"})
	}
	for i := range roles {
		r := authz.Role{ID: fmt.Sprint("R", i)}
		if i%4 != 3 && i+1 < roles {
			r.Inherits = []string{fmt.Sprint("R", i+1)}
		}
		w.Roles = append(w.Roles, r)
		for s := range screens {
			if (i+s)%4 == 0 {
				w.Rights = append(w.Rights, authz.Right{Role: r.ID, Node: fmt.Sprint("S", s), Level: authz.Level((i + s) % 5)})
			}
		}
	}
	w.Accounts = []authz.Account{{ID: "A"}, {ID: "B"}}
	for i := range users {
		u := authz.User{ID: fmt.Sprint("U", i), Login: fmt.Sprint("U", i), Active: true, Account: "A", Grants: []authz.Grant{{Role: fmt.Sprint("R", i%roles)}}}
		w.Users = append(w.Users, u)
		w.Records = append(w.Records, authz.Record{Type: "case", ID: u.ID, Account: []string{"A", "B"}[i/roles%2]})
	}
	return w
}

// BenchmarkDecision is one decision in process, facts and Rego, no decision
// cached: 10,000 users, 50 roles in chains of four, 200 screens. The portal has been asked
// for a while, so that what the policy keeps of nodes and roles is there. Garbage is
// collected as portcullis serve has it collected beside a heap of this size.
func BenchmarkDecision(b *testing.B) {
	const users, roles, screens = 10_000, 50, 200
	collectAsServed(b)
	program, err := server.Program("", time.Second)
	require.NoError(b, err)
	decider, err := server.Offline([]authz.World{sized(users, roles, screens)}, program, "", time.Now)
	require.NoError(b, err)
	for _, mix := range []struct {
		name    string
		action  string
		subject func(i int) string
		typ     string
		id      func(i int) string
		only    func(d *authz.Decision) bool // of all such questions, those that come to this
	}{
		{"any screen", "edit", user, "screen", screen, anyDecision},
		{"screen allowed", "view", user, "screen", screen, (*authz.Decision).Allowed},
		{"screen level too low", "edit", user, "screen", screen, reason("level_too_low")},
		{"screen hidden", "view", user, "screen", screen, reason("revoked")},
		{"screen not granted", "view", user, "screen", screen, reason("not_granted")},
		{"case allowed", "view", user, "case", user, (*authz.Decision).Allowed},
		{"case of another account", "view", user, "case", user, reason("other_account")},
		{"user unknown", "view", func(i int) string { return fmt.Sprint("nobody", i) }, "screen", screen, reason("user_unknown")},
	} {
		b.Run(mix.name, func(b *testing.B) {
			questions := ask(b, decider, mix.action, mix.subject, mix.typ, mix.id, mix.only)
			decideEach(b, decider, questions)
		})
	}
}

// BenchmarkDecisionAtNewPlaces is one decision that is the first about its screen with the
// roles of its user, of which there are more than are kept: 5,000 roles, 40 screens.
func BenchmarkDecisionAtNewPlaces(b *testing.B) {
	const roles, screens = 5000, 40
	collectAsServed(b)
	program, err := server.Program("", time.Second)
	require.NoError(b, err)
	decider, err := server.Offline([]authz.World{sized(roles, roles, screens)}, program, "", time.Now)
	require.NoError(b, err)
	questions := make([]authz.Query, roles*screens)
	for i := range questions {
		questions[i] = authz.Query{
			Subject: authz.Entity{Type: "user", ID: fmt.Sprint("U", i%roles)}, Action: authz.Action{Name: "view"},
			Resource: authz.Entity{Type: "screen", ID: fmt.Sprint("S", i/roles)},
		}
	}
	decideEach(b, decider, questions)
}

// decideEach is one decision, of one question after another.
func decideEach(b *testing.B, d *pdp.Decider, questions []authz.Query) {
	var out [1]authz.Decision
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		at := i % len(questions)
		if _, err := d.Decide(b.Context(), "", questions[at:at+1], out[:], nil); err != nil {
			b.Fatal(err)
		}
	}
}

// collectAsServed has garbage collected as portcullis serve has it collected.
func collectAsServed(b *testing.B) {
	garbage := debug.SetGCPercent(-1)
	b.Cleanup(func() { debug.SetGCPercent(garbage) })
	priority.Decisions(b.Context(), 0)
}

func user(i int) string   { return fmt.Sprint("U", i*7919%10_000) }
func screen(i int) string { return fmt.Sprint("S", i/7%200) }

func anyDecision(*authz.Decision) bool { return true }

func reason(r string) func(*authz.Decision) bool {
	return func(d *authz.Decision) bool { return d.Reason == r }
}

// ask returns a thousand questions whose decisions are as only wants.
func ask(b *testing.B, d *pdp.Decider, action string, subject func(int) string, typ string, id func(int) string, only func(*authz.Decision) bool) []authz.Query {
	var questions []authz.Query
	for i := 0; len(questions) < 1000 && i < 200_000; i++ {
		q := authz.Query{
			Subject:  authz.Entity{Type: "user", ID: subject(i)},
			Action:   authz.Action{Name: action},
			Resource: authz.Entity{Type: typ, ID: id(i)},
		}
		decision, err := server.One(b.Context(), d, "", q)
		require.NoError(b, err)
		require.NoError(b, decision.Err)
		if only(&decision) {
			questions = append(questions, q)
		}
	}
	require.NotEmpty(b, questions)
	return questions
}
