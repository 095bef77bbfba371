package main

import (
	"os"
	"path/filepath"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

// checkSuite reads a suite as `portcullis test` does, without running it.
func (k *checked) checkSuite(name string) error {
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		return authz.Errorf(authz.NotFound, "the suite %s cannot be read: %s", name, pathReason(err))
	}
	k.suites++
	if _, err := policytest.Parse(name, text); err != nil {
		k.findings = append(k.findings, policy.Finding{File: name, Rule: "suite", Severity: policy.SeverityError, Msg: err.Error()})
	}
	return nil
}
