package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// matchFlags say of which state of an entity a change is.
type matchFlags struct {
	IfMatch string `help:"ETag that the entity must still have, as admin get shows it. Without it the entity is read just before, so that only a change in that moment is noticed." placeholder:"ETAG"`
}

// written is what the API answers to a write.
type written struct {
	Document map[string]any `json:"document"`
	Revision json.Number    `json:"revision"`
	Entry    json.Number    `json:"entry"`
	Defaults map[string]any `json:"defaults"`
	Tasks    []madeTask     `json:"tasks"`
	DryRun   bool           `json:"dry_run"`
	Replayed bool           `json:"replayed"`
}

type madeTask struct {
	Name   string `json:"name"`
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Entity string `json:"entity"`
	State  string `json:"state"`
	Due    string `json:"due"`
	Error  string `json:"error"`
}

// mediaPatch is the type of a merge patch (RFC 7396).
const mediaPatch = "application/merge-patch+json"

// entity is one that a command is about.
type entity struct {
	*administration
	kind *adminKind
	id   string
	path string
	// What is read before a change: nil and empty when it is not there.
	before map[string]any
	etag   string
}

// entity returns the entity with the id, read when read says so.
func (a *administration) entity(ctx context.Context, k *adminKind, id string) (*entity, error) {
	at, err := k.path(ctx, a, id)
	if err != nil {
		return nil, err
	}
	e := &entity{administration: a, kind: k, id: id, path: at}
	answer, err := a.get(ctx, at, nil, &e.before)
	if missing(err) {
		return e, nil
	}
	if err != nil {
		return nil, err
	}
	e.etag = answer.header.Get("ETag")
	return e, nil
}

// write makes a write of the entity and tells what came of it.
func (e *entity) write(ctx context.Context, r request, verb string) error {
	answer, err := e.do(ctx, r)
	if err != nil {
		return err
	}
	if e.json {
		return e.answerJSON(answer)
	}
	var w written
	if err := e.decode(answer, &w); err != nil {
		return err
	}
	return e.tell(&w, verb, e.kind.ref(e.id), differences(e.before, w.Document))
}

// tell writes what came of a write of something.
func (a *administration) tell(w *written, verb, what string, changes *terminal.Table) error {
	switch {
	case w.DryRun:
		fmt.Fprintf(a.s.out, "%s would be %s; nothing is written\n", what, verb)
	case w.Replayed:
		fmt.Fprintf(a.s.out, "%s was %s by an earlier call with this key: revision %s, audit entry %s\n", what, verb, w.Revision, w.Entry)
	case w.Entry == "" || w.Entry == "0":
		fmt.Fprintf(a.s.out, "%s is so already; nothing is written\n", what)
	default:
		fmt.Fprintf(a.s.out, "%s is %s: revision %s, audit entry %s\n", what, verb, w.Revision, w.Entry)
	}
	if changes.Len() > 0 {
		if err := changes.Write(a.s.out, columnsOf(a.s)); err != nil {
			return err
		}
	}
	if set := flat(w.Defaults); len(set) > 0 {
		fmt.Fprintf(a.s.out, "set by the policy: %s\n", strings.Join(sortedKeys(set), ", "))
	}
	return a.tasks(w.Tasks)
}

// tasks writes what is done because of a write.
func (a *administration) tasks(all []madeTask) error {
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintln(a.s.out, "because of it:")
	t := &terminal.Table{Heading: []string{"TASK", "KIND", "ENTITY", "STATE", "DUE", "NAME", "ERROR"}}
	for _, one := range all {
		t.Add(one.ID, one.Kind, one.Entity, one.State, one.Due, one.Name, one.Error)
	}
	return t.Write(a.s.out, columnsOf(a.s))
}

type adminCreateCmd struct {
	adminFlags
	writeFlags
	Kind           adminKind `arg:"" help:"Kind of the entity."`
	File           string    `arg:"" help:"File with its JSON document; - is stdin."`
	IdempotencyKey string    `help:"Names this creation: made again with the same key, it is answered as the first time." placeholder:"KEY"`
}

// Help shows a creation.
func (adminCreateCmd) Help() string {
	return `Example:

  echo '{"id": "ann.lee", "login": "ann@brighton.example", "active": true, "user_type": "Customer"}' |
    portcullis admin create users - --note 'asked for in TICKET-17'`
}

// Run creates the entity; one that is there already is a fault.
func (c *adminCreateCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.openWriting(s, c.writeFlags)
	if err != nil {
		return err
	}
	body, document, err := inputObject(c.File)
	if err != nil {
		return err
	}
	at, err := c.Kind.path(ctx, a)
	if err != nil {
		return err
	}
	header := http.Header{}
	if c.IdempotencyKey != "" {
		header.Set("Idempotency-Key", c.IdempotencyKey)
	}
	e := &entity{administration: a, kind: &c.Kind, id: idOf(document)}
	return e.write(ctx, request{method: http.MethodPost, path: at, header: header, body: body}, "created")
}

// inputObject reads a JSON object from a file.
func inputObject(name string) (body string, document map[string]any, err error) {
	if body, err = input(name); err != nil {
		return "", nil, err
	}
	document, err = object(name, body)
	if document == nil && err == nil {
		err = authz.Errorf(authz.Invalid, "is empty: want a JSON object").At(name)
	}
	return body, document, err
}

type adminPutCmd struct {
	adminFlags
	writeFlags
	matchFlags
	Kind adminKind `arg:"" help:"Kind of the entity."`
	ID   string    `arg:"" help:"Its id."`
	File string    `arg:"" help:"File with its whole JSON document; - is stdin."`
}

// Run replaces the entity, or creates one that is not there.
func (c *adminPutCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.openWriting(s, c.writeFlags)
	if err != nil {
		return err
	}
	body, _, err := inputObject(c.File)
	if err != nil {
		return err
	}
	e, err := a.entity(ctx, &c.Kind, c.ID)
	if err != nil {
		return err
	}
	verb := "replaced"
	header := c.header(e.etag)
	if header.Get("If-Match") == "" {
		header.Set("If-None-Match", "*")
		verb = "created"
	}
	return e.write(ctx, request{method: http.MethodPut, path: e.path, header: header, body: body}, verb)
}

// header returns the condition of a change: the ETag given, or else the one read.
func (f *matchFlags) header(read string) http.Header {
	h := http.Header{}
	if f.IfMatch != "" {
		read = f.IfMatch
		if read != "*" && !strings.Contains(read, `"`) {
			read = `"` + read + `"`
		}
	}
	if read != "" {
		h.Set("If-Match", read)
	}
	return h
}

type adminDeleteCmd struct {
	adminFlags
	writeFlags
	matchFlags
	Kind adminKind `arg:"" help:"Kind of the entity."`
	ID   string    `arg:"" help:"Its id."`
}

// Run deletes the entity.
func (c *adminDeleteCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.openWriting(s, c.writeFlags)
	if err != nil {
		return err
	}
	e, err := a.entity(ctx, &c.Kind, c.ID)
	if err != nil {
		return err
	}
	if e.before == nil {
		return authz.Errorf(authz.NotFound, "there is no %s, or it is not to be seen", c.Kind.ref(c.ID))
	}
	return e.write(ctx, request{method: http.MethodDelete, path: e.path, header: c.header(e.etag)}, "deleted")
}

type adminActivateCmd struct{ adminSwitch }

// Run activates the user.
func (c *adminActivateCmd) Run(ctx context.Context, s *streams) error {
	return c.throw(ctx, s, "activate")
}

type adminDeactivateCmd struct{ adminSwitch }

// Run deactivates the user.
func (c *adminDeactivateCmd) Run(ctx context.Context, s *streams) error {
	return c.throw(ctx, s, "deactivate")
}

// adminSwitch changes whether a user is active.
type adminSwitch struct {
	adminFlags
	writeFlags
	matchFlags
	User string `arg:"" help:"Id of the user."`
}

func (c *adminSwitch) throw(ctx context.Context, s *streams, how string) error {
	a, err := c.openWriting(s, c.writeFlags)
	if err != nil {
		return err
	}
	e, err := a.entity(ctx, kindNamed("users"), c.User)
	if err != nil {
		return err
	}
	return e.write(ctx, request{method: http.MethodPost, path: e.path + "/" + how, header: c.header(e.etag)}, how+"d")
}
