package policytest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
)

// Decide answers a question put to a portal.
type Decide func(ctx context.Context, portal string, q authz.Query) (authz.Decision, error)

// Diff is one member of an answer that is not as wanted.
type Diff struct{ Name, Want, Got string }

// Diffs returns what of the decision differs from what is wanted, the rules left
// out: a decision does not tell them.
func (w *Want) Diffs(got *authz.Decision) []Diff {
	var diffs []Diff
	differ := func(name, want, got string) {
		if want != "" && want != got {
			diffs = append(diffs, Diff{name, want, got})
		}
	}
	differ("outcome", string(w.Outcome), string(got.Outcome))
	differ("reason", w.Reason, got.Reason)
	differ("level", w.Level, got.Level)
	if w.Fields != nil {
		differ("fields", text(w.Fields), text(orNone(got.Fields)))
	}
	if w.Obligations != nil {
		differ("obligations", text(w.Obligations), text(append([]map[string]any{}, got.Obligations...)))
	}
	return diffs
}

// rulesDiff returns how the rules that decided differ from those wanted, in
// whatever order.
func (w *Want) rulesDiff(got []string) []Diff {
	if w.Rules == nil {
		return nil
	}
	want := slices.Sorted(slices.Values(w.Rules))
	got = slices.Sorted(slices.Values(got))
	if slices.Equal(want, got) {
		return nil
	}
	return []Diff{{"rules", text(want), text(append([]string{}, got...))}}
}

func orNone[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}

// Check asks the case's question and returns nil when the decision is as wanted,
// or else what differs. Which rules decided is not checked, and the portal must be
// as the case's Given has it.
func (c *Case) Check(ctx context.Context, decide Decide) error {
	got, err := decide(ctx, c.Portal, c.Query)
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	diffs := c.Want.Diffs(&got)
	if diffs == nil {
		return nil
	}
	var lines []string
	for _, d := range diffs {
		lines = append(lines, fmt.Sprintf("%s: want %s, got %s", d.Name, d.Want, d.Got))
	}
	if got.Err != nil {
		lines = append(lines, "cause: "+got.Err.Error())
	}
	return fmt.Errorf("%s\n  %s at portal %s\n  %s", c, c.question(), c.Portal, strings.Join(lines, "\n  "))
}

// sides returns what the call finds in the world, and what it leaves.
func (c *Case) sides(w *authz.World, file string) (before, after authz.Stored, err error) {
	if c.revision != nil {
		return *c.revision, *c.revision, nil
	}
	op := authz.UpdateEntity
	if c.Query.Action.Name == authz.CreateCall {
		op = authz.CreateEntity
	}
	key, _ := authz.CallKey(c.Query.Resource)
	return fixture.Change(w, file, op, key, c.set, c.at)
}

// question returns the question in one line: "ray.newman edit screen/SP408030".
func (c *Case) question() string {
	subject := c.Query.Subject.ID
	if c.Query.Subject.Type != "user" {
		subject = c.Query.Subject.Type + "/" + subject
	}
	return fmt.Sprintf("%s %s %s/%s", subject, c.Query.Action.Name, c.Query.Resource.Type, c.Query.Resource.ID)
}

// text returns v in the one form in which equal values are equal: as JSON.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
