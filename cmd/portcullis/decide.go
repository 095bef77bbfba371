package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
)

type decideCmd struct {
	Subject  string `required:"" help:"Who asks: the id of a user, or type/id." short:"s"`
	Action   string `required:"" help:"What is to be done, such as view." short:"a"`
	Resource string `required:"" help:"What it is to be done to: type/id, such as screen/SP408030." short:"r"`
	Property string `help:"Properties of the resource, as a JSON object." placeholder:"JSON"`
	Context  string `help:"Context of the question, as a JSON object." placeholder:"JSON"`
	Portal   string `help:"Portal to ask; the default one otherwise." short:"p"`

	Server   string `help:"Address of a running server." default:"http://127.0.0.1:8181" env:"PORTCULLIS_SERVER" placeholder:"URL" xor:"where"`
	Fixture  string `help:"Fixture folder to decide on, with no server." placeholder:"DIR" xor:"where"`
	Demo     bool   `help:"Decide on the demo portals, with no server." xor:"where"`
	Policies string `help:"With --fixture or --demo: folder of Rego to load beside the built-in policies." placeholder:"DIR"`
	Now      string `help:"With --fixture or --demo: the moment of the decision (RFC 3339); now by default." placeholder:"TIME"`

	Format   string `help:"text or json." enum:"text,json" default:"text"`
	ExitCode bool   `help:"Exit 6 when the answer is not allow."`
}

// offlineEval is the limit of one evaluation with no server.
const offlineEval = time.Second

// Run asks the question and shows the answer.
func (c *decideCmd) Run(ctx context.Context, s *streams) error {
	q, err := c.query()
	if err != nil {
		return err
	}
	var a answer
	if c.Fixture != "" || c.Demo {
		a, err = c.offline(ctx, q)
	} else if c.Policies != "" || c.Now != "" {
		err = authz.Errorf(authz.Invalid, "--policies and --now go with --fixture or --demo: a server has its own policies and clock")
	} else {
		a, err = c.online(ctx, q)
	}
	if err != nil {
		return err
	}
	if err := a.show(s, c.Format); err != nil {
		return err
	}
	if c.ExitCode && !a.Decision {
		return exitError(exitNotAllowed)
	}
	return nil
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
	if err := dec.Decode(&m); err != nil || m == nil || dec.More() {
		return nil, authz.Errorf(authz.Invalid, `want a JSON object such as {"account": "STOREHUT"}, got %q`, text).At(flag)
	}
	return m, nil
}

// offline decides in this process, on a fixture.
func (c *decideCmd) offline(ctx context.Context, q authz.Query) (answer, error) {
	now := time.Now()
	if c.Now != "" {
		var err error
		if now, err = time.Parse(time.RFC3339, c.Now); err != nil {
			return answer{}, authz.Errorf(authz.Invalid, "want a moment such as 2026-03-01T09:00:00Z, got %q", c.Now).At("--now")
		}
	}
	worlds, err := c.worlds()
	if err != nil {
		return answer{}, err
	}
	program, err := server.Program(c.Policies, offlineEval)
	if err != nil {
		return answer{}, err
	}
	portal := ""
	if c.Demo {
		portal = demoPortal
	}
	decider, err := server.Offline(worlds, program, portal, func() time.Time { return now })
	if err != nil {
		return answer{}, err
	}
	d, err := server.One(ctx, decider, c.Portal, q)
	if err != nil {
		return answer{}, err
	}
	return answerOf(&d), d.Err
}

func (c *decideCmd) worlds() ([]authz.World, error) {
	if c.Demo {
		return server.DemoWorlds()
	}
	return loadFolder(c.Fixture)
}

// online asks a server.
func (c *decideCmd) online(ctx context.Context, q authz.Query) (answer, error) {
	path := "/access/v1/evaluation"
	if c.Portal != "" {
		path = "/portals/" + url.PathEscape(c.Portal) + path
	}
	body, err := json.Marshal(map[string]any{
		"subject":  map[string]any{"type": q.Subject.Type, "id": q.Subject.ID},
		"action":   map[string]any{"name": q.Action.Name},
		"resource": map[string]any{"type": q.Resource.Type, "id": q.Resource.ID, "properties": orEmpty(q.Resource.Properties)},
		"context":  orEmpty(q.Context),
	})
	if err != nil {
		return answer{}, err
	}
	text, err := post(ctx, strings.TrimSuffix(c.Server, "/")+path, string(body))
	if err != nil {
		return answer{}, err
	}
	var a answer
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return answer{}, authz.Errorf(authz.Unavailable, "%s gives no AuthZEN answer: %s", c.Server, text).Because(err)
	}
	return a, nil
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// answer is an AuthZEN answer with our context.
type answer struct {
	Decision bool          `json:"decision"`
	Context  answerContext `json:"context"`
}

type answerContext struct {
	Outcome     authz.Outcome           `json:"outcome"`
	Reason      string                  `json:"reason"`
	Level       string                  `json:"level,omitempty"`
	Fields      map[string]authz.Access `json:"fields,omitempty"`
	Obligations []map[string]any        `json:"obligations,omitempty"`
	Revision    int64                   `json:"revision"`
	Policy      string                  `json:"policy"`
}

func answerOf(d *authz.Decision) answer {
	return answer{Decision: d.Allowed(), Context: answerContext{
		Outcome: d.Outcome, Reason: d.Reason, Level: d.Level, Fields: d.Fields, Obligations: d.Obligations,
		Revision: d.Revision, Policy: d.Policy,
	}}
}

func (a *answer) show(s *streams, format string) error {
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
		fmt.Fprintf(&b, "  revision  %d of the data, %s of the policy\n", c.Revision, c.Policy)
	}
	_, err := s.out.Write(b.Bytes())
	return err
}
