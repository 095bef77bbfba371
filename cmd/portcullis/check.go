package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/findings"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

type checkCmd struct {
	Paths    []string `arg:"" optional:"" help:"Folders with policies, portals and suites; the current one by default." default:"."`
	Policies string   `help:"Folder of Rego to check; else the folder policies in each path, or without any ./policies." placeholder:"DIR"`
	Strict   bool     `help:"Warnings fail too."`
	Format   string   `help:"text, json, github or sarif." enum:"text,json,github,sarif" default:"text"`

	Data    bool          `help:"Look at policies, portals and suites together: what nobody reaches, what never matters, what no case covers."`
	Now     time.Time     `help:"With --data, the moment of its questions (RFC 3339); now when not given." placeholder:"TIME"`
	Level   []string      `help:"With --data, the level of a rule: error, warning, note or off. Overrides .portcullis-check.yaml; may be repeated." placeholder:"RULE=LEVEL"`
	Max     int           `help:"With --data, how many of its findings are shown for each rule, from 1 to 10000; the others are counted." default:"20"`
	Timeout time.Duration `help:"With --data, the time after which it tells what it has not looked at." default:"60s"`
}

// Run reports everything that is to be mended below the paths at once.
func (c *checkCmd) Run(ctx context.Context, s *streams) error {
	if err := c.validate(); err != nil {
		return err
	}
	var k checked
	if err := c.collect(&k); err != nil {
		return err
	}
	if k.policies+k.portals+k.suites == 0 {
		return authz.Errorf(authz.Invalid, "nothing to check below %s: want .rego files, portals (%s) or suites (decisions.yaml)", strings.Join(c.Paths, ", "), "portal.yaml")
	}
	if c.Data {
		if err := c.find(ctx, &k); err != nil {
			return err
		}
	}
	if err := k.show(s.out, c.Format); err != nil {
		return err
	}
	switch {
	case k.uncompiled:
		return exitError(exitCompile)
	case k.count(policy.SeverityError) > 0 || c.Strict && k.count(policy.SeverityWarning) > 0:
		return exitError(exitFault)
	}
	return nil
}

func (c *checkCmd) collect(k *checked) error {
	folders, err := c.folders()
	if err != nil {
		return err
	}
	for _, dir := range slices.Compact(slices.Sorted(slices.Values(folders))) {
		if dir == "" {
			continue
		}
		if err := k.checkPolicies(dir); err != nil {
			return err
		}
	}
	for i, dir := range c.Paths {
		f := &folder{dir: dir, policies: folders[i], placed: c.Data}
		if err := k.checkData(f); err != nil {
			return err
		}
		k.folders = append(k.folders, f)
	}
	return nil
}

// folders returns for each path the folder of its policies, "" for one whose
// portals stand on the policies built in.
func (c *checkCmd) folders() ([]string, error) {
	own := make([]string, len(c.Paths))
	found := c.Policies
	for i, dir := range c.Paths {
		if _, err := os.Stat(dir); err != nil {
			return nil, authz.Errorf(authz.NotFound, "%s cannot be read: %s", dir, pathReason(err))
		}
		if own[i] = c.Policies; c.Policies == "" {
			own[i] = policiesBelow(dir)
		}
		found = cmp.Or(found, own[i])
	}
	if found == "" {
		if dir := policiesIn("."); dir != "" {
			own = slices.Repeat([]string{dir}, len(own))
		}
	}
	return own, nil
}

// policiesIn returns the folder named policies in dir, "" without one.
func policiesIn(dir string) string {
	name := filepath.Join(dir, "policies")
	if info, err := os.Stat(name); err != nil || !info.IsDir() {
		return ""
	}
	return name
}

// policiesBelow returns the folder of policies that belongs to a path: policies in
// it, or the path itself when it holds Rego; "" without any.
func policiesBelow(dir string) string {
	if in := policiesIn(dir); in != "" {
		return in
	}
	found := ""
	_ = walk(dir, func(name string, d fs.DirEntry) {
		if !d.IsDir() && path.Ext(name) == ".rego" {
			found = dir
		}
	})
	return found
}

// walk calls do for what is below dir, but for names that begin with a dot and
// folders named testdata or node_modules: what is there is wrong on purpose, or
// somebody else's.
func walk(dir string, do func(name string, d fs.DirEntry)) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return authz.Errorf(authz.Unavailable, "%s cannot be read: %s", name, pathReason(err))
		case name != dir && strings.HasPrefix(d.Name(), "."), name != dir && d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules"):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		do(filepath.ToSlash(name), d)
		return nil
	})
}

// pathReason is what the system says of a path, without the path.
func pathReason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// checked is all that a check found.
type checked struct {
	findings                  []policy.Finding
	policies, portals, suites int
	uncompiled                bool

	folders []*folder
	more    map[string]int // findings that are not shown, by rule
	missing []string       // what was not looked at
}

// folder is one of the paths, with what is read there.
type folder struct {
	dir, policies string
	placed        bool // whether the places of the portals' data are kept
	portals       []findings.Portal
	suites        *policytest.Project // nil: something in it is at fault
}

func (k *checked) count(s policy.Severity) (n int) {
	for _, f := range k.findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// checkPolicies checks the folder on top of the policies built in.
func (k *checked) checkPolicies(dir string) error {
	own, err := modulesOf(dir)
	if err != nil {
		return err
	}
	base, err := policy.Load(policies.FS)
	if err != nil {
		return err
	}
	findings, compiles, err := policy.Check(own, base, policies.InputSchema)
	for _, f := range findings {
		if _, mine := own[f.File]; mine {
			f.File = filepath.ToSlash(filepath.Join(dir, filepath.FromSlash(f.File)))
		} else if f.File != "" { // what one's own no longer fits, or has taken away
			f.File = "built-in/" + f.File
		}
		k.findings = append(k.findings, f)
	}
	k.policies += len(own)
	k.uncompiled = k.uncompiled || !compiles
	return err
}

// modulesOf reads the Rego below a folder, links out of it not followed.
func modulesOf(dir string) (policy.Modules, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, authz.Errorf(authz.NotFound, "the policies in %s cannot be read: %s", dir, pathReason(err))
	}
	defer root.Close()
	return policy.Sources(root.FS())
}

// checkData checks the portals and suites below a folder.
func (k *checked) checkData(f *folder) error {
	portals, suites, err := dataBelow(f.dir)
	if err != nil {
		return err
	}
	for _, root := range roots(portals, suites) {
		if err := k.checkPortals(f, root); err != nil {
			return err
		}
	}
	var right []string
	for _, name := range suites {
		ok, err := k.checkSuite(name)
		if err != nil {
			return err
		}
		if ok {
			right = append(right, name)
		}
	}
	return k.checkScenes(f, right)
}

// dataBelow returns the folders of portals, and the suites, below a folder.
func dataBelow(dir string) (portals, suites []string, err error) {
	err = walk(dir, func(name string, d fs.DirEntry) {
		switch {
		case d.IsDir():
		case d.Name() == "portal.yaml":
			portals = append(portals, path.Dir(name))
		case fixture.IsSuite(d.Name()):
			suites = append(suites, name)
		}
	})
	return portals, suites, err
}

// roots returns what to load for the portals' folders: the folder itself when it has
// its own suite or is a project's only portal, and else the folder that it stands in.
func roots(portals, suites []string) []string {
	beside := map[string]bool{}
	for _, s := range suites {
		beside[path.Dir(s)] = true
	}
	var dirs []string
	for _, p := range portals {
		if parent := path.Dir(p); p != "." && !beside[p] && (beside[parent] || !ownsID(p)) {
			p = parent
		}
		dirs = append(dirs, p)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// ownsID reports whether portal.yaml names the portal itself, as one that is loaded
// alone must.
func ownsID(dir string) bool {
	text, err := os.ReadFile(filepath.Join(filepath.FromSlash(dir), "portal.yaml"))
	return err == nil && (strings.HasPrefix(string(text), "id:") || strings.Contains(string(text), "\nid:"))
}

func (k *checked) checkPortals(f *folder, dir string) error {
	root, err := os.OpenRoot(filepath.FromSlash(dir))
	if err != nil {
		return authz.Errorf(authz.NotFound, "the portals in %s cannot be read: %s", dir, pathReason(err))
	}
	defer root.Close()
	n, err := f.read(dir, root.FS())
	k.portals += max(1, n)
	return k.addProblems(dir, "fixture", err)
}

// read reads the portals in a folder and returns how many there are. It keeps them
// where their places are wanted.
func (f *folder) read(dir string, fsys fs.FS) (int, error) {
	if !f.placed {
		worlds, err := fixture.Load(fsys)
		return len(worlds), err
	}
	all, err := fixture.LoadPlaced(fsys)
	for _, p := range all {
		f.portals = append(f.portals, findings.Portal{Root: dir, Placed: p})
	}
	return len(all), err
}
