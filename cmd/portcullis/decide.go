package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/authzen"
)

type decideCmd struct {
	Subject  string `required:"" help:"Who asks: the id of a user, or type/id." short:"s" placeholder:"ID"`
	Action   string `required:"" help:"What is to be done, such as view." short:"a" placeholder:"NAME"`
	Resource string `required:"" help:"What it is to be done to: type/id, such as screen/SP408030." short:"r" placeholder:"TYPE/ID"`
	Property string `help:"Properties of the resource, as a JSON object." placeholder:"JSON"`
	Context  string `help:"Context of the question, as a JSON object." placeholder:"JSON"`
	Portal   string `help:"Portal to ask; the default one otherwise." short:"p" placeholder:"ID"`

	serverFlags
	Fixture  string `help:"Fixture folder to decide on, with no server." placeholder:"DIR" xor:"where"`
	Demo     bool   `help:"Decide on the demo portals, with no server." xor:"where"`
	Policies string `help:"With --fixture or --demo: folder of Rego to load beside the built-in policies." placeholder:"DIR"`
	Now      string `help:"With --fixture or --demo: the moment of the decision (RFC 3339); now by default." placeholder:"TIME"`

	Format   string `help:"text or json." enum:"text,json" default:"text"`
	ExitCode bool   `help:"Exit ${exit_not_allowed} when the answer is not allow."`
}

// offlineEval is the limit of one evaluation with no server.
const offlineEval = time.Second

// Run asks the question and shows the answer. When the service itself had to
// refuse, the cause comes after the answer.
func (c *decideCmd) Run(ctx context.Context, s *streams) error {
	q, err := c.query()
	if err != nil {
		return err
	}
	a, cause, err := c.ask(ctx, s, q)
	if err != nil {
		return err
	}
	if err := show(&a, s, c.Format); err != nil || cause != nil {
		return errors.Join(err, cause)
	}
	if c.ExitCode && !a.Decision {
		return exitError(exitNotAllowed)
	}
	return nil
}

func (c *decideCmd) ask(ctx context.Context, s *streams, q authz.Query) (a authzen.Answer, cause, err error) {
	if c.Fixture != "" || c.Demo {
		return c.offline(ctx, q)
	}
	if c.Policies != "" || c.Now != "" {
		return a, nil, authz.Errorf(authz.Invalid, "--policies and --now go with --fixture or --demo: a server has its own policies and clock")
	}
	a, err = c.online(ctx, s, q)
	return a, nil, err
}

func (c *decideCmd) query() (q authz.Query, err error) {
	q = authz.Query{Subject: authz.Entity{Type: "user", ID: c.Subject}, Action: authz.Action{Name: c.Action}}
	if typ, id, ok := strings.Cut(c.Subject, "/"); ok {
		q.Subject = authz.Entity{Type: typ, ID: id}
	}
	typ, id, ok := strings.Cut(c.Resource, "/")
	if !ok || typ == "" || id == "" {
		return q, authz.Errorf(authz.Invalid, "want type/id such as screen/SP408030, got %q", c.Resource).At("--resource")
	}
	q.Resource = authz.Entity{Type: typ, ID: id}
	if q.Resource.Properties, err = object("--property", c.Property); err != nil {
		return q, err
	}
	q.Context, err = object("--context", c.Context)
	return q, err
}

func object(flag, text string) (map[string]any, error) {
	if text == "" {
		return nil, nil
	}
	var m map[string]any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	err := dec.Decode(&m)
	if _, after := dec.Token(); err != nil || m == nil || !errors.Is(after, io.EOF) {
		return nil, authz.Errorf(authz.Invalid, `want a JSON object such as {"account": "STOREHUT"}, got %q`, text).At(flag)
	}
	return m, nil
}

// offline decides in this process, on a fixture. cause is why the service itself
// refused.
func (c *decideCmd) offline(ctx context.Context, q authz.Query) (a authzen.Answer, cause, err error) {
	now, err := c.moment()
	if err != nil {
		return a, nil, err
	}
	worlds, err := c.worlds()
	if err != nil {
		return a, nil, err
	}
	program, err := server.Program(c.Policies, offlineEval)
	if err != nil {
		return a, nil, err
	}
	if c.Portal, err = c.portal(worlds); err != nil {
		return a, nil, err
	}
	decider, err := server.Offline(worlds, program, "", func() time.Time { return now })
	if err != nil {
		return a, nil, err
	}
	d, err := server.One(ctx, decider, c.Portal, q)
	return authzen.AnswerOf(&d), d.Err, err
}

func (c *decideCmd) moment() (time.Time, error) {
	if c.Now == "" {
		return time.Now(), nil
	}
	now, err := time.Parse(time.RFC3339, c.Now)
	if err != nil {
		return now, authz.Errorf(authz.Invalid, "want a moment such as 2026-03-01T09:00:00Z, got %q", c.Now).At("--now")
	}
	return now, nil
}

func (c *decideCmd) worlds() ([]authz.World, error) {
	if c.Demo {
		return server.DemoWorlds()
	}
	return loadFolder(c.Fixture)
}

// portal returns the portal to ask: the one named, else the demo's, else the only
// one.
func (c *decideCmd) portal(worlds []authz.World) (string, error) {
	var ids []string
	for i := range worlds {
		ids = append(ids, worlds[i].Portal.ID)
	}
	switch {
	case c.Portal == "" && c.Demo:
		return demoPortal, nil
	case c.Portal == "" && len(ids) == 1:
		return ids[0], nil
	case c.Portal == "":
		return "", authz.Errorf(authz.Invalid, "there are several portals: name one of %s", strings.Join(ids, ", ")).At("--portal")
	case !slices.Contains(ids, c.Portal):
		return "", authz.Errorf(authz.NotFound, "there is no portal %q: name one of %s", c.Portal, strings.Join(ids, ", ")).At("--portal")
	}
	return c.Portal, nil
}

// online asks a server.
func (c *decideCmd) online(ctx context.Context, s *streams, q authz.Query) (a authzen.Answer, err error) {
	r, err := c.remote(s)
	if err != nil {
		return a, err
	}
	path := "/access/v1/evaluation"
	if c.Portal != "" {
		path = "/portals/" + url.PathEscape(c.Portal) + path
	}
	body, err := json.Marshal(authzen.EvaluationOf(&q))
	if err != nil {
		return a, err
	}
	text, err := r.post(ctx, path, string(body))
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil || a.Context.Outcome == "" {
		return a, authz.Errorf(authz.Unavailable, "%s is no Portcullis server: it answers %s", r, message(text))
	}
	return a, nil
}

// numbered names the revision of a policy that has a number.
func numbered(revision int64) string {
	if revision == 0 {
		return ""
	}
	return fmt.Sprintf(" (revision %d)", revision)
}

func show(a *authzen.Answer, s *streams, format string) error {
	var b bytes.Buffer
	if format == "json" {
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(a); err != nil {
			return err
		}
	} else {
		c := &a.Context
		fmt.Fprintf(&b, "%s: %s\n", c.Outcome, c.Reason)
		if c.Level != "" {
			fmt.Fprintf(&b, "  level     %s\n", c.Level)
		}
		for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
			fmt.Fprintf(&b, "  field     %s: %s\n", name, c.Fields[name])
		}
		for _, o := range c.Obligations {
			text, err := json.Marshal(o)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "  must      %s\n", text)
		}
		fmt.Fprintf(&b, "  revision  %d of the data, %s of the policy%s\n", c.Revision, c.Policy, numbered(c.PolicyRevision))
	}
	_, err := s.out.Write(b.Bytes())
	return err
}
