package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/findings"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// maxFindings bounds --max.
const maxFindings = 10_000

func (c *checkCmd) validate() error {
	switch {
	case !c.Data && len(c.Level) > 0:
		return authz.Errorf(authz.Invalid, "--level sets the levels of what --data finds: add --data")
	case c.Max < 1 || c.Max > maxFindings:
		return authz.Errorf(authz.Invalid, "--max must be from 1 to %d, got %d", maxFindings, c.Max)
	case c.Timeout <= 0:
		return authz.Errorf(authz.Invalid, "--timeout must be above 0, such as 60s, got %s", c.Timeout)
	}
	_, err := c.levels(findings.DefaultLevels())
	return err
}

// levels returns the levels with those that flags set.
func (c *checkCmd) levels(l findings.Levels) (findings.Levels, error) {
	for _, flag := range c.Level {
		rule, level, ok := strings.Cut(flag, "=")
		if !ok {
			return l, authz.Errorf(authz.Invalid, "--level %s names no level: want RULE=LEVEL, such as idle-right=off", flag)
		}
		var err error
		if l, err = l.With(rule, level); err != nil {
			return l, authz.Errorf(authz.Invalid, "--level %s: %s", flag, err)
		}
	}
	return l, nil
}

// find looks at each folder as a whole, within the time limit.
func (c *checkCmd) find(ctx context.Context, k *checked) error {
	within, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	o := findings.Options{Now: c.Now, Model: policies.RBACModel}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	faults := k.count(policy.SeverityError) > 0
	var found []policy.Finding
	for _, f := range k.folders {
		var err error
		if o.Levels, err = c.levelsOf(k, f.dir); err != nil {
			return err
		}
		if faults || k.uncompiled || f.suites == nil || k.count(policy.SeverityError) > 0 {
			k.missing = append(k.missing, f.dir+": its policies, portals and suites together, until the errors are mended")
			continue
		}
		report, err := findings.Find(within, f.portals, f.suites, o)
		if err != nil {
			return err
		}
		found, k.missing = append(found, report.Findings...), append(k.missing, report.Missing...)
	}
	if err := ctx.Err(); err != nil {
		return authz.Errorf(authz.Unavailable, "the check was stopped").Because(err)
	}
	slices.Sort(k.missing)
	k.missing = slices.Compact(k.missing)
	found, k.more = findings.Clip(found, c.Max)
	k.findings = append(k.findings, found...)
	return nil
}

// levelsOf returns the levels for a folder: those of its file, and over them those of
// flags. Faults of the file are findings.
func (c *checkCmd) levelsOf(k *checked, dir string) (findings.Levels, error) {
	l := findings.DefaultLevels()
	name := filepath.ToSlash(filepath.Join(dir, findings.LevelsFile))
	src, err := readLevels(name)
	if err != nil {
		return l, err
	}
	l, err = l.Read(name, src)
	if err := k.addProblems("", "levels", err); err != nil {
		return l, err
	}
	return c.levels(l)
}

// readLevels returns the text of a file of levels, nothing when there is none.
func readLevels(name string) ([]byte, error) {
	f, err := os.Open(filepath.FromSlash(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		defer f.Close()
		var src []byte
		if src, err = io.ReadAll(io.LimitReader(f, findings.MaxLevels+1)); err == nil {
			return src, nil
		}
	}
	return nil, fmt.Errorf("%s cannot be read: %s", name, pathReason(err))
}
