package policytest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/policytest"
)

// doors are two portals with a policy and a suite each, and a module that only one of
// the policies reaches.
var doors = map[string]string{
	"policies/lib.rego":     "package mylib\n\nopen if input.resource.type == \"door\"\n",
	"policies/a.rego":       "package a\n\nimport data.mylib\n\ndecision := {\"outcome\": \"allow\", \"reason\": \"open\"} if mylib.open\n",
	"policies/b.rego":       "package b\n\ndecision := {\"outcome\": \"deny\", \"reason\": \"closed\"}\n",
	"policies/b_test.rego":  "package b_test\n\nimport data.b\n\ntest_closed if b.decision.outcome == \"deny\"\n",
	"a/portal.yaml":         "id: a\npolicy: a\n",
	"b/portal.yaml":         "id: b\npolicy: b\n",
	"a/decisions.yaml":      "portal: a\nnow: 2026-03-01T09:00:00Z\ncases: [{id: A, subject: anonymous/v, action: open, resource: door/1, want: {outcome: allow}}]\n",
	"b/decisions.yaml":      "portal: b\nnow: 2026-03-01T09:00:00Z\ncases: [{id: B, subject: anonymous/v, action: open, resource: door/1, want: {outcome: deny}}]\n",
	"b/more.decisions.yaml": "portal: b\nnow: 2026-03-01T09:00:00Z\ncases: [{id: C, given: {portal: {policy: a}}, subject: anonymous/v, action: open, resource: door/1, want: {outcome: allow}}]\n",
}

// TestTouched changes one file at a time.
func TestTouched(t *testing.T) {
	dir := t.TempDir()
	put := func(t *testing.T, name, text string) {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	for name, text := range doors {
		put(t, name, text)
	}
	before := load(t, dir)
	for name, tc := range map[string]struct {
		file, text string
		suites     string
		rego       bool
	}{
		"nothing":           {"a/portal.yaml", doors["a/portal.yaml"], "", false},
		"a policy":          {"policies/b.rego", doors["policies/b.rego"] + "\n# more\n", "b/decisions.yaml", true},
		"what it reaches":   {"policies/lib.rego", doors["policies/lib.rego"] + "\n# more\n", "a/decisions.yaml b/more.decisions.yaml", true},
		"a module of none":  {"policies/c.rego", "package c\n\ndecision := {}\n", "", true},
		"a test":            {"policies/b_test.rego", doors["policies/b_test.rego"] + "\n# more\n", "", true},
		"a portal":          {"a/users.yaml", "[{id: ann, login: ann}]\n", "a/decisions.yaml", false},
		"a portal's policy": {"b/portal.yaml", "id: b\npolicy: a\n", "b/decisions.yaml b/more.decisions.yaml", false},
		"a suite":           {"a/decisions.yaml", strings.Replace(doors["a/decisions.yaml"], "id: A", "id: A1", 1), "a/decisions.yaml", false},
		"a new suite":       {"a/new.decisions.yaml", doors["a/decisions.yaml"], "a/new.decisions.yaml", false},
	} {
		t.Run(name, func(t *testing.T) {
			put(t, tc.file, tc.text)
			t.Cleanup(func() {
				require.NoError(t, os.Remove(filepath.Join(dir, filepath.FromSlash(tc.file))))
				if former, ok := doors[tc.file]; ok {
					put(t, tc.file, former)
				}
			})
			now := load(t, dir)
			sel := now.Touched(before)
			var got []string
			for _, file := range sel.Suites {
				got = append(got, strings.TrimPrefix(file, filepath.ToSlash(dir)+"/"))
			}
			require.Equal(t, tc.suites, strings.Join(got, " "))
			require.Equal(t, tc.rego, sel.Rego)

			report, err := policytest.Run(t.Context(), now, policytest.Options{Select: &sel})
			require.NoError(t, err)
			want := len(sel.Suites)
			if tc.rego {
				want++
			}
			require.Len(t, report.Results, want)
		})
	}
}
