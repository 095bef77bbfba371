package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/rbac"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// casbinCmd moves portals to and from Casbin.
type casbinCmd struct {
	Export casbinExportCmd `cmd:"" help:"Write a portal's role graphs, rights and grants as a Casbin policy file."`
	Import casbinImportCmd `cmd:"" help:"Make a portal's roles, types, rights and grants what a Casbin policy file says."`
}

// Help tells what the rules mean.
func (casbinCmd) Help() string {
	return `A file has one rule a line, for the model in policies/rbac_model.conf, with the portal as domain:

  p,  role, portal, node, level    the role has this level of its own at the screen node
  p,  type, portal, type, manage   users of the type manage users of their own type
  g,  role, role, portal           the first role inherits the second
  g,  user, role, portal           the user holds the role
  g2, type, type, portal           users of the first type manage users of the second

Both commands call a running server, as portcullis admin does.`
}

const (
	maxMoved = 100_000        // entities of a kind that are written to one policy file
	maxBatch = admin.MaxItems // of one write
)

type casbinExportCmd struct {
	adminFlags
	File    string `arg:"" optional:"" help:"File to write, which must be new; stdout otherwise."`
	NoUsers bool   `help:"Leave out who holds which role."`
}

// Help tells what a policy file cannot say.
func (casbinExportCmd) Help() string {
	return `A Casbin policy has neither times nor inactive users: grants are those in force now, of active users.`
}

// Run writes what the caller may read.
func (c *casbinExportCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.open(s)
	if err != nil {
		return err
	}
	a.patient(importTime)
	p, err := a.policy(ctx, !c.NoUsers)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		return err
	}
	if c.File == "" {
		_, err := s.out.Write(b.Bytes())
		return err
	}
	if err := writeNew(c.File, b.Bytes()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: %s of %s\n", c.File, plural(bytes.Count(b.Bytes(), []byte("\n")), "rule"), a.portal)
	return err
}

// policy reads what a policy file says of the portal.
func (a *administration) policy(ctx context.Context, users bool) (*rbac.Policy, error) {
	b := &authz.Bundle{}
	var err error
	if b.Roles, err = stored[authz.Role](ctx, a, "roles"); err != nil {
		return nil, err
	}
	if b.UserTypes, err = stored[authz.UserType](ctx, a, "user_types"); err != nil {
		return nil, err
	}
	if b.Rights, err = stored[authz.Right](ctx, a, "rights"); err != nil {
		return nil, err
	}
	b.Portal.ID = a.portal
	p := rbac.PolicyOf(b)
	if !users {
		return p, nil
	}
	held, err := stored[authz.User](ctx, a, "users")
	p.AddGrants(held, time.Now())
	return p, err
}

// stored reads all entities of a kind.
func stored[E authz.Stored](ctx context.Context, a *administration, kind string) ([]E, error) {
	k := kindNamed(kind)
	documents, err := a.all(ctx, k, nil, maxMoved)
	if err != nil {
		return nil, err
	}
	all := make([]E, len(documents))
	for i, d := range documents {
		e, err := authz.FromDocument(keyOf(k.kind, d), d)
		if err != nil {
			return nil, err
		}
		all[i] = e.(E)
	}
	return all, nil
}

// keyOf returns the key of a document of the kind.
func keyOf(kind authz.EntityKind, d map[string]any) authz.Key {
	if kind != authz.RightEntity {
		return authz.Key{Kind: kind, ID: idOf(d)}
	}
	role, _ := d["role"].(string)
	node, _ := d["node"].(string)
	return authz.Key{Kind: kind, Of: role, ID: node}
}

type casbinImportCmd struct {
	adminFlags
	writeFlags
	File    string   `arg:"" help:"Casbin policy file; - is stdin."`
	NoUsers bool     `help:"Leave as it is who holds which role."`
	Role    []string `help:"A name that is a role's, though nothing but a g rule with it in front shows it; repeat for several." placeholder:"ID"`
}

// Help tells what is changed and what is left alone.
func (casbinImportCmd) Help() string {
	return `The roles and types that the file names are afterwards as the file says: what they inherit and manage, and their rights; those that are not there
are created. The users that it names hold the roles of the file, and keep who granted them, until when and why; grants that are not in force now stay.
All other roles, types and users are left alone. All of it is one write: all or none.

A name in front of a g rule is a user's, unless the portal has a role of that name, or the file gives the name rights, or has it inherited or held.

  portcullis casbin import policy.csv --portal storehut --dry-run`
}

// Run makes the portal what the file says.
func (c *casbinImportCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.openWriting(s, c.writeFlags)
	if err != nil {
		return err
	}
	a.patient(importTime)
	text, err := input(c.File)
	if err != nil {
		return err
	}
	p, err := rbac.ReadPolicy(strings.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if a.portal == "" {
		a.portal = p.Portal
	}
	m, err := c.move(ctx, a, p)
	if err != nil {
		return err
	}
	return a.batch(ctx, m.items, c.File)
}

// move reads what there is and plans what is to change.
func (c *casbinImportCmd) move(ctx context.Context, a *administration, p *rbac.Policy) (*move, error) {
	m := &move{policy: p, now: time.Now()}
	for _, of := range []struct {
		kind string
		to   *map[authz.Key]listedEntity
	}{{"roles", &m.roles}, {"user_types", &m.types}, {"rights", &m.rights}} {
		page, err := a.list(ctx, kindNamed(of.kind), nil, "", maxMoved)
		if err != nil {
			return nil, err
		}
		*of.to = map[authz.Key]listedEntity{}
		for _, e := range page.Items {
			(*of.to)[keyOf(kindNamed(of.kind).kind, e.Document)] = e
		}
	}
	m.takeGrants(c.Role)
	if c.NoUsers {
		p.Grants = nil
	}
	if err := a.readHolders(ctx, m); err != nil {
		return nil, err
	}
	return m, m.plan()
}

// readHolders reads the users that the file names.
func (a *administration) readHolders(ctx context.Context, m *move) error {
	m.users = map[string]*entity{}
	var unknown []string
	for _, l := range m.policy.Grants {
		if m.users[l.From] != nil {
			continue
		}
		if len(m.users) == maxMoved {
			return authz.Errorf(authz.TooLarge, "the file names more than %d users", maxMoved)
		}
		e, err := a.entity(ctx, kindNamed("users"), l.From)
		if err != nil {
			return err
		}
		m.users[l.From] = e
		if e.before == nil {
			unknown = append(unknown, fmt.Sprintf("%q", l.From))
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	const most = 20
	names := strings.Join(unknown[:min(len(unknown), most)], ", ")
	return authz.Errorf(authz.NotFound, "the file gives roles to %s that the portal does not have: %s; create them first (portcullis admin import users), leave them out with --no-users, or say with --role which of them are roles",
		plural(len(unknown), "user"), names)
}

// batchItem is one write of a batch, with what is there before it.
type batchItem struct {
	Operation string         `json:"operation"`
	Kind      string         `json:"kind"`
	Of        string         `json:"of,omitempty"`
	ID        string         `json:"id"`
	Document  map[string]any `json:"document,omitempty"`
	IfMatch   string         `json:"if_match,omitempty"`
	before    map[string]any
}

// batch makes writes as one and tells what came of them.
func (a *administration) batch(ctx context.Context, items []batchItem, what string) error {
	switch {
	case len(items) == 0 && a.json:
		return a.writeJSON(map[string]any{"items": 0})
	case len(items) > maxBatch:
		return authz.Errorf(authz.TooLarge, "%d entities would change, and one write has at most %d: import the file in parts, by roles", len(items), maxBatch)
	case len(items) == 0:
		_, err := fmt.Fprintf(a.s.out, "the portal is as %s says; nothing is written\n", what)
		return err
	}
	at, err := a.within(ctx, "batch")
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"items": items})
	if err != nil {
		return err
	}
	answer, err := a.do(ctx, request{method: http.MethodPost, path: at, body: string(body)})
	if err != nil {
		return itemFaults(err, items)
	}
	if a.json {
		return a.answerJSON(answer)
	}
	var w written
	if err := a.decode(answer, &w); err != nil {
		return err
	}
	t := &terminal.Table{Heading: []string{"ENTITY", "FIELD", "BEFORE", "AFTER"}}
	for i := range items {
		items[i].rows(t)
	}
	return a.tell(&w, "imported", what, t)
}

func (i *batchItem) key() authz.Key {
	return authz.Key{Kind: authz.EntityKind(i.Kind), Of: i.Of, ID: i.ID}
}

// rows adds what the item changes.
func (i *batchItem) rows(t *terminal.Table) {
	after := i.Document
	if i.Operation == "patch" {
		after = authz.MergePatch(i.before, i.Document)
	}
	was, is := flat(i.before), flat(after)
	names := map[string]bool{}
	for name := range was {
		names[name] = true
	}
	for name := range is {
		names[name] = true
	}
	for _, name := range sortedKeys(names) {
		if was[name] != is[name] && name != "id" && name != "role" && name != "node" {
			t.Add(i.key().Ref(), name, was[name], is[name])
		}
	}
}

// itemFaults gives the faults of a batch the names of their items.
func itemFaults(err error, items []batchItem) error {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		return err
	}
	for n, f := range p.Errors {
		var i int
		if _, err := fmt.Sscanf(f.Field, "items[%d]", &i); err == nil && i >= 0 && i < len(items) {
			_, rest, _ := strings.Cut(f.Field, "]")
			p.Errors[n].Field = items[i].key().Ref() + rest
		}
	}
	return p
}
