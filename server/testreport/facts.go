package testreport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/terminal"
)

// factsFirst are the facts in the order in which a reader looks at them; the others
// follow by name.
var factsFirst = []string{
	"operation", "entity", "old", "new", "user", "actor", "screen", "rights", "fields",
	"record", "parent", "owner", "contact", "account", "target",
}

// echoes are members that the question tells already, unless the caller adds
// properties.
var echoes = []string{"subject", "action", "resource"}

// factLines returns an input document as indented JSON of about the given width,
// and whether that is all of it. Unless all of it is asked for, what is empty or
// only repeats the question is left out, and so is what goes over maxLines.
func factLines(raw json.RawMessage, columns int, all bool) ([]string, bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var document any
	if err := dec.Decode(&document); err != nil {
		return nil, true
	}
	complete := true
	if m, ok := document.(map[string]any); ok && !all {
		// Where the question is all there is, it is shown.
		if kept := cutFacts(m); len(kept) > 0 {
			complete = size(kept) == size(m)
			document = kept
		}
	}
	l := layout{columns: columns, whole: all}
	l.value("", document, "", factsFirst)
	lines := strings.Split(strings.TrimRight(l.b.String(), "\n"), "\n")
	if !all && len(lines) > maxLines {
		return lines[:maxLines], false
	}
	return lines, complete && !l.clipped
}

// cutFacts returns the facts without what is empty and what repeats the question.
func cutFacts(m map[string]any) map[string]any {
	kept := withoutEmpty(m)
	delete(kept, "portal")
	for _, name := range echoes {
		if e, ok := kept[name].(map[string]any); ok && empty(e["properties"]) {
			delete(kept, name)
		}
	}
	return kept
}

func withoutEmpty(m map[string]any) map[string]any {
	kept := make(map[string]any, len(m))
	for name, v := range m {
		if inner, ok := v.(map[string]any); ok {
			v = withoutEmpty(inner)
		}
		if !empty(v) {
			kept[name] = v
		}
	}
	return kept
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// size counts the members of v at every depth.
func size(v any) int {
	m, ok := v.(map[string]any)
	if !ok {
		return 1
	}
	n := 1
	for _, member := range m {
		n += size(member)
	}
	return n
}

// layout writes JSON with what fits into a line on one line.
type layout struct {
	b       strings.Builder
	columns int
	whole   bool // values of any length
	clipped bool
}

// value writes v after a prefix that is written already in full, such as `"user": `.
// after is what follows the value, such as a comma.
func (l *layout) value(indent string, v any, after string, first []string) {
	text := compact(v)
	room := max(l.columns-len(indent)-len(after), minWidth/2)
	m, isMap := v.(map[string]any)
	list, isList := v.([]any)
	switch {
	case isMap && terminal.Width(text) > room && len(m) > 0:
		l.members(indent, m, after, first)
	case isList && terminal.Width(text) > room && len(list) > 0:
		l.elements(indent, list, after)
	case !l.whole && terminal.Width(text) > maxValue:
		l.clipped = true
		l.b.WriteString(terminal.Clip(text, maxValue) + after + "\n")
	default:
		l.b.WriteString(text + after + "\n")
	}
}

func (l *layout) members(indent string, m map[string]any, after string, first []string) {
	l.b.WriteString("{\n")
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if d := rank(a, first) - rank(b, first); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		fmt.Fprintf(&l.b, "%s  %s: ", indent, compact(name))
		l.value(indent+"  ", m[name], comma(i, len(names)), nil)
	}
	l.b.WriteString(indent + "}" + after + "\n")
}

func (l *layout) elements(indent string, list []any, after string) {
	l.b.WriteString("[\n")
	for i, v := range list {
		l.b.WriteString(indent + "  ")
		l.value(indent+"  ", v, comma(i, len(list)), nil)
	}
	l.b.WriteString(indent + "]" + after + "\n")
}

func rank(name string, first []string) int {
	if i := slices.Index(first, name); i >= 0 {
		return i
	}
	return len(first)
}

func comma(i, n int) string {
	if i < n-1 {
		return ","
	}
	return ""
}

// compact returns v as JSON on one line, with a space after each comma and colon
// between values.
func compact(v any) string {
	switch v := v.(type) {
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, compact(name)+": "+compact(v[name]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		parts := make([]string, 0, len(v))
		for _, e := range v {
			parts = append(parts, compact(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(b.String())
}
