package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Bounds of a folder of policies. They are far above any real one.
const (
	MaxModules    = 2_000
	MaxModuleSize = 1 << 20 // bytes
)

// Modules are the sources of Rego modules by slash-separated path.
type Modules map[string]string

// Load reads every .rego file below the layers, tests left out. A file of a later
// layer replaces the one of the same path in an earlier layer, so that a folder
// of one's own adds to the policies built in, or mends one. Names that begin with
// a dot are passed over.
func Load(layers ...fs.FS) (Modules, error) {
	return load(layers, func(name string) bool { return !isTest(name) })
}

// LoadTests reads the modules that [Load] leaves out: those of tests, whose names
// end in _test.rego.
func LoadTests(layers ...fs.FS) (Modules, error) { return load(layers, isTest) }

// Of returns the modules among the files, tests left out, as [Load] would of a folder
// that holds them.
func Of(files map[string]string) Modules {
	return among(files, func(name string) bool { return !isTest(name) })
}

// TestsOf returns the modules of tests among the files, as [LoadTests] would.
func TestsOf(files map[string]string) Modules { return among(files, isTest) }

func among(files map[string]string, wanted func(string) bool) Modules {
	m := Modules{}
	for name, source := range files {
		if path.Ext(name) == ".rego" && wanted(name) {
			m[name] = source
		}
	}
	return m
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.rego") }

func load(layers []fs.FS, wanted func(string) bool) (Modules, error) {
	modules := Modules{}
	for _, layer := range layers {
		if err := modules.add(layer, wanted); err != nil {
			return nil, err
		}
	}
	return modules, nil
}

func (m Modules) add(layer fs.FS, wanted func(string) bool) error {
	return fs.WalkDir(layer, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return authz.Errorf(authz.Unavailable, "policies cannot be read: %v", err).Because(err)
		case d.IsDir() && name != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir(), strings.HasPrefix(d.Name(), "."), path.Ext(name) != ".rego", !wanted(name):
			return nil
		}
		source, err := readModule(layer, name)
		if err != nil {
			return err
		}
		if _, again := m[name]; !again && len(m) == MaxModules {
			return authz.Errorf(authz.TooLarge, "more than %d policy modules", MaxModules)
		}
		m[name] = source
		return nil
	})
}

func readModule(layer fs.FS, name string) (string, error) {
	info, err := fs.Stat(layer, name)
	if err == nil && info.Size() > MaxModuleSize {
		return "", authz.Errorf(authz.TooLarge, "%s: %d bytes; a policy module has at most %d", name, info.Size(), MaxModuleSize)
	}
	source, readErr := fs.ReadFile(layer, name)
	if err := errors.Join(err, readErr); err != nil {
		return "", authz.Errorf(authz.Unavailable, "%s: cannot be read: %v", name, err).Because(err)
	}
	return string(source), nil
}

// Revision returns a short digest of all sources: equal policies have equal
// revisions, on every machine.
func (m Modules) Revision() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(h, "%d:%s%d:%s", len(name), name, len(m[name]), m[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}
