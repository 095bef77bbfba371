package httpapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/httpapi"
)

func TestB2DefaultsAreReplacedWhole(t *testing.T) {
	var rec recorder
	base := start(t, judge(rec.judge), httpapi.Options{})
	a := post(t, base+"/access/v1/evaluations", with(
		`"subject":{"type":"user","id":"alice","properties":{"role":"admin"}}`,
		`"action":{"name":"read","properties":{"soft":true}}`,
		`"resource":{"type":"record","id":"r1"}`,
		`"context":{"ip":"::1","n":1.50}`,
		`"evaluations":[{},{"subject":{"type":"user","id":"bob"}},{"action":{"name":"write"}},{"resource":{"type":"doc","id":"d","properties":{"a":[1,{"b":null}]}}},{"context":{}}]`))
	require.Equal(t, 200, a.status, a.body)
	first := authz.Query{
		Subject:  authz.Entity{Type: "user", ID: "alice", Properties: map[string]any{"role": "admin"}},
		Action:   authz.Action{Name: "read", Properties: map[string]any{"soft": true}},
		Resource: authz.Entity{Type: "record", ID: "r1"},
		Context:  map[string]any{"ip": "::1", "n": json.Number("1.50")},
		Now:      noon,
	}
	want := []authz.Query{first, first, first, first, first}
	want[1].Subject = authz.Entity{Type: "user", ID: "bob"}
	want[2].Action = authz.Action{Name: "write"}
	want[3].Resource = authz.Entity{Type: "doc", ID: "d", Properties: map[string]any{"a": []any{json.Number("1"), map[string]any{"b": nil}}}}
	want[4].Context = map[string]any{}
	require.Empty(t, cmp.Diff(want, rec.qs))
}

func TestB3MissingMembersComeFromTheTop(t *testing.T) {
	fault := func(msg string) string {
		return `{"evaluations":[{"decision":false,"context":{"error":{"status":400,"message":"` + msg + `"}}}]}`
	}
	runAll(t, []exchange{
		{name: "nothing at the top", path: "evaluations", body: `{"evaluations":[` + single + `]}`, status: 200, want: `{"evaluations":[{"decision":true}]}`},
		{name: "nowhere", path: "evaluations", body: with(alice, read, `"evaluations":[{}]`), status: 200, want: fault("evaluations[0].resource: is missing, and the request has no default for it")},
		{name: "no merging", path: "evaluations", body: with(alice, read, record, `"evaluations":[{"resource":{"id":"record-2"}}]`), status: 200,
			want: fault("evaluations[0].resource.type: is missing: resource here replaces the default whole")},
		{name: "half a default", path: "evaluations", body: with(alice, read, `"resource":{"type":"record"}`, `"evaluations":[{}]`), status: 200,
			want: fault("resource.id: is missing in the default that evaluations[0] uses")},
		{name: "half a default that no item uses", path: "evaluations", body: with(alice, read, `"resource":{"type":"record"}`, `"evaluations":[{`+record+`}]`), status: 200,
			want: `{"evaluations":[{"decision":true}]}`},
	})
}

func TestB4Order(t *testing.T) {
	var items, want []string
	for i := range 200 {
		action := read
		if i%3 == 0 || i%7 == 0 {
			action = write
		}
		items = append(items, "{"+action+"}")
		want = append(want, fmt.Sprintf(`{"decision":%v}`, action == read))
	}
	base := start(t, judge(reads), httpapi.Options{})
	a := post(t, base+"/access/v1/evaluations", with(alice, record, `"evaluations":[`+strings.Join(items, ",")+`]`))
	require.Equal(t, `{"evaluations":[`+strings.Join(want, ",")+`]}`, a.body)
}

func TestBatchIsAskedAtOnce(t *testing.T) {
	var sizes []int
	decide := func(qs []authz.Query) { sizes = append(sizes, len(qs)) }
	base := start(t, spy(decide), httpapi.Options{})
	post(t, base+"/access/v1/evaluations", with(alice, read, record, `"evaluations":[{},5,{}]`))
	post(t, base+"/access/v1/evaluations", with(alice, read, record, `"evaluations":[5]`))
	post(t, base+"/access/v1/evaluations", with(alice, read, record, `"evaluations":[{},5,{}]`, `"options":{"evaluations_semantic":"deny_on_first_deny"}`))
	require.Equal(t, []int{2, 0, 1}, sizes)
}

func TestPortals(t *testing.T) {
	base := start(t, judge(reads), httpapi.Options{})
	for path, status := range map[string]int{
		"/portals/acme/access/v1/evaluation":                             200,
		"/portals/acme/access/v1/evaluations":                            200,
		"/portals/other/access/v1/evaluation":                            404,
		"/portals/other/access/v1/evaluations":                           404,
		"/portals//access/v1/evaluation":                                 404,
		"/portals/ACME/access/v1/evaluation":                             404,
		"/portals/%61cme/access/v1/evaluation":                           404,
		"/portals/a%2Facme/access/v1/evaluation":                         404,
		"/portals/acme/access/v1/evaluation/":                            404,
		"/access/v1/evaluation/":                                         404,
		"/ACCESS/v1/evaluation":                                          404,
		"//access/v1/evaluation":                                         404,
		"/access/../access/v1/evaluation":                                404,
		"/portals/" + strings.Repeat("a", 201) + "/access/v1/evaluation": 404,
		"/": 404,
	} {
		a := post(t, base+path, single)
		require.Equal(t, status, a.status, path)
		if status == 404 {
			require.True(t, json.Valid([]byte(a.body)) && a.body[0] == '"', "%s: %s", path, a.body)
		}
	}
	require.Contains(t, post(t, base+"/portals/other/access/v1/evaluation", single).body, `there is no portal \"other\"`)
	require.Equal(t, 404, post(t, base+"/portals/other/access/v1/evaluations", with(`"evaluations":[5]`)).status)
}
