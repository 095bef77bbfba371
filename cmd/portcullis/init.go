package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/scaffold"
)

type initCmd struct {
	Dir    string `arg:"" optional:"" help:"Folder of the new portal; new or empty."`
	Preset string `help:"Preset to build on; without it, the presets are listed." placeholder:"NAME"`
	Name   string `help:"Name of the portal and of its policy; made from the folder's by default." placeholder:"NAME"`
	Force  bool   `help:"Write into a folder that holds something. No file is ever overwritten."`
}

// Run lists the presets or writes a new portal. Whatever could fail is looked at
// before the first file is written.
func (c *initCmd) Run(s *streams) error {
	if c.Preset == "" {
		fmt.Fprintf(s.out, "presets:\n  %s\n", strings.Join(scaffold.Presets(), "\n  "))
		fmt.Fprintln(s.out, "Start from one of them: portcullis init --preset NAME DIR")
		if c.Dir != "" {
			return authz.Errorf(authz.Invalid, "want one of the presets").At("--preset")
		}
		return nil
	}
	if c.Dir == "" {
		return authz.Errorf(authz.Invalid, "want the folder of the new portal, such as: portcullis init --preset %s helpdesk", c.Preset)
	}
	name, err := c.name()
	if err != nil {
		return err
	}
	files, err := scaffold.Files(c.Preset, name)
	if err != nil {
		return authz.Errorf(authz.Invalid, "%v", err).At("--preset")
	}
	if err := c.room(files); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := c.write(name, files[name]); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.out, "%s: portal %s on preset %s, %s. Next:\n", filepath.ToSlash(c.Dir), name, c.Preset, plural(len(files), "file"))
	fmt.Fprintf(s.out, "  cd %s\n  portcullis check\n  portcullis test\n", filepath.ToSlash(c.Dir))
	return nil
}

// name returns the portal's name.
func (c *initCmd) name() (string, error) {
	if c.Name != "" {
		if fault := scaffold.NameFault(c.Name); fault != "" {
			return "", authz.Errorf(authz.Invalid, "%s", fault).At("--name")
		}
		return c.Name, nil
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return "", err
	}
	name := scaffold.NameOf(filepath.Base(dir))
	if fault := scaffold.NameFault(name); fault != "" {
		return "", authz.Errorf(authz.Invalid, "the folder's name gives no name for the portal: %s; give one", fault).At("--name")
	}
	return name, nil
}

// room reports a folder that is not empty, and files that are there already.
func (c *initCmd) room(files map[string]string) error {
	entries, err := os.ReadDir(c.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return authz.Errorf(authz.Invalid, "%s cannot be used: %s", c.Dir, pathReason(err))
	case len(entries) > 0 && !c.Force:
		return authz.Errorf(authz.Invalid, "%s is not empty: want a new folder, or --force to add to this one", c.Dir)
	}
	var taken []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if _, err := os.Lstat(filepath.Join(c.Dir, filepath.FromSlash(name))); !errors.Is(err, fs.ErrNotExist) {
			taken = append(taken, name)
		}
	}
	if len(taken) > 0 {
		return authz.Errorf(authz.Invalid, "%s has these files already, and none is overwritten: %s", c.Dir, strings.Join(taken, ", "))
	}
	return nil
}

// write writes one file that must be new.
func (c *initCmd) write(name, text string) error {
	file := filepath.Join(c.Dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return authz.Errorf(authz.Unavailable, "%s cannot be made: %s", filepath.Dir(file), pathReason(err))
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return authz.Errorf(authz.Unavailable, "%s cannot be written: %s", file, pathReason(err))
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
