package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/csvfile"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// csvKind is a kind of entity that has a form in CSV.
type csvKind struct{ adminKind }

// UnmarshalText takes the name of such a kind.
func (k *csvKind) UnmarshalText(name []byte) error {
	err := k.adminKind.UnmarshalText(name)
	if err == nil && csvfile.Columns(k.kind) != nil {
		return nil
	}
	return authz.Errorf(authz.Invalid, "%q has no form in CSV: want roles, user_types, rights or users", name)
}

// importTime bounds an import where no --wait is given: thousands of rows take more
// time than one question.
const importTime = 10 * time.Minute

// imported is what the API answers to an import.
type imported struct {
	Rows      int `json:"rows"`
	Created   int `json:"created"`
	Changed   int `json:"changed"`
	Deleted   int `json:"deleted"`
	Unchanged int `json:"unchanged"`
	written
}

type adminImportCmd struct {
	adminFlags
	writeFlags
	Kind           csvKind `arg:"" help:"What the rows are about: roles, user_types, rights or users."`
	File           string  `arg:"" help:"CSV file; - is stdin."`
	Quiet          bool    `help:"Show no progress." short:"q"`
	IdempotencyKey string  `help:"Names this import: made again with the same key, it is answered as the first time." placeholder:"KEY"`
}

// Help tells what a file looks like.
func (adminImportCmd) Help() string {
	var b strings.Builder
	b.WriteString("The file is UTF-8 with , or ; between the cells; its first line names columns, in any order. ")
	b.WriteString("All rows are one write: all or none, and everything wrong is told by line and column. ")
	b.WriteString("A row creates what is not there, and changes those columns of what is there that the file has; an empty cell takes the value away.\n\n")
	for _, kind := range csvfile.Kinds() {
		fmt.Fprintf(&b, "  %-10s %s\n", string(kind)+"s", strings.Join(csvfile.Columns(kind), ","))
	}
	b.WriteString("\nroles, allowed_roles, inherits, manages and flags are lists separated by |. A role of a user may say from, until, by= and why=:\n\n")
	b.WriteString("  id,active,user_type,account,roles\n  ann.lee,true,Customer,BRIGHTON,Clerk | Guest until 2026-12-31 why=stands in for Bob\n\n")
	b.WriteString("The level inherit takes a role's own level away.")
	return b.String()
}

// Run imports the file whole, or nothing of it.
func (c *adminImportCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.openWriting(s, c.writeFlags)
	if err != nil {
		return err
	}
	a.patient(importTime)
	body, err := input(c.File)
	if err != nil {
		return err
	}
	p := newProgress(s.err, "sending", "rows", c.Quiet)
	answer, err := a.importCSV(ctx, &c.Kind, c.File, body, c.IdempotencyKey, p)
	p.end()
	if err != nil {
		return err
	}
	if a.json {
		return a.answerJSON(answer)
	}
	var done imported
	if err := a.decode(answer, &done); err != nil {
		return err
	}
	return a.tellImport(&done)
}

// patient waits longer than for one question, unless the user says how long.
func (a *administration) patient(least time.Duration) {
	if a.wait == waitDefault {
		a.wait = least
	}
}

// importCSV reads the file here first: what is wrong with the file itself is told
// with its name, and nothing is sent.
func (a *administration) importCSV(ctx context.Context, k *csvKind, name, body, key string, p *progress) (*reply, error) {
	rows, err := csvfile.Read(k.kind, strings.NewReader(body))
	if err != nil {
		return nil, fileFaults(name, err)
	}
	at, err := a.within(ctx, "import")
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"text/csv"}}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	p.show(0, len(rows))
	answer, err := a.do(ctx, request{method: http.MethodPost, path: at, query: url.Values{"kind": {k.name}}, header: header, body: body})
	if err != nil {
		return nil, err
	}
	p.show(len(rows), len(rows))
	return answer, nil
}

// fileFaults is what is wrong with a CSV file, each fault after the file's name.
func fileFaults(name string, err error) error {
	all, ok := errors.AsType[csvfile.Faults](err)
	if !ok {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s has %s:", name, plural(len(all), "fault"))
	for _, f := range all {
		fmt.Fprintf(&b, "\n%s:%s", name, terminal.Printable(f.String()))
	}
	return authz.Errorf(authz.Invalid, "%s", b.String())
}

func (a *administration) tellImport(done *imported) error {
	counts := fmt.Sprintf("%s: %d created, %d changed, %d deleted, %d as they were", plural(done.Rows, "row"), done.Created, done.Changed, done.Deleted, done.Unchanged)
	switch {
	case done.DryRun:
		counts = "nothing is written; it would be " + counts
	case done.Entry != "" && done.Entry != "0":
		counts += fmt.Sprintf("; revision %s, audit entry %s", done.Revision, done.Entry)
	}
	if _, err := fmt.Fprintln(a.s.out, counts); err != nil {
		return err
	}
	return a.tasks(done.Tasks)
}

type adminExportCmd struct {
	adminFlags
	Kind   csvKind           `arg:"" help:"What to write: roles, user_types, rights or users."`
	File   string            `arg:"" optional:"" help:"File to write, which must be new; stdout otherwise."`
	Filter map[string]string `help:"Only entities whose field is equal, as for admin list; repeat for several." placeholder:"FIELD=VALUE" short:"f"`
}

// Help tells of the form.
func (adminExportCmd) Help() string {
	return fmt.Sprintf(`The file has the form that admin import takes, and importing it changes nothing. It has at most %d rows: narrow more with --filter. A cell that a
spreadsheet would take for a formula begins with ', which import takes off again.

  portcullis admin export users --filter account=STOREHUT users.csv`, csvfile.MaxRows)
}

// Run writes what the caller may read.
func (c *adminExportCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.open(s)
	if err != nil {
		return err
	}
	a.patient(importTime)
	documents, err := c.documents(ctx, a)
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(documents)
	}
	var b bytes.Buffer
	if err := csvfile.Write(&b, c.Kind.kind, documents); err != nil {
		return err
	}
	if c.File == "" {
		_, err := s.out.Write(b.Bytes())
		return err
	}
	if err := writeNew(c.File, b.Bytes()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: %s of %s\n", c.File, plural(len(documents), "row"), c.Kind.name)
	return err
}

func (c *adminExportCmd) documents(ctx context.Context, a *administration) ([]map[string]any, error) {
	query := url.Values{}
	for field, value := range c.Filter {
		query.Set(field, value)
	}
	return a.all(ctx, &c.Kind.adminKind, query, csvfile.MaxRows)
}

// all reads the documents of a kind, of which there may be most.
func (a *administration) all(ctx context.Context, k *adminKind, query url.Values, most int) ([]map[string]any, error) {
	page, err := a.list(ctx, k, query, "", most)
	if err != nil {
		return nil, err
	}
	if page.Next != "" || len(page.Items) > most {
		return nil, authz.Errorf(authz.TooLarge, "there are more than %d %s", most, k.name)
	}
	documents := make([]map[string]any, len(page.Items))
	for i := range page.Items {
		documents[i] = page.Items[i].Document
	}
	return documents, nil
}

// writeNew writes a file that must be new, for its owner alone: it holds names of
// people.
func writeNew(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return authz.Errorf(authz.Invalid, "%s cannot be written: %s", name, pathReason(err))
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
