package accessdiff

import (
	"context"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// Side is one state of a portal.
type Side struct {
	Name    string
	World   *authz.World
	Program *policy.Program
}

// Options of Compute.
type Options struct {
	Model                string
	Now                  time.Time
	Progress             func(done, total int64)
	Samples, Workers     int
	MaxUsers, MaxRecords int
}

// Compute stands in for what is to come: it compares nothing, and says so.
func Compute(_ context.Context, before, after Side, _ Options) (*Report, error) {
	r := &Report{Before: before.Name, After: after.Name, Missing: []string{"nothing was compared"}}
	for _, s := range []Side{before, after} {
		if s.World != nil {
			r.Portal = s.World.Portal.ID
		}
	}
	return r, nil
}
