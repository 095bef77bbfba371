package yamltree

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decoder turns the nodes of one file into entities and reports what does not
// fit. It goes on after a fault, with what was most likely meant, so that one
// mistake is not reported over again by everything that refers to the value.
type Decoder struct {
	File string // as problems name it
	Out  *Collector
}

// Field decodes the value of one key, which lies at path in the world.
type Field func(n *Node, path string)

// Fields are the keys that a mapping may have.
type Fields map[string]Field

// Fault reports what is wrong with the value at a place and path.
func (d *Decoder) Fault(at Pos, path, format string, args ...any) {
	d.Out.Add(Problem{File: d.File, Line: at.Line, Column: at.Column, Path: path, Msg: fmt.Sprintf(format, args...)})
}

// Is reports a fault and returns false unless n is of the kind.
func (d *Decoder) Is(n *Node, path string, want Kind, example string) bool {
	if n.Kind == want {
		return true
	}
	d.Fault(n.Pos, path, "is %s: want %s, such as %s", n.Kind, want, example)
	return false
}

// Object decodes a mapping with known keys.
func (d *Decoder) Object(n *Node, path string, fs Fields) {
	if !d.Is(n, path, Map, "id: x") {
		return
	}
	for _, e := range n.Entries {
		p := Dot(path, e.Key)
		f, known := fs[e.Key]
		switch {
		case !known:
			d.Fault(e.At, p, "unknown key %s%s", Clip(e.Key), Nearest(e.Key, slices.Sorted(maps.Keys(fs))))
		case e.Value.Kind == Null:
			d.Fault(e.Value.Pos, p, "is empty: give it a value or leave the key out")
		default:
			f(e.Value, p)
		}
	}
}

// ListOf decodes each item of a list into an element of dst.
func ListOf[T any](d *Decoder, dst *[]T, item func(*T, *Node, string)) Field {
	return func(n *Node, path string) {
		if !d.Is(n, path, List, "[a, b]") {
			return
		}
		for i, x := range n.Items {
			var v T
			item(&v, x, Index(path, i))
			*dst = append(*dst, v)
		}
	}
}

// String decodes text into dst.
func (d *Decoder) String(dst *string, n *Node, path string) {
	switch n.Kind {
	case Text:
		*dst = n.Text
	case List, Map:
		d.Is(n, path, Text, `"x"`)
	default:
		*dst = n.Text
		what := map[Kind]string{Null: "null", Bool: "a Boolean", Odd: "ambiguous"}[n.Kind]
		if what == "" {
			what = "a number"
		}
		d.Fault(n.Pos, path, "%s is %s to YAML where text is wanted: quote it: %q", n.Text, what, n.Text)
	}
}

// Text decodes text.
func (d *Decoder) Text(dst *string) Field {
	return func(n *Node, path string) { d.String(dst, n, path) }
}

// Texts decodes a list of texts.
func (d *Decoder) Texts(dst *[]string) Field { return ListOf(d, dst, d.String) }

// Bool decodes true or false.
func (d *Decoder) Bool(dst *bool) Field {
	return func(n *Node, path string) {
		if d.Is(n, path, Bool, "true") {
			*dst = strings.EqualFold(n.Text, "true")
		}
	}
}

// Time decodes a moment. The year 1 would be the zero time, which means no
// bound at all and so the opposite of what it says.
func (d *Decoder) Time(dst *time.Time) Field {
	return func(n *Node, path string) {
		if !d.Is(n, path, Text, "2026-01-31T00:00:00Z") {
			return
		}
		var t time.Time
		if err := t.UnmarshalText([]byte(n.Text)); err != nil {
			d.Fault(n.Pos, path, "%s is no time: want RFC 3339, such as 2026-01-31T00:00:00Z", Clip(n.Text))
			return
		}
		if msg := TimeFault(t.UTC()); msg != "" {
			d.Fault(n.Pos, path, "%s %s", n.Text, msg)
			return
		}
		*dst = t.UTC()
	}
}

// TimeFault says why stores and files would not keep t as it is, or "".
func TimeFault(t time.Time) string {
	switch {
	case t.Year() < 1000 || t.Year() > 9999:
		return "is out of range: want a year from 1000 to 9999; leave the key out for no bound"
	case t.Nanosecond()%int(time.Millisecond) != 0:
		return "is finer than a millisecond, which the store does not keep: round it"
	}
	return ""
}

// Flags decodes a mapping of names to Booleans.
func (d *Decoder) Flags(dst *map[string]bool) Field {
	return func(n *Node, path string) {
		if !d.Is(n, path, Map, "{visible: true}") {
			return
		}
		for _, e := range n.Entries {
			var v bool
			d.Bool(&v)(e.Value, Dot(path, e.Key))
			Put(dst, e.Key, v)
		}
	}
}

// Values decodes a mapping of free values.
func (d *Decoder) Values(dst *map[string]any) Field {
	return func(n *Node, path string) {
		if d.Is(n, path, Map, "{tier: gold}") && len(n.Entries) > 0 {
			*dst = d.Free(n, path).(map[string]any)
		}
	}
}

// Anything decodes a value of any kind, as [Decoder.Free] does.
func (d *Decoder) Anything(dst *any, n *Node, path string) { *dst = d.Free(n, path) }

// Free decodes a value of any kind into its canonical form.
func (d *Decoder) Free(n *Node, path string) any {
	switch n.Kind {
	case List:
		l := make([]any, len(n.Items))
		for i, x := range n.Items {
			l[i] = d.Free(x, Index(path, i))
		}
		return l
	case Map:
		m := make(map[string]any, len(n.Entries))
		for _, e := range n.Entries {
			m[e.Key] = d.Free(e.Value, Dot(path, e.Key))
		}
		return m
	}
	v, msg := n.Value()
	if msg != "" {
		d.Fault(n.Pos, path, "%s", msg)
	}
	return v
}

// Index returns the path of the element i of a list.
func Index(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// Put sets a key of a map that may be nil yet.
func Put[V any](m *map[string]V, k string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[k] = v
}

// Dot extends a path by a key in the notation of authz.Fault.
func Dot(path, key string) string {
	if path == "" {
		return key
	}
	for _, r := range key {
		if r > 'z' || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-*", r) {
			return path + "[" + Clip(key) + "]"
		}
	}
	if key == "" {
		return path + `[""]`
	}
	return path + "." + key
}
