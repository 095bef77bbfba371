package main

import "context"

type adminCallersCmd struct{ adminFlags }

// Help tells where keys are made.
func (adminCallersCmd) Help() string {
	return `Keys are made and taken away by portcullis key, on the machine that holds the store.`
}

// Run lists the callers, never their keys.
func (c *adminCallersCmd) Run(ctx context.Context, s *streams) error {
	return c.rows(ctx, s, listing{
		segments: []string{"callers"}, global: true,
		heading: []string{"ID", "NAME", "PORTALS", "PERMISSIONS", "USER", "ACTS FOR", "CREATED", "BY", "UNTIL"},
		members: []string{"id", "name", "portals", "permissions", "user", "acts_for", "created_at", "created_by", "until"},
	})
}
