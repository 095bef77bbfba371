package csvfile

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Row is what a file says of one entity.
type Row struct {
	Line  int // of the file, from 1
	Key   authz.Key
	cells []cell
}

// cell is one value with the place where it stands.
type cell struct {
	column
	at    int // in characters, from 1
	value any
}

// Apply returns the entity as the row wants it, given the document that
// authz.Document makes of it, or nil when it is not there, and whether that is a
// change. after is nil where the row takes the entity away. Numbers are of type
// json.Number, and before is left as it is.
func (r *Row) Apply(before map[string]any) (after map[string]any, change bool) {
	after = r.begin(before)
	for _, c := range r.cells {
		switch {
		case c.field == "level" && c.value == nil:
			return nil, before != nil
		case c.field == attributes:
			m := after[attributes].(map[string]any)
			if _, gone := c.value.(absent); gone {
				delete(m, c.key)
			} else {
				m[c.key] = c.value
			}
		case c.value == nil:
			delete(after, c.field)
		case c.field == "grants":
			after[c.field] = reasons(c.value.([]any), before)
		default:
			after[c.field] = c.value
		}
	}
	return after, before == nil || !same(r.Key.Kind, before, after)
}

// begin returns the document that the cells are put into.
func (r *Row) begin(before map[string]any) map[string]any {
	after := maps.Clone(before)
	if after == nil {
		after = map[string]any{}
	}
	if hasAttributes(r.Key.Kind) {
		m, _ := after[attributes].(map[string]any)
		if m = maps.Clone(m); m == nil {
			m = map[string]any{}
		}
		after[attributes] = m
	}
	return after
}

// reasons gives grants that a user has already, with the same times, who gave them
// and why, each to one. One that is said as it is stays so.
func reasons(grants []any, before map[string]any) []any {
	had, _ := before["grants"].([]any)
	had = slices.Clone(had)
	take := func(is func(old map[string]any) bool) map[string]any {
		for i := range had {
			if old, _ := had[i].(map[string]any); old != nil && is(old) {
				had[i] = nil
				return old
			}
		}
		return nil
	}
	all := make([]any, len(grants))
	for i, g := range grants {
		g := maps.Clone(g.(map[string]any))
		if take(func(old map[string]any) bool { return sameText(g, old, "role", "from", "until", "by", "why") }) != nil {
			all[i] = g
		}
	}
	for i, g := range grants {
		if all[i] != nil {
			continue
		}
		g := maps.Clone(g.(map[string]any))
		old := take(func(old map[string]any) bool { return sameText(g, old, "role", "from", "until") })
		for _, field := range []string{"by", "why"} {
			if v, ok := old[field]; ok && g[field] == nil {
				g[field] = v
			}
		}
		all[i] = g
	}
	return all
}

func sameText(a, b map[string]any, fields ...string) bool {
	for _, f := range fields {
		x, _ := a[f].(string)
		y, _ := b[f].(string)
		if x != y {
			return false
		}
	}
	return true
}

// same reports whether two documents say the same, however their numbers and a
// right's level are written.
func same(kind authz.EntityKind, a, b map[string]any) bool {
	if kind == authz.RightEntity {
		la, errA := writeLevel(a["level"])
		lb, errB := writeLevel(b["level"])
		return errA == nil && errB == nil && la == lb
	}
	return reflect.DeepEqual(canonical(a), canonical(b))
}

// canonical returns v with every number in one form.
func canonical(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = canonical(e)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = canonical(e)
		}
		return list
	case int64, float64, json.Number:
		return exact(number(v))
	}
	return v
}

// number returns a number as JSON, or "" for what is none.
func number(v any) json.Number {
	switch v := v.(type) {
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case float64:
		text, err := json.Marshal(v)
		if err != nil {
			return "" // no finite number
		}
		return json.Number(text)
	case json.Number:
		return v
	}
	return ""
}

// exact returns the integer or the float that n is; what is neither stays as it is.
func exact(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	f, err := n.Float64()
	if err != nil {
		return n
	}
	if i, err := number(f).Int64(); err == nil {
		return i
	}
	return f
}

// leads reports whether a path within attributes is to the attribute called name, or
// to a part of it.
func leads(name, path string) bool {
	rest, ok := strings.CutPrefix(path, "."+name)
	if !ok {
		rest, ok = strings.CutPrefix(path, "["+strconv.Quote(name)+"]")
	}
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Fault returns what is wrong with a value of the row's entity as a fault of the
// file. path leads to the value from the document, such as "grants[0].role"; where
// the file has no column for it, the row is at fault, under the path.
func (r *Row) Fault(path, msg string) Fault {
	field, key := path, ""
	if i := strings.IndexAny(path, ".["); i >= 0 {
		field, key = path[:i], path[i:]
	}
	for _, c := range r.cells {
		if c.field == field && (c.field != attributes || leads(c.key, key)) {
			return Fault{Line: r.Line, Column: c.at, Name: c.name, Msg: msg}
		}
	}
	return Fault{Line: r.Line, Column: 1, Name: path, Msg: msg}
}
