package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	policyOfP  = "GET /admin/v1/portals/p/policy"
	dirState   = `{"source":"dir","package":"desk","last":2,"config_revision":1}`
	databaseIs = `{"source":"database","package":"desk","published":` + revisionFive + `,"last":6,"config_revision":1}`

	revisionFive = `{"number":5,"parent":4,"author":"caller/k","user":"ann","message":"m","at":"2026-03-01T12:00:00Z","files":{"a.rego":{"size":9,"text":"package a"}},` +
		`"checked":{"ok":false,"cases":3,"failed":1,"faults":["a.rego:1:1: bad"]},"difference":{"gained":1,"lost":2,"complete":false,"locked_out":true},` +
		`"approvals":[{"by":"caller/k","user":"kim","at":"2026-03-01T13:00:00Z","note":"fine"}],"publications":[{"by":"user/ann","at":"2026-03-01T14:00:00Z","from":4}]}`
	notAllowed = `{"title":"Forbidden","status":403,"detail":"the policy does not allow it: approvals_missing","reason":"approvals_missing","decision":"d-1"}`
)

func TestPolicy(t *testing.T) {
	running, at := `{"id":"x","state":"running","done":1,"total":2}`, "GET /admin/v1/portals/p/policy/examinations/x"
	for name, tt := range map[string]struct {
		args   []string
		script script
		out    string
		err    string // a part
		code   int
	}{
		"status, folder":   {[]string{"status", "-p", "p"}, script{{policyOfP, 200, dirState}}, "p: the folder's policy is in force, package desk\n2 revisions so far\n", "", 0},
		"status, database": {[]string{"status", "-p", "p"}, script{{policyOfP, 200, databaseIs}}, "p: policy 5 is in force, package desk: m\npublished 2026-03-01T14:00:00Z by user/ann, over policy 4\n6 revisions so far\n", "", 0},
		"status as JSON":   {[]string{"status", "-p", "p", "--json"}, script{{policyOfP, 200, dirState}}, dirState + "\n", "", 0},
		"show": {[]string{"show", "5", "-p", "p"}, script{{policyOfP + "/revisions/5", 200, revisionFive}},
			"policy 5: m\n  made       2026-03-01T12:00:00Z by user/ann, from policy 4\n  checked    1 of 3 cases failed\n  previewed  1 gain, 2 lose, nobody administers, incomplete\n" +
				"  approved   2026-03-01T13:00:00Z by user/kim  fine\n  published  2026-03-01T14:00:00Z by user/ann, over policy 4\n  fault      a.rego:1:1: bad\nFILE    BYTES\na.rego  9\n", "", 0},
		"show, none": {[]string{"show", "-p", "p"}, script{{policyOfP, 200, `{"source":"dir","last":0}`}}, "", `portal "p" has no revision of its policy yet`, 1},
		"check": {[]string{"check", "5", "-p", "p"}, script{
			{"POST /admin/v1/portals/p/policy/revisions/5/check", 202, running}, {at, 200, running},
			{at, 200, `{"id":"x","state":"done","check":{"ok":true,"cases":3}}`},
		}, "policy 5 passes the check: 3 cases passed\n", "", 0},
		"check, a case fails": {[]string{"check", "5", "-p", "p"}, script{
			{"POST /admin/v1/portals/p/policy/revisions/5/check", 202, `{"id":"x","state":"done","check":{"cases":3,"failed":1,"faults":["d.yaml:4: bad"]}}`},
		}, "d.yaml:4: bad\npolicy 5 does not pass the check: 1 of 3 cases failed\n", "", 4},
		"check, it does not compile": {[]string{"check", "5", "-p", "p"}, script{
			{"POST /admin/v1/portals/p/policy/revisions/5/check", 202, `{"id":"x","state":"done","check":{"faults":["a.rego:1:1: bad"]}}`},
		}, "a.rego:1:1: bad\npolicy 5 does not pass the check: 1 fault\n", "", 3},
		"check that fails": {[]string{"check", "5", "-p", "p"}, script{
			{"POST /admin/v1/portals/p/policy/revisions/5/check", 202, `{"id":"x","state":"failed","error":{"status":503,"detail":"it took too long"}}`},
		}, "", "portcullis: it took too long", 1},
		"preview": {[]string{"preview", "-p", "p", "--format", "markdown"}, script{
			{policyOfP, 200, databaseIs}, {"POST /admin/v1/portals/p/policy/revisions/6/preview\napplication/json {}", 202, `{"id":"x","state":"done"}`},
			{at + "/report?format=markdown", 200, `{"format":"markdown","text":"# p\n"}`},
		}, "# p\n", "", 0},
		"preview, cancelled": {[]string{"preview", "6", "-p", "p"}, script{
			{"POST /admin/v1/portals/p/policy/revisions/6/preview\napplication/json {}", 202, `{"id":"x","state":"cancelled"}`},
		}, "", "somebody has cancelled the preview", 1},
		"approve":          {[]string{"approve", "5", "-p", "p", "--note", "n"}, script{{"POST /admin/v1/portals/p/policy/revisions/5/approve\nPortcullis-Note: n", 200, writtenAnswer("")}}, "policy 5 is approved: revision 72, audit entry 315\n", "", 0},
		"publish":          {[]string{"publish", "5", "-p", "p", "--expected", "4"}, script{{"POST /admin/v1/portals/p/policy/revisions/5/publish\napplication/json {\"expected\":4}", 200, writtenAnswer("")}}, "policy 5 is in force: revision 72, audit entry 315\n", "", 0},
		"publish, refused": {[]string{"publish", "5", "-p", "p"}, script{{"POST /admin/v1/portals/p/policy/revisions/5/publish\napplication/json {}", 403, notAllowed}}, "", "reason: approvals_missing", 6},
		"return":           {[]string{"return", "0", "-p", "p"}, script{{"POST /admin/v1/portals/p/policy/return\napplication/json {\"number\":0}", 200, writtenAnswer("")}}, "the folder's policy is in force: revision 72, audit entry 315\n", "", 0},
		"source dir": {[]string{"source", "dir", "-p", "p"}, script{
			{policyOfP, 200, databaseIs}, {"POST /admin/v1/portals/p/policy/return\napplication/json {\"expected\":5,\"number\":0}", 200, writtenAnswer("")},
		}, "the folder's policy is in force: revision 72, audit entry 315\n", "", 0},
		"source, already": {[]string{"source", "dir", "-p", "p"}, script{{policyOfP, 200, dirState}}, "p: the policy comes from the folder already; nothing is written\n", "", 0},
		"no such source":  {[]string{"source", "git"}, nil, "", "dir", 2},
		"no message":      {[]string{"push", "."}, nil, "", "--message", 2},
		"nothing to push": {[]string{"push", t.TempDir(), "-m", "m", "-p", "p"}, nil, "", "holds no file of a policy", 1},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, code := playAs(t, "policy", tt.script, tt.args...)
			require.Equal(t, tt.code, code, "%s", errs)
			require.Equal(t, tt.out, out)
			require.Contains(t, errs, tt.err)
		})
	}
}

// TestPullAndPush: what is pulled is pushed as a child of what it was pulled from, and
// nothing is written outside the folder or over what is in it.
func TestPullAndPush(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mine")
	five := script{{policyOfP + "/revisions/5", 200, revisionFive}}
	out, errs, code := playAs(t, "policy", five, "pull", dir, "5", "-p", "p")
	require.Zero(t, code, errs)
	require.Equal(t, "1 file of policy 5 in "+dir+"\n", out)
	text, err := os.ReadFile(filepath.Join(dir, "a.rego"))
	require.NoError(t, err)
	require.Equal(t, "package a", string(text))

	_, errs, code = playAs(t, "policy", nil, "pull", dir, "5", "-p", "p")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "is not empty")

	require.NoError(t, os.WriteFile(filepath.Join(dir, ".hidden.rego"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run.sh"), nil, 0o600))
	push := func(parent, number string) {
		out, errs, code = playAs(t, "policy", script{{
			"POST /admin/v1/portals/p/policy/revisions\napplication/json {\"files\":{\"a.rego\":\"package a\"},\"message\":\"m\",\"parent\":" + parent + "}", 201,
			writtenAnswer(`,"document":{"number":` + number + `,"parent":` + parent + `,"files":{"a.rego":{"size":9}}}`),
		}}, "push", dir, "-m", "m", "-p", "p")
		require.Zero(t, code, errs)
		require.Equal(t, "policy "+number+" with 1 file, from policy "+parent+", is drafted: revision 72, audit entry 315\n", out)
	}
	push("5", "6")
	push("6", "7")

	outside := script{{policyOfP + "/revisions/5", 200, `{"number":5,"files":{"../../a.rego":{"size":1,"text":"x"}}}`}}
	_, errs, code = playAs(t, "policy", outside, "pull", filepath.Join(t.TempDir(), "x"), "5", "-p", "p")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "lies in no folder")
}
