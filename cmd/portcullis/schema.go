package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/schema"
)

type schemaCmd struct {
	Of  string `arg:"" optional:"" help:"input, fixture or suite; all by default." enum:"input,fixture,suite," default:""`
	Dir string `help:"Folder to write the schemas into, a file each, instead of showing them." placeholder:"DIR"`
}

// Run shows the one schema, or writes all of them into files.
func (c *schemaCmd) Run(s *streams) error {
	var of []string
	if c.Of != "" {
		of = append(of, c.Of)
	}
	files, err := schema.Files(of...)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(files))
	if c.Dir != "" {
		return c.write(s, files, names)
	}
	if len(names) > 1 {
		return authz.Errorf(authz.Invalid, "there is a schema for each of %d files: name --dir, the folder to write them into", len(names)).At("--dir")
	}
	_, err = s.out.Write(files[names[0]])
	return err
}

func (c *schemaCmd) write(s *streams, files map[string][]byte, names []string) error {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return authz.Errorf(authz.Unavailable, "%s cannot be made: %s", c.Dir, pathReason(err))
	}
	for _, name := range names {
		file := filepath.Join(c.Dir, name)
		if err := os.WriteFile(file, files[name], 0o644); err != nil {
			return authz.Errorf(authz.Unavailable, "%s cannot be written: %s", file, pathReason(err))
		}
		if _, err := s.out.Write([]byte(filepath.ToSlash(file) + "\n")); err != nil {
			return err
		}
	}
	return nil
}
