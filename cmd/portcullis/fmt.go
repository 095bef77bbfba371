package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

type fmtCmd struct {
	Paths []string `arg:"" optional:"" help:".rego files, or folders of them; the current one by default." default:"."`
	Check bool     `help:"Change nothing; exit 1 and list the files that would change."`
}

// Run writes each file as opa fmt does and lists those that changed. A file that
// does not parse stays as it is, and the others are written all the same.
func (c *fmtCmd) Run(s *streams) error {
	var names []string
	for _, dir := range c.Paths {
		if _, err := os.Stat(dir); err != nil {
			return authz.Errorf(authz.NotFound, "%s cannot be read: %s", dir, pathReason(err))
		}
		err := walk(dir, func(name string, d fs.DirEntry) {
			if d.Type().IsRegular() && path.Ext(name) == ".rego" {
				names = append(names, name)
			}
		})
		if err != nil {
			return err
		}
	}
	changed, unparsed := 0, false
	for _, name := range names {
		again, faults, err := c.format(name)
		if err != nil {
			return err
		}
		for _, f := range faults {
			unparsed = true
			fmt.Fprintln(s.err, f)
		}
		if again {
			changed++
			fmt.Fprintln(s.out, name)
		}
	}
	switch {
	case unparsed:
		return exitError(exitCompile)
	case c.Check && changed > 0:
		return exitError(exitFault)
	}
	return nil
}

// format formats one file and reports whether its text is, or with Check would be,
// another.
func (c *fmtCmd) format(name string) (changed bool, faults []policy.Finding, err error) {
	file := filepath.FromSlash(name)
	info, err := os.Stat(file)
	if err != nil {
		return false, nil, authz.Errorf(authz.NotFound, "%s cannot be read: %s", name, pathReason(err))
	}
	source, err := os.ReadFile(file)
	if err != nil {
		return false, nil, authz.Errorf(authz.Unavailable, "%s cannot be read: %s", name, pathReason(err))
	}
	text, faults := policy.Format(name, string(source))
	if len(faults) > 0 || text == string(source) {
		return false, faults, nil
	}
	if c.Check {
		return true, nil, nil
	}
	if err := os.WriteFile(file, []byte(text), info.Mode().Perm()); err != nil {
		return false, nil, authz.Errorf(authz.Unavailable, "%s cannot be written: %s", name, pathReason(err))
	}
	return true, nil, nil
}
