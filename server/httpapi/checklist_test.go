package httpapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/httpapi"
)

// Members of the requests below.
const (
	alice  = `"subject":{"type":"user","id":"alice"}`
	read   = `"action":{"name":"read"}`
	write  = `"action":{"name":"write"}`
	record = `"resource":{"type":"record","id":"record-1"}`
	single = `{` + alice + `,` + read + `,` + record + `}`

	allowed = `{"decision":true,"context":{"outcome":"allow","reason":"may_read","level":"view","revision":7,"policy":"p1"}}`
	denied  = `{"decision":false,"context":{"outcome":"deny","reason":"no_right","revision":7,"policy":"p1"}}`
)

// exchange is a request and what its answer must be. The body is compared as
// text; of an error, only that it is a JSON string which holds the message.
type exchange struct {
	name    string
	path    string // evaluation or evaluations
	method  string // POST when empty
	headers []string
	body    string
	status  int
	want    string
	message string
}

func (x exchange) run(t *testing.T, base string) {
	t.Helper()
	a := x.send(t, base)
	require.Equal(t, x.status, a.status, a.body)
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	if x.status == http.StatusOK {
		require.Equal(t, x.want, a.body)
		return
	}
	var msg string
	require.NoError(t, json.Unmarshal([]byte(a.body), &msg), "an error's body is a message string: %s", a.body)
	require.Contains(t, msg, x.message)
}

func (x exchange) send(t *testing.T, base string) answer {
	t.Helper()
	method := x.method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, base+"/access/v1/"+x.path, strings.NewReader(x.body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(x.headers); i += 2 {
		req.Header.Set(x.headers[i], x.headers[i+1])
	}
	return do(t, req)
}

func with(members ...string) string { return "{" + strings.Join(members, ",") + "}" }

func runAll(t *testing.T, cases []exchange) {
	t.Helper()
	base := start(t, judge(reads), httpapi.Options{})
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) { x.run(t, base) })
	}
}

func TestT2JSONOverPost(t *testing.T) {
	contentType := func(v string) []string { return []string{"Content-Type", v} }
	var cases []exchange
	for _, path := range []string{"evaluation", "evaluations"} {
		cases = append(cases,
			exchange{name: path, path: path, body: single, status: 200, want: allowed},
			exchange{name: path + " charset", path: path, headers: contentType("application/json; charset=utf-8"), body: single, status: 200, want: allowed},
			exchange{name: path + " quoted charset", path: path, headers: contentType(`Application/JSON;charset="UTF-8"`), body: single, status: 200, want: allowed},
			exchange{name: path + " other charset", path: path, headers: contentType("application/json; charset=latin1"), body: single, status: 400, message: "Content-Type"},
			exchange{name: path + " other parameter", path: path, headers: contentType("application/json; version=2"), body: single, status: 400, message: "Content-Type"},
			exchange{name: path + " text", path: path, headers: contentType("text/plain"), body: single, status: 400, message: "application/json"},
			exchange{name: path + " form", path: path, headers: contentType("application/x-www-form-urlencoded"), body: single, status: 400, message: "application/json"},
			exchange{name: path + " multipart", path: path, headers: contentType("multipart/form-data; boundary=x"), body: "no form", status: 400, message: "application/json"},
			exchange{name: path + " json suffix", path: path, headers: contentType("application/vnd.api+json"), body: single, status: 400, message: "application/json"},
			exchange{name: path + " missing", path: path, headers: contentType(""), body: single, status: 400, message: "application/json"},
			exchange{name: path + " compressed", path: path, headers: []string{"Content-Encoding", "gzip"}, body: single, status: 400, message: "Content-Encoding"},
			exchange{name: path + " get", path: path, method: http.MethodGet, status: 405, message: "use POST"},
			exchange{name: path + " put", path: path, method: http.MethodPut, body: single, status: 405, message: "use POST"},
			exchange{name: path + " unknown method", path: path, method: "DECIDE", body: single, status: 501, message: "POST"},
			exchange{name: path + " array", path: path, body: "[" + single + "]", status: 400, message: "must be a JSON object, got an array"},
			exchange{name: path + " string", path: path, body: `"x"`, status: 400, message: "must be a JSON object, got a string"},
			exchange{name: path + " null", path: path, body: `null`, status: 400, message: "must be a JSON object, got null"},
		)
	}
	runAll(t, cases)
}

func TestT3DenyIsOK(t *testing.T) {
	runAll(t, []exchange{
		{name: "deny", path: "evaluation", body: with(alice, write, record), status: 200, want: denied},
		{name: "deny, single form of a batch", path: "evaluations", body: with(alice, write, record), status: 200, want: denied},
		{name: "deny in a batch", path: "evaluations", body: with(alice, record, `"evaluations":[{`+write+`}]`), status: 200, want: `{"evaluations":[{"decision":false}]}`},
	})
}

func TestT4UnknownMembersAndOrder(t *testing.T) {
	deep := `"x":{"y":[{"z":null},1,true,"s"]}`
	runAll(t, []exchange{
		{name: "unknown at the top", path: "evaluation", body: with(deep, alice, read, `"n":1e5`, record), status: 200, want: allowed},
		{name: "unknown inside", path: "evaluation", body: with(`"subject":{"x":[],"id":"alice","type":"user"}`, `"action":{"id":5,"name":"read"}`, `"resource":{"name":7,"type":"record","id":"1"}`), status: 200, want: allowed},
		{name: "any order", path: "evaluation", body: with(record, read, alice), status: 200, want: allowed},
		{name: "members of a batch mean nothing to one evaluation", path: "evaluation", body: with(alice, read, record, `"evaluations":5`, `"options":[]`), status: 200, want: allowed},
		{name: "names are case-sensitive", path: "evaluation", body: with(`"Subject":{"type":"user","id":"a"}`, read, record), status: 400, message: "subject: is missing"},
		{name: "escaped name", path: "evaluation", body: with(`"\u0073ubject":{"type":"user","id":"a"}`, read, record), status: 200, want: allowed},
		{name: "items before defaults and options", path: "evaluations", body: with(`"options":{"x":1,"reasons":false}`, `"evaluations":[{`+write+`,`+deep+`},{`+read+`}]`, record, alice), status: 200, want: `{"evaluations":[{"decision":false},{"decision":true}]}`},
	})
}

func TestT5MalformedIs400(t *testing.T) {
	bodies := map[string][2]string{
		"empty":                    {"", "empty"},
		"spaces":                   {" \n\t ", "empty"},
		"truncated":                {single[:len(single)-1], "not valid JSON"},
		"truncated string":         {`{"subject`, "not valid JSON"},
		"not JSON":                 {"subject=alice", "not valid JSON"},
		"trailing comma":           {`{"x":[1,],` + single[1:], "not valid JSON"},
		"comment":                  {"/* */" + single, "not valid JSON"},
		"single quotes":            {"{'subject':1}", "not valid JSON"},
		"number as name":           {"{1:2}", "not valid JSON"},
		"object as name":           {"{{}:2}", "not valid JSON"},
		"byte order mark":          {"\ufeff" + single, "not valid JSON"},
		"trailing value":           {single + "{}", "after the JSON object"},
		"trailing garbage":         {single + "x", "after the JSON object"},
		"duplicate":                {with(alice, read, record, alice), `duplicate object member name "subject"`},
		"duplicate inside":         {with(`"subject":{"type":"user","id":"a","id":"b"}`, read, record), `duplicate object member name "id"`},
		"duplicate by escape":      {with(`"subject":{"type":"user","id":"a","\u0069d":"b"}`, read, record), `duplicate object member name "id"`},
		"duplicate in properties":  {with(alice, read, record, `"context":{"a":{"b":1,"b":2}}`), `duplicate object member name "b"`},
		"duplicate in the unknown": {with(alice, read, record, `"x":[{"b":1,"b":2}]`), `duplicate object member name "b"`},
		"bad UTF-8":                {with("\"subject\":{\"type\":\"user\",\"id\":\"a\xff\"}", read, record), "UTF-8"},
		"bad UTF-8 in a name":      {with("\"x\xff\":1", alice, read, record), "UTF-8"},
		"lone surrogate":           {with(`"subject":{"type":"user","id":"\ud800"}`, read, record), "not valid JSON"},
		"raw NUL":                  {with("\"subject\":{\"type\":\"user\",\"id\":\"a\x00\"}", read, record), "not valid JSON"},
		"NaN":                      {with(alice, read, record, `"context":{"n":NaN}`), "not valid JSON"},
		"leading zero":             {with(alice, read, record, `"context":{"n":01}`), "not valid JSON"},
	}
	var cases []exchange
	for name, b := range bodies {
		for _, path := range []string{"evaluation", "evaluations"} {
			cases = append(cases, exchange{name: path + " " + name, path: path, body: b[0], status: 400, message: b[1]})
		}
	}
	runAll(t, cases)
}

func TestT6RequestID(t *testing.T) {
	base := start(t, judge(reads), httpapi.Options{})
	for name, x := range map[string]exchange{
		"answer":      {path: "evaluation", body: single},
		"batch":       {path: "evaluations", body: single},
		"bad request": {path: "evaluation", body: "{"},
		"not found":   {path: "nothing", body: single},
		"method":      {path: "evaluation", method: http.MethodGet},
		"too large":   {path: "evaluation", body: strings.Repeat(" ", 2<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			x.headers = []string{"X-Request-ID", "abc 123/~"}
			require.Equal(t, "abc 123/~", x.send(t, base).header.Get("X-Request-ID"))
			x.headers = nil
			first, second := x.send(t, base).header.Get("X-Request-ID"), x.send(t, base).header.Get("X-Request-ID")
			require.Len(t, first, 36)
			require.NotEqual(t, first, second)
		})
	}
	for name, id := range map[string]string{"too long": strings.Repeat("a", 129), "unprintable": "a\tb", "not ASCII": "ä"} {
		t.Run(name, func(t *testing.T) {
			got := post(t, base+"/access/v1/evaluation", single, "X-Request-ID", id).header.Get("X-Request-ID")
			require.Len(t, got, 36)
		})
	}
	longest := strings.Repeat("a", 128)
	require.Equal(t, longest, post(t, base+"/access/v1/evaluation", single, "X-Request-ID", longest).header.Get("X-Request-ID"))
}

func TestT7OddAuthorizationIsNoError(t *testing.T) {
	runAll(t, []exchange{
		{name: "odd", path: "evaluation", headers: []string{"Authorization", "Odd ???"}, body: single, status: 200, want: allowed},
	})
}

func TestT8IJSON(t *testing.T) {
	null := func(member string) string { return `"` + member + `":null` }
	runAll(t, []exchange{
		{name: "null subject is missing", path: "evaluation", body: with(null("subject"), read, record), status: 400, message: "subject: is missing"},
		{name: "null action is missing", path: "evaluation", body: with(alice, null("action"), record), status: 400, message: "action: is missing"},
		{name: "null resource is missing", path: "evaluation", body: with(alice, read, null("resource")), status: 400, message: "resource: is missing"},
		{name: "null id is missing", path: "evaluation", body: with(`"subject":{"type":"user","id":null}`, read, record), status: 400, message: "subject.id: is missing"},
		{name: "null context and properties are missing", path: "evaluation", body: with(`"subject":{"type":"user","id":"a","properties":null}`, read, record, null("context")), status: 200, want: allowed},
		{name: "null options and evaluations are missing", path: "evaluations", body: with(alice, read, record, null("options"), null("evaluations")), status: 200, want: allowed},
		{name: "null members of options are missing", path: "evaluations", body: with(alice, read, record, `"options":{"evaluations_semantic":null,"reasons":null}`), status: 200, want: allowed},
		{name: "null members of an item are missing", path: "evaluations", body: with(alice, read, record, `"evaluations":[{"subject":null,"action":null,"context":null}]`), status: 200, want: `{"evaluations":[{"decision":true}]}`},
	})
}

func TestE1Entities(t *testing.T) {
	var cases []exchange
	for _, member := range []string{"subject", "resource"} {
		for _, c := range [][3]string{
			{"string", `"alice"`, ": must be an object, got a string"},
			{"array", `[]`, ": must be an object, got an array"},
			{"empty", `{}`, ".type: is missing"},
			{"no type", `{"id":"a"}`, ".type: is missing"},
			{"no id", `{"type":"t"}`, ".id: is missing"},
			{"type number", `{"type":1,"id":"a"}`, ".type: must be a string, got a number"},
			{"id number", `{"type":"t","id":1}`, ".id: must be a string, got a number"},
			{"id true", `{"type":"t","id":true}`, ".id: must be a string, got true or false"},
			{"id object", `{"type":"t","id":{"a":[1]}}`, ".id: must be a string, got an object"},
			{"id empty", `{"type":"t","id":""}`, ".id: must not be empty"},
			{"type empty", `{"type":"","id":"a"}`, ".type: must not be empty"},
			{"id too long", `{"type":"t","id":"` + strings.Repeat("a", 1025) + `"}`, ".id: is too long, 1025 bytes: at most 1024"},
			{"id with NUL", `{"type":"t","id":"a\u0000b"}`, ".id: must not hold a control character"},
			{"properties array", `{"type":"t","id":"a","properties":[]}`, ".properties: must be an object, got an array"},
			{"properties string", `{"type":"t","id":"a","properties":"x"}`, ".properties: must be an object, got a string"},
		} {
			other := record
			if member == "resource" {
				other = alice
			}
			body := with(`"`+member+`":`+c[1], read, other)
			cases = append(cases,
				exchange{name: member + " " + c[0], path: "evaluation", body: body, status: 400, message: member + c[2]},
				exchange{name: member + " " + c[0] + ", batch", path: "evaluations", body: body, status: 400, message: member + c[2]})
		}
	}
	cases = append(cases, exchange{name: "longest id", path: "evaluation", body: with(`"subject":{"type":"t","id":"`+strings.Repeat("a", 1024)+`"}`, read, record), status: 200, want: allowed})
	runAll(t, cases)
}

func TestE2ActionAndContext(t *testing.T) {
	runAll(t, []exchange{
		{name: "action string", path: "evaluation", body: with(alice, `"action":"read"`, record), status: 400, message: "action: must be an object, got a string"},
		{name: "no name", path: "evaluation", body: with(alice, `"action":{}`, record), status: 400, message: "action.name: is missing"},
		{name: "empty name", path: "evaluation", body: with(alice, `"action":{"name":""}`, record), status: 400, message: "action.name: must not be empty"},
		{name: "name number", path: "evaluation", body: with(alice, `"action":{"name":5}`, record), status: 400, message: "action.name: must be a string, got a number"},
		{name: "properties", path: "evaluation", body: with(alice, `"action":{"name":"read","properties":7}`, record), status: 400, message: "action.properties: must be an object, got a number"},
		{name: "context string", path: "evaluation", body: with(alice, read, record, `"context":"x"`), status: 400, message: "context: must be an object, got a string"},
		{name: "context array", path: "evaluations", body: with(alice, read, record, `"context":[]`), status: 400, message: "context: must be an object, got an array"},
		{name: "context empty", path: "evaluation", body: with(alice, read, record, `"context":{}`), status: 200, want: allowed},
	})
}

func TestE3DecisionAndContext(t *testing.T) {
	base := start(t, judge(reads), httpapi.Options{})
	for _, path := range []string{"evaluation", "evaluations"} {
		var got struct {
			Decision *bool          `json:"decision"`
			Context  map[string]any `json:"context"`
		}
		require.NoError(t, json.Unmarshal([]byte(post(t, base+"/access/v1/"+path, single).body), &got))
		require.True(t, *got.Decision)
		require.Equal(t, map[string]any{"outcome": "allow", "reason": "may_read", "level": "view", "revision": 7.0, "policy": "p1"}, got.Context)
	}
}

func TestV1RequiredMembers(t *testing.T) {
	runAll(t, []exchange{
		{name: "all", path: "evaluation", body: with(alice, read, record), status: 200, want: allowed},
		{name: "with context", path: "evaluation", body: with(alice, read, record, `"context":{"ip":"::1"}`), status: 200, want: allowed},
		{name: "no subject", path: "evaluation", body: with(read, record), status: 400, message: "subject: is missing"},
		{name: "no action", path: "evaluation", body: with(alice, record), status: 400, message: "action: is missing"},
		{name: "no resource", path: "evaluation", body: with(alice, read), status: 400, message: "resource: is missing"},
		{name: "nothing", path: "evaluation", body: "{}", status: 400, message: "subject: is missing"},
	})
}

func TestB1WithoutItems(t *testing.T) {
	runAll(t, []exchange{
		{name: "absent", path: "evaluations", body: single, status: 200, want: allowed},
		{name: "empty", path: "evaluations", body: with(alice, read, record, `"evaluations":[]`), status: 200, want: allowed},
		{name: "absent and incomplete", path: "evaluations", body: with(alice, read), status: 400, message: "resource: is missing"},
		{name: "empty and incomplete", path: "evaluations", body: `{"evaluations":[]}`, status: 400, message: "subject: is missing"},
		{name: "with options", path: "evaluations", body: with(alice, read, record, `"options":{"evaluations_semantic":"deny_on_first_deny"}`), status: 200, want: allowed},
	})
}

func TestB5Semantics(t *testing.T) {
	r, w, bad := "{"+read+"}", "{"+write+"}", `{"action":{}}`
	batch := func(semantic string, items ...string) string {
		return with(alice, record, `"evaluations":[`+strings.Join(items, ",")+`]`, `"options":{"evaluations_semantic":"`+semantic+`"}`)
	}
	fault := func(i string) string {
		return `{"decision":false,"context":{"error":{"status":400,"message":"evaluations[` + i + `].action.name: is missing: action here replaces the default whole"}}}`
	}
	yes, no := `{"decision":true}`, `{"decision":false}`
	answers := func(items ...string) string { return `{"evaluations":[` + strings.Join(items, ",") + `]}` }
	runAll(t, []exchange{
		{name: "default", path: "evaluations", body: with(alice, record, `"evaluations":[`+w+`,`+r+`,`+bad+`,`+r+`]`), status: 200, want: answers(no, yes, fault("2"), yes)},
		{name: "execute_all", path: "evaluations", body: batch("execute_all", w, r, bad, r), status: 200, want: answers(no, yes, fault("2"), yes)},
		{name: "first deny", path: "evaluations", body: batch("deny_on_first_deny", r, r, w, r), status: 200, want: answers(yes, yes, no)},
		{name: "first deny is the first", path: "evaluations", body: batch("deny_on_first_deny", w, w, r), status: 200, want: answers(no)},
		{name: "first deny, none", path: "evaluations", body: batch("deny_on_first_deny", r, r), status: 200, want: answers(yes, yes)},
		{name: "a fault is a deny", path: "evaluations", body: batch("deny_on_first_deny", r, bad, r, w), status: 200, want: answers(yes, fault("1"))},
		{name: "a fault first", path: "evaluations", body: batch("deny_on_first_deny", bad, r), status: 200, want: answers(fault("0"))},
		{name: "a deny before a fault", path: "evaluations", body: batch("deny_on_first_deny", w, bad), status: 200, want: answers(no)},
		{name: "first permit", path: "evaluations", body: batch("permit_on_first_permit", w, bad, r, r, bad), status: 200, want: answers(no, fault("1"), yes)},
		{name: "first permit, none", path: "evaluations", body: batch("permit_on_first_permit", w, bad, w, bad), status: 200, want: answers(no, fault("1"), no, fault("3"))},
		{name: "first permit, only faults", path: "evaluations", body: batch("permit_on_first_permit", bad, bad), status: 200, want: answers(fault("0"), fault("1"))},
		{name: "unknown", path: "evaluations", body: batch("first_come", r), status: 400, message: "options.evaluations_semantic: is unknown: want execute_all, deny_on_first_deny or permit_on_first_permit"},
		{name: "unknown without items", path: "evaluations", body: with(alice, read, record, `"options":{"evaluations_semantic":""}`), status: 400, message: "options.evaluations_semantic"},
		{name: "wrong type", path: "evaluations", body: with(alice, record, `"evaluations":[`+r+`]`, `"options":{"evaluations_semantic":1}`), status: 400, message: "options.evaluations_semantic: must be a string, got a number"},
		{name: "options no object", path: "evaluations", body: with(alice, record, `"evaluations":[`+r+`]`, `"options":"x"`), status: 400, message: "options: must be an object, got a string"},
		{name: "reasons no boolean", path: "evaluations", body: with(alice, record, `"evaluations":[`+r+`]`, `"options":{"reasons":"yes"}`), status: 400, message: "options.reasons: must be true or false, got a string"},
	})
}

func TestB6FailingItems(t *testing.T) {
	items := func(defaults, item string) string { return with(defaults, `"evaluations":[`+item+`]`) }
	fault := func(msg string) string {
		return `{"evaluations":[{"decision":false,"context":{"error":{"status":400,"message":"` + msg + `"}}}]}`
	}
	all := alice + "," + read + "," + record
	var cases []exchange
	for _, c := range [][3]string{
		{"number", "5", "evaluations[0]: must be an object, got a number"},
		{"null", "null", "evaluations[0]: must be an object, got null"},
		{"array", "[{}]", "evaluations[0]: must be an object, got an array"},
		{"subject string", `{"subject":"alice"}`, "evaluations[0].subject: must be an object, got a string"},
		{"id number", `{"resource":{"type":"record","id":5}}`, "evaluations[0].resource.id: must be a string, got a number"},
		{"first fault counts", `{"resource":{"type":7,"id":5},"context":5}`, "evaluations[0].resource.type: must be a string, got a number"},
		{"context", `{"context":"x"}`, "evaluations[0].context: must be an object, got a string"},
		{"empty id", `{"subject":{"type":"user","id":""}}`, "evaluations[0].subject.id: must not be empty"},
		{"huge number", `{"context":{"n":1e999999999}}`, "evaluations[0].context.n: is a number out of range: at most 1.7976931348623157e308 and no exponent beyond 400"},
	} {
		cases = append(cases, exchange{name: c[0], path: "evaluations", body: items(all, c[1]), status: 200, want: fault(c[2])})
	}
	cases = append(cases,
		exchange{name: "evaluations no array", path: "evaluations", body: with(all, `"evaluations":{}`), status: 400, message: "evaluations: must be an array, got an object"},
		exchange{name: "a fault of the envelope before the items", path: "evaluations", body: with(all, `"options":{"reasons":1}`, `"evaluations":[{},5]`), status: 400, message: "options.reasons: must be true or false"},
		exchange{name: "a default of the wrong type before the items", path: "evaluations", body: with(read, record, `"subject":{"id":5}`, `"evaluations":[{`+alice+`}]`), status: 400, message: "subject.id: must be a string"},
		exchange{name: "a default of the wrong type", path: "evaluations", body: items(`"subject":"alice",`+read+","+record, "{}"), status: 400, message: "subject: must be an object, got a string"},
		exchange{name: "broken JSON behind good items", path: "evaluations", body: with(all, `"evaluations":[{},{`), status: 400, message: "not valid JSON"},
		exchange{name: "faults stay with their items", path: "evaluations", body: with(all, `"evaluations":[{},5,{},{"action":7},{}]`), status: 200,
			want: `{"evaluations":[{"decision":true},{"decision":false,"context":{"error":{"status":400,"message":"evaluations[1]: must be an object, got a number"}}},` +
				`{"decision":true},{"decision":false,"context":{"error":{"status":400,"message":"evaluations[3].action: must be an object, got a number"}}},{"decision":true}]}`},
		exchange{name: "reasons on request", path: "evaluations", body: with(all, `"evaluations":[{},{`+write+`},7]`, `"options":{"reasons":true}`), status: 200,
			want: `{"evaluations":[` + allowed + `,` + denied + `,` +
				`{"decision":false,"context":{"error":{"status":400,"message":"evaluations[2]: must be an object, got a number"}}}]}`},
	)
	runAll(t, cases)
}
