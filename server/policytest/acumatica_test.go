package policytest_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

func TestAcumatica(t *testing.T) {
	data, err := os.ReadFile("../../fixtures/acumatica/decisions.yaml")
	require.NoError(t, err)
	suite, err := policytest.Parse("decisions.yaml", data)
	require.NoError(t, err)
	worlds, err := fixture.Load(os.DirFS("../../fixtures/acumatica"))
	require.NoError(t, err)
	modules, err := policy.Load(policies.FS)
	require.NoError(t, err)
	program, err := policy.Compile(modules, policies.InputSchema, time.Second)
	require.NoError(t, err)
	views, err := live.Static(worlds, policies.RBACModel, program, "")
	require.NoError(t, err)
	d, err := pdp.New(views, pdp.IndexWorlds(worlds), 1000, func() time.Time { return suite.Now })
	require.NoError(t, err)
	decide := func(ctx context.Context, portal string, q authz.Query) (authz.Decision, error) {
		var out [1]authz.Decision
		_, err := d.Decide(ctx, portal, []authz.Query{q}, out[:], nil)
		return out[0], err
	}
	for i := range suite.Cases {
		c := &suite.Cases[i]
		t.Run(c.String(), func(t *testing.T) {
			require.NoError(t, c.Check(t.Context(), decide))
		})
	}
}
