package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/policy"
)

type checkCmd struct {
	Paths    []string `arg:"" optional:"" help:"Folders with policies, portals and suites; the current one by default." default:"."`
	Policies string   `help:"Folder of Rego to check; else the folder policies in each path, or without any ./policies." placeholder:"DIR"`
	Strict   bool     `help:"Warnings fail too."`
	Format   string   `help:"text, json or github." enum:"text,json,github" default:"text"`
}

// Run reports everything that is to be mended below the paths at once.
func (c *checkCmd) Run(s *streams) error {
	var k checked
	if err := c.collect(&k); err != nil {
		return err
	}
	if k.policies+k.portals+k.suites == 0 {
		return authz.Errorf(authz.Invalid, "nothing to check below %s: want .rego files, portals (%s) or suites (decisions.yaml)", strings.Join(c.Paths, ", "), "portal.yaml")
	}
	if err := k.show(s.out, c.Format); err != nil {
		return err
	}
	switch {
	case k.uncompiled:
		return exitError(exitCompile)
	case k.count(policy.SeverityError) > 0 || c.Strict && len(k.findings) > 0:
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
		if err := k.checkData(dir, folders[i]); err != nil {
			return err
		}
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
func (k *checked) checkData(dir, policyFolder string) error {
	portals, suites, err := dataBelow(dir)
	if err != nil {
		return err
	}
	for _, root := range roots(portals, suites) {
		if err := k.checkPortals(root); err != nil {
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
	return k.checkScenes(right, policyFolder)
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

func (k *checked) checkPortals(dir string) error {
	worlds, err := portalsIn(dir)
	k.portals += max(1, len(worlds))
	return k.addProblems(dir, "fixture", err)
}

// show writes the findings. A file without a finding is not named.
func (k *checked) show(w io.Writer, format string) error {
	switch format {
	case "json":
		return k.showJSON(w)
	case "github":
		return k.showGitHub(w)
	}
	var b strings.Builder
	for _, f := range k.findings {
		fmt.Fprintf(&b, "%s\n", f)
	}
	of := fmt.Sprintf("%s, %s, %s", plural(k.policies, "policy file"), plural(k.portals, "portal"), plural(k.suites, "suite"))
	if len(k.findings) == 0 {
		fmt.Fprintf(&b, "nothing to mend: %s\n", of)
	} else {
		fmt.Fprintf(&b, "%s, %s in %s\n", plural(k.count(policy.SeverityError), "error"), plural(k.count(policy.SeverityWarning), "warning"), of)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// shownFinding is a finding as JSON shows it.
type shownFinding struct {
	File     string          `json:"file"`
	Line     int             `json:"line,omitempty"`
	Column   int             `json:"column,omitempty"`
	Rule     string          `json:"rule"`
	Severity policy.Severity `json:"severity"`
	Message  string          `json:"message"`
	Fix      string          `json:"fix,omitempty"`
}

func (k *checked) showJSON(w io.Writer) error {
	out := struct {
		Compiles bool           `json:"compiles"`
		Errors   int            `json:"errors"`
		Warnings int            `json:"warnings"`
		Findings []shownFinding `json:"findings"`
	}{!k.uncompiled, k.count(policy.SeverityError), k.count(policy.SeverityWarning), []shownFinding{}}
	for _, f := range k.findings {
		out.Findings = append(out.Findings, shownFinding{f.File, f.Line, f.Column, f.Rule, f.Severity, f.Msg, f.Fix})
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

// showGitHub writes the findings as workflow commands, which GitHub shows at the lines.
func (k *checked) showGitHub(w io.Writer) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, f := range k.findings {
		at := "file=" + property.Replace(f.File)
		if f.Line > 0 {
			at += fmt.Sprintf(",line=%d,col=%d", f.Line, f.Column)
		}
		f.File, f.Line = "", 0
		if _, err := fmt.Fprintf(w, "::%s %s,title=%s::%s\n", f.Severity, at, property.Replace("check: "+f.Rule), data.Replace(strings.TrimPrefix(f.String(), ": "))); err != nil {
			return err
		}
	}
	return nil
}
