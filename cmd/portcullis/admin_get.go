package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/portcullis-authz/portcullis/server/terminal"
)

type adminGetCmd struct {
	adminFlags
	Kind adminKind `arg:"" help:"Kind of the entity."`
	ID   string    `arg:"" help:"Its id."`
}

// Run shows the entity with its ETag, which --if-match of a write takes.
func (c *adminGetCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.open(s)
	if err != nil {
		return err
	}
	at, err := c.Kind.path(ctx, a, c.ID)
	if err != nil {
		return err
	}
	document := map[string]any{}
	answer, err := a.get(ctx, at, nil, &document)
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(map[string]any{"document": document, "etag": answer.header.Get("ETag")})
	}
	t := &terminal.Table{Heading: []string{"FIELD", "VALUE"}}
	all := flat(document)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Add(name, all[name])
	}
	if err := a.table(t, "The document is empty."); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "\nrevision %s, etag %s\n", answer.header.Get("Portcullis-Revision"), answer.header.Get("ETag"))
	return err
}
