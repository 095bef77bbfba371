package server_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

// TestAlikeAnswersAreTheAnswers asks each portal of the fixtures, under its preset, about
// many cells of rights in one call, in which what its policy cannot tell apart is asked
// once, and about each by itself: the answers are the same.
func TestAlikeAnswersAreTheAnswers(t *testing.T) {
	project, err := policytest.Load(policytest.Source{Paths: []string{"../fixtures"}})
	require.NoError(t, err)
	worlds, _ := project.Stage(moment, policytest.StoredCase)
	d := offline(t, worlds)
	rng := rand.New(rand.NewPCG(7, 11))
	asked, kept, allowed, plains := 0, 0, 0, 0
	for i := range worlds {
		w := &worlds[i]
		if len(w.Roles) == 0 || len(w.Screens) == 0 {
			continue
		}
		subjects := []authz.Entity{{Type: authz.CallerSubject, ID: "gate"}, {Type: "user", ID: "nobody"}, {Type: "anonymous", ID: "somebody"}}
		actors := []string{"", "nobody"}
		for range min(8, len(w.Users)) {
			u := w.Users[rng.IntN(len(w.Users))]
			subjects, actors = append(subjects, authz.Entity{Type: "user", ID: u.ID}), append(actors, u.ID)
		}
		for n, subject := range subjects {
			var alike authz.Alike
			for range 40 {
				before := authz.Right{Role: w.Roles[rng.IntN(len(w.Roles))].ID, Node: w.Screens[rng.IntN(len(w.Screens))].ID, Level: authz.Level(rng.IntN(6))}
				after := before
				after.Level = authz.Level(rng.IntN(6))
				c := authz.Change{Operation: authz.UpdateEntity, Entity: before.Key(), Old: before, New: after, Actor: actors[min(n, len(actors)-1)], Now: moment}
				switch rng.IntN(3) {
				case 0:
					c.Operation, c.Old = authz.CreateEntity, nil
				case 1:
					c.Operation, c.New = authz.DeleteEntity, nil
				}
				q := authz.Query{Subject: subject, Action: authz.Action{Name: authz.CallAction(c.Operation)}, Resource: authz.CallResource(before.Key())}
				want, _, err := d.DecideCall(t.Context(), w.Portal.ID, q, c.Old, c.New)
				require.NoError(t, err)
				var pending authz.Pending
				wantPlain, _, plainErr := d.Plain(t.Context(), w.Portal.ID, &c, authz.Known{Pending: &pending})
				require.NoError(t, plainErr)

				q.Alike, c.Alike = &alike, &alike
				got, _, err := d.DecideCall(t.Context(), w.Portal.ID, q, c.Old, c.New)
				require.NoError(t, err)
				require.Equal(t, want, got, "%s: %v of %v", w.Portal.ID, subject, c.Entity)
				gotPlain, _, err := d.Plain(t.Context(), w.Portal.ID, &c, authz.Known{Pending: &pending})
				require.NoError(t, err)
				require.Equal(t, wantPlain, gotPlain, "%s: %v of %v", w.Portal.ID, c.Actor, c.Entity)
				asked++
				if want.Allowed() {
					allowed++
				}
				if wantPlain {
					plains++
				}
			}
			kept += alike.Number()
		}
	}
	t.Logf("%d cells, %d answers made, %d allowed, %d plain", asked, kept, allowed, plains)
	require.Greater(t, asked, 1000)
	require.Less(t, kept, 2*asked*3/4, "hardly anything was alike")
	require.NotZero(t, allowed)
	require.NotZero(t, plains)
}
