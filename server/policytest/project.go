package policytest

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

// Source says where a project is.
type Source struct {
	Paths    []string // files and folders in which suites are looked for, not in folders named testdata below them; none: the current folder
	Policies string   // folder of policies; empty: as PolicyFolders finds them
	// Limit bounds each evaluation; zero: 10 s, so that a machine that is busy
	// otherwise does not turn an answer into a timeout's.
	Limit time.Duration
}

// Project is what a run takes: policies, suites, and the portals that they ask. It
// is immutable, and safe for concurrent use.
type Project struct {
	Suites []*Suite

	limit    time.Duration
	modules  policy.Modules
	tests    policy.Modules    // Rego tests
	files    map[string]string // module -> its file, as reports name it
	measured map[string]bool   // modules whose coverage counts; nil: those that the portals reach
	program  *policy.Program
	portals  map[string]map[string]*authz.World // folder -> portal -> its data; nil for a folder at fault
	scenes   map[sceneKey]*scene
}

// CompileError says that the policies do not compile.
type CompileError struct {
	Faults policy.Faults // modules by their files, as reports name them
	Err    error         // of package policy
}

// Error lists the faults by file, line and column, one a line.
func (e *CompileError) Error() string { return e.Faults.Error() }

// Unwrap returns the error of package policy.
func (e *CompileError) Unwrap() error { return e.Err }

// maxEntries bounds the files and folders that are looked at for suites.
const maxEntries = 200_000

// Load reads a project. Suites are files named decisions.yaml, or that end in
// .decisions.yaml, and any YAML file that is itself among the paths. A suite asks
// the portals in the folders beside it, or the portal in whose own folder it
// stands. The policies are those built in, with the project's own laid over them.
//
// Wrong suites and portals give a *[yamltree.Error] with everything wrong in all
// of them, and policies that do not compile a *[CompileError].
func Load(from Source) (*Project, error) {
	p := newProject(&from)
	l := &loader{project: p}
	names, err := l.suiteFiles(from.Paths)
	if err != nil {
		return nil, err
	}
	if err := p.loadPolicies(&from); err != nil {
		return nil, err
	}
	for _, name := range names {
		l.suite(name)
	}
	if err := l.out.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

// Policies compiles a project's policies alone. The error is as that of [Load].
func Policies(from Source) (*policy.Program, error) {
	p := newProject(&from)
	if err := p.loadPolicies(&from); err != nil {
		return nil, err
	}
	return p.program, nil
}

// newProject returns a project that holds nothing yet, and gives from its defaults.
func newProject(from *Source) *Project {
	if len(from.Paths) == 0 {
		from.Paths = []string{"."}
	}
	if from.Limit == 0 {
		from.Limit = 10 * time.Second
	}
	return &Project{limit: from.Limit, files: map[string]string{}, portals: map[string]map[string]*authz.World{}, scenes: map[sceneKey]*scene{}}
}

// loadPolicies reads and compiles the policies with their tests.
func (p *Project) loadPolicies(from *Source) error {
	dirs, err := from.PolicyFolders()
	if err != nil {
		return err
	}
	layers := []fs.FS{policies.FS}
	for _, dir := range dirs {
		layers = append(layers, os.DirFS(dir))
	}
	if p.modules, err = policy.Load(layers...); err != nil {
		return err
	}
	if p.tests, err = policy.LoadTests(layers...); err != nil {
		return err
	}
	if len(dirs) > 0 {
		p.measured = map[string]bool{}
	}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(p.modules)), slices.Collect(maps.Keys(p.tests))) {
		p.files[name] = "built-in/" + name
		for _, dir := range dirs {
			if file := filepath.Join(dir, filepath.FromSlash(name)); regular(file) {
				p.files[name], p.measured[name] = filepath.ToSlash(file), true
			}
		}
	}
	if p.program, err = policy.Compile(p.modules, policies.InputSchema, p.limit); err != nil {
		return p.compileError(err)
	}
	return nil
}

// compileError returns an error of package policy with the files as the project
// names them; one that is not about what modules say, as it is.
func (p *Project) compileError(err error) error {
	list, ok := errors.AsType[policy.Faults](err)
	if !ok {
		return err
	}
	list = slices.Clone(list)
	for i := range list {
		list[i].Module = cmp.Or(p.files[list[i].Module], list[i].Module)
	}
	return &CompileError{Faults: list, Err: err}
}

func regular(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular()
}

// PolicyFolders returns the project's own folders of policies: the one that is
// named, or else the folders named policies in the paths, or without any of them
// the one in the current folder. None: the policies built in are all there are.
func (from Source) PolicyFolders() ([]string, error) {
	if from.Policies != "" {
		if !isFolder(from.Policies) {
			return nil, authz.Errorf(authz.Invalid, "%s is no folder of policies", from.Policies)
		}
		return []string{from.Policies}, nil
	}
	var dirs []string
	for _, p := range from.Paths {
		if dir := filepath.Join(p, policiesName); isFolder(dir) && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) == 0 && isFolder(policiesName) {
		dirs = []string{policiesName}
	}
	return dirs, nil
}

// policiesName is the name of a project's folder of policies.
const policiesName = "policies"

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// loader gathers what is wrong while a project is read.
type loader struct {
	project *Project
	out     yamltree.Collector
}

// suiteFiles returns the files of suites below the paths, each once, sorted within
// each path.
func (l *loader) suiteFiles(paths []string) ([]string, error) {
	var names []string
	seen := map[string]bool{}
	entries := 0
	for _, root := range paths {
		err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
			if entries++; entries > maxEntries {
				return fmt.Errorf("more than %d files and folders: name the folder of the suites", maxEntries)
			}
			switch {
			case err != nil:
				return err
			case e.IsDir() && name != root && (strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata"):
				return fs.SkipDir
			case e.IsDir() || name != root && !fixture.IsSuite(e.Name()):
				return nil
			}
			if clean := filepath.ToSlash(filepath.Clean(name)); !seen[clean] {
				seen[clean] = true
				names = append(names, clean)
			}
			return nil
		})
		if err != nil {
			return nil, authz.Errorf(authz.Invalid, "%s cannot be searched for suites: %s", root, plainly(err))
		}
	}
	return names, nil
}

// plainly returns what the system says, less the path that the message has.
func plainly(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// suite reads a suite and prepares the portals of its cases.
func (l *loader) suite(name string) {
	src, err := readSuite(name)
	if err != nil {
		l.out.Add(yamltree.Problem{File: name, Msg: err.Error()})
		return
	}
	l.take(name, src)
}

// take prepares a suite that has been read.
func (l *loader) take(name string, src []byte) {
	s, err := Parse(name, src)
	if err != nil {
		l.add("", err, name)
		return
	}
	l.project.Suites = append(l.project.Suites, s)
	worlds := l.portals(path.Dir(name))
	if worlds == nil {
		return
	}
	for i := range s.Cases {
		c := &s.Cases[i]
		if scene := l.scene(s, worlds, &c.Head); scene != nil && c.Made() {
			if _, _, err := c.sides(scene.world, s.File); err != nil {
				l.add("", err, s.File)
			}
		}
	}
	for i := range s.Changes {
		c := &s.Changes[i]
		if scene := l.scene(s, worlds, &c.Head); scene != nil {
			if _, err := c.change(scene.world, s.File); err != nil {
				l.add("", err, s.File)
			}
		}
	}
}

// readSuite reads a regular file within the bound.
func readSuite(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, errors.New("cannot be read: " + plainly(err))
	case !info.Mode().IsRegular():
		return nil, errors.New("is no regular file: replace it by one")
	case info.Size() > MaxSuite:
		return nil, fmt.Errorf("is too large: a suite has at most %d bytes", MaxSuite)
	}
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, errors.New("cannot be read: " + plainly(err))
	}
	return src, nil
}

// add takes over the problems in err, whose files lie in dir; of another error,
// file is at fault.
func (l *loader) add(dir string, err error, file string) {
	list, ok := errors.AsType[*yamltree.Error](err)
	if !ok {
		l.out.Add(yamltree.Problem{File: file, Msg: err.Error()})
		return
	}
	for _, p := range list.Problems {
		p.File = path.Join(dir, p.File)
		l.out.Add(p)
	}
	if list.More > 0 {
		l.out.Add(yamltree.Problem{File: file, Msg: fmt.Sprintf("%d more problems", list.More)})
	}
}

// portals returns the portals of a folder by id, or nil when they are at fault.
func (l *loader) portals(dir string) map[string]*authz.World {
	if worlds, known := l.project.portals[dir]; known {
		return worlds
	}
	l.project.portals[dir] = nil
	worlds, err := fixture.Load(os.DirFS(dir))
	if err != nil {
		l.add(dir, err, dir)
		return nil
	}
	byID := make(map[string]*authz.World, len(worlds))
	for i := range worlds {
		byID[worlds[i].Portal.ID] = &worlds[i]
	}
	l.project.portals[dir] = byID
	return byID
}
