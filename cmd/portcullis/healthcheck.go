package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/portcullis-authz/portcullis/server/authz"
)

type healthcheckCmd struct{ serverFlags }

// Run asks the server whether it is ready.
func (c *healthcheckCmd) Run(ctx context.Context, s *streams) error {
	r, err := c.keyless(s)
	if err != nil {
		return err
	}
	a, err := r.send(ctx, http.MethodGet, "/readyz", "", nil)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return authz.Errorf(authz.Unavailable, "the server at %s is not ready (%d): %s", r, a.status, a.body)
	}
	_, err = fmt.Fprintln(s.out, "ready")
	return err
}
