package policytest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/policytest"
)

// TestPresets runs the suite of every preset.
func TestPresets(t *testing.T) {
	p, err := policytest.Load(policytest.Source{Paths: []string{"../../fixtures"}, Policies: "../../policies"})
	require.NoError(t, err)
	report, err := policytest.Run(t.Context(), p, policytest.Options{})
	require.NoError(t, err)
	require.NotEmpty(t, report.Results)
	require.False(t, report.Only, "only keeps other cases from running")
	for i := range report.Results {
		r := &report.Results[i]
		switch r.Status {
		case policytest.StatusFailed:
			t.Errorf("%s:%d: %s\n  %s at portal %s\n  %v %s", r.Suite, r.Line, r, r.Question, r.Portal, r.Diffs, r.Err)
		case policytest.StatusSkipped:
			t.Errorf("%s:%d: %s is skipped: %s", r.Suite, r.Line, r, r.Why)
		}
	}
	t.Logf("%v", report.Counts())
}
