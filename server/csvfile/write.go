package csvfile

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Write writes entities of one of [Kinds], given as documents as authz.Document
// makes them, with every column of the kind and one for each attribute that any of
// them has. The error is authz.Invalid for what has no form in CSV or is beyond the
// bounds of [Read], and authz.Unavailable when w fails; something may have been
// written by then.
func Write(w io.Writer, kind authz.EntityKind, documents []map[string]any) error {
	all := columns(kind)
	if all == nil {
		return authz.Errorf(authz.Invalid, "entities of kind %q have no form in CSV: want one of %q", kind, Kinds())
	}
	if len(documents) > MaxRows {
		return authz.Errorf(authz.TooLarge, "%d rows are more than the %d that a file may have: write fewer at a time", len(documents), MaxRows)
	}
	for _, key := range attributeKeys(documents) {
		all = append(all, attribute(key))
	}
	if len(all) > MaxColumns {
		return authz.Errorf(authz.TooLarge, "%d columns are more than the %d that a file may have", len(all), MaxColumns)
	}
	out := csv.NewWriter(w)
	cells := make([]string, len(all))
	for i, c := range all {
		if strings.Contains(c.key, "\r") || len(c.name) > MaxCell {
			return authz.Errorf(authz.Invalid, "the attribute %s holds a carriage return or is too long, and has no column in CSV", shown(c.key))
		}
		cells[i] = c.name
	}
	_ = out.Write(cells) // Flush tells
	for _, d := range documents {
		if err := fill(cells, all, d); err != nil {
			return err
		}
		_ = out.Write(cells)
	}
	if out.Flush(); out.Error() != nil {
		return authz.Errorf(authz.Unavailable, "the file cannot be written").Because(out.Error())
	}
	return nil
}

// attributeKeys returns the keys of all attributes, in order.
func attributeKeys(documents []map[string]any) []string {
	keys := map[string]struct{}{}
	for _, d := range documents {
		m, _ := d[attributes].(map[string]any)
		for k := range m {
			keys[k] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// fill writes a document into the cells of a row.
func fill(cells []string, all []column, document map[string]any) error {
	for i, c := range all {
		text, err := c.of(document)
		text = neutral(text)
		if err == nil && len(text) > MaxCell {
			err = authz.Errorf(authz.TooLarge, "is %d bytes long: a cell has at most %d", len(text), MaxCell)
		}
		if err == nil && c.must && text == "" {
			err = authz.Errorf(authz.Invalid, "is missing")
		}
		if e, ok := errors.AsType[*authz.Error](err); ok {
			return e.At(fmt.Sprintf("%v.%s", document[all[0].field], c.name))
		}
		cells[i] = text
	}
	return nil
}

// of returns the text of the column's cell for a document.
func (c *column) of(document map[string]any) (string, error) {
	if c.field != attributes {
		return c.cell.write(document[c.field])
	}
	m, _ := document[attributes].(map[string]any)
	value, ok := m[c.key]
	if !ok {
		return "", nil
	}
	return c.cell.write(value)
}
