package csvfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// MaxFaults bounds the faults that are told of one file.
const MaxFaults = 1000

// Fault is one thing wrong with a file.
type Fault struct {
	Line   int    // from 1
	Column int    // of the line, in characters from 1, where the cell begins
	Name   string // of the column, or what of the entity has none; empty when neither is at fault
	Msg    string
}

// String returns the fault as "line:column: name: message".
func (f Fault) String() string { return f.place() + ": " + f.Msg }

func (f Fault) place() string {
	if f.Name == "" {
		return fmt.Sprintf("%d:%d", f.Line, f.Column)
	}
	return fmt.Sprintf("%d:%d: %s", f.Line, f.Column, f.Name)
}

// Faults are all that is wrong with a file, in its order.
type Faults []Fault

// Error lists every fault, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].String()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults in the terms of the vocabulary, with the place as path.
func (f Faults) Unwrap() error {
	all := make(authz.Faults, len(f))
	for i := range f {
		all[i] = authz.Fault{Path: f[i].place(), Msg: f[i].Msg}
	}
	return all.Err()
}

// list gathers faults within the bound.
type list struct{ faults Faults }

// add notes a fault and reports whether there is room for more.
func (l *list) add(f Fault) bool {
	switch {
	case len(l.faults) < MaxFaults:
		l.faults = append(l.faults, f)
	case len(l.faults) == MaxFaults:
		l.faults = append(l.faults, Fault{Line: f.Line, Column: f.Column, Msg: fmt.Sprintf("more than %d faults: mend these first", MaxFaults)})
	}
	return len(l.faults) <= MaxFaults
}

func (l *list) full() bool { return len(l.faults) > MaxFaults }

func (l *list) err() error {
	if len(l.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(l.faults, func(a, b Fault) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
	return l.faults
}
