package findings_test

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/findings"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

var now = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// doors is a policy by which the greatest level on the way to a node opens it.
const doors = `package doors

decision := document if {
	document := granted
} else := {"outcome": "deny", "reason": "closed"}

# METADATA
# custom: {id: opened, reason: opened}
granted := {"outcome": "allow", "reason": "opened"} if {
	input.user.active == true
	max([l | some levels in input.rights; some l in levels]) >= {"view": 1, "edit": 2}[input.action.name]
} else := {"outcome": "allow", "reason": "public"} if {
	input.action.name == "view"
	input.screen.flags.public == true
	not input.user.flags.barred
}
`

// project is files by name; those of a portal stand in the folder p.
type project map[string]string

func plain() project {
	return project{
		"policies/doors.rego": doors,
		"p/portal.yaml":       "policy: doors\n",
		"p/roles.yaml":        "- {id: clerk}\n",
		"p/screens.yaml":      "- {id: home, kind: screen}\n",
		"p/rights.yaml":       "clerk: {home: view}\n",
		"p/users.yaml":        "- {id: ann, login: ann, active: true, grants: [clerk]}\n",
		"decisions.yaml": "portal: p\nnow: 2026-03-01T09:00:00Z\ncases:\n" +
			"  - {id: A, subject: ann, action: view, resource: screen/home, want: {outcome: allow, rules: [opened]}}\n",
	}
}

// with returns the project with other files.
func (p project) with(files project) project {
	all := project{}
	for _, from := range []project{p, files} {
		for name, text := range from {
			all[name] = text
		}
	}
	return all
}

// load writes the project and reads it.
func (p project) load(t testing.TB) ([]findings.Portal, *policytest.Project, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range p {
		if text == "" {
			continue
		}
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	placed, err := fixture.LoadPlaced(os.DirFS(dir))
	require.NoError(t, err)
	var portals []findings.Portal
	for _, one := range placed {
		portals = append(portals, findings.Portal{Root: filepath.ToSlash(dir), Placed: one})
	}
	suites, err := policytest.Load(policytest.Source{Paths: []string{dir}})
	require.NoError(t, err)
	return portals, suites, filepath.ToSlash(dir)
}

func options() findings.Options {
	return findings.Options{Levels: findings.DefaultLevels(), Now: now, Model: policies.RBACModel}
}

// find returns the findings as "file:line:column rule message", and what is missing.
func (p project) find(t testing.TB, ctx context.Context, o findings.Options) (found, missing []string) {
	t.Helper()
	portals, suites, dir := p.load(t)
	report, err := findings.Find(ctx, portals, suites, o)
	require.NoError(t, err)
	for _, f := range report.Findings {
		require.NotEmpty(t, f.Fix)
		file := strings.TrimPrefix(f.File, dir+"/")
		found = append(found, path.Clean(file)+":"+strconv.Itoa(f.Line)+":"+strconv.Itoa(f.Column)+" "+f.Rule+" "+f.Msg)
	}
	return found, report.Missing
}
