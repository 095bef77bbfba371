package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/testreport"
)

type testCmd struct {
	Paths    []string `arg:"" optional:"" help:"Folders to search for suites (decisions.yaml, *.decisions.yaml), and suites; the current folder by default." placeholder:"PATH"`
	Policies string   `help:"Folder of Rego to load beside the built-in policies; else the folders named policies in PATHS, or without any ./policies." placeholder:"DIR"`
	Filter   string   `name:"run" help:"Run only what matches: the suite's folder, a slash, id and name." placeholder:"REGEXP"`
	Jobs     int      `help:"Cases at a time; as many as there are processors by default." short:"j" placeholder:"N"`
	Watch    bool     `help:"Run again whenever a file changes, until Ctrl-C." xor:"mode"`
	Strict   bool     `help:"Fail on what is skipped, on only, and when nothing runs; set in CI, where the variable CI is set."`

	AllowSkips bool `help:"Let skipped cases pass, strict or not."`

	Format  string `help:"text, json, junit or github, on stdout; github is text with annotations, and what text is where GITHUB_ACTIONS is true." enum:"text,json,junit,github" default:"text"`
	JSON    string `name:"json" help:"Write JSON to a file, too." placeholder:"FILE"`
	JUnit   string `name:"junit" help:"Write JUnit XML to a file, too." placeholder:"FILE"`
	Verbose bool   `help:"Show every case, and of failed ones all facts." short:"v"`
	Color   string `help:"auto, always or never; auto heeds NO_COLOR." enum:"auto,always,never" default:"auto"`

	Coverage       bool     `help:"Measure which lines of the policies the run reaches."`
	Threshold      *float64 `help:"Exit ${exit_coverage} when less is covered; implies --coverage." placeholder:"PERCENT"`
	CoverageReport string   `help:"Write the coverage to a file, as LCOV; implies --coverage." placeholder:"FILE"`

	mutateFlags

	filter *regexp.Regexp // that --run gives, nil without; Validate sets it
}

// Help tells what does not fit a flag.
func (*testCmd) Help() string {
	return fmt.Sprintf(`A suite asks the portals in the folders beside it. The _test.rego files beside the policies run, too.

Exit codes: %d all passed; %d a suite, a portal or the run itself is at fault; %d the command line is wrong; %d the policies do not compile; `+
		`%d a case failed, a strict run left something out, or a change survived; %d nothing failed, but too little is covered.`,
		exitOK, exitFault, exitUsage, exitCompile, exitFailed, exitCoverage)
}

// Validate refuses values that the flags' types let through.
func (c *testCmd) Validate() (err error) {
	if c.Jobs < 0 {
		return authz.Errorf(authz.Invalid, "want a number of at least 1, got %d", c.Jobs).At("--jobs")
	}
	if c.Filter != "" {
		c.filter, err = regexp.Compile(c.Filter)
	}
	if err != nil {
		return authz.Errorf(authz.Invalid, "want a regular expression: %v", err).At("--run")
	}
	if err := percentage("--threshold", c.Threshold); err != nil {
		return err
	}
	return c.validate(c)
}

func percentage(flag string, p *float64) error {
	if p != nil && !(*p >= 0 && *p <= 100) {
		return authz.Errorf(authz.Invalid, "want a percentage from 0 to 100, got %v", *p).At(flag)
	}
	return nil
}

// Run runs the tests and reports them.
func (c *testCmd) Run(ctx context.Context, s *streams) error {
	switch {
	case c.Mutate:
		return c.mutate(ctx, s)
	case c.Watch:
		return c.watch(ctx, s)
	}
	return c.once(ctx, s, "")
}

func (c *testCmd) source() policytest.Source {
	return policytest.Source{Paths: c.roots(), Policies: c.Policies}
}

// measured reports whether coverage is asked for.
func (c *testCmd) measured() bool {
	return c.Coverage || c.Threshold != nil || c.CoverageReport != ""
}

// roots returns the paths to search.
func (c *testCmd) roots() []string {
	if len(c.Paths) == 0 {
		return []string{"."}
	}
	return c.Paths
}

// once runs everything a single time. stamp stands before the summary.
func (c *testCmd) once(ctx context.Context, s *streams, stamp string) error {
	project, err := policytest.Load(c.source())
	if err != nil {
		return c.notRun(s, err)
	}
	report, err := policytest.Run(ctx, project, policytest.Options{
		Filter: c.filter, Workers: c.Jobs, Coverage: c.measured(),
	})
	if err != nil {
		return c.notRun(s, err)
	}
	v := c.judge(s, report)
	for _, w := range v.warnings {
		fmt.Fprintln(s.err, "warning:", w)
	}
	run := &testreport.Run{Report: report, Complaints: v.complaints}
	if err := c.write(s, run, stamp); err != nil {
		return err
	}
	return v.err()
}

// notRun reports in the formats that were asked for what kept the run from
// happening, and returns the error with its exit code.
func (c *testCmd) notRun(s *streams, err error) error {
	run := &testreport.Run{Report: &policytest.Report{}, Complaints: testreport.Faults(err)}
	if werr := c.writeFaults(s, run); werr != nil {
		return errors.Join(err, werr)
	}
	if _, ok := errors.AsType[*policytest.CompileError](err); ok {
		return &codedError{code: exitCompile, text: err.Error()}
	}
	return err
}

// writeFaults writes what a pipeline reads, and leaves the text to the error.
func (c *testCmd) writeFaults(s *streams, run *testreport.Run) error {
	if err := c.writeFiles(run); err != nil {
		return err
	}
	switch {
	case c.Format == "json" || c.Format == "junit":
		return c.show(s, run, "")
	case c.annotated(s):
		return annotate(s, run)
	}
	return nil
}

// write writes the files that were asked for and then shows the run on stdout.
func (c *testCmd) write(s *streams, run *testreport.Run, stamp string) error {
	if err := c.writeFiles(run); err != nil {
		return err
	}
	return c.show(s, run, stamp)
}

func (c *testCmd) writeFiles(run *testreport.Run) error {
	if err := writeFile("--json", c.JSON, func(w io.Writer) error { return testreport.JSON(w, run) }); err != nil {
		return err
	}
	if err := writeFile("--junit", c.JUnit, func(w io.Writer) error { return testreport.JUnit(w, run) }); err != nil {
		return err
	}
	if run.Coverage == nil {
		return nil
	}
	return writeFile("--coverage-report", c.CoverageReport, func(w io.Writer) error { return testreport.LCOV(w, run.Coverage, nil) })
}

// show writes the run to stdout.
func (c *testCmd) show(s *streams, run *testreport.Run, stamp string) error {
	switch c.Format {
	case "json":
		return testreport.JSON(s.out, run)
	case "junit":
		return testreport.JUnit(s.out, run)
	}
	if err := testreport.Text(s.out, run, c.text(s, stamp)); err != nil || !c.annotated(s) {
		return err
	}
	return annotate(s, run)
}

func annotate(s *streams, run *testreport.Run) error {
	return testreport.GitHub(s.out, run, inRepository(variable(s.env, "GITHUB_WORKSPACE")))
}

func (c *testCmd) text(s *streams, stamp string) testreport.TextOptions {
	return testreport.TextOptions{Verbose: c.Verbose, Color: colored(c.Color, s), Width: columns(s), Stamp: stamp}
}

func (c *testCmd) annotated(s *streams) bool {
	return c.Format == "github" || variable(s.env, "GITHUB_ACTIONS") == "true"
}

// colored reports whether stdout shows colours.
func colored(when string, s *streams) bool {
	if when == "auto" {
		return isTerminal(s.out) && variable(s.env, "NO_COLOR") == "" && variable(s.env, "TERM") != "dumb"
	}
	return when == "always"
}

// inRepository returns what names a file by its path from the repository's root,
// where annotations look for it.
func inRepository(root string) func(string) string {
	return func(file string) string {
		whole, err := filepath.Abs(file)
		if err != nil || root == "" {
			return file
		}
		if rel, err := filepath.Rel(root, whole); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
		return file
	}
}

// writeFile writes a file whole. No name: nothing is written.
func writeFile(flag, name string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err == nil {
		err = errors.Join(write(f), f.Close())
	}
	if err != nil {
		return authz.Errorf(authz.Unavailable, "cannot write %s: %v", name, err).At(flag)
	}
	return nil
}

// watch runs the tests, and again after each change, until ctx ends. What is wrong
// is shown and waits to be mended.
func (c *testCmd) watch(ctx context.Context, s *streams) error {
	changes := server.WatchFolders(ctx, c.watched())
	for {
		stamp := time.Now().Format(time.TimeOnly)
		if err := c.once(ctx, s, stamp); err != nil && ctx.Err() == nil {
			if _, told := errors.AsType[exitError](err); !told {
				fmt.Fprintf(s.err, "%s %s\n", stamp, strings.TrimSpace(err.Error()))
			}
		}
		select {
		case <-ctx.Done():
			for range changes { // until nothing watches any more
			}
			return nil
		case <-changes:
		}
	}
}

// watched returns the folders that the run depends on: those of the paths, of
// suites named one by one the folders that they stand in, and those of policies.
func (c *testCmd) watched() []string {
	var folders []string
	for _, p := range c.roots() {
		if info, err := os.Stat(p); err == nil && !info.IsDir() {
			p = filepath.Dir(p)
		}
		folders = append(folders, p)
	}
	// A folder that is no folder of policies is what the run itself complains of.
	policies, _ := c.source().PolicyFolders()
	return append(folders, policies...)
}
