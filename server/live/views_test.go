package live_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/policy"
)

func program(t testing.TB, source string) *policy.Program {
	t.Helper()
	p, err := policy.Compile(policy.Modules{"x.rego": source}, policies.InputSchema, time.Second)
	require.NoError(t, err)
	return p
}

const allowAll = "package x\ndecision := {\"outcome\": \"allow\", \"reason\": \"all\"}"

func worlds(n int) []authz.World {
	all := make([]authz.World, n)
	for i := range all {
		all[i].Portal = authz.Portal{ID: fmt.Sprintf("p%02d", i), Policy: "x"}
		all[i].Revision = int64(i)
	}
	return all
}

func TestViewOfPortal(t *testing.T) {
	for name, tc := range map[string]struct {
		portals   int
		byDefault string
		ask       string
		want      string // portal
		err       string
	}{
		"by name":                   {2, "", "p01", "p01", ""},
		"by name beside a default":  {2, "p00", "p01", "p01", ""},
		"the default":               {2, "p01", "", "p01", ""},
		"the only one":              {1, "", "", "p00", ""},
		"none":                      {0, "", "", "", "there is no portal yet"},
		"none, by name":             {0, "", "p00", "", "there is no portal yet"},
		"none, with a default":      {0, "p00", "", "", "there is no portal yet"},
		"several and no default":    {2, "", "", "", "several portals and no default one: ask below /portals/{portal}, or configure default_portal; there are: p00, p01"},
		"unknown":                   {2, "p00", "q", "", `there is no portal "q"; there are: p00, p01`},
		"a default that is unknown": {1, "q", "", "", `there is no portal "q"; there are: p00`},
		"a long list":               {13, "", "q", "", "p08, p09 and 3 more"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := live.Static(worlds(tc.portals), policies.RBACModel, program(t, allowAll), tc.byDefault)
			require.NoError(t, err)
			view, err := v.View(tc.ask)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				require.Equal(t, authz.NotFound, authz.KindOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, view.Snapshot.Portal().ID)
		})
	}
}

func TestStaticFailsWhole(t *testing.T) {
	all := worlds(2)
	all[1].Portal.Policy = "nosuch"
	_, err := live.Static(all, policies.RBACModel, program(t, allowAll), "")
	require.ErrorContains(t, err, `portal p01: policy: no policy package "nosuch"`)
	require.Equal(t, authz.Invalid, authz.KindOf(err))

	all = worlds(1)
	all[0].Roles = []authz.Role{{ID: "r", Inherits: []string{"r"}}}
	_, err = live.Static(all, policies.RBACModel, program(t, allowAll), "")
	require.Equal(t, authz.Invalid, authz.KindOf(err))
}

func TestBuildTellsWhatThePolicyReads(t *testing.T) {
	for source, want := range map[string]bool{
		allowAll: false,
		"package x\ndecision := {\"outcome\": \"allow\", \"reason\": \"r\"} if input.user.same_login == 0": true,
	} {
		b := &worlds(1)[0].Bundle
		view, err := live.Build(b, policies.RBACModel, program(t, source))
		require.NoError(t, err)
		require.Equal(t, authz.Reads{Logins: want}, view.Reads)
		require.NotNil(t, view.Changes)
	}
}
