package policytest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Decide answers a question put to a portal.
type Decide func(ctx context.Context, portal string, q authz.Query) (authz.Decision, error)

// Check asks the case's question and returns nil when the decision is as wanted,
// or else what differs.
func (c *Case) Check(ctx context.Context, decide Decide) error {
	got, err := decide(ctx, c.Portal, c.Query)
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	var diffs []string
	differ := func(name, want, got string) {
		if want != "" && want != got {
			diffs = append(diffs, fmt.Sprintf("%s: want %s, got %s", name, want, got))
		}
	}
	differ("outcome", string(c.Want.Outcome), string(got.Outcome))
	differ("reason", c.Want.Reason, got.Reason)
	differ("level", c.Want.Level, got.Level)
	if c.Want.Obligations != nil {
		differ("obligations", text(c.Want.Obligations), text(got.Obligations))
	}
	if diffs == nil {
		return nil
	}
	if got.Err != nil {
		diffs = append(diffs, "cause: "+got.Err.Error())
	}
	return fmt.Errorf("%s\n  %s %s %s/%s at portal %s\n  %s", c, c.Query.Subject.ID, c.Query.Action.Name,
		c.Query.Resource.Type, c.Query.Resource.ID, c.Portal, strings.Join(diffs, "\n  "))
}

// text returns v in the one form in which equal values are equal: as JSON.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
