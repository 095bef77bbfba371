package policytest

import (
	"context"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Call returns the decision of the administration call that makes the change of the
// case, by its actor or, where it has none, by a caller without a user.
func (p *Project) Call(ctx context.Context, s *Suite, c *ChangeCase) (authz.Decision, error) {
	scene := p.scenes[keyOf(s, c.Portal, c.Given)]
	d, err := scene.at(c.Now)
	if err != nil {
		return authz.Decision{}, err
	}
	change, err := c.change(scene.world, s.File)
	if err != nil {
		return authz.Decision{}, err
	}
	q := authz.Query{
		Subject: authz.Entity{Type: "user", ID: c.Actor}, Action: authz.Action{Name: authz.CallAction(c.Operation)},
		Resource: authz.CallResource(c.Entity), Context: c.Context, Now: c.Now,
	}
	if c.Actor == "" {
		q.Subject = authz.Entity{Type: authz.CallerSubject, ID: authz.CommandLine}
	}
	decision, _, err := d.DecideCall(ctx, c.Portal, q, change.Old, change.New)
	return decision, err
}
