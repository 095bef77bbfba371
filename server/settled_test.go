package server_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

// TestSettledRulesDecideTheSame asks each portal of the fixtures, under its preset, of many
// users, nodes and records, with the values that are kept of settled rules and without any.
func TestSettledRulesDecideTheSame(t *testing.T) {
	project, err := policytest.Load(policytest.Source{Paths: []string{"../fixtures"}})
	require.NoError(t, err)
	worlds, _ := project.Stage(moment, policytest.StoredCase)
	program, err := server.Program("", 10*time.Second)
	require.NoError(t, err)
	views, err := live.Static(worlds, policies.RBACModel, program, "")
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(3, 14))
	actions := []string{"view", "list", "edit", "create", "comment", "attach", "close", "delete", "publish", "manage_user.create", "manage_user.edit", "other"}
	reasons := map[string]int{}
	atPlaces := 0
	for i := range worlds {
		w := &worlds[i]
		if len(w.Users) == 0 || len(w.Screens) == 0 {
			continue
		}
		v, err := views.View(w.Portal.ID)
		require.NoError(t, err)
		warm := v.Snapshot.Policy().(*policy.Policy)
		for range 600 {
			u := &w.Users[rng.IntN(len(w.Users))]
			q := authz.Query{Subject: authz.Entity{Type: "user", ID: u.ID}, Action: authz.Action{Name: actions[rng.IntN(len(actions))]}, Now: moment}
			ents := engine.Entities{User: v.Snapshot.Principal(u, moment, 0), Fields: v.Reads.Fields}
			if q.Subject.Type = []string{"user", "user", "user", "anonymous"}[rng.IntN(4)]; q.Subject.Type == "anonymous" {
				ents.User = nil
			}
			if rng.IntN(2) == 0 && len(w.Records) > 0 {
				r := &w.Records[rng.IntN(len(w.Records))]
				q.Resource, ents.Record = authz.Entity{Type: r.Type, ID: r.ID}, &authz.RecordFacts{Record: r}
			} else {
				n := &w.Screens[rng.IntN(len(w.Screens))]
				q.Resource = authz.Entity{Type: string(n.Kind), ID: n.ID}
			}
			f := v.Snapshot.Facts(&q, ents)
			cold := f
			cold.Place = nil
			fresh, err := warm.For(&w.Bundle)
			require.NoError(t, err)
			want := fresh.Decide(t.Context(), &q, &cold)
			require.NoError(t, want.Err)
			require.Equal(t, want, warm.Decide(t.Context(), &q, &f), "%s: %v", w.Portal.ID, q)
			require.Equal(t, want, warm.Decide(t.Context(), &q, &f), "%s: %v, again", w.Portal.ID, q)
			reasons[want.Reason]++
			if f.Place != nil {
				atPlaces++
			}
		}
	}
	t.Log(atPlaces, reasons)
	require.Greater(t, len(reasons), 8)
	require.Greater(t, atPlaces, 1000)
}
