package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/findings"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// The parts of SARIF 2.1.0 that a check writes.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		ColumnKind  string            `json:"columnKind"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string      `json:"id"`
		Short   sarifText   `json:"shortDescription"`
		Help    sarifText   `json:"help"`
		Default sarifConfig `json:"defaultConfiguration"`
	}
	sarifConfig struct {
		Level policy.Severity `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		Successful    bool          `json:"executionSuccessful"`
		Notifications []sarifNotice `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotice struct {
		Level   policy.Severity `json:"level"`
		Message sarifText       `json:"message"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        policy.Severity   `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations,omitempty"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical sarifPlace `json:"physicalLocation"`
	}
	sarifPlace struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI  string `json:"uri"`
		Base string `json:"uriBaseId"`
	}
	sarifRegion struct {
		Line   int `json:"startLine"`
		Column int `json:"startColumn"`
	}
)

// showSARIF writes the findings as SARIF 2.1.0, which code scanning reads.
func (k *checked) showSARIF(w io.Writer) error {
	run := sarifRun{
		Tool:        sarifTool{sarifDriver{Name: "Portcullis", Version: version(), Rules: k.sarifRules()}},
		ColumnKind:  "unicodeCodePoints",
		Invocations: []sarifInvocation{{Successful: true, Notifications: k.sarifNotices()}},
		Results:     k.sarifResults(),
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// sarifRules describes the rules of what is found, in the order of their names.
func (k *checked) sarifRules() []sarifRule {
	rules, known := []sarifRule{}, map[string]bool{}
	for _, r := range findings.Rules() {
		known[r.Name] = true
		rules = append(rules, sarifRule{r.Name, sarifText{r.Title}, sarifText{r.Help}, sarifConfig{r.Level}})
	}
	for _, f := range k.findings {
		if !known[f.Rule] {
			known[f.Rule] = true
			rules = append(rules, sarifRule{f.Rule, sarifText{"portcullis check: " + f.Rule}, sarifText{"See \"What check looks at\" in policies/README.md."}, sarifConfig{f.Severity}})
		}
	}
	slices.SortFunc(rules, func(a, b sarifRule) int { return strings.Compare(a.ID, b.ID) })
	return rules
}

// sarifNotices tell what was left out.
func (k *checked) sarifNotices() (all []sarifNotice) {
	for _, m := range k.missing {
		all = append(all, sarifNotice{policy.SeverityNote, sarifText{"not looked at: " + m}})
	}
	for _, r := range findings.Names() {
		if n := k.more[r]; n > 0 {
			all = append(all, sarifNotice{policy.SeverityNote, sarifText{fmt.Sprintf("%d more findings of %s are not shown", n, r)}})
		}
	}
	return all
}

func (k *checked) sarifResults() []sarifResult {
	at := map[string]int{}
	for i, r := range k.sarifRules() {
		at[r.ID] = i
	}
	results, seen := []sarifResult{}, map[string]int{}
	for _, f := range k.findings {
		msg := f.Msg
		if f.Fix != "" {
			msg += "; " + f.Fix
		}
		mark := fingerprint(f)
		seen[mark]++
		results = append(results, sarifResult{
			RuleID: f.Rule, RuleIndex: at[f.Rule], Level: f.Severity, Message: sarifText{msg}, Locations: sarifLocations(f),
			Fingerprints: map[string]string{"portcullis/v1": fmt.Sprintf("%s:%d", mark, seen[mark])},
		})
	}
	return results
}

// fingerprint is that of a finding wherever in its file it moves to.
func fingerprint(f policy.Finding) string {
	sum := sha256.Sum256([]byte(f.Rule + "\x00" + f.File + "\x00" + f.Msg))
	return hex.EncodeToString(sum[:8])
}

func sarifLocations(f policy.Finding) []sarifLocation {
	if f.File == "" {
		return nil
	}
	place := sarifPlace{Artifact: sarifArtifact{URI: (&url.URL{Path: relative(f.File)}).EscapedPath(), Base: "%SRCROOT%"}}
	if f.Line > 0 {
		place.Region = &sarifRegion{f.Line, max(f.Column, 1)}
	}
	return []sarifLocation{{place}}
}

// relative returns the path from the current folder, where it can be told.
func relative(file string) string {
	if !filepath.IsAbs(filepath.FromSlash(file)) {
		return file
	}
	if here, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(here, filepath.FromSlash(file)); err == nil {
			return filepath.ToSlash(rel)
		}
	}
	return file
}
