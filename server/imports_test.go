package server_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const module = "github.com/portcullis-authz/portcullis"

// anyPackage in a table stands for every package.
const anyPackage = "*"

// owner says who may import a third party.
type owner struct {
	code  []string // packages whose code may, and whose tests may
	tests []string // packages whose tests alone may
}

// owners names the only packages that may import each third party. Whatever is
// not here may be imported by nobody: a new import is a change of the design and
// belongs in this table's diff.
var owners = map[string]owner{
	"github.com/open-policy-agent/opa":    {code: []string{"server/policy"}},
	"github.com/casbin/casbin/v2":         {code: []string{"server/rbac"}},
	"github.com/gofiber/fiber/v2":         {code: []string{"server/adminapi", "server/httpapi"}},
	"github.com/danielgtaylor/huma/v2":    {code: []string{"server/adminapi"}},
	"github.com/valyala/fasthttp":         {code: []string{"server/httpapi"}},
	"go.mongodb.org/mongo-driver/v2":      {code: []string{"server/mongodb", "server/storetest"}, tests: []string{"server/ferret"}},
	"github.com/FerretDB/FerretDB":        {code: []string{"server/ferret"}},
	"github.com/maypok86/otter/v2":        {code: []string{"server/pdp"}},
	"github.com/goccy/go-yaml":            {code: []string{"server/config", "server/yamltree"}},
	"github.com/knadh/koanf":              {code: []string{"server/config"}},
	"github.com/agnivade/levenshtein":     {code: []string{"server/config"}},
	"github.com/alecthomas/kong":          {code: []string{"cmd/portcullis"}},
	"github.com/fsnotify/fsnotify":        {code: []string{"server/policy"}},
	"github.com/go-json-experiment/json":  {code: []string{"server/adminapi", "server/httpapi"}},
	"github.com/google/uuid":              {code: []string{"server/admin", "server/httpapi", "server/mongodb", "server/storetest"}},
	"golang.org/x/sync":                   {code: []string{"cmd/portcullis", "server", "server/admin", "server/live", "server/mongodb"}, tests: []string{"server/policy"}},
	"github.com/stretchr/testify/require": {tests: []string{anyPackage}},
	"github.com/google/go-cmp":            {tests: []string{anyPackage}},
	"go.uber.org/goleak":                  {tests: []string{anyPackage}},
	"pgregory.net/rapid":                  {tests: []string{anyPackage}},
	"github.com/rogpeppe/go-internal":     {tests: []string{anyPackage}},
}

// arrows names, for each package, the own packages that its code may import.
// Tests may import any.
var arrows = map[string][]string{
	"policies":          {},
	"fixtures":          {},
	"server/authz":      {},
	"server/admin":      {"server/accessdiff", "server/authz"},
	"server/adminapi":   {"server/accessdiff", "server/accessreport", "server/admin", "server/authz", "server/csvfile"},
	"server/config":     {},
	"server/csvfile":    {"server/authz"},
	"server/authzen":    {"server/authz"},
	"server/ferret":     {"server/authz"},
	"server/tasks":      {"server/authz"},
	"server/webhook":    {"server/authz"},
	"server/keys":       {"server/authz"},
	"server/mongodb":    {"server/authz"},
	"server/httpapi":    {"server/authz"},
	"server/rbac":       {"server/authz"},
	"server/policy":     {"server/authz"},
	"server/fixture":    {"server/authz", "server/yamltree"},
	"server/yamltree":   {"server/authz"},
	"server/policytest": {"policies", "server/authz", "server/engine", "server/fixture", "server/pdp", "server/policy", "server/yamltree"},
	"server/findings": {
		"server/authz", "server/engine", "server/fixture", "server/live", "server/pdp", "server/policy", "server/policytest", "server/yamltree",
	},
	"server/testreport":   {"server/policytest", "server/terminal", "server/yamltree"},
	"server/priority":     {},
	"server/storetest":    {"server/ferret", "server/mongodb"},
	"server/terminal":     {},
	"server/schema":       {"policies"},
	"server/scaffold":     {"policies", "server/schema"},
	"server/engine":       {"server/authz", "server/rbac"},
	"server/pdp":          {"server/authz", "server/engine"},
	"server/live":         {"server/authz", "server/engine", "server/pdp", "server/policy"},
	"server/accessreport": {"server/accessdiff", "server/authz", "server/terminal", "server/testreport"},
	"server/accessdiff":   {"server/authz", "server/engine", "server/live", "server/pdp", "server/policy"},
	"server/publishing":   {"policies", "server/accessdiff", "server/authz", "server/fixture", "server/policy", "server/policytest", "server/yamltree"},
	"server": {
		"fixtures", "policies", "server/admin", "server/adminapi", "server/authz", "server/ferret", "server/fixture", "server/httpapi",
		"server/keys", "server/live", "server/mongodb", "server/pdp", "server/policy", "server/publishing", "server/tasks", "server/webhook",
	},
	"cmd/portcullis": {
		"policies", "server", "server/accessdiff", "server/accessreport", "server/admin", "server/authz", "server/authzen", "server/config", "server/csvfile", "server/findings", "server/fixture", "server/httpapi",
		"server/keys", "server/policy", "server/policytest", "server/priority", "server/rbac", "server/scaffold", "server/schema", "server/terminal", "server/testreport",
		"server/webhook", "server/yamltree",
	},
}

// topLevel is what the repository's root holds besides names that begin with a
// dot and what .gitignore names; optional names may be missing.
var topLevel = map[string]struct{ optional bool }{
	"policies": {}, "server": {}, "cmd": {}, "fixtures": {},
	"go.mod": {}, "go.sum": {}, "Dockerfile": {}, "README.md": {}, "LICENSE": {optional: true},
}

func TestBoundaries(t *testing.T) {
	faults, err := boundaryFaults(os.DirFS(".."))
	require.NoError(t, err)
	require.Empty(t, faults, "%s", strings.Join(faults, "\n"))
}

func TestTopLevel(t *testing.T) {
	faults, err := topLevelFaults(os.DirFS(".."))
	require.NoError(t, err)
	require.Empty(t, faults, "%s", strings.Join(faults, "\n"))
}

// boundaryFaults lists what the Go files of root import against the tables, and
// the init functions in them.
func boundaryFaults(root fs.FS) ([]string, error) {
	var faults []string
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (d.Name() == "testdata" || strings.ContainsAny(d.Name()[:1], "._")):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		found, err := fileFaults(root, name)
		faults = append(faults, found...)
		return err
	})
	return faults, err
}

func fileFaults(root fs.FS, name string) ([]string, error) {
	source, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	pkg, test := path.Dir(name), strings.HasSuffix(name, "_test.go")
	var faults []string
	if _, known := arrows[pkg]; !known {
		faults = append(faults, fmt.Sprintf("%s: package %s is not in the table of arrows", name, pkg))
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		if msg := importFault(pkg, imported, test); msg != "" {
			faults = append(faults, name+": "+msg)
		}
	}
	if slices.ContainsFunc(file.Decls, isInit) {
		faults = append(faults, name+": has an init function: what must be set up belongs to a constructor")
	}
	return faults, nil
}

func isInit(d ast.Decl) bool {
	f, ok := d.(*ast.FuncDecl)
	return ok && f.Recv == nil && f.Name.Name == "init"
}

// importFault says why pkg, or its tests, may not import imported, or returns "".
func importFault(pkg, imported string, test bool) string {
	first, _, _ := strings.Cut(imported, "/")
	switch {
	case imported == module || strings.HasPrefix(imported, module+"/"):
		own := strings.TrimPrefix(imported, module+"/")
		if !test && !slices.Contains(arrows[pkg], own) {
			return fmt.Sprintf("%s may not import %s", pkg, own)
		}
		return ""
	case !strings.Contains(first, "."): // the standard library
		return ""
	}
	o := owners[thirdParty(imported)]
	allowed := slices.Contains(o.code, pkg) || test && (slices.Contains(o.tests, pkg) || slices.Contains(o.tests, anyPackage))
	if allowed {
		return ""
	}
	return fmt.Sprintf("%s may not import %s; its owners are %q", pkg, imported, o.code)
}

// thirdParty returns the longest key of owners that imported lies in, or "".
func thirdParty(imported string) string {
	found := ""
	for name := range owners {
		if (imported == name || strings.HasPrefix(imported, name+"/")) && len(name) > len(found) {
			found = name
		}
	}
	return found
}

// topLevelFaults lists what root holds against the table, and what it lacks.
func topLevelFaults(root fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(root, ".")
	if err != nil {
		return nil, err
	}
	ignored, err := fs.ReadFile(root, ".gitignore")
	if err != nil {
		return nil, err
	}
	var faults []string
	missing := maps.Clone(topLevel)
	for _, e := range entries {
		_, known := topLevel[e.Name()]
		delete(missing, e.Name())
		if !known && !strings.HasPrefix(e.Name(), ".") && !matchesAny(string(ignored), e.Name()) {
			faults = append(faults, e.Name()+" does not belong at the top level")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		if !missing[name].optional {
			faults = append(faults, name+" is missing at the top level")
		}
	}
	return faults, nil
}

// matchesAny reports whether one of the lines, patterns of .gitignore without
// their slashes, matches name.
func matchesAny(lines, name string) bool {
	for line := range strings.Lines(lines) {
		if ok, err := path.Match(strings.Trim(strings.TrimSpace(line), "/"), name); err == nil && ok {
			return true
		}
	}
	return false
}

// TestBoundariesAreChecked plants one fault each in an otherwise lawful tree.
func TestBoundariesAreChecked(t *testing.T) {
	for name, tc := range map[string]struct{ file, source, want string }{
		"lawful code":            {"server/rbac/a.go", `package rbac; import _ "github.com/casbin/casbin/v2/model"`, ""},
		"lawful arrow":           {"server/engine/a.go", `package engine; import _ "` + module + `/server/rbac"`, ""},
		"test libraries":         {"server/pdp/a_test.go", `package pdp_test; import _ "github.com/stretchr/testify/require"`, ""},
		"any own package, test":  {"server/rbac/a_test.go", `package rbac_test; import _ "` + module + `/server/engine"`, ""},
		"exception for tests":    {"server/ferret/a_test.go", `package ferret_test; import _ "go.mongodb.org/mongo-driver/v2/mongo"`, ""},
		"exception, not in code": {"server/ferret/a.go", `package ferret; import _ "go.mongodb.org/mongo-driver/v2/mongo"`, "may not import go.mongodb.org"},
		"foreign third party":    {"server/engine/a.go", `package engine; import _ "github.com/open-policy-agent/opa/v1/ast"`, "may not import github.com/open-policy-agent"},
		"foreign, in a test":     {"server/engine/a_test.go", `package engine_test; import _ "github.com/open-policy-agent/opa/v1/ast"`, "may not import github.com/open-policy-agent"},
		"unknown module":         {"server/pdp/a.go", `package pdp; import _ "example.com/cache"`, "may not import example.com/cache"},
		"name that begins alike": {"server/rbac/a.go", `package rbac; import _ "github.com/casbin/casbin/v2x"`, "may not import"},
		"assert":                 {"server/pdp/a_test.go", `package pdp_test; import _ "github.com/stretchr/testify/assert"`, "may not import github.com/stretchr/testify/assert"},
		"test library in code":   {"server/pdp/a.go", `package pdp; import _ "github.com/stretchr/testify/require"`, "may not import github.com/stretchr/testify/require"},
		"arrow against the rule": {"server/pdp/a.go", `package pdp; import _ "` + module + `/server/mongodb"`, "server/pdp may not import server/mongodb"},
		"the root":               {"server/live/a.go", `package live; import _ "` + module + `/server"`, "server/live may not import server"},
		"vocabulary":             {"server/authz/a.go", `package authz; import _ "golang.org/x/sync/errgroup"`, "server/authz may not import golang.org/x/sync"},
		"new package":            {"server/util/a.go", `package util`, "server/util is not in the table"},
		"Go at the root":         {"main.go", `package main`, "package . is not in the table"},
		"init":                   {"server/pdp/a.go", `package pdp; func init() {}`, "init function"},
		"a method called init":   {"server/pdp/a.go", `package pdp; type t int; func (t) init() {}`, ""},
		"not looked at":          {"server/pdp/testdata/a.go", `package x; import _ "example.com/x"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			faults, err := boundaryFaults(fstest.MapFS{tc.file: {Data: []byte(tc.source)}})
			require.NoError(t, err)
			if tc.want == "" {
				require.Empty(t, faults)
				return
			}
			require.Len(t, faults, 1)
			require.Contains(t, faults[0], tc.want)
		})
	}
	_, err := boundaryFaults(fstest.MapFS{"server/pdp/a.go": {Data: []byte("no Go")}})
	require.Error(t, err)
}

func TestTopLevelIsChecked(t *testing.T) {
	lawful := func() fstest.MapFS {
		return fstest.MapFS{
			".gitignore": {Data: []byte("/portcullis\n*.out\ndata/\n")}, ".ci/run": {}, "portcullis": {}, "cpu.out": {}, "data/x": {},
			"policies/a": {}, "server/a": {}, "cmd/a": {}, "fixtures/a": {}, "go.mod": {}, "go.sum": {}, "Dockerfile": {}, "README.md": {},
		}
	}
	for name, tc := range map[string]struct {
		change func(fstest.MapFS)
		want   []string
	}{
		"lawful":  {func(fstest.MapFS) {}, nil},
		"licence": {func(m fstest.MapFS) { m["LICENSE"] = &fstest.MapFile{} }, nil},
		"folder":  {func(m fstest.MapFS) { m["scripts/run"] = &fstest.MapFile{} }, []string{"scripts does not belong at the top level"}},
		"file":    {func(m fstest.MapFS) { m["Makefile"] = &fstest.MapFile{} }, []string{"Makefile does not belong at the top level"}},
		"missing": {func(m fstest.MapFS) { delete(m, "go.sum"); delete(m, "README.md") }, []string{"README.md is missing at the top level", "go.sum is missing at the top level"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := lawful()
			tc.change(m)
			faults, err := topLevelFaults(m)
			require.NoError(t, err)
			require.Equal(t, tc.want, faults)
		})
	}
}
