package adminapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/adminapi"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// asked is what reached the Service.
type asked struct {
	operation string
	call      admin.Call
	key       authz.Key
	doc       map[string]any
	query     any
}

// recording is a willing service that keeps what it was asked last.
func recording() (*service, func() *asked) {
	var mu sync.Mutex
	var last *asked
	keep := func(a asked) {
		mu.Lock()
		defer mu.Unlock()
		last = &a
	}
	s := willing()
	read, list, write, batch, rights, set := s.read, s.list, s.write, s.batch, s.rights, s.setRights
	grants, audit, tasks, newCaller := s.grants, s.audit, s.tasks, s.newCaller
	s.read = func(c admin.Call, k authz.Key) (admin.Entity, error) {
		keep(asked{operation: "read", call: c, key: k})
		return read(c, k)
	}
	s.list = func(c admin.Call, q authz.ListQuery) (admin.Page, error) {
		keep(asked{operation: "list", call: c, query: q})
		return list(c, q)
	}
	s.write = func(op string, c admin.Call, k authz.Key, doc map[string]any) (admin.Result, error) {
		keep(asked{operation: op, call: c, key: k, doc: doc})
		return write(op, c, k, doc)
	}
	s.batch = func(c admin.Call, items []admin.Item) (admin.Result, error) {
		keep(asked{operation: "batch", call: c, query: items})
		return batch(c, items)
	}
	s.rights = func(c admin.Call, q admin.RightsQuery) (admin.RightsView, error) {
		keep(asked{operation: "rights", call: c, query: q})
		return rights(c, q)
	}
	s.setRights = func(c admin.Call, q admin.RightsQuery, cells []admin.Cell) (admin.Result, error) {
		keep(asked{operation: "set", call: c, query: []any{q, cells}})
		return set(c, q, cells)
	}
	s.grants = func(c admin.Call, q admin.GrantQuery) (admin.GrantPage, error) {
		keep(asked{operation: "grants", call: c, query: q})
		return grants(c, q)
	}
	s.audit = func(c admin.Call, q authz.AuditQuery) (authz.AuditPage, error) {
		keep(asked{operation: "audit", call: c, query: q})
		return audit(c, q)
	}
	s.tasks = func(c admin.Call, q authz.TaskQuery) (authz.TaskPage, error) {
		keep(asked{operation: "tasks", call: c, query: q})
		return tasks(c, q)
	}
	s.newCaller = func(c admin.Call, n authz.Caller) (string, authz.Caller, error) {
		keep(asked{operation: "caller", call: c, query: n})
		return newCaller(c, n)
	}
	return s, func() *asked {
		mu.Lock()
		defer mu.Unlock()
		was := last
		last = nil
		return was
	}
}

// TestWhatReachesTheService sends requests that are right and looks at what is made
// of them.
func TestWhatReachesTheService(t *testing.T) {
	s, last := recording()
	base, _ := start(t, s, nil)
	user := func(id string) authz.Key { return authz.Key{Kind: authz.UserEntity, ID: id} }
	acme := func(change func(*admin.Call)) admin.Call {
		c := admin.Call{Portal: "acme"}
		if change != nil {
			change(&c)
		}
		return c
	}
	for name, tc := range map[string]struct {
		method, path, body string
		header             []string
		want               asked
	}{
		"id unescaped once":      {"GET", "/portals/acme/users/a%2Fb%20c%2525", "", nil, asked{"read", acme(nil), user("a/b c%25"), nil, nil}},
		"plus is no space":       {"GET", "/portals/acme/users/a+b", "", nil, asked{"read", acme(nil), user("a+b"), nil, nil}},
		"id in other letters":    {"GET", "/portals/acme/users/" + url.PathEscape("žluťoučký"), "", nil, asked{"read", acme(nil), user("žluťoučký"), nil, nil}},
		"dots":                   {"GET", "/portals/acme/users/%2E%2E", "", nil, asked{"read", acme(nil), user(".."), nil, nil}},
		"portal":                 {"GET", "/portals/acme", "", nil, asked{"read", acme(nil), authz.Key{Kind: authz.PortalEntity, ID: "acme"}, nil, nil}},
		"record":                 {"GET", "/portals/acme/records/case/CS%2F1", "", nil, asked{"read", acme(nil), authz.Key{Kind: authz.RecordEntity, Of: "case", ID: "CS/1"}, nil, nil}},
		"longest id":             {"GET", "/portals/acme/users/" + strings.Repeat("a", authz.MaxID), "", nil, asked{"read", acme(nil), user(strings.Repeat("a", authz.MaxID)), nil, nil}},
		"context":                {"GET", "/portals/acme/users/a", "", []string{"Portcullis-Context", `{"sign_up":true,"n":1.50}`}, asked{"read", acme(func(c *admin.Call) { c.Context = map[string]any{"sign_up": true, "n": json.Number("1.50")} }), user("a"), nil, nil}},
		"list":                   {"GET", "/portals/acme/users?limit=7&after=x%26y&active=true&role=R&login=a%40b", "", nil, asked{"list", acme(nil), authz.Key{}, nil, authz.ListQuery{Kind: authz.UserEntity, Filter: map[string]string{"active": "true", "role": "R", "login": "a@b"}, After: "x&y", Limit: 7}}},
		"list, as it is":         {"GET", "/portals/acme/roles", "", nil, asked{"list", acme(nil), authz.Key{}, nil, authz.ListQuery{Kind: authz.RoleEntity, Limit: 100}}},
		"list of records":        {"GET", "/portals/acme/records/case?parent=case%2F1", "", nil, asked{"list", acme(nil), authz.Key{}, nil, authz.ListQuery{Kind: authz.RecordEntity, Of: "case", Filter: map[string]string{"parent": "case/1"}, Limit: 100}}},
		"list of rights":         {"GET", "/portals/acme/rights?role=R&node=n", "", nil, asked{"list", acme(nil), authz.Key{}, nil, authz.ListQuery{Kind: authz.RightEntity, Of: "R", Filter: map[string]string{"node": "n"}, Limit: 100}}},
		"create":                 {"POST", "/portals/acme/users", `{"id":"a/b","attributes":{"n":12345678901234567890}}`, []string{"Idempotency-Key", "k1", "Portcullis-Note", "why"}, asked{"create", acme(func(c *admin.Call) { c.IdempotencyKey, c.Note = "k1", "why" }), user("a/b"), map[string]any{"id": "a/b", "attributes": map[string]any{"n": json.Number("12345678901234567890")}}, nil}},
		"create a portal":        {"POST", "/portals", `{"id":"acme"}`, nil, asked{"create", acme(nil), authz.Key{Kind: authz.PortalEntity, ID: "acme"}, map[string]any{"id": "acme"}, nil}},
		"try":                    {"POST", "/portals/acme/users?dry_run=true", `{"id":"a"}`, nil, asked{"create", acme(func(c *admin.Call) { c.DryRun = true }), user("a"), map[string]any{"id": "a"}, nil}},
		"not a try":              {"POST", "/portals/acme/users?dry_run=false", `{"id":"a"}`, nil, asked{"create", acme(nil), user("a"), map[string]any{"id": "a"}, nil}},
		"replace":                {"PUT", "/portals/acme/users/a", `{}`, []string{"If-Match", `"r1"`}, asked{"replace", acme(func(c *admin.Call) { c.IfMatch = `"r1"` }), user("a"), map[string]any{}, nil}},
		"replace unconditional":  {"PUT", "/portals/acme/users/a", `{}`, nil, asked{"replace", acme(nil), user("a"), map[string]any{}, nil}},
		"replace what is absent": {"PUT", "/portals/acme/users/a", `{}`, []string{"If-None-Match", `*`}, asked{"replace", acme(func(c *admin.Call) { c.IfMatch = admin.None }), user("a"), map[string]any{}, nil}},
		"patch":                  {"PATCH", "/portals/acme/users/a", `{"login":null}`, []string{"If-Match", "*", "Content-Type", "application/merge-patch+json; charset=UTF-8"}, asked{"patch", acme(func(c *admin.Call) { c.IfMatch = "*" }), user("a"), map[string]any{"login": nil}, nil}},
		"delete":                 {"DELETE", "/portals/acme/users/a", "", []string{"If-Match", `"r1"`}, asked{"delete", acme(func(c *admin.Call) { c.IfMatch = `"r1"` }), user("a"), nil, nil}},
		"activate":               {"POST", "/portals/acme/users/a/activate", "", nil, asked{"patch", acme(func(c *admin.Call) { c.IfMatch = "*" }), user("a"), map[string]any{"active": true}, nil}},
		"deactivate":             {"POST", "/portals/acme/users/a/deactivate", "", []string{"If-Match", `"r1"`}, asked{"patch", acme(func(c *admin.Call) { c.IfMatch = `"r1"` }), user("a"), map[string]any{"active": false}, nil}},
		"row":                    {"GET", "/portals/acme/rights/R%2F1", "", nil, asked{"rights", acme(nil), authz.Key{}, nil, admin.RightsQuery{Role: "R/1"}}},
		"cell":                   {"GET", "/portals/acme/rights/R/n", "", nil, asked{"rights", acme(nil), authz.Key{}, nil, admin.RightsQuery{Role: "R", Node: "n"}}},
		"column":                 {"GET", "/portals/acme/screens/n/rights", "", nil, asked{"rights", acme(nil), authz.Key{}, nil, admin.RightsQuery{Node: "n"}}},
		"subtree":                {"GET", "/portals/acme/screens/n/rights?below=true&role=R", "", nil, asked{"rights", acme(nil), authz.Key{}, nil, admin.RightsQuery{Role: "R", Node: "n", Below: true}}},
		"set a cell":             {"PUT", "/portals/acme/rights/R/n", `{"level":"edit"}`, []string{"If-Match", `"c"`}, asked{"set", acme(func(c *admin.Call) { c.IfMatch = `"c"` }), authz.Key{}, nil, []any{admin.RightsQuery{Role: "R", Node: "n"}, []admin.Cell{{Role: "R", Node: "n", Level: "edit", Explicit: true}}}}},
		"take a cell away":       {"DELETE", "/portals/acme/rights/R/n", "", []string{"If-Match", `"c"`}, asked{"set", acme(func(c *admin.Call) { c.IfMatch = `"c"` }), authz.Key{}, nil, []any{admin.RightsQuery{Role: "R", Node: "n"}, []admin.Cell{{Role: "R", Node: "n", Level: "inherit"}}}}},
		"set a row":              {"PATCH", "/portals/acme/rights/R", `{"cells":[{"node":"n","level":"view"},{"role":"Q","node":"m","level":"inherit"}]}`, nil, asked{"set", acme(nil), authz.Key{}, nil, []any{admin.RightsQuery{Role: "R"}, []admin.Cell{{Role: "R", Node: "n", Level: "view", Explicit: true}, {Role: "Q", Node: "m", Level: "inherit"}}}}},
		"set a subtree":          {"PATCH", "/portals/acme/screens/n/rights?below=true", `{"cells":[{"role":"R","level":"view"}]}`, nil, asked{"set", acme(nil), authz.Key{}, nil, []any{admin.RightsQuery{Node: "n", Below: true}, []admin.Cell{{Role: "R", Node: "n", Level: "view", Explicit: true}}}}},
		"grants":                 {"GET", "/portals/acme/grants?guest=true&temporary=true&user=a&role=R", "", nil, asked{"grants", acme(nil), authz.Key{}, nil, admin.GrantQuery{Role: "R", User: "a", Temporary: true, Guest: true, Limit: 100}}},
		"audit":                  {"GET", "/portals/acme/audit?actor=user%2Fkim&field=active&from=2026-03-01T13:00:00%2B01:00", "", nil, asked{"audit", acme(nil), authz.Key{}, nil, authz.AuditQuery{Actor: "user/kim", Field: "active", From: noon, Limit: 100}}},
		"tasks":                  {"GET", "/portals/acme/tasks?state=dead", "", nil, asked{"tasks", acme(nil), authz.Key{}, nil, authz.TaskQuery{Portal: "acme", State: authz.TaskDead, Limit: 100}}},
		"caller":                 {"POST", "/callers", `{"name":"n","portals":["*"],"permissions":["admin"],"user":"kim"}`, nil, asked{"caller", admin.Call{}, authz.Key{}, nil, authz.Caller{Name: "n", Portals: []string{"*"}, Permissions: []authz.Permission{authz.PermitAdmin}, User: "kim"}}},
	} {
		t.Run(name, func(t *testing.T) {
			a := send(t, base, tc.method, adminapi.Prefix+tc.path, tc.body, append([]string{"X-Request-ID", "q-1"}, tc.header...)...)
			require.Less(t, a.status, 300, "%s", a.body)
			got := last()
			require.NotNil(t, got)
			require.Equal(t, tokens["all"], got.call.Acting.Caller)
			require.Equal(t, "q-1", got.call.Request)
			require.Equal(t, "q-1", a.header.Get("X-Request-ID"))
			got.call.Acting, got.call.Request = authz.Acting{}, ""
			if q, ok := got.query.(authz.ListQuery); ok && len(q.Filter) == 0 {
				q.Filter = nil
				got.query = q
			}
			if q, ok := got.query.(authz.AuditQuery); ok {
				q.From = q.From.UTC()
				got.query = q
			}
			require.Equal(t, &tc.want, got)
		})
	}
}

// TestWhatIsRefused sends requests that are wrong: none reaches the Service, and all
// that is wrong is told.
func TestWhatIsRefused(t *testing.T) {
	s, last := recording()
	base, _ := start(t, s, nil)
	const users, ann, patch = "/portals/acme/users", "/portals/acme/users/ann", "application/merge-patch+json"
	deep := strings.Repeat(`{"a":`, adminapi.MaxDepth+1) + "1" + strings.Repeat("}", adminapi.MaxDepth+1)
	for name, tc := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		want               []string // in, field and a part of the message of each fault, or a part of the detail
	}{
		"no key":                      {"GET", ann, "", []string{"Authorization", ""}, 401, nil},
		"wrong key":                   {"GET", ann, "", []string{"Authorization", "Bearer x"}, 401, nil},
		"key without the permission":  {"GET", ann, "", []string{"Authorization", "Bearer none"}, 403, nil},
		"key of another portal":       {"GET", "/portals/other/users/ann", "", []string{"Authorization", "Bearer acme"}, 403, nil},
		"creation of another portal":  {"POST", "/portals", `{"id":"other"}`, []string{"Authorization", "Bearer acme"}, 403, nil},
		"key of a portal for callers": {"GET", "/callers", "", []string{"Authorization", "Bearer acme"}, 403, nil},
		"acts for whom it may not":    {"GET", ann, "", []string{"Authorization", "Bearer acme", "Portcullis-User", "kim"}, 403, nil},
		"nothing there":               {"GET", "/portals/acme/userss", "", nil, 404, nil},
		"slash at the end":            {"GET", users + "/", "", nil, 404, nil},
		"other case":                  {"GET", "/Portals/acme", "", nil, 404, nil},
		"method":                      {"DELETE", users, "", nil, 405, nil},
		"bad escape":                  {"GET", users + "/a%zz", "", nil, 400, []string{"path id percent-encoded"}},
		"half an escape":              {"GET", users + "/a%2", "", nil, 400, []string{"path id percent-encoded"}},
		"control character":           {"GET", users + "/a%00b", "", nil, 400, []string{"path id match"}},
		"faulty UTF-8":                {"GET", users + "/a%ffb", "", nil, 400, []string{"path id UTF-8"}},
		"id too long":                 {"GET", users + "/" + strings.Repeat("a", authz.MaxID+1), "", nil, 400, []string{"path id length <= 200"}},
		"portal's id":                 {"GET", "/portals/Acme", "", nil, 400, []string{"path portal match"}},
		"record type with a slash":    {"GET", "/portals/acme/records/a%2Fb", "", nil, 400, []string{"path type match"}},
		"all parameters at once":      {"GET", users + "?limit=0&lmit=2&active=yes&role=", "", nil, 400, []string{"query lmit no parameter", "query limit >= 1", "query active one of", "query role empty"}},
		"limit beyond":                {"GET", users + "?limit=1001", "", nil, 400, []string{"query limit <= 1000"}},
		"limit no number":             {"GET", users + "?limit=1e1", "", nil, 400, []string{"query limit whole number"}},
		"limit out of range":          {"GET", users + "?limit=99999999999999999999", "", nil, 400, []string{"query limit whole number"}},
		"parameter twice":             {"GET", users + "?role=a&role=b", "", nil, 400, []string{"query role more than once"}},
		"query unreadable":            {"GET", users + "?role=%zz", "", nil, 400, []string{"query  cannot be read"}},
		"semicolon":                   {"GET", users + "?a;b", "", nil, 400, []string{"query  cannot be read"}},
		"flag":                        {"POST", users + "?dry_run=1", `{"id":"a"}`, nil, 400, []string{"query dry_run true or false"}},
		"empty flag":                  {"POST", users + "?dry_run", `{"id":"a"}`, nil, 400, []string{"query dry_run empty"}},
		"time":                        {"GET", "/portals/acme/audit?from=yesterday", "", nil, 400, []string{"query from date-time"}},
		"context no JSON":             {"GET", ann, "", []string{"Portcullis-Context", "{"}, 400, []string{"header Portcullis-Context JSON"}},
		"context no object":           {"GET", ann, "", []string{"Portcullis-Context", "[]"}, 400, []string{"header Portcullis-Context object"}},
		"context twice the same":      {"GET", ann, "", []string{"Portcullis-Context", `{"a":1,"a":2}`}, 400, []string{"header Portcullis-Context duplicate"}},
		"context too long":            {"GET", ann, "", []string{"Portcullis-Context", `{"a":"` + strings.Repeat("x", 4096) + `"}`}, 400, []string{"header Portcullis-Context length <= 4096"}},
		"note too long":               {"DELETE", ann, "", []string{"Portcullis-Note", strings.Repeat("x", 2001)}, 400, []string{"header Portcullis-Note length <= 2000"}},
		"idempotency key too long":    {"POST", users, `{"id":"a"}`, []string{"Idempotency-Key", strings.Repeat("x", 256)}, 400, []string{"header Idempotency-Key length <= 255"}},
		"header of faulty UTF-8":      {"POST", users, `{"id":"a"}`, []string{"Portcullis-Note", "a\xffb"}, 400, []string{"header Portcullis-Note UTF-8"}},
		"a word of our own":           {"DELETE", ann, "", []string{"If-Match", "none"}, 400, []string{"header If-Match ETag"}},
		"other If-None-Match":         {"PUT", ann, `{}`, []string{"If-None-Match", `"r1"`}, 400, []string{"header If-None-Match must be *"}},
		"both conditions":             {"PUT", ann, `{}`, []string{"If-None-Match", `*`, "If-Match", `"r1"`}, 400, []string{"header If-None-Match contradicts"}},
		"no body":                     {"POST", users, "", []string{"Content-Type", "application/json"}, 400, nil},
		"no media type":               {"POST", users, `{"id":"a"}`, []string{"Content-Type", ""}, 415, nil},
		"text":                        {"POST", users, `{"id":"a"}`, []string{"Content-Type", "text/plain"}, 415, nil},
		"patch as a document":         {"POST", users, `{"id":"a"}`, []string{"Content-Type", patch}, 415, nil},
		"any JSON":                    {"PATCH", ann, `{}`, []string{"Content-Type", "application/x+json"}, 415, nil},
		"other charset":               {"POST", users, `{"id":"a"}`, []string{"Content-Type", "application/json; charset=latin1"}, 415, nil},
		"compressed":                  {"POST", users, `{"id":"a"}`, []string{"Content-Encoding", "gzip"}, 415, nil},
		"form":                        {"POST", users, "id=a", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, nil},
		"no JSON":                     {"POST", users, `{"id":`, nil, 400, []string{"is not valid JSON"}},
		"two values":                  {"POST", users, `{"id":"a"} {}`, nil, 400, []string{"more than one"}},
		"no object":                   {"POST", users, `["a"]`, nil, 400, []string{"must be a JSON object"}},
		"null":                        {"PATCH", ann, `null`, nil, 400, []string{"must be a JSON object"}},
		"member twice":                {"POST", users, `{"id":"a","flags":{"x":true,"x":false}}`, nil, 400, []string{"body flags.x duplicate"}},
		"body of faulty UTF-8":        {"POST", users, "{\"id\":\"a\xff\"}", nil, 400, []string{"UTF-8"}},
		"too deep":                    {"PATCH", ann, deep, nil, 400, []string{"nested too deep"}},
		"number beyond":               {"PATCH", ann, `{"attributes":{"n":1e999}}`, nil, 400, []string{"body attributes.n out of range"}},
		"too many values":             {"PATCH", ann, `{"a":[` + strings.Repeat("0,", adminapi.MaxValues) + `0]}`, nil, 400, []string{"too many values"}},
		"no id":                       {"POST", users, `{"login":"a"}`, nil, 422, []string{"body id missing"}},
		"id no text":                  {"POST", users, `{"id":7}`, nil, 422, []string{"body id missing"}},
		"level":                       {"PUT", "/portals/acme/rights/R/n", `{"level":"veiw"}`, nil, 422, []string{"body level one of"}},
		"level in capitals":           {"PUT", "/portals/acme/rights/R/n", `{"Level":"view"}`, nil, 422, []string{"body  unknown object member"}},
		"no cells":                    {"PATCH", "/portals/acme/rights/R", `{"cells":[]}`, nil, 422, []string{"body cells length >= 1"}},
		"faults of cells at once":     {"PATCH", "/portals/acme/rights/R", `{"cells":[{"node":"n"},{"node":7,"level":"x"}],"b":1}`, nil, 422, []string{"body cells[0] level", "body cells[1].level one of", "body cells[1].node string", "body b unexpected"}},
		"caller":                      {"POST", "/callers", `{"portals":["A B"],"permissions":["root"]}`, nil, 422, []string{"body  name", "body permissions[0] one of", "body portals[0] match"}},
		"null for a role":             {"PATCH", "/portals/acme/rights/R", `{"cells":[{"role":null,"node":"n","level":"view"}]}`, nil, 422, []string{"body cells[0].role string"}},
		"null for an end":             {"POST", "/callers", `{"name":"n","portals":["*"],"permissions":["decide"],"until":null}`, nil, 422, []string{"body until string"}},
		"caller, no JSON":             {"POST", "/callers", `{"portals":}`, nil, 400, []string{"body  not valid JSON"}},
		"kind of import":              {"POST", "/portals/acme/import?kind=cases", "id\n", []string{"Content-Type", "text/csv"}, 400, []string{"query kind one of"}},
		"no kind of import":           {"POST", "/portals/acme/import", "id\n", []string{"Content-Type", "text/csv"}, 400, []string{"query kind missing"}},
		"import of JSON":              {"POST", "/portals/acme/import?kind=users", "{}", nil, 415, nil},
		"faulty rows":                 {"POST", "/portals/acme/import?kind=users", "id,active\na,maybe\nb,true\nc,perhaps\n", []string{"Content-Type", "text/csv"}, 422, []string{"body active neither", "body active neither"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := send(t, base, tc.method, adminapi.Prefix+tc.path, tc.body, tc.header...)
			require.Equal(t, tc.status, a.status, "%s", a.body)
			require.Nil(t, last(), "it reached the service")
			p := problemIn(t, a)
			if len(p.Errors) == 0 {
				require.Subset(t, []string{p.Detail}, nil)
				for _, want := range tc.want {
					require.Contains(t, "body  "+p.Detail, want)
				}
				return
			}
			var got []string
			for _, e := range p.Errors {
				got = append(got, fmt.Sprintf("%s %s %s", e.In, e.Field, e.Message))
			}
			require.Len(t, got, len(tc.want), "%q", got)
			for _, want := range tc.want {
				require.True(t, anyHas(got, want), "want %q in %q", want, got)
			}
		})
	}
}

// anyHas reports whether one of the texts has the first two words of want in front,
// and the rest in it.
func anyHas(texts []string, want string) bool {
	parts := strings.SplitN(want, " ", 3)
	for _, text := range texts {
		if len(parts) == 3 && strings.HasPrefix(text, parts[0]+" "+parts[1]+" ") && strings.Contains(text, parts[2]) {
			return true
		}
		if strings.Contains(text, want) {
			return true
		}
	}
	return false
}

// problemIn returns the problem of an answer, and fails unless it has the form of all
// of them.
func problemIn(t *testing.T, a answer) adminapi.Problem {
	t.Helper()
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	var p adminapi.Problem
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(&p), "%s", a.body)
	require.Equal(t, a.status, p.Status)
	require.NotEmpty(t, p.Title)
	require.NotEmpty(t, p.Detail)
	if a.status == 401 {
		require.True(t, strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer"))
	}
	return p
}

// TestProblems has the service fail and looks at what is told of it.
func TestProblems(t *testing.T) {
	var failure error
	var log bytes.Buffer
	base, _ := start(t, failing(func() error { return failure }), &log)
	secret := errors.New("password of the store")
	for name, tc := range map[string]struct {
		err      error
		status   int
		kind     string
		detail   string
		errors   []adminapi.ProblemFault
		decision string
		logged   bool
	}{
		"kind":     {err: authz.Errorf(authz.Conflict, "in use").Because(secret), status: 409, kind: "conflict", detail: "in use"},
		"field":    {err: authz.Errorf(authz.Invalid, "is bad").At("a.b"), status: 400, kind: "invalid", detail: "a.b: is bad", errors: []adminapi.ProblemFault{{In: "body", Field: "a.b", Message: "is bad"}}},
		"internal": {err: authz.Errorf(authz.Internal, "disk 7 is broken").Because(secret), status: 500, kind: "internal", detail: "internal error; the service's log tells more of this request", logged: true},
		"unknown":  {err: secret, status: 500, kind: "internal", detail: "internal error; the service's log tells more of this request", logged: true},
		"away":     {err: authz.Errorf(authz.Unavailable, "the store does not answer").Because(secret), status: 503, kind: "unavailable", detail: "the store does not answer", logged: true},
		"late":     {err: fmt.Errorf("x: %w", context.DeadlineExceeded), status: 503, kind: "unavailable", detail: "the request took too long and was given up; a write may or may not have been made: read before trying again", logged: true},
		"faults of the data": {err: authz.Errorf(authz.Invalid, "first").Because(authz.Faults{{Path: "a", Msg: "x"}, {Path: "b[1]", Msg: "y"}}), status: 422, kind: "rejected", detail: "what was sent is faulty in 2 places",
			errors: []adminapi.ProblemFault{{In: "body", Field: "a", Message: "x"}, {In: "body", Field: "b[1]", Message: "y"}}},
		"denied": {err: &admin.Refused{Kind: authz.Forbidden, Decision: "d-1", Outcome: authz.Deny, Reason: "not_managed"}, status: 403, kind: "forbidden", detail: "the policy does not allow it: not_managed", decision: "d-1"},
		"hidden": {err: &admin.Refused{Kind: authz.Forbidden, Decision: "d-1", Outcome: authz.Hide, Reason: "not_managed"}, status: 404, kind: "not_found", detail: "there is no such thing", decision: "d-1"},
		"refused": {err: fmt.Errorf("x: %w", &admin.Refused{Kind: authz.Rejected, Decision: "d-2", Faults: authz.Faults{{Path: "grants[0].role", Msg: "is nobody's"}},
			Refusals: []admin.Refusal{{Refusal: authz.Refusal{Rule: "sod", Field: "grants", Reason: "both"}}}}), status: 422, kind: "rejected",
			detail: "refused: grants[0].role: is nobody's; grants: both (rule sod)", decision: "d-2",
			errors: []adminapi.ProblemFault{{In: "body", Field: "grants[0].role", Message: "is nobody's"}, {In: "body", Field: "grants", Message: "the policy refuses it: both", Rule: "sod", Reason: "both"}}},
	} {
		t.Run(name, func(t *testing.T) {
			failure = tc.err
			log.Reset()
			a := send(t, base, "DELETE", adminapi.Prefix+"/portals/acme/users/a", "", "X-Request-ID", "q-9")
			require.Equal(t, tc.status, a.status, "%s", a.body)
			p := problemIn(t, a)
			require.Equal(t, adminapi.Problem{Type: "urn:portcullis:problem:" + tc.kind, Title: p.Title, Status: tc.status, Detail: tc.detail, Request: "q-9",
				Decision: tc.decision, Outcome: p.Outcome, Reason: p.Reason, Errors: tc.errors}, p)
			require.NotContains(t, string(a.body), "password")
			require.Equal(t, tc.logged, strings.Contains(log.String(), "request_id=q-9"), log.String())
		})
	}
}

// TestFaultsAreBounded has a great many faults in one refusal.
func TestFaultsAreBounded(t *testing.T) {
	many := make(authz.Faults, 5000)
	for i := range many {
		many[i] = authz.Fault{Path: strings.Repeat("p", 5000), Msg: strings.Repeat("m", 5000)}
	}
	base, _ := start(t, failing(func() error { return many }), nil)
	a := send(t, base, "DELETE", adminapi.Prefix+"/portals/acme/users/a", "")
	require.Equal(t, 422, a.status)
	require.Len(t, problemIn(t, a).Errors, 1000)
	require.Less(t, len(a.body), 3<<20)
}

func TestAPanicIsAnswered(t *testing.T) {
	var log bytes.Buffer
	base, _ := start(t, &service{}, &log) // every function is nil
	a := send(t, base, "GET", adminapi.Prefix+"/portals/acme/users/a", "", "X-Request-ID", "q-7")
	require.Equal(t, 500, a.status)
	require.Equal(t, "internal error; the service's log tells more of this request", problemIn(t, a).Detail)
	require.Contains(t, log.String(), "request_id=q-7")
	a = send(t, base, "GET", adminapi.Prefix+"/openapi.json", "")
	require.Equal(t, 200, a.status, "the server goes on")
}

// TestAnswers looks at what answers say beside the document.
func TestAnswers(t *testing.T) {
	base, _ := start(t, willing(), nil)
	get := func(method, path, body string, header ...string) answer {
		t.Helper()
		a := send(t, base, method, adminapi.Prefix+path, body, header...)
		require.Less(t, a.status, 300, "%s", a.body)
		return a
	}
	a := get("GET", "/portals/acme/users/ann", "")
	require.Equal(t, `"r1z"`, a.header.Get("ETag"))
	require.Equal(t, "Sun, 01 Mar 2026 12:00:00 GMT", a.header.Get("Last-Modified"))
	require.Equal(t, "71", a.header.Get("Portcullis-Revision"))

	a = get("GET", "/portals/acme/users?active=true&limit=2", "")
	require.Equal(t, `</admin/v1/portals/acme/users?active=true&after=n%2Fx&limit=2>; rel="next"`, a.header.Get("Link"))
	var page struct {
		Items []struct {
			ETag      string         `json:"etag"`
			Document  map[string]any `json:"document"`
			UpdatedBy string         `json:"updated_by"`
		}
		Next   string
		Looked int
	}
	require.NoError(t, json.Unmarshal(a.body, &page))
	require.Equal(t, "n/x", page.Next)
	require.Equal(t, 5, page.Looked)
	require.Equal(t, `"r1z"`, page.Items[0].ETag)

	a = get("POST", "/portals/acme/users", `{"id":"a/b c"}`)
	require.Equal(t, 201, a.status)
	require.Equal(t, "/admin/v1/portals/acme/users/a%2Fb%20c", a.header.Get("Location"))
	require.Equal(t, `"r1z"`, a.header.Get("ETag"))
	a = get("POST", "/portals/acme/records/case", `{"id":"1"}`)
	require.Equal(t, "/admin/v1/portals/acme/records/case/1", a.header.Get("Location"))
	a = get("POST", "/portals", `{"id":"acme"}`)
	require.Equal(t, "/admin/v1/portals/acme", a.header.Get("Location"))
	a = get("POST", "/portals/acme/users", `{"id":"a"}`, "Idempotency-Key", "again")
	require.Contains(t, string(a.body), `"replayed":true`)
	a = get("POST", "/portals/acme/users?dry_run=true", `{"id":"a"}`)
	require.Equal(t, 200, a.status)
	require.Empty(t, a.header.Get("Location"))
	require.Empty(t, a.header.Get("ETag"))
	require.NotContains(t, string(get("GET", "/callers", "").body), "hash")
	require.Contains(t, string(get("POST", "/callers", `{"name":"n","portals":["*"],"permissions":["decide"]}`).body), `"key":"ptc_abc_secret"`)
}

// TestKeyOfOnePortalSeesThatPortal: the list of portals has those that the key opens.
func TestKeyOfOnePortalSeesThatPortal(t *testing.T) {
	s := willing()
	s.list = func(admin.Call, authz.ListQuery) (admin.Page, error) {
		acme, other := entity(authz.PortalEntity), entity(authz.PortalEntity)
		other.Key.ID = "other"
		return admin.Page{Items: []admin.Entity{acme, other}, Looked: 2}, nil
	}
	base, _ := start(t, s, nil)
	for key, want := range map[string]int{"acme": 1, "all": 2} {
		a := send(t, base, "GET", adminapi.Prefix+"/portals", "", "Authorization", "Bearer "+key)
		var page struct{ Items []any }
		require.NoError(t, json.Unmarshal(a.body, &page))
		require.Len(t, page.Items, want)
	}
}

// TestVerifyTakesTheAudit: who may not read the audit is not told whether it is whole.
func TestVerifyTakesTheAudit(t *testing.T) {
	s := willing()
	s.audit = func(admin.Call, authz.AuditQuery) (authz.AuditPage, error) {
		return authz.AuditPage{}, &admin.Refused{Kind: authz.Forbidden, Outcome: authz.Deny, Reason: "no"}
	}
	s.verify = nil
	base, _ := start(t, s, nil)
	require.Equal(t, 403, send(t, base, "GET", adminapi.Prefix+"/portals/acme/audit/verify", "").status)
}
