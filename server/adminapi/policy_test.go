package adminapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/adminapi"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// someRevision is one of which every field says something.
var someRevision = authz.PolicyRevision{
	Number: 7, Parent: 6, Author: "user/kim", User: "kim", Message: "m", At: noon, Files: map[string]string{"p.rego": "package p"},
	Checked:      &authz.PolicyCheck{At: noon, ConfigRevision: 3, OK: true, Cases: 2, Failed: 1, Findings: 1, Faults: []string{"f"}},
	Difference:   &authz.AccessSummary{At: noon, Against: 6, ConfigRevision: 3, Complete: true, Users: 4, Gained: 1, Lost: 2, LockedOut: true},
	Approvals:    []authz.PolicyApproval{{By: "user/ann", User: "ann", At: noon, Note: "n"}},
	Publications: []authz.Publication{{At: noon, By: "user/kim", From: 6}},
}

var someReport = &accessdiff.Report{
	Portal: "acme", Before: "policy 6", After: "policy 7", Questions: 10, Evaluated: 2, Users: 4, Screens: 1, Records: 3, Gained: 1, Lost: 2, Changed: 1, LockedOut: true,
	Changes: []accessdiff.Change{{
		Kind: accessdiff.Lost, Users: 2,
		Places: []accessdiff.Place{
			{Action: "view", Type: "screen", ID: "home", Title: "h", Before: accessdiff.Answer{Outcome: authz.Allow, Level: "view", Fields: map[string]authz.Access{"f": authz.Read}}, After: accessdiff.Answer{Outcome: authz.Deny, Reason: "no"}},
			{Action: "view", Type: "case", Records: 3, Sample: []string{"1"}},
		},
		Groups: []accessdiff.Group{{UserType: "T", Roles: []string{"R"}, Account: "A", Users: 2, Sample: []string{"ann"}}, {Users: 1}},
	}},
	Missing: []string{"m"}, Took: time.Second,
}

// policied answers what is about policies. Each call is told to policy, whose error
// is the answer.
func (s *service) policied(operation string, c admin.Call, with any) error {
	if s.policy == nil {
		return nil
	}
	return s.policy(operation, c, with)
}

func (s *service) Policy(_ context.Context, c admin.Call) (admin.PolicyView, error) {
	return admin.PolicyView{Package: "p", Published: &someRevision, Last: 7, ConfigRevision: 3}, s.policied("policy", c, nil)
}

func (s *service) Revisions(_ context.Context, c admin.Call, before int64, limit int) ([]authz.PolicyRevision, error) {
	return []authz.PolicyRevision{someRevision, {Number: 5}}, s.policied("revisions", c, []any{before, limit})
}

func (s *service) Revision(_ context.Context, c admin.Call, number int64) (authz.PolicyRevision, error) {
	return someRevision, s.policied("revision", c, number)
}

// written is the answer to a write of a revision.
func (s *service) written(operation string, c admin.Call, with any) (admin.Result, error) {
	if err := s.policied(operation, c, with); err != nil {
		return admin.Result{}, err
	}
	e := admin.Entity{Key: someRevision.Key(), Document: authz.Document(someRevision), ETag: "r1z", Revision: 71, UpdatedAt: noon, UpdatedBy: "user/kim"}
	return admin.Result{Entity: &e, Revision: 72, Entry: 315, Decision: "d-1", DryRun: c.DryRun}, nil
}

func (s *service) DraftPolicy(_ context.Context, c admin.Call, d admin.Draft) (admin.Result, error) {
	return s.written("draft", c, d)
}

func (s *service) ApprovePolicy(_ context.Context, c admin.Call, number int64) (admin.Result, error) {
	return s.written("approve", c, number)
}

func (s *service) PublishPolicy(_ context.Context, c admin.Call, number int64, expected *int64) (admin.Result, error) {
	return s.written("publish", c, []any{number, expected})
}

func (s *service) ReturnPolicy(_ context.Context, c admin.Call, number int64, expected *int64) (admin.Result, error) {
	return s.written("return", c, []any{number, expected})
}

// examined is an examination with everything in it.
func (s *service) examined(operation string, c admin.Call, with any) (admin.Examination, error) {
	return admin.Examination{
		ID: "x-1", Portal: "acme", Kind: admin.PreviewExamination, Number: 7, By: "user/kim", State: admin.ExaminationDone, Started: noon, Ended: noon,
		Done: 1, Total: 2, Check: someRevision.Checked, Report: someReport, Err: authz.Errorf(authz.Unavailable, "took too long"),
	}, s.policied(operation, c, with)
}

func (s *service) CheckPolicy(_ context.Context, c admin.Call, number int64) (admin.Examination, error) {
	return s.examined("check", c, number)
}

func (s *service) PreviewPolicy(_ context.Context, c admin.Call, number int64, items []admin.Item) (admin.Examination, error) {
	return s.examined("preview", c, []any{number, items})
}

func (s *service) Examination(_ context.Context, c admin.Call, id string) (admin.Examination, error) {
	return s.examined("examination", c, id)
}

func (s *service) CancelExamination(_ context.Context, c admin.Call, id string) error {
	return s.policied("cancel", c, id)
}

// policyExchanges are requests to the operations about policies.
func policyExchanges() map[string][]exchange {
	const at = "/portals/acme/policy"
	return map[string][]exchange{
		"get_policy":     {{method: "GET", path: at, status: 200}},
		"list_revisions": {{method: "GET", path: at + "/revisions?limit=2&after=9", status: 200}},
		"create_revision": {
			{method: "POST", path: at + "/revisions", body: `{"message":"m","parent":6,"files":{"p.rego":"package p"}}`, status: 201},
			{method: "POST", path: at + "/revisions?dry_run=true", body: `{"message":"m"}`, status: 200},
		},
		"get_revision":       {{method: "GET", path: at + "/revisions/7", status: 200}},
		"check_revision":     {{method: "POST", path: at + "/revisions/7/check", status: 202}},
		"preview_revision":   {{method: "POST", path: at + "/revisions/7/preview", body: `{"items":[{"operation":"delete","kind":"role","id":"R"}]}`, status: 202}},
		"approve_revision":   {{method: "POST", path: at + "/revisions/7/approve", status: 200}},
		"publish_revision":   {{method: "POST", path: at + "/revisions/7/publish", body: `{"expected":6}`, status: 200}},
		"return_policy":      {{method: "POST", path: at + "/return", body: `{"number":0}`, status: 200}},
		"get_examination":    {{method: "GET", path: at + "/examinations/x-1", status: 200}},
		"get_report":         {{method: "GET", path: at + "/examinations/x-1/report?format=markdown", status: 200}, {method: "GET", path: at + "/examinations/x-1/report?format=json", status: 200}},
		"cancel_examination": {{method: "DELETE", path: at + "/examinations/x-1", status: 204}},
	}
}

func TestPoliciesReachTheService(t *testing.T) {
	s := willing()
	var got []any
	s.policy = func(operation string, c admin.Call, with any) error {
		got = []any{operation, c.Portal, c.Note, with}
		return nil
	}
	base, _ := start(t, s, nil)
	six, zero := int64(6), int64(0)
	for name, tc := range map[string]struct {
		method, path, body string
		want               []any
	}{
		"state":      {"GET", "", "", []any{"policy", "acme", "", nil}},
		"first page": {"GET", "/revisions", "", []any{"revisions", "acme", "", []any{int64(0), 100}}},
		"next page":  {"GET", "/revisions?after=5&limit=2", "", []any{"revisions", "acme", "", []any{int64(5), 2}}},
		"revision":   {"GET", "/revisions/7", "", []any{"revision", "acme", "", int64(7)}},
		"seed":       {"POST", "/revisions", `{"message":"m"}`, []any{"draft", "acme", "", admin.Draft{Message: "m"}}},
		"draft":      {"POST", "/revisions", `{"message":"m","parent":0,"files":{"a.rego":"x"}}`, []any{"draft", "acme", "", admin.Draft{Message: "m", Parent: &zero, Files: map[string]string{"a.rego": "x"}}}},
		"check":      {"POST", "/revisions/7/check", "", []any{"check", "acme", "", int64(7)}},
		"preview":    {"POST", "/revisions/7/preview", `{}`, []any{"preview", "acme", "", []any{int64(7), []admin.Item{}}}},
		"preview of settings": {"POST", "/revisions/0/preview", `{"portal":{"settings":{"access":"all"}}}`, []any{"preview", "acme", "", []any{int64(0), []admin.Item{{
			Operation: admin.PatchItem, Key: authz.Key{Kind: authz.PortalEntity, ID: "acme"}, Document: map[string]any{"settings": map[string]any{"access": "all"}},
		}}}}},
		"preview of a change": {"POST", "/revisions/0/preview", `{"items":[{"operation":"delete","kind":"role","id":"R"}]}`, []any{"preview", "acme", "", []any{int64(0), []admin.Item{{Operation: admin.DeleteItem, Key: authz.Key{Kind: authz.RoleEntity, ID: "R"}}}}}},
		"approve":             {"POST", "/revisions/7/approve", "", []any{"approve", "acme", "", int64(7)}},
		"publish":             {"POST", "/revisions/7/publish", `{"expected":6}`, []any{"publish", "acme", "", []any{int64(7), &six}}},
		"publish, whatever":   {"POST", "/revisions/7/publish", `{}`, []any{"publish", "acme", "", []any{int64(7), (*int64)(nil)}}},
		"return":              {"POST", "/return", `{"number":0,"expected":6}`, []any{"return", "acme", "", []any{int64(0), &six}}},
		"examination":         {"GET", "/examinations/x-1", "", []any{"examination", "acme", "", "x-1"}},
		"cancel":              {"DELETE", "/examinations/x-1", "", []any{"cancel", "acme", "", "x-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := send(t, base, tc.method, adminapi.Prefix+"/portals/acme/policy"+tc.path, tc.body)
			require.Less(t, a.status, 300, "%s", a.body)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestWhatIsRefusedOfPolicies(t *testing.T) {
	s := willing()
	s.policy = func(string, admin.Call, any) error { return errors.New("it reached the service") }
	base, _ := start(t, s, nil)
	for name, tc := range map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"no number":         {"GET", "/revisions/x", "", 400, "whole number"},
		"negative":          {"GET", "/revisions/-1", "", 400, "number"},
		"page":              {"GET", "/revisions?after=x", "", 400, "next of the page before"},
		"no message":        {"POST", "/revisions", `{}`, 422, "message"},
		"file of no text":   {"POST", "/revisions", `{"message":"m","files":{"a":7}}`, 422, "files.a"},
		"null":              {"POST", "/revisions", `{"message":"m","parent":null}`, 422, "parent"},
		"another member":    {"POST", "/revisions", `{"message":"m","publish":true}`, 422, "publish"},
		"expected negative": {"POST", "/revisions/7/publish", `{"expected":-1}`, 422, "expected"},
		"expected null":     {"POST", "/revisions/7/publish", `{"expected":null}`, 422, "expected"},
		"no body":           {"POST", "/revisions/7/publish", ``, 415, "Content-Type"},
		"return to nothing": {"POST", "/return", `{}`, 422, "number"},
		"items":             {"POST", "/revisions/7/preview", `{"items":[{"kind":"policy"}]}`, 422, "items[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			a := send(t, base, tc.method, adminapi.Prefix+"/portals/acme/policy"+tc.path, tc.body)
			require.Equal(t, tc.status, a.status, "%s", a.body)
			require.Contains(t, string(a.body), tc.want)
		})
	}
}

// TestRevisionsAreShown: texts are in the answer about one, and no list has them.
func TestRevisionsAreShown(t *testing.T) {
	base, _ := start(t, willing(), nil)
	at := adminapi.Prefix + "/portals/acme/policy"
	require.Contains(t, string(send(t, base, "GET", at+"/revisions/7", "").body), `"text":"package p"`)
	list := send(t, base, "GET", at+"/revisions?limit=2", "")
	require.NotContains(t, string(list.body), "p.rego")
	require.Contains(t, list.header.Get("Link"), "after=5")
	var page struct{ Next string }
	require.NoError(t, json.Unmarshal(list.body, &page))
	require.Equal(t, "5", page.Next)
	require.NotContains(t, string(send(t, base, "GET", at, "").body), `"text"`)
	made := send(t, base, "POST", at+"/revisions", `{"message":"m"}`)
	require.Equal(t, at+"/revisions/7", made.header.Get("Location"))
	begun := send(t, base, "POST", at+"/revisions/7/check", "")
	require.Equal(t, at+"/examinations/x-1", begun.header.Get("Location"))
}
