package mongodb_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// TestRenewed changes a portal step by step. What a bundle is renewed to is what is
// stored, and has the parts of the one before where nothing of them has changed.
func TestRenewed(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		o.Sole = false
		s := holding(t, o, full("p"))
		known, err := s.Renewed(t.Context(), "p", nil)
		require.NoError(t, err)
		portal := known.Portal
		for _, step := range []struct {
			name   string
			shares bool
			change func()
		}{
			{"nothing", true, func() {}},
			{"a user", true, func() { commit(t, s, of(t, s, "p", made(authz.User{ID: "new"})...)) }},
			{"a setting", true, func() {
				portal.Settings = map[string]any{"n": int64(1)}
				commit(t, s, of(t, s, "p", made(portal)...))
			}},
			{"a policy", true, func() {
				c := of(t, s, "p", made(authz.PolicyRevision{Number: 1, Files: map[string]string{"a.rego": "package a"}, At: day(1)})...)
				number, r := int64(1), c.Changes[0].New.(authz.PolicyRevision)
				c.Publish, c.Config = &number, &world(t, s, "p").Bundle
				c.Config.Published = &r
				commit(t, s, c)
			}},
			{"a level", false, func() {
				commit(t, s, of(t, s, "p", made(authz.Right{Role: "clerk", Node: "CASES", Level: authz.View})...))
			}},
			{"a new level", false, func() {
				commit(t, s, of(t, s, "p", made(authz.Right{Role: "zebra", Node: "W", Level: authz.Edit})...))
			}},
			{"a setting after a level", true, func() {
				portal.Settings = map[string]any{"n": int64(2)}
				commit(t, s, of(t, s, "p", made(portal)...))
			}},
			{"a role", false, func() { commit(t, s, of(t, s, "p", made(authz.Role{ID: "zebra", Title: "Z"})...)) }},
			{"a screen", false, func() {
				commit(t, s, of(t, s, "p", made(authz.Node{ID: "W", Kind: authz.Workspace, Title: "Other"})...))
			}},
			{"a user type", false, func() {
				commit(t, s, of(t, s, "p", made(authz.UserType{ID: "third", Linked: authz.LinkedContact})...))
			}},
			{"a setting with a role", false, func() {
				portal.Settings = map[string]any{"n": int64(3)}
				commit(t, s, of(t, s, "p", made(portal, authz.Role{ID: "zebra", Title: "ZZ"})...))
			}},
			{"an import of the same", false, func() {
				require.NoError(t, s.Import(t.Context(), []authz.World{*world(t, s, "p")}, "test", nil))
			}},
			{"a head of somebody who knows of no structure", false, func() {
				_, err := raw(t, o).Collection("portals").UpdateOne(t.Context(), bson.D{{Key: "_id", Value: "p"}}, bson.D{{Key: "$unset", Value: bson.D{{Key: "structure", Value: ""}}}})
				require.NoError(t, err)
			}},
			{"the same again", false, func() {}},
			{"a setting after that", false, func() {
				portal.Settings = map[string]any{"n": int64(4)}
				commit(t, s, of(t, s, "p", made(portal)...))
			}},
			{"a setting once more", true, func() {
				portal.Settings = map[string]any{"n": int64(5)}
				commit(t, s, of(t, s, "p", made(portal)...))
			}},
			{"another portal of the name", false, func() {
				require.NoError(t, commitOne(t.Context(), s, "p", "test", gone(portal.Key())[0]))
				require.NoError(t, s.Import(t.Context(), []authz.World{full("p")}, "test", nil))
			}},
		} {
			step.change()
			got, err := s.Renewed(t.Context(), "p", known)
			require.NoError(t, err, step.name)
			want, err := s.Bundle(t.Context(), "p")
			require.NoError(t, err, step.name)
			require.Equal(t, want, got, step.name)
			require.Equal(t, step.shares, &got.Roles[0] == &known.Roles[0], step.name)
			require.Equal(t, step.shares, &got.Rights[0] == &known.Rights[0], step.name)
			known = got
		}
	})
}
