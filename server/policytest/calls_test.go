package policytest_test

import (
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/policytest"
)

// TestAcceptedChangesAreCallsThatMayBeMade holds that whoever a row of a preset lets
// write something may make the call that writes it.
func TestAcceptedChangesAreCallsThatMayBeMade(t *testing.T) {
	p, err := policytest.Load(policytest.Source{Paths: []string{"../../fixtures"}, Policies: "../../policies"})
	require.NoError(t, err)
	asked := 0
	for _, s := range p.Suites {
		for i := range s.Changes {
			c := &s.Changes[i]
			if c.Actor == "" || len(c.Want.Refusals) > 0 {
				continue
			}
			asked++
			d, err := p.Call(t.Context(), s, c)
			require.NoError(t, err, "%s", c)
			if d.Outcome != "allow" {
				t.Errorf("%s:%d %s: the call is answered %s %s %v", path.Dir(s.File), c.Line, c, d.Outcome, d.Reason, d.Err)
			}
		}
	}
	require.Greater(t, asked, 80)
}
