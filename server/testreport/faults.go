package testreport

import (
	"errors"

	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

// Faults returns what kept a run from beginning: a complaint for each problem of
// the suites and portals, or of the policies, or one for any other error.
func Faults(err error) []Complaint {
	if compile, ok := errors.AsType[*policytest.CompileError](err); ok {
		all := make([]Complaint, 0, len(compile.Faults))
		for _, f := range compile.Faults {
			all = append(all, Complaint{File: f.Module, Line: f.Line, Text: "the policies do not compile: " + f.Msg})
		}
		return all
	}
	list, ok := errors.AsType[*yamltree.Error](err)
	if !ok {
		return []Complaint{{Text: err.Error()}}
	}
	all := make([]Complaint, 0, len(list.Problems))
	for _, p := range list.Problems {
		c := Complaint{File: p.File, Line: p.Line, Text: p.Msg}
		if p.Path != "" {
			c.Text = p.Path + ": " + p.Msg
		}
		all = append(all, c)
	}
	return all
}
