package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/accessreport"
)

// TestJudge: what is lost at all portals counts together, and what was not looked at
// does not pass for what does not differ.
func TestJudge(t *testing.T) {
	two, ten := 2, 10
	reports := []*accessdiff.Report{{Portal: "a", Lost: 2, Gained: 1}, {Portal: "b", Lost: 1, Missing: []string{"some"}}, {Portal: "c", LockedOut: true}}
	missing := "portal b was not compared whole (--allow-missing lets it pass)"
	locked := "nobody could change the policy of portal c any more (--allow-lockout lets it pass)"
	for name, tc := range map[string]struct {
		cmd  diffCmd
		want []string
	}{
		"by default":       {diffCmd{}, []string{missing, locked}},
		"all is allowed":   {diffCmd{AllowMissing: true, AllowLockout: true}, nil},
		"within allowance": {diffCmd{AllowMissing: true, AllowLockout: true, MaxLost: &ten, MaxGained: &two}, nil},
		"over it":          {diffCmd{AllowMissing: true, MaxLost: &two}, []string{locked, "3 users lose access, and at most 2 may (--max-lost)"}},
		"over none":        {diffCmd{AllowLockout: true, MaxGained: new(int)}, []string{missing, "1 user gains access, and at most 0 may (--max-gained)"}},
	} {
		t.Run(name, func(t *testing.T) {
			found := &accessreport.Comparison{Reports: reports}
			tc.cmd.judge(found)
			require.Equal(t, tc.want, found.Complaints)
		})
	}
}
