package findings

import (
	"context"
	"fmt"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

// untested finds the portals that no case asks.
func (f *finder) untested(st *stage) {
	if f.wants(untestedPortal) && !f.suites.Asks(st.portal.folder(), st.world.Portal.ID) {
		f.add(st, untestedPortal, st.world.Portal.Key(), fmt.Sprintf("no suite asks portal %q", st.world.Portal.ID), "write cases for it in a file decisions.yaml beside its data")
	}
}

// uncovered finds the rules that had no part in the answer of any case.
func (f *finder) uncovered(ctx context.Context) error {
	if !f.wants(uncoveredRule) || len(f.suites.Suites) == 0 {
		return nil
	}
	rules, err := f.suites.Rules()
	if err != nil || len(rules) == 0 {
		return err
	}
	run, err := policytest.Run(ctx, f.suites, policytest.Options{Examine: true, CasesOnly: true, Workers: f.options.Workers})
	if authz.KindOf(err) == authz.Unavailable && err != nil {
		f.missing("%s: %s, for lack of time", uncoveredRule, plural(len(rules), "rule"))
		return nil
	}
	if err != nil {
		return err
	}
	covered := map[place]bool{}
	for i := range run.Results {
		for _, r := range run.Results[i].Rules {
			covered[place{r.File, r.Line}] = true
			covered[place{r.File + " " + r.ID, 0}] = true // a rule's else branches have its id
		}
	}
	for _, r := range rules {
		if !covered[place{r.File, r.Line}] && !covered[place{r.File + " " + r.ID, 0}] {
			f.report.Findings = append(f.report.Findings, policy.Finding{
				File: r.File, Line: r.Line, Column: 1, Rule: uncoveredRule, Severity: f.options.Levels.of[uncoveredRule],
				Msg: fmt.Sprintf("no case covers rule %s", r.ID), Fix: "add a case that it decides",
			})
		}
	}
	return nil
}

type place struct {
	file string
	line int
}
