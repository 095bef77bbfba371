package server

import (
	"context"
	"time"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// offlineCache is how many entities an offline decider keeps beside the worlds,
// which are in memory already.
const offlineCache = 100_000

// Offline decides on worlds held in memory, under program, at the moments that now
// gives. It is the same decision path as a server's, less store and transport. The
// Decider's Admit and Provision judge changes of those worlds, which they do not
// make, for the moment of the change when it names one.
func Offline(worlds []authz.World, program *policy.Program, defaultPortal string, now func() time.Time) (*pdp.Decider, error) {
	views, err := live.Static(worlds, policies.RBACModel, program, defaultPortal)
	if err != nil {
		return nil, err
	}
	return pdp.New(views, pdp.IndexWorlds(worlds), offlineCache, now)
}

// One asks d one question.
func One(ctx context.Context, d *pdp.Decider, portal string, q authz.Query) (authz.Decision, error) {
	qs, out := [1]authz.Query{q}, [1]authz.Decision{}
	_, err := d.Decide(ctx, portal, qs[:], out[:], nil)
	return out[0], err
}
