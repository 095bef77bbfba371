package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

type policyCheckCmd struct {
	adminFlags
	Number *int64 `arg:"" optional:"" help:"Number of the revision; the newest by default."`
}

// Run checks a revision.
func (c *policyCheckCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.open(s)
	if err != nil {
		return err
	}
	n, err := a.number(ctx, c.Number)
	if err != nil {
		return err
	}
	return a.checkRevision(ctx, n)
}

// checkRevision checks a revision and tells what is wrong with it.
func (a *administration) checkRevision(ctx context.Context, number int64) error {
	x, err := a.examine(ctx, number, "check", "")
	if err != nil {
		return err
	}
	if a.json {
		if err := a.answerJSON(x.answer); err != nil {
			return err
		}
	} else {
		for _, f := range x.Check.Faults {
			fmt.Fprintln(a.s.out, terminal.Printable(f))
		}
		verdict := "passes"
		if !x.Check.OK {
			verdict = "does not pass"
		}
		fmt.Fprintf(a.s.out, "%s %s the check: %s\n", policyName(number), verdict, x.Check.text())
	}
	switch {
	case x.Check.Failed > 0:
		return exitError(exitFailed)
	case !x.Check.OK:
		return exitError(exitCompile)
	}
	return nil
}

type policyPreviewCmd struct {
	adminFlags
	Number  *int64 `arg:"" optional:"" help:"Number of the revision, or 0 for the folder's policy; the newest by default."`
	Format  string `help:"text, markdown or json." enum:"text,markdown,json" default:"text"`
	Changes string `help:"Suppose that the changes in this file are written with it: {\"items\": [...]} as for a batch of the API; - reads stdin." placeholder:"FILE"`
}

// Help shows what a preview is for.
func (policyPreviewCmd) Help() string {
	return `Whose access the revision would change is computed from decisions: every user is asked about every action at every screen and record, in force and after.

  portcullis policy preview --format markdown > comment.md
  echo '{"items": [{"operation": "delete", "kind": "role", "id": "Clerk"}]}' | portcullis policy preview 0 --changes -`
}

// Run previews a revision.
func (c *policyPreviewCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.open(s)
	if err != nil {
		return err
	}
	n, err := a.number(ctx, c.Number)
	if err != nil {
		return err
	}
	body := "{}"
	if c.Changes != "" {
		if body, err = input(c.Changes); err != nil {
			return err
		}
	}
	x, err := a.examine(ctx, n, "preview", body)
	if err != nil {
		return err
	}
	if a.json {
		return a.answerJSON(x.answer)
	}
	var report struct{ Text string }
	if _, err := a.get(ctx, x.at+"/report", url.Values{"format": {c.Format}}, &report); err != nil {
		return err
	}
	_, err = io.WriteString(s.out, report.Text)
	return err
}

// examination is a check or a preview, as the API answers.
type examination struct {
	ID    string         `json:"id"`
	State string         `json:"state"`
	Done  int            `json:"done"`
	Total int            `json:"total"`
	Error *problem       `json:"error"`
	Check *revisionCheck `json:"check"`

	at     string // path
	answer *reply
}

// How often an examination is looked at, at first and at most.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = time.Second
)

// examine begins an examination, shows how far it is, and returns it when it is done.
// It is cancelled when ctx ends before.
func (a *administration) examine(ctx context.Context, number int64, kind, body string) (*examination, error) {
	at, err := a.revisionPath(ctx, number, kind)
	if err != nil {
		return nil, err
	}
	x := &examination{}
	if err := a.look(ctx, x, request{method: http.MethodPost, path: at, body: body}); err != nil {
		return nil, err
	}
	if x.at, err = a.within(ctx, "policy", "examinations", x.ID); err != nil {
		return nil, err
	}
	show := newProgress(a.s.err, map[string]string{"check": "checked", "preview": "compared"}[kind], "decisions", a.json)
	defer show.end()
	for wait := firstLook; x.State == "running"; wait = min(2*wait, lastLook) {
		select {
		case <-ctx.Done():
			return nil, a.cancel(ctx, x)
		case <-time.After(wait):
		}
		if err := a.look(ctx, x, request{method: http.MethodGet, path: x.at}); err != nil {
			if ctx.Err() != nil {
				return nil, a.cancel(ctx, x)
			}
			return nil, err
		}
		show.show(x.Done, x.Total)
	}
	switch {
	case x.State == "cancelled":
		return nil, authz.Errorf(authz.Unavailable, "somebody has cancelled the %s", kind)
	case x.Error != nil:
		return nil, x.Error
	case kind == "check" && x.Check == nil:
		return nil, authz.Errorf(authz.Unavailable, "the server does not say what the check found")
	}
	return x, nil
}

// look reads where the examination stands.
func (a *administration) look(ctx context.Context, x *examination, r request) error {
	answer, err := a.do(ctx, r)
	if err != nil {
		return err
	}
	x.answer = answer
	return a.decode(answer, x)
}

// cancelTime is how long a cancellation may take once the command is to end.
const cancelTime = 5 * time.Second

// cancel stops the examination on the server and returns why.
func (a *administration) cancel(ctx context.Context, x *examination) error {
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), cancelTime)
	defer done()
	if _, err := a.do(stop, request{method: http.MethodDelete, path: x.at}); err != nil {
		return authz.Errorf(authz.Unavailable, "interrupted; the examination goes on, for it cannot be cancelled: %v", err)
	}
	return authz.Errorf(authz.Unavailable, "interrupted; the examination is cancelled")
}

// jsonText returns the value as a body.
func jsonText(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", authz.Errorf(authz.Invalid, "cannot be written as JSON: %v", err)
	}
	return string(text), nil
}
