package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/httpapi"
)

func TestFaultsAreLoggedOnceInAWhile(t *testing.T) {
	refuse := func(_ context.Context, _ string, qs []authz.Query, out []authz.Decision, _ func(*authz.Decision) bool) (int, error) {
		out[0] = authz.Decision{Outcome: authz.Deny, Reason: "level_too_low"}
		out[1] = authz.Refuse(authz.ReasonPolicyError, errors.New("eval_conflict_error"))
		return 2, nil
	}
	var text bytes.Buffer
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	f := newFaultLog(httpapi.DeciderFunc(refuse), slog.New(slog.NewTextHandler(&text, nil)), func() time.Time { return now })
	ask := func() {
		n, err := f.Decide(t.Context(), "p", make([]authz.Query, 2), make([]authz.Decision, 2), nil)
		require.NoError(t, err)
		require.Equal(t, 2, n)
	}
	for range 3 {
		ask()
	}
	require.Equal(t, 1, strings.Count(text.String(), "refused by a fault"))
	require.Contains(t, text.String(), "reason=policy_error err=eval_conflict_error")
	require.NotContains(t, text.String(), "level_too_low")
	now = now.Add(faultEvery)
	ask()
	require.Equal(t, 2, strings.Count(text.String(), "refused by a fault"))
	require.Contains(t, text.String(), "more_since_last=2")
}
