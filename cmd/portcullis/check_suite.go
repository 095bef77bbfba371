package main

import (
	"errors"
	"os"
	"path"
	"path/filepath"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

// checkSuite reads a suite as `portcullis test` does, without running it, and
// reports whether it is right as far as it goes by itself.
func (k *checked) checkSuite(name string) (bool, error) {
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		return false, authz.Errorf(authz.NotFound, "the suite %s cannot be read: %s", name, pathReason(err))
	}
	k.suites++
	if _, err := policytest.Parse(name, text); err != nil {
		return false, k.addProblems("", "suite", err)
	}
	return true, nil
}

// checkScenes holds suites that are right in themselves against the portals that
// they ask: whether those exist, and whether each change that a case makes leaves
// a portal that is right.
func (k *checked) checkScenes(f *folder, suites []string) error {
	if k.uncompiled || len(suites) == 0 && !f.placed {
		return nil
	}
	if len(suites) == 0 {
		suites = []string{f.dir}
	}
	project, err := policytest.Load(policytest.Source{Paths: suites, Policies: f.policies})
	if compile, ok := errors.AsType[*policytest.CompileError](err); ok {
		k.uncompiled = true
		return compile
	}
	f.suites = project
	return k.addProblems("", "suite", err)
}

// addProblems takes over what is wrong with files of YAML below dir, once. Any other
// error it returns.
func (k *checked) addProblems(dir, rule string, err error) error {
	list, ok := errors.AsType[*yamltree.Error](err)
	if !ok {
		return err
	}
	for _, p := range list.Problems {
		f := policy.Finding{File: path.Join(dir, p.File), Line: max(p.Line, 1), Column: max(p.Column, 1), Rule: rule, Severity: policy.SeverityError, Msg: p.Msg}
		if p.Path != "" {
			f.Msg = p.Path + ": " + p.Msg
		}
		if !k.has(f) {
			k.findings = append(k.findings, f)
		}
	}
	if list.More > 0 {
		k.findings = append(k.findings, policy.Finding{File: dir, Rule: rule, Severity: policy.SeverityError, Msg: plural(list.More, "further fault"), Fix: "mend these first"})
	}
	return nil
}

// has reports whether the same was found already, be it by another rule.
func (k *checked) has(f policy.Finding) bool {
	for _, g := range k.findings {
		if g.File == f.File && g.Line == f.Line && g.Column == f.Column && g.Msg == f.Msg {
			return true
		}
	}
	return false
}
