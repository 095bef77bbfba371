package server_test

import (
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/fixtures"
	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/pdp"
)

// TestWhoPublishesPolicies: under every preset it is those who administer everything,
// who are held to lib.publishing, and nobody else at all.
func TestWhoPublishesPolicies(t *testing.T) {
	program, err := server.Program("", 10*time.Second)
	require.NoError(t, err)
	entries, err := fixtures.FS.ReadDir(".")
	require.NoError(t, err)
	administrators := 0
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		dir, err := fs.Sub(fixtures.FS, e.Name())
		require.NoError(t, err)
		worlds, err := fixture.Load(dir)
		require.NoError(t, err)
		decider, err := server.Offline(worlds, program, "", time.Now)
		require.NoError(t, err)
		for i := range worlds {
			administrators += publishers(t, decider, &worlds[i])
		}
	}
	require.Greater(t, administrators, 6)
}

func publishers(t *testing.T, d *pdp.Decider, w *authz.World) (administrators int) {
	t.Helper()
	fit := authz.PolicyRevision{
		Number: 5, User: "nobody", Author: "user/nobody", Checked: &authz.PolicyCheck{OK: true, Cases: 1},
		Difference: &authz.AccessSummary{Complete: true},
	}
	unfit, back := fit, fit
	unfit.Checked = nil
	back.Checked, back.Publications = nil, []authz.Publication{{By: "user/nobody"}}
	subjects := []authz.Entity{{Type: authz.CallerSubject, ID: authz.CommandLine}}
	for i := range w.Users {
		subjects = append(subjects, authz.Entity{Type: "user", ID: w.Users[i].ID})
	}
	for _, s := range subjects {
		ask := func(action string, k authz.Key, before, after authz.Stored) *authz.Decision {
			got, _, err := d.DecideCall(t.Context(), w.Portal.ID, authz.Query{Subject: s, Action: authz.Action{Name: action}, Resource: authz.CallResource(k)}, before, after)
			require.NoError(t, err)
			return &got
		}
		may := ask(authz.UpdateCall, w.Portal.Key(), w.Portal, w.Portal)
		for _, action := range []string{authz.ReadCall, authz.UpdateCall, authz.PublishCall} {
			got := ask(action, fit.Key(), fit, fit)
			require.Equal(t, may.Allowed(), got.Allowed(), "%s %s at %s: %s", s.ID, action, w.Portal.ID, got.Reason)
		}
		require.Equal(t, may.Allowed(), ask(authz.CreateCall, fit.Key(), nil, fit).Allowed())
		require.Equal(t, may.Allowed(), ask(authz.PublishCall, back.Key(), back, back).Allowed(), "a way back")
		require.Equal(t, may.Allowed() && s.Type == "user", ask(authz.ApproveCall, fit.Key(), fit, fit).Allowed())
		got := ask(authz.PublishCall, unfit.Key(), unfit, unfit)
		require.False(t, got.Allowed())
		if may.Allowed() {
			administrators++
			require.Equal(t, "not_checked", got.Reason)
		}
	}
	return administrators
}
