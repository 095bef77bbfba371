package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// script is what a server is asked, in order, and answers.
type script []exchange

type exchange struct {
	request string // "METHOD path?query", then lines of the headers below and the body
	status  int
	answer  string
}

// play runs an admin command against a server that follows the script.
func play(t *testing.T, s script, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return playAs(t, "admin", s, args...)
}

// playAs is play for a command of another family.
func playAs(t *testing.T, family string, s script, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var got []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, told(t, r))
		if len(got) > len(s) {
			http.Error(w, "not expected", http.StatusTeapot)
			return
		}
		a := s[len(got)-1]
		w.Header().Set("ETag", `"r1z"`)
		w.Header().Set("Portcullis-Revision", "71")
		if a.status >= 400 {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.answer)
	}))
	defer srv.Close()
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{family}, args...), []string{"PORTCULLIS_SERVER=" + srv.URL}, &out, &errs)
	want := []string{}
	for _, a := range s {
		want = append(want, a.request)
	}
	require.Equal(t, strings.Join(want, "\n--\n"), strings.Join(got, "\n--\n"))
	return out.String(), errs.String(), code
}

// told returns a request as scripts write it.
func told(t *testing.T, r *http.Request) string {
	text := r.Method + " " + r.RequestURI
	for _, name := range []string{"If-Match", "If-None-Match", "Portcullis-User", "Portcullis-Note", "Idempotency-Key"} {
		if v := r.Header.Get(name); v != "" {
			text += "\n" + name + ": " + v
		}
	}
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	if len(body) > 0 {
		text += "\n" + r.Header.Get("Content-Type") + " " + string(body)
	}
	return text
}

const (
	ann       = `{"id":"ann","active":true,"flags":{"admin":true},"grants":[{"role":"Clerk","until":"2026-12-31T00:00:00Z"}]}`
	readAnn   = "GET /admin/v1/portals/p/users/ann"
	noProblem = `{"title":"x","status":404,"detail":"there is no such thing","request":"q-1"}`
)

func writtenAnswer(more string) string {
	return `{"revision":72,"entry":315,"decision":"d-1","tasks":[],"dry_run":false,"replayed":false` + more + `}`
}

func TestAdmin(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	document, patch := file("user.json", `{"id":"ann","active":true}`), file("patch.json", `{"position":null}`)
	users, faulty := file("users.csv", "id,active\nann,true\n"), file("faulty.csv", "id,activ\nann,true\n")
	for name, tt := range map[string]struct {
		args   []string
		script script
		out    string
		err    string
		code   int
	}{
		"list": {[]string{"list", "users", "-p", "p", "--filter", "account=A B", "--as", "kim"}, script{
			{"GET /admin/v1/portals/p/users?account=A+B&limit=100\nPortcullis-User: kim", 200, `{"items":[{"document":` + ann + `,"etag":"r1"},{"document":{"id":"bob","active":false}}],"next":"bob"}`},
			{"GET /admin/v1/portals/p/users?account=A+B&after=bob&limit=98\nPortcullis-User: kim", 200, `{"items":[]}`},
		}, "ID   LOGIN  ACTIVE  USER TYPE  GRANTS                  ACCOUNT\nann         yes                Clerk until 2026-12-31\nbob         no\n", "", 0},
		"list, the only portal, cut off": {[]string{"list", "record/case", "--limit", "1"}, script{
			{"GET /admin/v1/portals?limit=2", 200, `{"items":[{"document":{"id":"p"}}]}`},
			{"GET /admin/v1/portals/p/records/case?limit=1", 200, `{"items":[{"document":{"id":"CS/1","account":"A"}}],"next":"CS/1"}`},
		}, "ID    ACCOUNT  CONTACT  OWNER  PARENT\nCS/1  A\n", "There is more: --limit shows more at once, --after CS/1 what comes next.\n", 0},
		"list, which portal": {[]string{"list", "roles"}, script{
			{"GET /admin/v1/portals?limit=2", 200, `{"items":[{"document":{"id":"p"}},{"document":{"id":"q"}}]}`},
		}, "", "portcullis: --portal: which portal? Name it; admin list portals shows those there are\n", 1},
		"list as JSON": {[]string{"list", "roles", "-p", "p", "--json"}, script{
			{"GET /admin/v1/portals/p/roles?limit=100", 200, `{"items":[{"document":{"id":"r","n":12345678901234567890},"etag":"r1","revision":7}]}`},
		}, `{"items":[{"document":{"id":"r","n":12345678901234567890},"etag":"r1","revision":7}]}` + "\n", "", 0},
		"get": {[]string{"get", "user", "ann", "-p", "p"}, script{{readAnn, 200, ann}},
			"FIELD        VALUE\nactive       yes\nflags.admin  yes\ngrants       Clerk until 2026-12-31\nid           ann\n\nrevision 71, etag \"r1z\"\n", "", 0},
		"get, escaped": {[]string{"get", "roles", "a/b c", "-p", "p", "--json"}, script{{"GET /admin/v1/portals/p/roles/a%2Fb%20c", 200, `{"id":"a/b c"}`}},
			`{"document":{"id":"a/b c"},"etag":"\"r1z\""}` + "\n", "", 0},
		"get nothing": {[]string{"get", "users", "ann", "-p", "p"}, script{{readAnn, 404, noProblem}}, "", "portcullis: there is no such thing\nrequest: q-1\n", 1},
		"create": {[]string{"create", "users", document, "-p", "p", "--note", "why", "--idempotency-key", "k"}, script{
			{"POST /admin/v1/portals/p/users\nPortcullis-Note: why\nIdempotency-Key: k\napplication/json {\"id\":\"ann\",\"active\":true}", 201,
				writtenAnswer(`,"document":` + ann + `,"defaults":{"flags":{"admin":true}}`)},
		}, "user \"ann\" is created: revision 72, audit entry 315\nFIELD        BEFORE  AFTER\nactive               yes\nflags.admin          yes\ngrants               Clerk until 2026-12-31\nid                   ann\nset by the policy: flags.admin\n", "", 0},
		"put what is there": {[]string{"put", "users", "ann", document, "-p", "p"}, script{
			{readAnn, 200, ann},
			{"PUT /admin/v1/portals/p/users/ann\nIf-Match: \"r1z\"\napplication/json {\"id\":\"ann\",\"active\":true}", 200, writtenAnswer(`,"document":{"id":"ann","active":true,"flags":{}}`)},
		}, "user \"ann\" is replaced: revision 72, audit entry 315\nFIELD        BEFORE                  AFTER\nflags.admin  yes\ngrants       Clerk until 2026-12-31\n", "", 0},
		"put what is not": {[]string{"put", "users", "ann", document, "-p", "p"}, script{
			{readAnn, 404, noProblem},
			{"PUT /admin/v1/portals/p/users/ann\nIf-None-Match: *\napplication/json {\"id\":\"ann\",\"active\":true}", 201, writtenAnswer(`,"document":{"id":"ann"}`)},
		}, "user \"ann\" is created: revision 72, audit entry 315\nFIELD  BEFORE  AFTER\nid             ann\n", "", 0},
		"patch, dry": {[]string{"patch", "users", "ann", patch, "-p", "p", "--dry-run", "--if-match", "r1", "--set", "flags.admin=false", "--set", "login=a=b"}, script{
			{readAnn, 200, ann},
			{"PATCH /admin/v1/portals/p/users/ann?dry_run=true\nIf-Match: \"r1\"\napplication/merge-patch+json {\"flags\":{\"admin\":false},\"login\":\"a=b\",\"position\":null}", 200,
				`{"document":{"id":"ann","active":true,"login":"a=b","flags":{"admin":false},"grants":[{"role":"Clerk","until":"2026-12-31T00:00:00Z"}]},"revision":71,"entry":0,"dry_run":true,
				  "tasks":[{"id":"mail","kind":"mail","state":"pending","due":"2026-01-01T00:00:00Z"}]}`},
		}, "user \"ann\" would be changed; nothing is written\nFIELD        BEFORE  AFTER\nflags.admin  yes     no\nlogin                a=b\nbecause of it:\nTASK  KIND  ENTITY  STATE    DUE                   NAME  ERROR\nmail  mail          pending  2026-01-01T00:00:00Z\n", "", 0},
		"patch nothing": {[]string{"patch", "users", "ann", "-p", "p"}, script{}, "", "portcullis: nothing is to be changed: want --set FIELD=VALUE, or a file with a merge patch\n", 1},
		"patch of two kinds": {[]string{"patch", "users", "ann", "-p", "p", "--set", "a=1", "--set", "a.b=2"}, script{}, "",
			"portcullis: --set a.b: leads through \"a\", which is set to something else\n", 1},
		"delete": {[]string{"delete", "users", "ann", "-p", "p"}, script{
			{readAnn, 200, `{"id":"ann"}`}, {"DELETE /admin/v1/portals/p/users/ann\nIf-Match: \"r1z\"", 200, writtenAnswer("")},
		}, "user \"ann\" is deleted: revision 72, audit entry 315\nFIELD  BEFORE  AFTER\nid     ann\n", "", 0},
		"delete nothing": {[]string{"delete", "users", "ann", "-p", "p"}, script{{readAnn, 404, noProblem}}, "", "portcullis: there is no user \"ann\", or it is not to be seen\n", 1},
		"deactivate": {[]string{"deactivate", "ann", "-p", "p"}, script{
			{readAnn, 200, `{"id":"ann","active":true}`}, {"POST /admin/v1/portals/p/users/ann/deactivate\nIf-Match: \"r1z\"", 200, writtenAnswer(`,"document":{"id":"ann","active":false}`)},
		}, "user \"ann\" is deactivated: revision 72, audit entry 315\nFIELD   BEFORE  AFTER\nactive  yes     no\n", "", 0},
		"activate, so already": {[]string{"activate", "ann", "-p", "p"}, script{
			{readAnn, 200, `{"id":"ann"}`}, {"POST /admin/v1/portals/p/users/ann/activate\nIf-Match: \"r1z\"", 200, `{"document":{"id":"ann"},"revision":71,"entry":0,"tasks":[]}`},
		}, "user \"ann\" is so already; nothing is written\n", "", 0},
		"refused by the policy": {[]string{"deactivate", "ann", "-p", "p"}, script{
			{readAnn, 200, `{"id":"ann"}`},
			{"POST /admin/v1/portals/p/users/ann/deactivate\nIf-Match: \"r1z\"", 422, `{"detail":"the write is refused","decision":"d-1","request":"q-1","errors":[
				{"in":"body","field":"active","message":"the policy refuses it: last_admin","rule":"keep_one","reason":"last_admin"}]}`},
		}, "", "portcullis: the policy refuses it\nactive: last_admin (rule keep_one)\ndecision: d-1\nrequest: q-1\n", 6},
		"refused by more": {[]string{"callers"}, script{
			{"GET /admin/v1/callers", 422, `{"detail":"x","errors":[{"in":"body","field":"active","message":"m","rule":"r","reason":"no"},{"in":"header","field":"X","message":"\u001b[0m"}]}`},
		}, "", "portcullis: refused in 2 places\nactive: no (rule r)\nheader X: \\x1b[0m\n", 1},
		"not let in": {[]string{"list", "users", "-p", "p"}, script{
			{"GET /admin/v1/portals/p/users?limit=100", 403, `{"detail":"the policy does not let it in","reason":"not_managed"}`},
		}, "", "portcullis: the policy does not let it in\nreason: not_managed\n", 6},
		"no key":          {[]string{"callers"}, script{{"GET /admin/v1/callers", 401, `{"detail":"no key"}`}}, "", "portcullis: no key; the key to send is taken from $PORTCULLIS_KEY\n", 1},
		"another server":  {[]string{"callers"}, script{{"GET /admin/v1/callers", 200, `<html>`}}, "", "is no Portcullis server with an administration: it answers \"<html>\"", 1},
		"another problem": {[]string{"callers"}, script{{"GET /admin/v1/callers", 502, `bad gateway`}}, "", "portcullis: the server answers 502 Bad Gateway: \"bad gateway\"\n", 1},
		"rights of a role": {[]string{"rights", "--role", "R", "-p", "p", "--own"}, script{
			{"GET /admin/v1/portals/p/rights/R", 200, `{"cells":[{"role":"R","node":"n","level":"edit","explicit":true,"shown":"multiple"},{"role":"R","node":"m","level":"inherit","shown":"inherit"}]}`},
		}, "ROLE  SCREEN  LEVEL  SHOWN\nR     n       edit   multiple\n", "", 0},
		"rights below":   {[]string{"rights", "--role", "R", "--screen", "n", "--below", "-p", "p"}, script{{"GET /admin/v1/portals/p/screens/n/rights?below=true&role=R", 200, `{"cells":[]}`}}, "There is none.\n", "", 0},
		"rights of none": {[]string{"rights", "-p", "p"}, script{}, "", "portcullis: whose rights? Want --role, --screen, or both\n", 1},
		"rights below nothing": {[]string{"rights", "--role", "R", "--below", "-p", "p"}, script{}, "",
			"portcullis: --below: goes with --screen\n", 1},
		"set-right": {[]string{"set-right", "R", "n", "edit", "-p", "p"}, script{
			{"GET /admin/v1/portals/p/rights/R/n", 200, `{"cells":[{"role":"R","node":"n","level":"view"}]}`},
			{"PUT /admin/v1/portals/p/rights/R/n\nIf-Match: \"r1z\"\napplication/json {\"level\":\"edit\"}", 200, writtenAnswer("")},
		}, "the right of role \"R\" at screen \"n\" is set: revision 72, audit entry 315\nFIELD  BEFORE  AFTER\nlevel  view    edit\n", "", 0},
		"grants": {[]string{"grants", "--temporary", "--guest", "-p", "p"}, script{
			{"GET /admin/v1/portals/p/grants?guest=true&limit=100&temporary=true", 200, `{"items":[{"user":"ann","role":"G","in_force":true,"guest":true,"until":"2026-02-01T00:00:00Z","why":"cover"}]}`},
		}, "USER  ACCOUNT  ROLE  IN FORCE  GUEST  FROM  UNTIL       BY  WHY\nann            G     yes       yes          2026-02-01      cover\n", "", 0},
		"tasks": {[]string{"tasks", "--state", "dead", "-p", "p"}, script{
			{"GET /admin/v1/portals/p/tasks?limit=100&state=dead", 200, `{"items":[{"name":"n-0","id":"mail","kind":"mail","to":"a@x","state":"dead","attempts":12,"error":"503"}]}`},
		}, "NAME  TASK  KIND  ENTITY  TO   STATE  ATTEMPTS  DUE  ERROR\nn-0   mail  mail          a@x  dead   12             503\n", "", 0},
		"retry": {[]string{"retry", "n-0", "-p", "p", "--note", "up again"}, script{{"POST /admin/v1/portals/p/tasks/n-0/retry\nPortcullis-Note: up again", 204, ""}}, "task \"n-0\" is tried again\n", "", 0},
		"import": {[]string{"import", "users", users, "-p", "p", "--dry-run", "-q"}, script{
			{"POST /admin/v1/portals/p/import?dry_run=true&kind=users\ntext/csv id,active\nann,true\n", 200, `{"rows":1,"created":1,"changed":0,"deleted":0,"unchanged":0,"dry_run":true,"tasks":[]}`},
		}, "nothing is written; it would be 1 row: 1 created, 0 changed, 0 deleted, 0 as they were\n", "", 0},
		"import with faults": {[]string{"import", "users", users, "-p", "p"}, script{
			{"POST /admin/v1/portals/p/import?kind=users\ntext/csv id,active\nann,true\n", 422, `{"detail":"x","errors":[{"in":"body","field":"active","line":2,"column":5,"message":"m"}]}`},
		}, "", "sending 0 of 1 rows (0 %)\nportcullis: x\n2:5: active: m\n", 1},

		"export": {[]string{"export", "rights", "-p", "p"}, script{
			{"GET /admin/v1/portals/p/rights?limit=1000", 200, `{"items":[{"document":{"role":"=R","node":"n","level":"edit"}}]}`},
		}, "role,screen,level\n'=R,n,edit\n", "", 0},
		"audit": {[]string{"audit", "--entity", "user/ann", "-p", "p"}, script{
			{"GET /admin/v1/portals/p/audit?entity=user%2Fann&limit=100", 200, `{"items":[
				{"seq":3,"at":"2026-01-01T00:00:00Z","actor":"user/kim","operation":"update","note":"why","changes":[{"entity":"user/ann","before":{"active":true,"a":1},"after":{"active":false,"a":1}},{"entity":"role/R","after":{"id":"R"}}]},
				{"seq":1,"at":"2026-01-01T00:00:00Z","actor":"cli","operation":"import","changes":[],"counts":{"user":3}}]}`},
		}, "SEQ  AT          ACTOR     FOR  OPERATION  ENTITY    CHANGED    NOTE\n3    2026-01-01  user/kim       update     user/ann  active     why\n                                           role/R    (created)\n1    2026-01-01  cli            import                          user: 3\n", "", 0},
		"audit verify": {[]string{"audit", "verify", "-p", "p"}, script{
			{"GET /admin/v1/portals/p/audit/verify", 200, `{"intact":true,"entries":3,"last":3,"hash":"h","faults":[],"more":0}`},
		}, "the audit of p is whole and agrees with what is stored: 3 entries, hash h\n", "", 0},
		"audit verify, against a hash": {[]string{"audit", "verify", "-p", "p", "--expect", "g"}, script{
			{"GET /admin/v1/portals/p/audit/verify", 200, `{"intact":true,"entries":1,"last":1,"hash":"h","faults":[],"more":0}`},
			{"GET /admin/v1/portals/p/audit?limit=1000", 200, `{"items":[{"seq":1,"hash":"h"}]}`},
		}, "SEQ  FAULT    ENTITY  WHAT\n0    missing          no entry has the expected hash g: entries were taken away, or it is of another portal\nthe audit of p has 1 fault in 1 entries\n", "", 1},
		"unknown kind":   {[]string{"list", "usres"}, script{}, "", "did you mean \"users\"?", 2},
		"kind of rights": {[]string{"get", "rights", "x", "-p", "p"}, script{}, "", "see admin rights and admin set-right", 1},
		"no CSV":         {[]string{"export", "screens"}, script{}, "", "has no form in CSV", 2},
		"no object":      {[]string{"create", "users", users, "-p", "p"}, script{}, "", "want a JSON object", 1},
		"no file":        {[]string{"create", "users", filepath.Join(dir, "none"), "-p", "p"}, script{}, "", "cannot be read: no such file or directory", 1},
		"no limit":       {[]string{"list", "users", "-p", "p", "--limit", "0"}, script{}, "", "--limit: want at least 1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, code := play(t, tt.script, tt.args...)
			require.Equal(t, tt.code, code, errs)
			require.Equal(t, tt.out, out)
			if strings.HasSuffix(tt.err, "\n") {
				require.Equal(t, tt.err, errs)
			} else {
				require.Contains(t, errs, tt.err)
			}
		})
	}
	_, errs, _ := play(t, nil, "import", "users", faulty, "-p", "p")
	require.Equal(t, fmt.Sprintf("portcullis: %s has 1 fault:\n%s:1:4: unknown column \"activ\": want one of id, login, active, user_type, roles, account, contact, position, flags, attributes.NAME; did you mean \"active\"?\n", faulty, faulty), errs)
}

// TestAdminNarrow: tables fit the terminal.
func TestAdminNarrow(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"items":[{"document":{"id":"r","title":"`+strings.Repeat("long ", 40)+`"}}]}`)
	}))
	defer srv.Close()
	var out bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"admin", "list", "roles", "-p", "p", "--server", srv.URL}, []string{"COLUMNS=40"}, &out, &out))
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), 40)
	}
}

// TestExportIsImported: a file that was exported is new, its owner's alone, and can
// be imported.
func TestExportIsImported(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.csv")
	page := script{{"GET /admin/v1/portals/p/users?account=A&limit=1000", 200, `{"items":[{"document":` + ann + `}]}`}}
	out, errs, code := play(t, page, "export", "users", file, "-f", "account=A", "-p", "p")
	require.Zero(t, code, errs)
	require.Equal(t, file+": 1 row of users\n", out)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "id,login,active,user_type,roles,account,contact,position,flags\nann,,true,,Clerk until 2026-12-31T00:00:00Z,,,,admin\n", string(text))

	_, errs, code = play(t, page, "export", "users", file, "-f", "account=A", "-p", "p")
	require.Equal(t, exitFault, code)
	require.Contains(t, errs, "cannot be written: file exists")
}
