package policytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Suite is a decision table.
type Suite struct {
	Portal  string
	Now     time.Time
	Cases   []Case
	Pending []Pending
}

// Case is one question and the decision that it must come to.
type Case struct {
	ID, Name string
	Portal   string
	Query    authz.Query
	Want     Want
}

// Want is what a decision must be; empty members are not compared.
type Want struct {
	Outcome     authz.Outcome
	Reason      string
	Level       string
	Obligations []map[string]any
}

// Pending is a row that cannot be asked yet, with the reason.
type Pending struct{ ID, Reason string }

// String names the case in reports.
func (c *Case) String() string { return c.ID + " " + c.Name }

// maxSuite bounds a suite's file, in bytes.
const maxSuite = 16 << 20

// The file as it is written.
type (
	suiteFile struct {
		Portal  string        `yaml:"portal"`
		Now     string        `yaml:"now"`
		Cases   []caseFile    `yaml:"cases"`
		Pending []pendingFile `yaml:"pending"`
	}
	caseFile struct {
		ID         string         `yaml:"id"`
		Name       string         `yaml:"name"`
		Portal     string         `yaml:"portal"`
		Subject    string         `yaml:"subject"`
		Action     string         `yaml:"action"`
		Resource   string         `yaml:"resource"`
		Properties map[string]any `yaml:"properties"`
		Context    map[string]any `yaml:"context"`
		Want       wantFile       `yaml:"want"`
	}
	wantFile struct {
		Outcome     string           `yaml:"outcome"`
		Reason      string           `yaml:"reason"`
		Level       string           `yaml:"level"`
		Obligations []map[string]any `yaml:"obligations"`
	}
	pendingFile struct {
		ID     string `yaml:"id"`
		Reason string `yaml:"reason"`
	}
)

// Parse reads a suite. name stands in messages. The error is Invalid; for a fault
// of YAML it names line and column.
func Parse(name string, data []byte) (*Suite, error) {
	if len(data) > maxSuite {
		return nil, authz.Errorf(authz.TooLarge, "%s: %d bytes; a suite has at most %d", name, len(data), maxSuite)
	}
	var f suiteFile
	if err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(&f); err != nil {
		return nil, authz.Errorf(authz.Invalid, "%s: %s", name, yaml.FormatError(err, false, true)).Because(err)
	}
	now, err := time.Parse(time.RFC3339, f.Now)
	if err != nil {
		return nil, authz.Errorf(authz.Invalid, "%s: now: want a moment such as 2026-03-01T09:00:00Z, got %q", name, f.Now)
	}
	s := &Suite{Portal: f.Portal, Now: now}
	for i := range f.Cases {
		c, err := f.Cases[i].read(s)
		if err != nil {
			return nil, authz.Errorf(authz.Invalid, "%s: cases[%d] (%s %s): %v", name, i, f.Cases[i].ID, f.Cases[i].Name, err)
		}
		s.Cases = append(s.Cases, c)
	}
	for _, p := range f.Pending {
		if p.ID == "" || p.Reason == "" {
			return nil, authz.Errorf(authz.Invalid, "%s: a pending row needs an id and the reason why it waits", name)
		}
		s.Pending = append(s.Pending, Pending(p))
	}
	return s, nil
}

func (f *caseFile) read(s *Suite) (Case, error) {
	c := Case{ID: f.ID, Name: f.Name, Portal: f.Portal}
	if c.Portal == "" {
		c.Portal = s.Portal
	}
	var err error
	if c.Want, err = f.Want.read(); err != nil {
		return c, err
	}
	for _, need := range [][2]string{{"id", f.ID}, {"subject", f.Subject}, {"action", f.Action}, {"resource", f.Resource}} {
		if need[1] == "" {
			return c, fmt.Errorf("%s is missing", need[0])
		}
	}
	c.Query = authz.Query{Subject: entity(f.Subject, "user"), Action: authz.Action{Name: f.Action}, Resource: entity(f.Resource, ""), Now: s.Now}
	if c.Query.Resource.Type == "" {
		return c, fmt.Errorf("resource: want type/id such as screen/SP408030, got %q", f.Resource)
	}
	if c.Query.Resource.Properties, err = plain(f.Properties); err != nil {
		return c, err
	}
	c.Query.Context, err = plain(f.Context)
	return c, err
}

func (f *wantFile) read() (Want, error) {
	switch o := authz.Outcome(f.Outcome); o {
	case authz.Allow, authz.Deny, authz.Challenge, authz.Hide:
		return Want{Outcome: o, Reason: f.Reason, Level: f.Level, Obligations: f.Obligations}, nil
	}
	return Want{}, fmt.Errorf("want.outcome: want one of allow, deny, challenge, hide, got %q", f.Outcome)
}

// entity splits type/id; without a slash the type is other.
func entity(s, other string) authz.Entity {
	if typ, id, ok := strings.Cut(s, "/"); ok {
		return authz.Entity{Type: typ, ID: id}
	}
	return authz.Entity{Type: other, ID: s}
}

// plain turns YAML's values into those of a Query, which are what JSON decodes to.
func plain(m map[string]any) (map[string]any, error) {
	if len(m) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out map[string]any
	return out, dec.Decode(&out)
}
