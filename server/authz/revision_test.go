package authz_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)

// revision is one in which every field says something.
func revision() authz.PolicyRevision {
	return authz.PolicyRevision{
		Number: 7, Parent: 6, Author: "user/ann", User: "ann", Message: "why", At: noon,
		Files:        map[string]string{"presets/p/decision.rego": "package p", "decisions.yaml": "", "lib/readme.md": "ünï"},
		Checked:      &authz.PolicyCheck{At: noon, ConfigRevision: 3, Cases: 9, Failed: 2, Findings: 1, Faults: []string{"p.rego:1:1: bad"}},
		Difference:   &authz.AccessSummary{At: noon, Against: 5, ConfigRevision: 3, Complete: true, Users: 10, Gained: 1, Lost: 2, LockedOut: true},
		Approvals:    []authz.PolicyApproval{{By: "user/bob", User: "bob", At: noon, Note: "fine"}, {By: "cli", At: noon}},
		Publications: []authz.Publication{{At: noon, By: "user/ann", From: 5}},
	}
}

func TestRevisionDocument(t *testing.T) {
	r := revision()
	at := "2026-03-01T12:00:00.123Z"
	require.Equal(t, map[string]any{
		"number": int64(7), "parent": int64(6), "author": "user/ann", "user": "ann", "message": "why", "at": at, "digest": r.Digest(),
		"files": map[string]any{
			"decisions.yaml":          map[string]any{"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "size": int64(0)},
			"lib/readme.md":           map[string]any{"sha256": "e975a52994d88fc7c7bf16c547779c6d0e3cd954f3bdacba332c8858a5ff4d58", "size": int64(5)},
			"presets/p/decision.rego": map[string]any{"sha256": "ecadde608b070b7cc59ca39f75800abd426976274cf0edf60a6c8d1bcc7cd316", "size": int64(9)},
		},
		"checked": map[string]any{"at": at, "config_revision": int64(3), "ok": false, "cases": int64(9), "failed": int64(2), "findings": int64(1), "faults": []any{"p.rego:1:1: bad"}},
		"difference": map[string]any{
			"at": at, "against": int64(5), "config_revision": int64(3), "complete": true, "users": int64(10), "gained": int64(1), "lost": int64(2), "locked_out": true,
		},
		"approvals":    []any{map[string]any{"by": "user/bob", "user": "bob", "at": at, "note": "fine"}, map[string]any{"by": "cli", "at": at}},
		"publications": []any{map[string]any{"at": at, "by": "user/ann", "from": int64(5)}},
	}, authz.Document(r))

	bare := authz.Document(authz.PolicyRevision{Number: 1})
	require.NotContains(t, bare, "checked")
	require.NotContains(t, bare, "difference")
	require.Equal(t, []any{}, bare["approvals"])
	require.Equal(t, map[string]any{}, bare["files"])
}

func TestRevisionsAreTheSameByTheirFilesAlone(t *testing.T) {
	a, b := revision(), revision()
	b.Number, b.Message, b.Checked = 9, "other", nil
	require.Equal(t, a.Digest(), b.Digest())
	seen := map[string]bool{a.Digest(): true}
	for _, files := range []map[string]string{nil, {"a": "bc"}, {"ab": "c"}, {"a": "", "bc": ""}, {"a": "b", "c": ""}} {
		r := authz.PolicyRevision{Files: files}
		require.False(t, seen[r.Digest()], files)
		seen[r.Digest()] = true
	}
	require.Equal(t, 14, a.Size())
}

func TestRevisionRemembersItsLastPublications(t *testing.T) {
	first := authz.PolicyRevision{Number: 1}
	r := first
	for i := range authz.MaxPublications + 5 {
		before := r
		r = r.PublishedBy(authz.Publication{From: int64(i)})
		require.Len(t, before.Publications, min(i, authz.MaxPublications), "what it is made from stays")
	}
	require.Empty(t, first.Publications)
	require.Len(t, r.Publications, authz.MaxPublications)
	require.Equal(t, int64(5), r.Publications[0].From)
	require.Equal(t, int64(authz.MaxPublications+4), r.Publications[authz.MaxPublications-1].From)
}

func TestRevisionValidate(t *testing.T) {
	good := revision()
	require.Empty(t, good.Validate())
	file := func(name, text string) func(*authz.PolicyRevision) {
		return func(r *authz.PolicyRevision) { r.Files = map[string]string{"p.rego": "package p", name: text} }
	}
	for name, tc := range map[string]struct {
		change func(*authz.PolicyRevision)
		path   string
		msg    string
	}{
		"no number":           {func(r *authz.PolicyRevision) { r.Number, r.Parent = 0, 0 }, "number", "want 1 or more"},
		"its own parent":      {func(r *authz.PolicyRevision) { r.Parent = 7 }, "parent", "earlier revision"},
		"negative parent":     {func(r *authz.PolicyRevision) { r.Parent = -1 }, "parent", "earlier revision"},
		"long message":        {func(r *authz.PolicyRevision) { r.Message = strings.Repeat("x", authz.MaxPolicyMessage+1) }, "message", "at most 2000"},
		"message no text":     {func(r *authz.PolicyRevision) { r.Message = "\xff" }, "message", "UTF-8"},
		"author no text":      {func(r *authz.PolicyRevision) { r.Author = "\xff" }, "author", "UTF-8"},
		"user no text":        {func(r *authz.PolicyRevision) { r.User = "\xff" }, "user", "UTF-8"},
		"approval no text":    {func(r *authz.PolicyRevision) { r.Approvals[0].By = "\xff" }, "approvals[0].by", "UTF-8"},
		"approver no text":    {func(r *authz.PolicyRevision) { r.Approvals[0].User = "\xff" }, "approvals[0].user", "UTF-8"},
		"publication no text": {func(r *authz.PolicyRevision) { r.Publications[0].By = "\xff" }, "publications[0].by", "UTF-8"},
		"fine time":           {func(r *authz.PolicyRevision) { r.At = noon.Add(time.Microsecond) }, "at", "finer than a millisecond"},
		"fine check":          {func(r *authz.PolicyRevision) { r.Checked = &authz.PolicyCheck{At: noon.Add(1)} }, "checked.at", "round it"},
		"check no text":       {func(r *authz.PolicyRevision) { r.Checked = &authz.PolicyCheck{Faults: []string{"", "\xff"}} }, "checked.faults[1]", "UTF-8"},
		"fine difference":     {func(r *authz.PolicyRevision) { r.Difference = &authz.AccessSummary{At: noon.Add(1)} }, "difference.at", "round it"},
		"fine approval":       {func(r *authz.PolicyRevision) { r.Approvals[1].At = noon.Add(1) }, "approvals[1].at", "round it"},
		"long note":           {func(r *authz.PolicyRevision) { r.Approvals[0].Note = strings.Repeat("x", 3000) }, "approvals[0].note", "at most 2000"},
		"fine publication":    {func(r *authz.PolicyRevision) { r.Publications[0].At = noon.Add(1) }, "publications[0].at", "round it"},
		"no files":            {func(r *authz.PolicyRevision) { r.Files = nil }, "files", "empty policy"},
		"no module": {func(r *authz.PolicyRevision) {
			r.Files = map[string]string{"a_test.rego": "package a", "decisions.yaml": ""}
		}, "files", "_test.rego"},
		"many files":        {func(r *authz.PolicyRevision) { r.Files = many(authz.MaxPolicyFiles + 1) }, "files", "at most 500"},
		"large file":        {file("a.md", strings.Repeat("x", authz.MaxPolicyFile+1)), `files["a.md"]`, "at most 1048576"},
		"large together":    {large, "files", "at most 4194304"},
		"no text":           {file("a.md", "\xff"), `files["a.md"]`, "UTF-8"},
		"zero byte":         {file("a.md", "\x00"), `files["a.md"]`, "zero byte"},
		"absolute":          {file("/etc/a.rego", ""), `files["/etc/a.rego"]`, "no path within"},
		"a folder":          {file("a/", ""), `files["a/"]`, "no path within"},
		"empty name":        {file("a//b.rego", ""), `files["a//b.rego"]`, "no path within"},
		"no path":           {file("", ""), `files[""]`, "is missing"},
		"up":                {file("a/../../b.rego", ""), `files["a/../../b.rego"]`, "leads out"},
		"here":              {file("./b.rego", ""), `files["./b.rego"]`, "begins with a dot"},
		"dot file":          {file("a/.b.rego", ""), `files["a/.b.rego"]`, "begins with a dot"},
		"dot folder":        {file(".git/b.rego", ""), `files[".git/b.rego"]`, "begins with a dot"},
		"other separator":   {file(`a\b.rego`, ""), `files["a\\b.rego"]`, "no path"},
		"drive":             {file("c:b.rego", ""), `files["c:b.rego"]`, "no path"},
		"control character": {file("a\nb.rego", ""), `files["a\nb.rego"]`, "control character"},
		"path no text":      {file("a\xff.rego", ""), `files["a\xff.rego"]`, "UTF-8"},
		"long path":         {file(strings.Repeat("a", 300)+".rego", ""), "files", "too long"},
		"other kind":        {file("a.exe", ""), `files["a.exe"]`, "ends in .rego"},
		"no ending":         {file("Makefile", ""), "files.Makefile", "ends in .rego"},
		"file and folder":   {file("p.rego/a.rego", ""), `files["p.rego/a.rego"]`, "a file itself"},
	} {
		t.Run(name, func(t *testing.T) {
			r := revision()
			tc.change(&r)
			faults := r.Validate()
			require.Len(t, faults, 1, "%v", faults)
			require.True(t, strings.HasPrefix(faults[0].Path, tc.path), faults[0].Path)
			require.Contains(t, faults[0].Msg, tc.msg)
		})
	}
	r := revision()
	r.Files = many(authz.MaxPolicyFiles)
	require.Empty(t, r.Validate(), "as many as are allowed")
}

func many(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("p%d.rego", i)] = "package p"
	}
	return files
}

func large(r *authz.PolicyRevision) {
	r.Files = map[string]string{"p.rego": "x"}
	for i := range authz.MaxPolicySize / authz.MaxPolicyFile {
		r.Files[fmt.Sprintf("%d.txt", i)] = strings.Repeat("x", authz.MaxPolicyFile)
	}
}
