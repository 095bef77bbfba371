package yamltree

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Kind is what a YAML value is.
type Kind uint8

// The kinds. Odd is unquoted text that versions of YAML read differently.
const (
	Null Kind = iota
	Bool
	Int
	Float
	Text
	Odd
	List
	Map
)

var kindNames = [...]string{"empty", "a Boolean", "a number", "a number", "text", "ambiguous", "a list", "a mapping"}

// String returns the kind as messages name it.
func (k Kind) String() string { return kindNames[k] }

// Pos is a place in a file, in lines and characters from 1; the zero value is none.
type Pos struct{ Line, Column int }

// Node is a YAML value. Text is the decoded text of a Text and the source of the
// other scalars.
type Node struct {
	Pos
	Kind    Kind
	Text    string
	Items   []*Node // of a List
	Entries []Entry // of a Map, in the order of the file, keys unique
}

// Entry is a key of a mapping with its value.
type Entry struct {
	Key   string
	At    Pos // of the key
	Value *Node
}

// Get returns the value of a key, or nil.
func (n *Node) Get(key string) *Node {
	for _, e := range n.Entries {
		if e.Key == key {
			return e.Value
		}
	}
	return nil
}

// Child returns the element of a list or mapping that one step of a path names, or nil.
func (n *Node) Child(key string) *Node {
	if n.Kind == Map {
		return n.Get(key)
	}
	if i, err := strconv.Atoi(key); err == nil && n.Kind == List && i >= 0 && i < len(n.Items) {
		return n.Items[i]
	}
	return nil
}

// Blank reports whether n is no list or mapping with anything in it.
func (n *Node) Blank() bool { return len(n.Items) == 0 && len(n.Entries) == 0 }

var (
	integer = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	float   = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	odd     = regexp.MustCompile(`^([-+]?(0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9][0-9_]*([eE][-+]?[0-9]+)?|\.(?i:inf))|\.(?i:nan)|(?i:yes|no|on|off))$`)
)

// plainKind returns what an unquoted scalar is.
func plainKind(s string) Kind {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return Null
	case "true", "false", "True", "False", "TRUE", "FALSE":
		return Bool
	}
	if len(s) > 5 && !strings.ContainsAny(s[:1], "+-.0123456789") {
		return Text
	}
	switch {
	case integer.MatchString(s):
		return Int
	case float.MatchString(s):
		return Float
	case odd.MatchString(s):
		return Odd
	}
	return Text
}

// Value returns the scalar's value in the canonical form that doc.go describes,
// or a message that says why there is none.
func (n *Node) Value() (any, string) {
	switch n.Kind {
	case Null:
		return nil, ""
	case Bool:
		return strings.EqualFold(n.Text, "true"), ""
	case Int:
		i, err := strconv.ParseInt(n.Text, 10, 64)
		if err != nil {
			return nil, Clip(n.Text) + " is beyond 64 bits: quote it to keep it as text"
		}
		return i, ""
	case Float:
		f, err := strconv.ParseFloat(n.Text, 64)
		if err != nil {
			return nil, Clip(n.Text) + " is beyond what a number can hold: quote it to keep it as text"
		}
		return Canonical(f), ""
	case Odd:
		return nil, n.oddFault()
	}
	return n.Text, ""
}

// Canonical returns f as an int64 when it is whole and fits, and else as it is.
func Canonical(f float64) any {
	if f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
		return int64(f)
	}
	return f
}

func (n *Node) oddFault() string {
	switch strings.ToLower(n.Text) {
	case "yes", "no", "on", "off":
		return n.Text + " is a Boolean to some and text to others: write true or false, or quote it"
	}
	return n.Text + " is a number to some and text to others: write it in decimal, such as 7 or 0.5, or quote it"
}
