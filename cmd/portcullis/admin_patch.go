package main

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

type adminPatchCmd struct {
	adminFlags
	writeFlags
	matchFlags
	Kind adminKind `arg:"" help:"Kind of the entity."`
	ID   string    `arg:"" help:"Its id."`
	File string    `arg:"" optional:"" help:"File with a JSON merge patch (RFC 7396); - is stdin."`
	Set  []string  `help:"Set a field; repeat for several. A value that is JSON is that value, null takes the field away, and any other is text." placeholder:"FIELD=VALUE" sep:"none"`
}

// Help shows changes.
func (adminPatchCmd) Help() string {
	return `Examples:

  portcullis admin patch users ann.lee --set position=Manager --set flags.super_user=true
  portcullis admin patch users ann.lee --set 'grants=["Clerk", {"role": "Guest", "until": "2026-12-31T00:00:00Z"}]' --dry-run
  portcullis admin patch roles Clerk patch.json --if-match '"r1z"'

A field within an object is named with dots: attributes.city. A list is replaced whole.`
}

// Run changes the entity.
func (c *adminPatchCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.openWriting(s, c.writeFlags)
	if err != nil {
		return err
	}
	body, err := c.patch()
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
	header := c.header(e.etag)
	header.Set("Content-Type", mediaPatch)
	return e.write(ctx, request{method: http.MethodPatch, path: e.path, header: header, body: body}, "changed")
}

// patch returns the merge patch of the file with the fields set over it.
func (c *adminPatchCmd) patch() (string, error) {
	patch := map[string]any{}
	switch {
	case c.File != "":
		var err error
		if _, patch, err = inputObject(c.File); err != nil {
			return "", err
		}
	case len(c.Set) == 0:
		return "", authz.Errorf(authz.Invalid, "nothing is to be changed: want --set FIELD=VALUE, or a file with a merge patch")
	}
	for _, one := range c.Set {
		field, value, ok := strings.Cut(one, "=")
		if !ok || field == "" {
			return "", authz.Errorf(authz.Invalid, "want FIELD=VALUE, got %q", one).At("--set")
		}
		if err := set(patch, strings.Split(field, "."), value); err != nil {
			return "", err.At("--set " + field)
		}
	}
	text, err := json.Marshal(patch)
	return string(text), err
}

// set gives the member that the way leads to a value.
func set(patch map[string]any, way []string, value string) *authz.Error {
	for _, name := range way[:len(way)-1] {
		next, ok := patch[name].(map[string]any)
		if _, taken := patch[name]; taken && !ok {
			return authz.Errorf(authz.Invalid, "leads through %q, which is set to something else", name)
		}
		if !ok {
			next = map[string]any{}
			patch[name] = next
		}
		patch = next
	}
	last := way[len(way)-1]
	if v, ok := jsonValue(value); ok {
		patch[last] = v
	} else {
		patch[last] = value
	}
	return nil
}

// jsonValue returns the value that text is as JSON, with numbers as they stand, and
// whether it is one.
func jsonValue(text string) (v any, ok bool) {
	if !json.Valid([]byte(text)) {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	err := dec.Decode(&v)
	return v, err == nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
