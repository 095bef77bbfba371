package policytest

import (
	"slices"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

// Bounds of a suite.
const (
	MaxSuite  = 16 << 20 // bytes of its file
	MaxCases  = 20_000   // those that matrices stand for included
	MaxMatrix = 10_000   // cases that one matrix stands for
	maxDepth  = 40       // lists and mappings within one another
	maxValues = 2_000_000
)

// Suite is a file of cases.
type Suite struct {
	File    string // as the caller named it
	Portal  string // asked unless a case names another
	Now     time.Time
	Cases   []Case       // in the order of the file, matrices last
	Changes []ChangeCase // admission, then provisioning
	Pending []Pending
}

// Head is what cases of all kinds have.
type Head struct {
	ID, Name string
	Line     int // of the case, or of the line of the matrix that it comes from
	Portal   string
	Now      time.Time
	Given    []Given // changes of the portal's data, in the order in which they are made
	Skip     string  // why the case is not run; empty: it is
	Only     bool    // only such cases are run
}

// Case is one question and the decision that it must come to.
type Case struct {
	Head
	Query authz.Query
	Want  Want

	set *yamltree.Node // of a call that is being made: what it writes; nil for questions
	// revision is what a call about a policy finds and leaves; nil for all others.
	revision *authz.PolicyRevision
	at       yamltree.Pos
}

// Made reports whether the case is about an administration call that is being made,
// with what it leaves. No server can be asked it as a question.
func (c *Case) Made() bool { return c.set != nil || c.revision != nil }

// Given is a merge patch of a portal's data, by id. Equal ones are equal by Text.
type Given struct {
	Text string // the patch in a form in which equal patches are equal
	node *yamltree.Node
}

// Want is what a decision must be. Members that are empty, or nil, are not
// compared.
type Want struct {
	Outcome     authz.Outcome
	Reason      string
	Level       string
	Fields      map[string]authz.Access
	Obligations []map[string]any
	Rules       []string // ids of the rules that decided, in any order
}

// Pending is a row that cannot be asked yet, with the reason.
type Pending struct {
	ID, Reason string
	Line       int
}

// String names the case in reports.
func (h *Head) String() string { return named(h.ID, h.Name) }

func named(id, name string) string {
	if name == "" {
		return id
	}
	return id + " " + name
}

// Stored returns the cases that ask portals as they are stored, at the suite's own
// moment. They can be put to a server, which has no other.
func (s *Suite) Stored() []Case {
	return slices.DeleteFunc(slices.Clone(s.Cases), func(c Case) bool {
		return len(c.Given) > 0 || c.Made() || c.Skip != "" || !c.Now.Equal(s.Now)
	})
}
