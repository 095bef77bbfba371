package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/httpapi"
	"github.com/portcullis-authz/portcullis/server/keys"
)

// shelf is a store that holds the callers for good.
type shelf []authz.Caller

func (s shelf) Callers(context.Context) ([]authz.Caller, error) { return s, nil }

func (shelf) PutCaller(context.Context, authz.Caller, authz.AuditEntry) error { return nil }

func (shelf) DeleteCaller(context.Context, string, authz.AuditEntry) error { return nil }

func ring(t testing.TB, callers ...authz.Caller) *keys.Ring {
	t.Helper()
	r := keys.NewRing(shelf(callers), time.Hour, func() time.Time { return noon })
	require.NoError(t, r.Load(t.Context()))
	return r
}

// person makes a caller with a key.
func person(name string, portals []string, ps ...authz.Permission) (string, authz.Caller) {
	key, id, hash := keys.New()
	return key, authz.Caller{ID: id, Name: name, Hash: hash, Portals: portals, Permissions: ps}
}

// seen is what a Decider was asked by whom.
type seen struct {
	mu     sync.Mutex
	acting []authz.Acting
	portal []string
}

func (s *seen) decide(ctx context.Context, portal string, qs []authz.Query, out []authz.Decision, _ func(*authz.Decision) bool) (int, error) {
	a, known := authz.ActingOf(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if known {
		s.acting = append(s.acting, a)
	}
	s.portal = append(s.portal, portal)
	for i := range qs {
		out[i].Outcome = authz.Allow
	}
	return len(qs), nil
}

func (s *seen) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acting, s.portal = nil, nil
}

func defaultAcme() (string, error) { return "acme", nil }

// TestWhoMayDoWhat puts every path to every kind of caller.
func TestWhoMayDoWhat(t *testing.T) {
	all := authz.Permissions()
	guests := map[string]authz.Caller{}
	secrets := map[string]string{}
	for name, c := range map[string]authz.Caller{
		"decides at acme":  {Portals: []string{"acme"}, Permissions: []authz.Permission{authz.PermitDecide}},
		"decides at other": {Portals: []string{"other"}, Permissions: []authz.Permission{authz.PermitDecide}},
		"decides anywhere": {Portals: []string{"*"}, Permissions: []authz.Permission{authz.PermitDecide}},
		"all but decide":   {Portals: []string{"*"}, Permissions: []authz.Permission{authz.PermitSearch, authz.PermitExplain, authz.PermitLog, authz.PermitAdmin}},
		"admin of acme":    {Portals: []string{"acme"}, Permissions: []authz.Permission{authz.PermitAdmin}},
		"all of acme":      {Portals: []string{"acme"}, Permissions: all},
		"all":              {Portals: []string{"*"}, Permissions: all},
		"ended":            {Portals: []string{"*"}, Permissions: all, Until: noon},
		"no portal":        {Permissions: all},
	} {
		key, made := person(name, c.Portals, c.Permissions...)
		made.Until = c.Until
		guests[name], secrets[name] = made, "Bearer "+key
	}
	unknown, _ := person("x", nil)
	secrets["unknown key"], secrets["no key"], secrets["empty key"] = "Bearer "+unknown, "Bearer x", "Bearer "
	secrets["none"], secrets["none of ours"] = "", "Basic eDp5"

	// The status for each kind of caller, 0 standing for 401.
	type want map[string]int
	decisions := func(acme bool) want {
		at := map[bool]int{true: 200, false: 403}
		return want{
			"decides at acme": at[acme], "decides at other": at[!acme], "decides anywhere": 200, "all but decide": 403,
			"admin of acme": 403, "all of acme": at[acme], "all": 200, "no portal": 403,
		}
	}
	admin := func(acme, nobodys int) want { // 404: let in, and nothing is there
		return want{
			"decides at acme": 403, "decides at other": 403, "decides anywhere": 403, "all but decide": 404,
			"admin of acme": acme, "all of acme": acme, "all": 404, "no portal": nobodys,
		}
	}
	cases := []struct {
		method, path string
		want         want
		open         bool // to callers without a key, where they may decide
	}{
		{"POST", "/access/v1/evaluation", decisions(true), true},
		{"POST", "/access/v1/evaluations", decisions(true), true},
		{"POST", "/portals/acme/access/v1/evaluation", decisions(true), true},
		{"POST", "/portals/acme/access/v1/evaluations", decisions(true), true},
		{"POST", "/portals/other/access/v1/evaluation", decisions(false), true},
		{"POST", "/portals/other/access/v1/evaluations", decisions(false), true},
		{"GET", "/admin/v1/openapi.json", admin(404, 404), false},
		{"GET", "/admin/v1/portals", admin(404, 404), false},
		{"GET", "/admin/v1/portals/acme", admin(404, 403), false},
		{"GET", "/admin/v1/portals/%61cme/users", admin(404, 403), false},
		{"DELETE", "/admin/v1/portals/acme/users/ray", admin(404, 403), false},
		{"PUT", "/admin/v1/portals/other/users/ray", admin(403, 403), false},
		{"GET", "/admin/v1/portals/acme/users/.hidden", admin(404, 403), false},
		{"GET", "/admin/v1/portals/acme/../other/users", admin(404, 403), false},
		{"GET", "/admin/v1/portals/other/../acme/users", admin(403, 403), false},
		{"GET", "/admin/v1/portals/acme/%2e%2e/other/users", admin(404, 403), false},
		{"GET", "/admin/v1/portals//other", admin(403, 403), false},
		{"GET", "/admin/v1/portals/", admin(403, 403), false},
		{"GET", "/admin/v1/p%6frtals/acme", admin(403, 403), false},
		{"GET", "/admin/v1/portals/acme%2f..%2fother/users", admin(403, 403), false},
		{"GET", "/admin/v1/callers", admin(403, 403), false},
		{"POST", "/admin/v1/callers", admin(403, 403), false},
		{"GET", "/admin/v1", admin(403, 403), false},
		{"GET", "/admin/v1/", admin(403, 403), false},
		{"GET", "/admin/v1x", admin(403, 403), false},
	}
	var callers []authz.Caller
	for _, c := range guests {
		callers = append(callers, c)
	}
	for _, anonymous := range [][]authz.Permission{nil, {authz.PermitDecide}, {authz.PermitSearch, authz.PermitExplain}} {
		var s seen
		base := start(t, httpapi.DeciderFunc(s.decide), httpapi.Options{Keys: ring(t, callers...), Anonymous: anonymous, DefaultPortal: defaultAcme})
		for _, c := range cases {
			for name, secret := range secrets {
				t.Run(fmt.Sprint(anonymous, c.method, c.path, " ", name), func(t *testing.T) {
					s.reset()
					a := call(t, c.method, base+c.path, "Authorization", secret)
					status, none := c.want[name], strings.HasPrefix(name, "none")
					if none && c.open && slices.Contains(anonymous, authz.PermitDecide) {
						status = 200
					}
					if status == 0 {
						status = 401
					}
					require.Equal(t, status, a.status, a.body)
					require.Equal(t, status == 200, len(s.portal) == 1, "a decider is asked only where the caller is let in")
					switch {
					case status == 401 && none:
						require.Equal(t, `Bearer realm="portcullis"`, a.header.Get("WWW-Authenticate"))
					case status == 401:
						require.Equal(t, `Bearer realm="portcullis", error="invalid_token"`, a.header.Get("WWW-Authenticate"))
					default:
						require.Empty(t, a.header.Get("WWW-Authenticate"))
					}
					if status == 200 && !none {
						require.Equal(t, name, s.acting[0].Caller.Name)
					} else {
						require.Empty(t, s.acting)
					}
				})
			}
		}
		for _, open := range []string{"/livez", "/readyz"} {
			for _, secret := range secrets {
				require.Equal(t, 200, call(t, "GET", base+open, "Authorization", secret).status)
			}
		}
	}
}

// call sends a question, or what has no body, with headers that are not empty.
func call(t testing.TB, method, url string, headers ...string) answer {
	t.Helper()
	var body string
	if method == http.MethodPost {
		body = single
	}
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] != "" {
			req.Header.Add(headers[i], headers[i+1])
		}
	}
	return do(t, req)
}

// TestRefusalsSayWhy: each message says what to do about it, and in the form of
// its endpoint.
func TestRefusalsSayWhy(t *testing.T) {
	key, acme := person("crm", []string{"acme"}, authz.PermitDecide)
	boss, admin := person("ops", []string{"acme"}, authz.PermitAdmin)
	base := start(t, judge(reads), httpapi.Options{Keys: ring(t, acme, admin), DefaultPortal: func() (string, error) { return "other", nil }})
	for name, c := range map[string]struct {
		path    string
		headers []string
		want    string
	}{
		"no key":          {"/access/v1/evaluation", nil, `"this takes a key: send it as Authorization: Bearer ptc_..., the way portcullis key create shows it"`},
		"other scheme":    {"/access/v1/evaluation", []string{"Authorization", "Basic eDp5"}, `"this takes a key: send it as`},
		"empty":           {"/access/v1/evaluation", []string{"Authorization", "bearer"}, `"the header Authorization holds no key: want Authorization: Bearer ptc_..."`},
		"bare key":        {"/access/v1/evaluation", []string{"Authorization", key}, `"this takes a key: send it as`},
		"twice":           {"/access/v1/evaluation", []string{"Authorization", "Bearer " + key, "Authorization", "Bearer " + key}, `"the header Authorization is there 2 times: send it once"`},
		"wrong":           {"/access/v1/evaluation", []string{"Authorization", "Bearer " + keys.Prefix + acme.ID + boss[20:]}, `"this is no key that counts here: it is mistyped, or was revoked, or has ended"`},
		"default portal":  {"/access/v1/evaluation", []string{"Authorization", "bearer   " + key}, `"the key \"crm\" does not open the default portal: ask below /portals/{portal} for one that it opens"`},
		"other portal":    {"/portals/x/access/v1/evaluation", []string{"Authorization", "Bearer " + key}, `"the key \"crm\" does not open portal \"x\""`},
		"other part":      {"/portals/acme/access/v1/evaluation", []string{"Authorization", "Bearer " + boss}, `"the key \"ops\" lacks the permission decide: it has admin"`},
		"administration":  {"/admin/v1/portals", []string{"Authorization", "Bearer " + key}, `{"status":403,"title":"Forbidden","detail":"the key \"crm\" lacks the permission admin: it has decide","request":"`},
		"without key":     {"/admin/v1/portals", nil, `{"status":401,"title":"Unauthorized","detail":"this takes a key: send it as Authorization: Bearer ptc_..., the way portcullis key create shows it","request":"`},
		"all portals":     {"/admin/v1/callers", []string{"Authorization", "Bearer " + boss}, `{"status":403,"title":"Forbidden","detail":"this is no portal's alone, and the key \"ops\" does not open all portals","request":"`},
		"for a user":      {"/admin/v1/portals", []string{"Authorization", "Bearer " + boss, "Portcullis-User", "ray"}, `{"status":403,"title":"Forbidden","detail":"the key \"ops\" may not act for user \"ray\", whom the header Portcullis-User names","request":"`},
		"for two users":   {"/admin/v1/portals", []string{"Authorization", "Bearer " + boss, "Portcullis-User", "a", "Portcullis-User", "b"}, `{"status":400,"title":"Bad Request","detail":"the header Portcullis-User is there 2 times: name one user","request":"`},
		"nothing is here": {"/admin/v1/portals/acme/x", []string{"Authorization", "Bearer " + boss}, `{"status":404,"title":"Not Found","detail":"there is nothing at /admin/v1/portals/acme/x`},
	} {
		t.Run(name, func(t *testing.T) {
			a := call(t, "POST", base+c.path, c.headers...)
			require.True(t, strings.HasPrefix(a.body, c.want), a.body)
			if strings.HasPrefix(c.path, "/admin") {
				require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
			}
			require.NotEmpty(t, a.header.Get("X-Request-ID"))
		})
	}
}

// TestDefaultPortalOfAKey: a key to one portal asks it without naming it where it is
// the default, and is told where there is none.
func TestDefaultPortalOfAKey(t *testing.T) {
	key, crm := person("crm", []string{"acme"}, authz.PermitDecide)
	wide, any := person("any", []string{"*"}, authz.PermitDecide)
	var s seen
	base := start(t, httpapi.DeciderFunc(s.decide), httpapi.Options{Keys: ring(t, crm, any), DefaultPortal: defaultAcme})
	require.Equal(t, 200, call(t, "POST", base+"/access/v1/evaluation", "Authorization", "Bearer "+key).status)
	require.Equal(t, 200, call(t, "POST", base+"/access/v1/evaluation", "Authorization", "Bearer "+wide).status)
	require.Equal(t, []string{"acme", ""}, s.portal, "the portal that was checked is the one that is asked")

	base = start(t, judge(reads), httpapi.Options{Keys: ring(t, crm)})
	a := call(t, "POST", base+"/access/v1/evaluation", "Authorization", "Bearer "+key)
	require.Equal(t, 404, a.status)
	require.Contains(t, a.body, "there is no default portal")
}

func TestKeysThatCannotBeChecked(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
	}{
		"away":   {authz.Errorf(authz.Unavailable, "away"), 503},
		"broken": {fmt.Errorf("broken"), 500},
		"nobody": {nil, 500},
	} {
		t.Run(name, func(t *testing.T) {
			base := start(t, judge(reads), httpapi.Options{Anonymous: anybody, Keys: httpapi.KeysFunc(func(string, time.Time) (*authz.Caller, error) { return nil, c.err })})
			require.Equal(t, c.status, call(t, "POST", base+"/access/v1/evaluation", "Authorization", "Bearer x").status)
			require.Equal(t, c.status, call(t, "GET", base+"/admin/v1/portals", "Authorization", "Bearer x").status)
			require.Equal(t, 200, call(t, "POST", base+"/access/v1/evaluation").status)
		})
	}
}

// TestNobodyByDefault: a server that is told of no keys and no permissions is closed.
func TestNobodyByDefault(t *testing.T) {
	base := start(t, judge(reads), httpapi.Options{Anonymous: []authz.Permission{}})
	require.Equal(t, 401, call(t, "POST", base+"/access/v1/evaluation").status)
	require.Equal(t, 401, call(t, "POST", base+"/access/v1/evaluation", "Authorization", "Bearer x").status)
	for _, p := range []authz.Permission{authz.PermitAdmin, authz.PermitLog, "", "root"} {
		_, err := httpapi.New(judge(reads), httpapi.HealthFunc(healthy), httpapi.Options{Anonymous: []authz.Permission{p}})
		require.ErrorContains(t, err, "httpapi.Options.Anonymous")
	}
}

// TestNoKeyOpensMoreThanItNames: for keys, paths and portals at random, a decider is
// asked exactly where the key's lists have both.
func TestNoKeyOpensMoreThanItNames(t *testing.T) {
	portals := []string{"acme", "other", "third", "*"}
	names := append(slices.Clone(portals), "", "ACME", "acm", "acme.", "%61cme", "..")
	var s seen
	hc := &http.Client{Timeout: 20 * time.Second}
	t.Cleanup(hc.CloseIdleConnections)
	var mu sync.Mutex
	var now authz.Caller
	base := start(t, httpapi.DeciderFunc(s.decide), httpapi.Options{DefaultPortal: defaultAcme, Keys: httpapi.KeysFunc(func(string, time.Time) (*authz.Caller, error) {
		mu.Lock()
		defer mu.Unlock()
		c := now
		return &c, nil
	})})
	rapid.Check(t, func(rt *rapid.T) {
		c := authz.Caller{
			Name:        "k",
			Portals:     rapid.SliceOfDistinct(rapid.SampledFrom(portals), rapid.ID).Draw(rt, "portals"),
			Permissions: rapid.SliceOfDistinct(rapid.SampledFrom(authz.Permissions()), rapid.ID).Draw(rt, "permissions"),
		}
		mu.Lock()
		now = c
		mu.Unlock()
		for range 5 {
			s.reset()
			portal := rapid.SampledFrom(names).Draw(rt, "portal")
			path, id := "/portals/"+portal+"/access/v1/evaluation", portal
			if portal == "" {
				path, id = "/access/v1/evaluation", "acme"
			}
			req, err := http.NewRequest(http.MethodPost, base+path, strings.NewReader(single))
			require.NoError(rt, err)
			req.URL.Path, req.URL.RawPath, req.URL.Opaque = "", "", path
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer x")
			resp, err := hc.Do(req)
			require.NoError(rt, err)
			require.NoError(rt, resp.Body.Close())
			may := slices.Contains(c.Permissions, authz.PermitDecide) && (slices.Contains(c.Portals, "*") || slices.Contains(c.Portals, id) && id != "*")
			require.Equal(rt, may, len(s.portal) == 1, "%s: %d", path, resp.StatusCode)
			require.Equal(rt, may, resp.StatusCode == 200)
		}
	})
}
