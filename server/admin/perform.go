package admin

import (
	"context"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Perform does a stored task that writes an entity, as the system, in a changeset
// that settles the task too: it is done exactly once. One that the policy or the
// data refuses is settled as refused. An error means that nothing is known to have
// been done, and that it is to be tried again.
func (s *Service) Perform(ctx context.Context, portal string, t authz.StoredTask) (authz.TaskOutcome, error) {
	return authz.TaskOutcome{}, authz.Errorf(authz.Internal, "tasks are not done yet")
}
