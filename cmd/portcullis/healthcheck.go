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
	address, err := c.address(s)
	if err != nil {
		return err
	}
	status, detail, err := fetch(ctx, c.Wait, http.MethodGet, address+"/readyz", "")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return authz.Errorf(authz.Unavailable, "the server at %s is not ready (%d): %s", address, status, detail)
	}
	_, err = fmt.Fprintln(s.out, "ready")
	return err
}
