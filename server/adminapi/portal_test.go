package adminapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/adminapi"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/keys"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/mongodb"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/storetest"
)

// rules let callers do everything and the user kim what concerns users, hide what is
// called hidden, refuse users without a type, and give new users a login.
const rules = `package presets.test

default decision := {"outcome": "deny", "reason": "not_permitted"}

decision := {"outcome": "hide", "reason": "hidden"} if {
	startswith(input.resource.id, "hidden")
} else := {"outcome": "allow", "reason": "caller"} if {
	input.subject.type == "caller"
} else := {"outcome": "allow", "reason": "administrator"} if {
	input.user.id == "kim"
	input.resource.type in {"user", "audit"}
}

admission := {"refusals": refusals, "defaults": defaults}

refusals contains {"rule": "typed", "field": "user_type", "reason": "no_type"} if {
	input.entity.kind == "user"
	input.new
	not input.new.user_type
}

refusals contains {"rule": "clean", "field": "flags", "reason": "cursed"} if input.new.flags.cursed

default defaults := {}

defaults := {"login": input.new.id} if {
	input.entity.kind == "user"
	input.operation == "create"
	not input.new.login
}

provisioning := {"tasks": tasks}

tasks contains {"id": "welcome", "kind": "mail", "template": "welcome", "to": input.new.login, "after": 60} if {
	input.entity.kind == "user"
	input.operation == "create"
}
`

// acme is a small portal.
func acme() authz.World {
	return authz.World{
		Bundle: authz.Bundle{
			Portal:    authz.Portal{ID: "acme", Policy: "presets.test"},
			UserTypes: []authz.UserType{{ID: "T", Linked: authz.LinkedContact, AllowedRoles: []authz.AllowedRole{{Role: "Clerk"}}}},
			Roles:     []authz.Role{{ID: "Clerk", Guest: true}, {ID: "Reader/All"}},
			Screens:   []authz.Node{{ID: "home", Kind: authz.Workspace}, {ID: "orders", Kind: authz.Screen, Parent: "home"}},
			Rights:    []authz.Right{{Role: "Clerk", Node: "orders", Level: authz.Edit}},
		},
		Users: []authz.User{{ID: "kim", Login: "kim", Active: true, UserType: "T"}, {ID: "hidden.ann", UserType: "T"}},
	}
}

// portal serves acme, from a database of its own, and returns the address.
func portal(t *testing.T) string {
	t.Helper()
	where, end := storetest.Database(t)
	store, err := mongodb.Open(t.Context(), where)
	require.NoError(t, err)
	require.NoError(t, store.Import(t.Context(), []authz.World{acme()}, "test", nil))
	program, err := policy.Compile(policy.Modules{"test.rego": rules}, policies.InputSchema, time.Second)
	require.NoError(t, err)
	manager := live.NewManager(store, live.Policies{Compile: func(*policy.Program) (*policy.Program, error) { return program, nil }}, live.Options{
		Model: policies.RBACModel, Poll: 20 * time.Millisecond, Retry: time.Second, StaleAfter: time.Minute, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- manager.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, errors.Join(store.Close(context.Background()), end()))
	})
	require.NoError(t, manager.Await(t.Context(), "acme", 1))
	decider, err := pdp.New(manager, store, 1000, time.Now)
	require.NoError(t, err)
	base, _ := start(t, admin.New(store, manager, decider, admin.Options{NewKey: keys.New}), nil)
	return base + adminapi.Prefix + "/"
}

// step is a request in a story, and what comes of it.
type step struct {
	method, path, body string
	header             []string
	status             int
	want               []string // parts of the answer's body
}

// tell makes the requests in turn. "{etag}" in a header is the ETag of the answer
// before.
func tell(t *testing.T, base string, steps []step) {
	t.Helper()
	etag := ""
	address, prefix, _ := strings.Cut(strings.TrimPrefix(base, "http://"), "/")
	for i, s := range steps {
		header := append([]string{}, s.header...)
		for j := range header {
			header[j] = strings.ReplaceAll(header[j], "{etag}", etag)
		}
		a := send(t, "http://"+address, s.method, "/"+prefix+s.path, s.body, header...)
		require.Equal(t, s.status, a.status, "step %d, %s %s: %s", i, s.method, s.path, a.body)
		for _, want := range s.want {
			require.Contains(t, string(a.body), want, "step %d, %s %s", i, s.method, s.path)
		}
		if a.status >= 400 {
			problemIn(t, a)
		}
		if tag := a.header.Get("ETag"); tag != "" {
			etag = tag
		}
	}
}

// TestStories goes through the administration of a portal from end to end.
func TestStories(t *testing.T) {
	base := portal(t)
	const users, patch = "portals/acme/users", "application/merge-patch+json"
	kim := []string{"Authorization", "Bearer acts", "Portcullis-User", "kim"}
	for name, steps := range map[string][]step{
		"a user's life": {
			{"POST", users, `{"id":"a/b c","user_type":"T","grants":["Clerk"]}`, []string{"Idempotency-Key", "life"}, 201, []string{`"login":"a/b c"`, `"defaults":{"login":"a/b c"}`, `"id":"welcome"`, `"state":"pending"`, `"replayed":false`}},
			{"POST", users, `{"id":"a/b c","user_type":"T","grants":["Clerk"]}`, []string{"Idempotency-Key", "life"}, 201, []string{`"replayed":true`, `"login":"a/b c"`}},
			{"POST", users, `{"id":"a/b c","user_type":"T"}`, []string{"Idempotency-Key", "life"}, 422, []string{`"in":"header","field":"Idempotency-Key"`}},
			{"POST", users, `{"id":"a/b c","user_type":"T"}`, nil, 409, nil},
			{"GET", users + "/a%2Fb%20c", "", nil, 200, []string{`"active":false`}},
			{"PATCH", users + "/a%2Fb%20c", `{"active":true}`, []string{"Content-Type", patch}, 428, []string{`"in":"header","field":"If-Match"`}},
			{"PATCH", users + "/a%2Fb%20c", `{"active":true}`, []string{"Content-Type", patch, "If-Match", "{etag}"}, 200, []string{`"active":true`}},
			{"PATCH", users + "/a%2Fb%20c", `{"active":false}`, []string{"Content-Type", patch, "If-Match", `"r1"`}, 412, nil},
			{"PUT", users + "/a%2Fb%20c", `{"user_type":"T","login":"x"}`, []string{"If-Match", "{etag}"}, 200, []string{`"login":"x"`, `"grants":[]`}},
			{"PUT", users + "/a%2Fb%20c", `{"user_type":"T"}`, []string{"If-None-Match", "*"}, 412, nil},
			{"POST", users + "/a%2Fb%20c/activate", "", nil, 200, []string{`"active":true`}},
			{"POST", users + "/a%2Fb%20c/deactivate", "", nil, 200, []string{`"active":false`}},
			{"DELETE", users + "/a%2Fb%20c", "", nil, 428, nil},
			{"DELETE", users + "/a%2Fb%20c", "", []string{"If-Match", "{etag}"}, 200, []string{`"entry":`}},
			{"GET", users + "/a%2Fb%20c", "", nil, 404, nil},
			{"GET", "portals/acme/audit?entity=user/a%2Fb%20c&limit=2", "", nil, 200, []string{`"operation":"delete"`}},
			{"GET", "portals/acme/audit/verify", "", nil, 200, []string{`"intact":true`}},
		},
		"all faults at once": {
			{"POST", users, `{"id":"f","acive":true,"grants":[{"role":7}],"flags":[]}`, nil, 422, []string{`"field":"acive"`, `did you mean`, `"field":"grants[0].role"`, `"field":"flags"`}},
			{"POST", users, `{"id":"f","flags":{"cursed":true}}`, nil, 422, []string{`"rule":"typed"`, `"reason":"no_type"`, `"rule":"clean"`, `"field":"user_type"`, `"decision":"`}},
			{"POST", users, `{"id":"f","user_type":"T","grants":["Clrek"]}`, nil, 422, []string{`"in":"body"`, "grants[0].role"}},
			{"PATCH", "portals/acme/roles/Clerk", `{"inherits":["Clerk"]}`, []string{"If-Match", "*"}, 422, []string{"inherits"}},
			{"DELETE", "portals/acme/roles/Nobody", "", []string{"If-Match", "*"}, 404, nil},
		},
		"a try changes nothing": {
			{"POST", users + "?dry_run=true", `{"id":"t","user_type":"T"}`, nil, 200, []string{`"dry_run":true`, `"login":"t"`, `"entry":0`}},
			{"GET", users + "/t", "", nil, 404, nil},
			{"DELETE", users + "/kim?dry_run=true", "", []string{"If-Match", "*"}, 200, []string{`"dry_run":true`}},
			{"GET", users + "/kim", "", nil, 200, nil},
		},
		"a user acts": {
			{"GET", users + "/kim", "", kim, 200, nil},
			{"GET", "portals/acme/roles/Clerk", "", kim, 403, []string{`"reason":"not_permitted"`, `"outcome":"deny"`, `"decision":"`}},
			{"PATCH", "portals/acme/roles/Clerk", `{"title":"x"}`, append([]string{"If-Match", "*"}, kim...), 403, []string{`"reason":"not_permitted"`}},
			{"GET", "portals/acme/roles", "", kim, 200, []string{`"items":[]`, `"looked":2`}},
			{"GET", "callers", "", kim, 403, nil},
			{"GET", users + "/kim", "", []string{"Authorization", "Bearer acts", "Portcullis-User", "nobody"}, 403, nil},
		},
		"what is hidden is not there": {
			{"GET", users + "/hidden.ann", "", nil, 404, nil},
			{"DELETE", users + "/hidden.ann", "", []string{"If-Match", "*"}, 404, nil},
			{"GET", users + "?login=x", "", nil, 200, []string{`"items":[]`}},
		},
		"rights": {
			{"GET", "portals/acme/rights/Clerk/orders", "", nil, 200, []string{`"level":"edit"`, `"explicit":true`}},
			{"PUT", "portals/acme/rights/Clerk/orders", `{"level":"view"}`, nil, 428, nil},
			{"PUT", "portals/acme/rights/Clerk/orders", `{"level":"view"}`, []string{"If-Match", "{etag}"}, 200, []string{`"revision":`}},
			{"GET", "portals/acme/rights/Clerk", "", nil, 200, []string{`"level":"view"`}},
			{"PATCH", "portals/acme/rights/Reader%2FAll", `{"cells":[{"node":"home","level":"delete"},{"node":"orders","level":"publish"}]}`, []string{"If-Match", "*"}, 200, nil},
			{"GET", "portals/acme/screens/home/rights?below=true&role=Reader%2FAll", "", nil, 200, []string{`"shown":"multiple"`, `"level":"publish"`}},
			{"PATCH", "portals/acme/rights/Reader%2FAll", `{"cells":[{"role":"Clerk","node":"home","level":"view"}]}`, []string{"If-Match", "*"}, 422, nil},
			{"DELETE", "portals/acme/rights/Reader%2FAll/home", "", []string{"If-Match", "*"}, 200, nil},
			{"GET", "portals/acme/rights?role=Reader%2FAll", "", nil, 200, []string{`"level":"publish"`, `"looked":1`}},
		},
		"CSV": {
			{"POST", "portals/acme/import?kind=users&dry_run=true", "id,user_type,active\nc1,T,true\n", []string{"Content-Type", "text/csv"}, 200, []string{`"created":1`, `"dry_run":true`}},
			{"POST", "portals/acme/import?kind=users", "id,user_type,active,roles\nc1,T,true,Clerk\nc2,T,false,\n", []string{"Content-Type", "text/csv"}, 200, []string{`"rows":2`, `"created":2`, `"dry_run":false`}},
			{"POST", "portals/acme/import?kind=users", "id,active\nc1,true\nc2,true\n", []string{"Content-Type", "text/csv"}, 200, []string{`"changed":1`, `"unchanged":1`}},
			{"POST", "portals/acme/import?kind=users", "id,active\nc1,true\n", []string{"Content-Type", "text/csv"}, 200, []string{`"unchanged":1`, `"entry":0`}},
			{"POST", "portals/acme/import?kind=users", "id,user_type,roles\nc1,T,Clrek\nc3,,Clerk\n", []string{"Content-Type", "text/csv"}, 422, []string{`"line":2,"column":6`, `Clrek`}},
			{"POST", "portals/acme/import?kind=users", "id,user_type,roles\nc3,,Clerk\n", []string{"Content-Type", "text/csv"}, 422, []string{`"line":2,"column":4`, `"rule":"typed"`}},
			{"GET", users + "/c3", "", nil, 404, nil},
			{"POST", "portals/acme/import?kind=rights", "role,screen,level\nClerk,home,insert\n", []string{"Content-Type", "text/csv"}, 200, []string{`"created":1`}},
			{"POST", "portals/acme/import?kind=rights", "role,screen,level\nClerk,home,inherit\n", []string{"Content-Type", "text/csv"}, 200, []string{`"deleted":1`}},
		},
		"lists": {
			{"GET", "portals", "", nil, 200, []string{`"id":"acme"`}},
			{"GET", "portals/acme/screens?kind=workspace", "", nil, 200, []string{`"id":"home"`, `"looked":1`}},
			{"GET", "portals/acme/roles?limit=1", "", nil, 200, []string{`"next":"`}},
			{"GET", "portals/acme/roles?after=nonsense", "", nil, 400, []string{`"in":"query","field":"after"`}},
			{"GET", "portals/acme/grants?role=Nobody", "", nil, 200, []string{`"items":[]`}},
			{"GET", "portals/acme/tasks?state=dead", "", nil, 200, []string{`"items":[]`}},
			{"GET", "portals/other/users", "", nil, 404, nil},
			{"POST", "portals/acme/tasks/none/retry", "", nil, 404, nil},
		},
		"callers": {
			{"POST", "callers", `{"name":"n","portals":["acme"],"permissions":["decide"],"user":"kim","acts_for":["ann"]}`, nil, 422, []string{`"field":"acts_for"`}},
			{"POST", "callers", `{"name":"n","portals":["acme"],"permissions":["decide"]}`, nil, 201, []string{`"key":"ptc_`}},
			{"GET", "callers", "", nil, 200, []string{`"name":"n"`, `"created_by":"caller/all"`}},
			{"DELETE", "callers/aaaaaaaaaaaaaaaa", "", nil, 404, nil},
		},
	} {
		t.Run(name, func(t *testing.T) { tell(t, base, steps) })
	}
}

// TestNoUpdateIsLost has many writers count on one document with If-Match.
func TestNoUpdateIsLost(t *testing.T) {
	base := portal(t)
	address, _, _ := strings.Cut(strings.TrimPrefix(base, "http://"), "/")
	const writers, path = 12, adminapi.Prefix + "/portals/acme/users/kim"
	var g sync.WaitGroup
	for range writers {
		g.Go(func() {
			for {
				a := send(t, "http://"+address, "GET", path, "")
				var u struct{ Attributes struct{ N int } }
				if err := json.Unmarshal(a.body, &u); err != nil {
					t.Error(err)
					return
				}
				w := send(t, "http://"+address, "PATCH", path, fmt.Sprintf(`{"attributes":{"n":%d}}`, u.Attributes.N+1), "If-Match", a.header.Get("ETag"))
				if w.status == 200 {
					return
				}
				if w.status != 412 {
					t.Errorf("%d %s", w.status, w.body)
					return
				}
			}
		})
	}
	g.Wait()
	require.Contains(t, string(send(t, "http://"+address, "GET", path, "").body), fmt.Sprintf(`"n":%d`, writers))
}

// TestARetriedCreationIsOne sends one creation many times at once, with one key.
func TestARetriedCreationIsOne(t *testing.T) {
	base := portal(t)
	address, _, _ := strings.Cut(strings.TrimPrefix(base, "http://"), "/")
	var g sync.WaitGroup
	answers := make([]answer, 30)
	for i := range answers {
		g.Go(func() {
			answers[i] = send(t, "http://"+address, "POST", adminapi.Prefix+"/portals/acme/users", `{"id":"once","user_type":"T"}`, "Idempotency-Key", "k")
		})
	}
	g.Wait()
	first := 0
	for _, a := range answers {
		require.Equal(t, 201, a.status, "%s", a.body)
		if strings.Contains(string(a.body), `"replayed":false`) {
			first++
		}
	}
	require.Equal(t, 1, first)
}
