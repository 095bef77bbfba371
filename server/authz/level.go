package authz

import "fmt"

// Level is how much a right gives at one screen node. Levels are ordered, and
// each includes those below it.
type Level uint8

const (
	Revoked Level = iota // the node is closed and not shown
	View
	Edit
	Insert
	Publish // between Insert and Delete; only articles know it
	Delete
)

var levelNames = [...]string{"revoked", "view", "edit", "insert", "publish", "delete"}

// String returns the level's name as fixtures, policies and answers write it.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}

// Valid reports whether l is one of the six levels.
func (l Level) Valid() bool { return int(l) < len(levelNames) }

// ParseLevel returns the level called name, or an Invalid error that lists the
// names there are.
func ParseLevel(name string) (Level, error) {
	for i, n := range levelNames {
		if n == name {
			return Level(i), nil
		}
	}
	return 0, Errorf(Invalid, "unknown level %q: want one of revoked, view, edit, insert, publish, delete", name)
}
