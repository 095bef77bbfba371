package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

type adminTasksCmd struct {
	adminFlags
	State string `help:"Only tasks in this state: pending, done, refused or dead." placeholder:"STATE"`
	Limit int    `help:"How many to list at most." default:"100"`
	After string `help:"Begin after the page that ended with this." placeholder:"NEXT"`
}

// Help tells of the states.
func (adminTasksCmd) Help() string {
	return `A task is pending until it is done. One that the policy or the data does not let is refused, and one that failed too often is dead; admin retry
has either tried again.

  portcullis admin tasks --state dead`
}

// Run lists tasks, newest first.
func (c *adminTasksCmd) Run(ctx context.Context, s *streams) error {
	query := url.Values{}
	if c.State != "" {
		query.Set("state", c.State)
	}
	return c.rows(ctx, s, listing{
		segments: []string{"tasks"}, query: query, after: c.After, limit: c.Limit,
		heading: []string{"NAME", "TASK", "KIND", "ENTITY", "TO", "STATE", "ATTEMPTS", "DUE", "ERROR"},
		members: []string{"name", "id", "kind", "entity", "to", "state", "attempts", "due", "error"},
	})
}

type adminRetryCmd struct {
	adminFlags
	Note string `help:"Why, for the audit." placeholder:"TEXT"`
	Task string `arg:"" help:"Name of the task, as admin tasks shows it."`
}

// Run has the task tried again.
func (c *adminRetryCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.openWriting(s, writeFlags{Note: c.Note})
	if err != nil {
		return err
	}
	at, err := a.within(ctx, "tasks", c.Task, "retry")
	if err != nil {
		return err
	}
	if _, err := a.do(ctx, request{method: http.MethodPost, path: at}); err != nil || a.json {
		return err
	}
	_, err = fmt.Fprintf(s.out, "task %q is tried again\n", c.Task)
	return err
}
