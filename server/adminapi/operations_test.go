package adminapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/adminapi"
	"github.com/portcullis-authz/portcullis/server/authz"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// documents are entities of each kind with everything in them.
var documents = map[authz.EntityKind]authz.Stored{
	authz.PortalEntity: authz.Portal{ID: "acme", Title: "Acme", Policy: "presets.acumatica", Settings: map[string]any{"a": int64(1)}, Features: map[string]bool{"x": true},
		Sharing: []any{map[string]any{"id": "s"}}, Limits: map[string]any{"users": int64(3)}, ResourceScreens: map[string]map[string]string{"case": {"*": "home"}}},
	authz.UserTypeEntity: authz.UserType{ID: "T", Title: "t", Linked: authz.LinkedContact, AllowedRoles: []authz.AllowedRole{{Role: "R", Default: true}}, Manages: []string{"T"}, Licence: "L", Attributes: map[string]any{"a": []any{}}},
	authz.RoleEntity:     authz.Role{ID: "R", Title: "r", Guest: true, Inherits: []string{"Q"}, Attributes: map[string]any{"a": nil}},
	authz.NodeEntity:     authz.Node{ID: "home", Kind: authz.Screen, Title: "h", Parent: "p", AlsoIn: []string{"q"}, Feature: "x", Flags: map[string]bool{"unlisted": true}},
	authz.UserEntity: authz.User{ID: "ann", Login: "ann@x", Active: true, UserType: "T", Grants: []authz.Grant{{Role: "R", By: "kim", Why: "w", From: noon, Until: noon.Add(time.Hour)}},
		Account: "A", Contact: "C", Position: "Manager", Flags: map[string]bool{"f": false}, Attributes: map[string]any{"a": 1.5}},
	authz.AccountEntity: authz.Account{ID: "A", Name: "a", Parent: "B", Owner: "kim", Flags: map[string]bool{"f": true}, Attributes: map[string]any{"a": "b"}},
	authz.ContactEntity: authz.Contact{ID: "C", Name: "c", Email: "c@x", Account: "A", Position: "User", Flags: map[string]bool{"f": true}, Attributes: map[string]any{"a": "b"}},
	authz.RecordEntity:  authz.Record{Type: "case", ID: "CS-1", Account: "A", Contact: "C", Owner: "kim", Parent: "case/CS-0", Flags: map[string]bool{"f": true}, Properties: map[string]any{"a": "b"}},
	authz.RightEntity:   authz.Right{Role: "R", Node: "home", Level: authz.Edit},
}

// entity returns a stored entity of the kind as the Service gives it.
func entity(kind authz.EntityKind) admin.Entity {
	doc := authz.Document(documents[kind])
	if r, ok := documents[kind].(authz.Right); ok {
		doc["level"] = r.Level.String()
	}
	return admin.Entity{Key: documents[kind].Key(), Document: doc, ETag: "r1z", Revision: 71, UpdatedAt: noon, UpdatedBy: "user/kim"}
}

var someTask = authz.StoredTask{
	Task: authz.Task{ID: "w", Kind: authz.MailTask, Set: map[string]any{"active": false}, Template: "t", To: "a@x", Once: true}, Name: "n-0", Portal: "acme",
	Cause: authz.Key{Kind: authz.ContactEntity, ID: "C"}, Actor: "user/kim", CreatedAt: noon, Due: noon, State: authz.TaskDead, Attempts: 3, Error: "e", DoneAt: noon, Depth: 1,
}

var someCaller = authz.Caller{
	ID: "abc", Name: "n", Hash: []byte("secret hash"), Portals: []string{"acme"}, Permissions: []authz.Permission{authz.PermitDecide},
	ActsFor: []string{"ann"}, CreatedAt: noon, CreatedBy: "cli", Until: noon.Add(time.Hour),
}

// willing answers every call with everything that an answer can hold.
func willing() *service {
	result := func(c admin.Call, e *admin.Entity) (admin.Result, error) {
		return admin.Result{
			Entity: e, Defaults: map[string]any{"login": "x"}, Revision: 72, Entry: 315, Decision: "d-1", DryRun: c.DryRun, Replayed: c.IdempotencyKey == "again",
			Tasks: []admin.Task{{Name: "n-0", ID: "w", Kind: authz.UpdateTask, Entity: authz.Key{Kind: authz.UserEntity, ID: "ann"}, Cause: authz.Key{Kind: authz.ContactEntity, ID: "C"}, State: authz.TaskPending, Due: noon, Error: "e"}},
		}, nil
	}
	return &service{
		read: func(_ admin.Call, k authz.Key) (admin.Entity, error) { return entity(k.Kind), nil },
		list: func(_ admin.Call, q authz.ListQuery) (admin.Page, error) {
			return admin.Page{Items: []admin.Entity{entity(q.Kind), entity(q.Kind)}, Next: "n/x", Looked: 5}, nil
		},
		write: func(op string, c admin.Call, k authz.Key, _ map[string]any) (admin.Result, error) {
			if op == "delete" {
				return result(c, nil)
			}
			e := entity(k.Kind)
			return result(c, &e)
		},
		batch: func(c admin.Call, _ []admin.Item) (admin.Result, error) { return result(c, nil) },
		rights: func(admin.Call, admin.RightsQuery) (admin.RightsView, error) {
			return admin.RightsView{ETag: "c1", Cells: []admin.Cell{{Role: "R", Node: "home", Level: "edit", Explicit: true, Shown: "multiple"}, {Role: "R", Node: "x", Level: "inherit", Shown: "inherit"}}}, nil
		},
		setRights: func(c admin.Call, _ admin.RightsQuery, _ []admin.Cell) (admin.Result, error) { return result(c, nil) },
		grants: func(admin.Call, admin.GrantQuery) (admin.GrantPage, error) {
			return admin.GrantPage{Next: "n", Looked: 3, Grants: []admin.HeldGrant{{User: "ann", Account: "A", Role: "R", By: "kim", Why: "w", From: noon, Until: noon, InForce: true, Guest: true}, {User: "bob", Role: "R"}}}, nil
		},
		audit: func(admin.Call, authz.AuditQuery) (authz.AuditPage, error) {
			return authz.AuditPage{Next: "n", Entries: []authz.AuditEntry{{
				Chain: "acme", Seq: 3, At: noon, Actor: "user/kim", OnBehalfOf: "user/ann", Decision: "d", Request: "q", Operation: "update", Note: "why", Revision: 71,
				Changes: []authz.EntityChange{{Entity: authz.Key{Kind: authz.UserEntity, ID: "ann"}, Before: map[string]any{"id": "ann"}, After: map[string]any{"id": "ann"}}},
				Counts:  map[string]int{"user": 3}, Prev: "p", Hash: "h",
			}, {Seq: 2, At: noon, Actor: "cli", Operation: "import", Hash: "h"}}}, nil
		},
		verify: func(chain string) (admin.Verdict, error) {
			return admin.Verdict{Chain: chain, Entries: 3, Head: authz.ChainState{Seq: 3, Hash: "h"}, More: 1, Faults: []admin.ChainFault{
				{Kind: admin.EntryChanged, Seq: 2, Msg: "m"}, {Kind: admin.EntryMissing, Msg: "m"}, {Kind: admin.EntryMoved, Msg: "m"},
				{Kind: admin.StateDiffers, Seq: 1, Entity: authz.Key{Kind: authz.UserEntity, ID: "ann"}, Msg: "m"}, {Kind: admin.EntryUnlisted, Msg: "m"},
			}}, nil
		},
		tasks: func(admin.Call, authz.TaskQuery) (authz.TaskPage, error) {
			return authz.TaskPage{Next: "n", Tasks: []authz.StoredTask{someTask, {Name: "n-1", Task: authz.Task{ID: "v", Kind: authz.DeactivateTask, Entity: authz.Key{Kind: authz.UserEntity, ID: "ann"}}, State: authz.TaskPending}}}, nil
		},
		retry:   func(admin.Call, string) error { return nil },
		callers: func(admin.Call) ([]authz.Caller, error) { return []authz.Caller{someCaller, {ID: "d"}}, nil },
		newCaller: func(_ admin.Call, c authz.Caller) (string, authz.Caller, error) {
			return "ptc_abc_secret", someCaller, nil
		},
		delCaller: func(admin.Call, string) error { return nil },
	}
}

// exchange is a request to an operation and the status of the answer.
type exchange struct {
	method, path, body string
	header             []string
	status             int
}

// exchanges returns requests to every operation, at least one for each status of
// success that it has.
func exchanges() map[string][]exchange {
	all := map[string][]exchange{
		"get_openapi":     {{method: "GET", path: "/openapi.json", status: 200}},
		"list_rights":     {{method: "GET", path: "/portals/acme/rights?role=R&node=home", status: 200}},
		"get_row":         {{method: "GET", path: "/portals/acme/rights/R", status: 200}},
		"get_cell":        {{method: "GET", path: "/portals/acme/rights/R/home", status: 200}},
		"get_column":      {{method: "GET", path: "/portals/acme/screens/home/rights?below=true&role=R", status: 200}},
		"patch_row":       {{method: "PATCH", path: "/portals/acme/rights/R", body: `{"cells":[{"node":"home","level":"edit"}]}`, status: 200}},
		"patch_column":    {{method: "PATCH", path: "/portals/acme/screens/home/rights", body: `{"cells":[{"role":"R","level":"inherit"}]}`, status: 200}},
		"put_cell":        {{method: "PUT", path: "/portals/acme/rights/R/home", body: `{"level":"edit"}`, status: 200}},
		"delete_cell":     {{method: "DELETE", path: "/portals/acme/rights/R/home", status: 200}},
		"activate_user":   {{method: "POST", path: "/portals/acme/users/ann/activate", status: 200}},
		"deactivate_user": {{method: "POST", path: "/portals/acme/users/ann/deactivate?dry_run=true", status: 200}},
		"list_grants":     {{method: "GET", path: "/portals/acme/grants?temporary=true&guest=true&role=R&user=ann", status: 200}},
		"list_tasks":      {{method: "GET", path: "/portals/acme/tasks?state=dead", status: 200}},
		"retry_task":      {{method: "POST", path: "/portals/acme/tasks/n-0/retry", status: 204}},
		"list_audit":      {{method: "GET", path: "/portals/acme/audit?actor=user/kim&entity=user/ann&field=active&from=2026-01-01T00:00:00Z&until=2027-01-01T00:00:00Z", status: 200}},
		"verify_audit":    {{method: "GET", path: "/portals/acme/audit/verify", status: 200}},
		"import_csv":      {{method: "POST", path: "/portals/acme/import?kind=roles", body: "id,title\nR,other\nR2,x\n", header: []string{"Content-Type", "text/csv"}, status: 200}},
		"batch":           {{method: "POST", path: "/portals/acme/batch", body: `{"items":[{"operation":"replace","kind":"right","of":"R","id":"home","document":{"level":"edit"}}]}`, status: 200}},
		"list_callers":    {{method: "GET", path: "/callers", status: 200}},
		"get_caller":      {{method: "GET", path: "/callers/abc", status: 200}},
		"create_caller":   {{method: "POST", path: "/callers", body: `{"name":"n","portals":["acme","*"],"permissions":["decide","admin"],"acts_for":["ann"],"until":"2027-01-01T00:00:00Z"}`, status: 201}},
		"delete_caller":   {{method: "DELETE", path: "/callers/abc", status: 204}},
	}
	maps.Copy(all, policyExchanges())
	for one, path := range map[string]string{
		"portal": "/portals", "user_type": "/portals/acme/user_types", "role": "/portals/acme/roles", "screen": "/portals/acme/screens", "user": "/portals/acme/users",
		"account": "/portals/acme/accounts", "contact": "/portals/acme/contacts", "record": "/portals/acme/records/case",
	} {
		item, patch := path+"/acme", []string{"Content-Type", "application/merge-patch+json", "If-Match", `"r1z"`}
		all["list_"+one+"s"] = []exchange{{method: "GET", path: path + "?limit=2&after=x", status: 200}}
		all["get_"+one] = []exchange{{method: "GET", path: item, status: 200}}
		all["create_"+one] = []exchange{{method: "POST", path: path, body: `{"id":"acme"}`, status: 201}, {method: "POST", path: path + "?dry_run=true", body: `{"id":"acme"}`, status: 200}}
		all["put_"+one] = []exchange{{method: "PUT", path: item, body: `{}`, status: 201}, {method: "PUT", path: item, body: `{}`, header: []string{"If-Match", "*"}, status: 200}}
		all["patch_"+one] = []exchange{{method: "PATCH", path: item, body: `{}`, header: patch, status: 200}, {method: "PATCH", path: item, body: `{}`, header: []string{"If-Match", `"r1z"`}, status: 200}}
		all["delete_"+one] = []exchange{{method: "DELETE", path: item, header: []string{"If-Match", `"r1z"`}, status: 200}}
	}
	return all
}

// described returns the operations of the document by their ids.
func described(doc *huma.OpenAPI) map[string]*huma.Operation {
	all := map[string]*huma.Operation{}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Patch} {
			if op != nil {
				all[op.OperationID] = op
			}
		}
	}
	return all
}

// conforms holds an answer against what the document says of the operation.
func conforms(t *testing.T, doc *huma.OpenAPI, op *huma.Operation, a answer) {
	t.Helper()
	res := op.Responses[strconv.Itoa(a.status)]
	require.NotNil(t, res, "status %d is not described: %s", a.status, a.body)
	if res.Ref != "" {
		res = doc.Components.Responses[strings.TrimPrefix(res.Ref, "#/components/responses/")]
	}
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.NotEmpty(t, a.header.Get("X-Request-ID"))
	for name, h := range res.Headers {
		if v := a.header.Get(name); v != "" {
			require.Empty(t, violations(doc, h.Schema, typedHeader(h.Schema, v)), name)
		}
	}
	if len(res.Content) == 0 {
		require.Empty(t, a.body)
		return
	}
	media := res.Content[a.header.Get("Content-Type")]
	require.NotNil(t, media, "Content-Type %q is not described", a.header.Get("Content-Type"))
	var v any
	require.NoError(t, json.Unmarshal(a.body, &v), "%s", a.body)
	require.Empty(t, violations(doc, media.Schema, v), "%s", a.body)
}

func typedHeader(s *huma.Schema, text string) any {
	if s.Type == huma.TypeInteger {
		n, _ := strconv.ParseFloat(text, 64)
		return n
	}
	return text
}

// violations are what is wrong with v against the schema.
func violations(doc *huma.OpenAPI, s *huma.Schema, v any) []error {
	var found huma.ValidateResult
	huma.Validate(doc.Components.Schemas, s, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, v, &found)
	return found.Errors
}

func TestEveryOperationAnswersAsDescribed(t *testing.T) {
	base, api := start(t, willing(), nil)
	doc := api.Described()
	ops, tries := described(doc), exchanges()
	for id, op := range ops {
		t.Run(id, func(t *testing.T) {
			require.NotEmpty(t, tries[id], "no request to this operation is here")
			open := successes(op)
			for _, x := range tries[id] {
				a := send(t, base, x.method, adminapi.Prefix+x.path, x.body, x.header...)
				require.Equal(t, x.status, a.status, "%s", a.body)
				conforms(t, doc, op, a)
				delete(open, x.status)
			}
			require.Empty(t, open, "statuses that no request here has had")
		})
	}
	require.Len(t, tries, len(ops))
}

// successes are the statuses of success that an operation describes.
func successes(op *huma.Operation) map[int]bool {
	all := map[int]bool{}
	for status := range op.Responses {
		if n, err := strconv.Atoi(status); err == nil && n < 400 {
			all[n] = true
		}
	}
	return all
}

// TestEveryErrorIsAnsweredAsDescribed has every call of the service fail in each way.
func TestEveryErrorIsAnsweredAsDescribed(t *testing.T) {
	var failure error
	base, api := start(t, failing(func() error { return failure }), nil)
	doc := api.Described()
	ops, tries := described(doc), exchanges()
	for want, err := range map[int]error{
		400: authz.Errorf(authz.Invalid, "m").At("f"), 403: &admin.Refused{Kind: authz.Forbidden, Decision: "d", Outcome: authz.Deny, Reason: "no"},
		404: authz.Errorf(authz.NotFound, "m"), 503: authz.Errorf(authz.Unavailable, "m"), 401: authz.Errorf(authz.Unauthenticated, "m"),
		409: authz.Errorf(authz.Conflict, "m"), 412: authz.Errorf(authz.Stale, "m"), 413: authz.Errorf(authz.TooLarge, "m"), 428: authz.Errorf(authz.Unconditional, "m"),
		422: &admin.Refused{Kind: authz.Rejected, Refusals: []admin.Refusal{{Refusal: authz.Refusal{Rule: "r", Field: "f", Reason: "no"}}}},
	} {
		failure = err
		for id, op := range ops {
			if op.Responses[strconv.Itoa(want)] == nil || id == "get_openapi" {
				continue
			}
			t.Run(fmt.Sprint(want, " ", id), func(t *testing.T) {
				x := tries[id][0]
				a := send(t, base, x.method, adminapi.Prefix+x.path, x.body, x.header...)
				require.Equal(t, want, a.status, "%s", a.body)
				conforms(t, doc, op, a)
			})
		}
	}
}

// failing answers every call with what err returns.
func failing(err func() error) *service {
	result := func() (admin.Result, error) { return admin.Result{}, err() }
	return &service{
		read:      func(admin.Call, authz.Key) (admin.Entity, error) { return admin.Entity{}, absentOr(err()) },
		list:      func(admin.Call, authz.ListQuery) (admin.Page, error) { return admin.Page{}, err() },
		write:     func(string, admin.Call, authz.Key, map[string]any) (admin.Result, error) { return result() },
		batch:     func(admin.Call, []admin.Item) (admin.Result, error) { return result() },
		rights:    func(admin.Call, admin.RightsQuery) (admin.RightsView, error) { return admin.RightsView{}, err() },
		setRights: func(admin.Call, admin.RightsQuery, []admin.Cell) (admin.Result, error) { return result() },
		grants:    func(admin.Call, admin.GrantQuery) (admin.GrantPage, error) { return admin.GrantPage{}, err() },
		audit:     func(admin.Call, authz.AuditQuery) (authz.AuditPage, error) { return authz.AuditPage{}, err() },
		verify:    func(string) (admin.Verdict, error) { return admin.Verdict{}, err() },
		tasks:     func(admin.Call, authz.TaskQuery) (authz.TaskPage, error) { return authz.TaskPage{}, err() },
		retry:     func(admin.Call, string) error { return err() },
		callers:   func(admin.Call) ([]authz.Caller, error) { return nil, err() },
		newCaller: func(admin.Call, authz.Caller) (string, authz.Caller, error) { return "", authz.Caller{}, err() },
		delCaller: func(admin.Call, string) error { return err() },
		policy:    func(string, admin.Call, any) error { return err() },
	}
}

// absentOr is err, which every read of an import may have.
func absentOr(err error) error { return err }

// TestRoutesAreDescribed holds the routes of the app against the document, both ways.
func TestRoutesAreDescribed(t *testing.T) {
	_, api := start(t, willing(), nil)
	var doc struct {
		Paths map[string]map[string]struct{ OperationID string }
	}
	require.NoError(t, json.Unmarshal(api.Document(), &doc))
	described := map[string]bool{}
	for path, item := range doc.Paths {
		for method := range item {
			described[strings.ToUpper(method)+" "+path] = true
		}
	}
	routes := map[string]bool{}
	for _, r := range mounted(t).GetRoutes(true) {
		path := r.Path
		for _, p := range r.Params {
			path = strings.Replace(path, ":"+p, "{"+p+"}", 1)
		}
		routes[r.Method+" "+path] = true
	}
	require.Equal(t, routes, described)
	require.Greater(t, len(routes), 60)
	for _, method := range []string{http.MethodGet} {
		require.True(t, routes[method+" "+adminapi.Prefix+"/openapi.json"])
	}
}
