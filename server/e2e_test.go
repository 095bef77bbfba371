package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/authzen"
	"github.com/portcullis-authz/portcullis/server/httpapi"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

// soon is how long a test waits for a change to count before it gives up.
const soon = time.Minute

// running is a server at work.
type running struct {
	*server.Server
	base string
	stop func() error // ends the server, once, and returns what Run returns
}

// start runs a server on a new database that holds the worlds, and
// returns when they are published. It must leave no goroutine behind.
func start(t *testing.T, worlds []authz.World, change func(*server.Options)) *running {
	t.Helper()
	before := goleak.IgnoreCurrent()
	o := options(t)
	if change != nil {
		change(&o)
	}
	srv, err := server.New(t.Context(), o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	r := &running{Server: srv, base: "http://" + srv.Addr().String()}
	var stopped bool
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		require.NoError(t, r.stop())
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t, before,
			// sees that it is to end when its ten seconds of sleep are over
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
			// one for all servers of a process, for good
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
	})
	if worlds != nil {
		require.NoError(t, srv.Store().Import(t.Context(), worlds, "test", nil))
		require.Eventually(t, func() bool { status, _ := r.get(t, "/readyz"); return status == 200 }, soon, 10*time.Millisecond)
		r.awaitPortals(t, worlds)
	}
	return r
}

func options(t *testing.T) server.Options {
	log := slog.New(slog.DiscardHandler)
	return server.Options{
		Addr: "127.0.0.1:0", Store: freshStore(t),
		Eval: time.Second, Cache: 1000, Poll: 500 * time.Millisecond,
		HTTP: httpapi.Options{Log: log}, Log: log, Now: time.Now,
	}
}

// awaitPortals waits until all of the worlds are published: a service is ready with
// the first.
func (r *running) awaitPortals(t *testing.T, worlds []authz.World) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, detail := r.Ready()
		portals, _ := detail["portals"].(map[string]any)
		return len(portals) == len(worlds)
	}, soon, 10*time.Millisecond)
}

func (r *running) get(t *testing.T, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(r.base + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func (r *running) post(ctx context.Context, path string, body any) (int, []byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// single asks by the endpoint for one question.
func (r *running) single(ctx context.Context, portal string, q authz.Query) (authz.Decision, error) {
	status, body, err := r.post(ctx, "/portals/"+portal+"/access/v1/evaluation", authzen.EvaluationOf(&q))
	if err != nil || status != http.StatusOK {
		return authz.Decision{}, fmt.Errorf("status %d: %s (%w)", status, body, err)
	}
	var a authzen.Answer
	if err := json.Unmarshal(body, &a); err != nil {
		return authz.Decision{}, err
	}
	return a.Read()
}

// batch asks many questions at once, with reasons.
func (r *running) batch(t *testing.T, portal string, qs []authz.Query) []authz.Decision {
	t.Helper()
	items := make([]any, len(qs))
	for i, q := range qs {
		items[i] = authzen.EvaluationOf(&q)
	}
	status, body, err := r.post(t.Context(), "/portals/"+portal+"/access/v1/evaluations",
		map[string]any{"evaluations": items, "options": map[string]any{"reasons": true}})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%s", body)
	var answers struct{ Evaluations []authzen.Answer }
	require.NoError(t, json.Unmarshal(body, &answers))
	require.Len(t, answers.Evaluations, len(qs))
	out := make([]authz.Decision, len(qs))
	for i := range out {
		out[i], err = answers.Evaluations[i].Read()
		require.NoError(t, err)
	}
	return out
}

func demo(t *testing.T) []authz.World {
	t.Helper()
	worlds, err := server.DemoWorlds()
	require.NoError(t, err)
	return worlds
}

// said is what every surface must say alike, in the form of JSON, in which an
// absent list equals an empty one.
func said(t *testing.T, d authz.Decision) string {
	t.Helper()
	if len(d.Obligations) == 0 {
		d.Obligations = nil
	}
	if len(d.Fields) == 0 {
		d.Fields = nil
	}
	b, err := json.Marshal([]any{d.Outcome, d.Reason, d.Level, d.Fields, d.Obligations})
	require.NoError(t, err)
	return string(b)
}

// moment is when the staged portals are asked.
var moment = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func atMoment() time.Time { return moment }

// TestSurfaces puts every decision row of every preset to the engine in process and,
// one by one and in a batch, to the HTTP surface over it; those that ask a portal
// as it is stored to a server on a database as well. All must answer as the row
// wants, and alike in what the row leaves open. cmd/portcullis asks the binary.
func TestSurfaces(t *testing.T) {
	project, err := policytest.Load(policytest.Source{Paths: []string{"../fixtures"}})
	require.NoError(t, err)
	t.Run("HTTP", func(t *testing.T) {
		worlds, cases := project.Stage(moment, policytest.AnyCase)
		engine := offline(t, worlds)
		inMemory(t, engine).surfaces(t, engine, cases)
	})
	t.Run("database", func(t *testing.T) {
		worlds, cases := project.Stage(moment, policytest.StoredCase)
		r := start(t, worlds, func(o *server.Options) { o.Now, o.HTTP.Now, o.Eval = atMoment, atMoment, 10*time.Second })
		r.surfaces(t, offline(t, worlds), cases)
	})
}

func offline(t *testing.T, worlds []authz.World) *pdp.Decider {
	t.Helper()
	program, err := server.Program("", 10*time.Second)
	require.NoError(t, err)
	d, err := server.Offline(worlds, program, "", atMoment)
	require.NoError(t, err)
	return d
}

// inMemory serves what d decides, without a store.
func inMemory(t *testing.T, d *pdp.Decider) *running {
	t.Helper()
	ready := httpapi.HealthFunc(func() (bool, map[string]any) { return true, nil })
	s, err := httpapi.New(d, ready, httpapi.Options{
		Log: slog.New(slog.DiscardHandler), Now: atMoment, Anonymous: []authz.Permission{authz.PermitDecide},
	})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		require.NoError(t, s.Shutdown(context.Background()))
		require.NoError(t, <-served)
	})
	return &running{base: "http://" + ln.Addr().String()}
}

// surfaces puts the cases to the server and to the engine.
func (r *running) surfaces(t *testing.T, engine *pdp.Decider, cases []policytest.Staged) {
	batched := r.batches(t, cases)
	for i, c := range cases {
		t.Run(c.Suite.File+"/"+c.String(), func(t *testing.T) {
			want, err := server.One(t.Context(), engine, c.Portal, c.Query)
			require.NoError(t, err)
			single, err := r.single(t.Context(), c.Portal, c.Query)
			require.NoError(t, err)
			for surface, got := range map[string]authz.Decision{"engine": want, "single": single, "batch": batched[i]} {
				require.Empty(t, c.Want.Diffs(&got), surface)
				require.Equal(t, said(t, want), said(t, got), surface)
			}
		})
	}
}

// batches asks each portal in batches.
func (r *running) batches(t *testing.T, cases []policytest.Staged) []authz.Decision {
	t.Helper()
	byPortal := map[string][]int{}
	for i := range cases {
		byPortal[cases[i].Portal] = append(byPortal[cases[i].Portal], i)
	}
	answers := make([]authz.Decision, len(cases))
	for portal, all := range byPortal {
		for rows := range slices.Chunk(all, 500) {
			qs := make([]authz.Query, len(rows))
			for n, i := range rows {
				qs[n] = cases[i].Query
			}
			for n, d := range r.batch(t, portal, qs) {
				answers[rows[n]] = d
			}
		}
	}
	return answers
}

// may asks storehut a question about a screen.
func (r *running) may(t *testing.T, user, action, screen string) string {
	t.Helper()
	d, err := r.single(t.Context(), "storehut", authz.Query{
		Subject: authz.Entity{Type: "user", ID: user}, Action: authz.Action{Name: action}, Resource: authz.Entity{Type: "screen", ID: screen},
	})
	require.NoError(t, err)
	return d.Reason
}

// comes waits for the answer that a change leads to.
func (r *running) comes(t *testing.T, reason, user, action, screen string) {
	t.Helper()
	var got string
	require.Eventually(t, func() bool {
		got = r.may(t, user, action, screen)
		return got == reason
	}, soon, 20*time.Millisecond, "want %s", reason)
}

// commit writes one right or user of storehut; nil stands for none.
func (r *running) commit(t *testing.T, before, after authz.Stored) {
	t.Helper()
	base, err := r.Store().Head(t.Context(), "storehut")
	require.NoError(t, err)
	c := &authz.Changeset{Base: base, Changes: []authz.EntityWrite{{Entity: before.Key(), Old: before, New: after}}}
	if right, ok := after.(authz.Right); ok {
		c.Config, err = r.Store().Bundle(t.Context(), "storehut")
		require.NoError(t, err)
		c.Config.Rights = append(slices.DeleteFunc(c.Config.Rights, func(o authz.Right) bool { return o.Key() == right.Key() }), right)
	}
	_, err = r.Store().Commit(t.Context(), "storehut", c)
	require.NoError(t, err)
}

func TestAWriteCountsSoon(t *testing.T) {
	worlds := demo(t)
	r := start(t, worlds, nil)
	require.Equal(t, "level_too_low", r.may(t, "ray.newman", "edit", "SP408030"))
	r.commit(t, authz.Right{Role: "Customer User", Node: "SP408030", Level: authz.View}, authz.Right{Role: "Customer User", Node: "SP408030", Level: authz.Edit})
	r.comes(t, "granted", "ray.newman", "edit", "SP408030")

	i := slices.IndexFunc(worlds, func(w authz.World) bool { return w.Portal.ID == "storehut" })
	u := slices.IndexFunc(worlds[i].Users, func(u authz.User) bool { return u.ID == "ray.newman" })
	before := worlds[i].Users[u]
	ray := before
	ray.Active = false
	r.commit(t, before, ray)
	r.comes(t, "user_inactive", "ray.newman", "view", "SP408030")

	r.commit(t, ray, nil)
	r.comes(t, "user_unknown", "ray.newman", "view", "SP408030")
}

// TestPoliciesAreReloaded edits the folder of policies under a running server,
// breaks it and mends it.
func TestPoliciesAreReloaded(t *testing.T) {
	const name = "presets/acumatica/acumatica.rego"
	original, err := fs.ReadFile(policies.FS, name)
	require.NoError(t, err)
	folder := t.TempDir()
	file := filepath.Join(folder, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	put := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	put(string(original))
	r := start(t, demo(t), func(o *server.Options) { o.Policies = folder })
	require.Equal(t, "level_too_low", r.may(t, "ray.newman", "edit", "SP408030"))

	edited := strings.ReplaceAll(string(original), `"reason": "level_too_low"`, `"reason": "edited"`)
	put(edited)
	r.comes(t, "edited", "ray.newman", "edit", "SP408030")

	put(edited + "\nbroken {\n")
	fault := func() string {
		status, body := r.get(t, "/readyz")
		require.Equal(t, http.StatusOK, status, "the policies loaded before are in force")
		var detail struct{ Policy struct{ Error string } }
		require.NoError(t, json.Unmarshal([]byte(body), &detail))
		return detail.Policy.Error
	}
	require.Eventually(t, func() bool { return strings.Contains(fault(), "acumatica.rego") }, soon, 20*time.Millisecond)
	require.Equal(t, "edited", r.may(t, "ray.newman", "edit", "SP408030"))

	put(string(original))
	r.comes(t, "level_too_low", "ray.newman", "edit", "SP408030")
	require.Empty(t, fault())
}

func TestAnUnknownPortal(t *testing.T) {
	r := start(t, demo(t), nil)
	q := map[string]any{
		"subject": map[string]any{"type": "user", "id": "ray.newman"}, "action": map[string]any{"name": "view"},
		"resource": map[string]any{"type": "screen", "id": "SP408030"},
	}
	for path, says := range map[string]string{
		"/portals/nowhere/access/v1/evaluation": "storehut-2020",
		"/access/v1/evaluation":                 "default_portal",
	} {
		status, body, err := r.post(t.Context(), path, q)
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, status)
		require.Contains(t, string(body), says)
	}
}

func TestAnEmptyStoreIsNotReady(t *testing.T) {
	r := start(t, nil, nil)
	status, _ := r.get(t, "/livez")
	require.Equal(t, http.StatusOK, status)
	for range 6 {
		status, _ := r.get(t, "/readyz")
		require.Equal(t, http.StatusServiceUnavailable, status)
		time.Sleep(50 * time.Millisecond)
	}
	_, detail := r.get(t, "/readyz")
	require.Contains(t, detail, "run portcullis import", "it says what is missing")
	status, body, err := r.post(t.Context(), "/access/v1/evaluation", authzen.EvaluationOf(&authz.Query{
		Subject: authz.Entity{Type: "user", ID: "u"}, Action: authz.Action{Name: "view"}, Resource: authz.Entity{Type: "screen", ID: "s"},
	}))
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, string(body), "import one")
}

// TestDrain stops a server while a request is half sent: the server says that it
// is not ready while it still decides, takes no new connection afterwards, and
// answers what it began.
func TestDrain(t *testing.T) {
	const delay = 1500 * time.Millisecond
	r := start(t, demo(t), func(o *server.Options) { o.DrainDelay = delay })
	conn, err := net.Dial("tcp", r.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	body, err := json.Marshal(authzen.EvaluationOf(&authz.Query{
		Subject: authz.Entity{Type: "user", ID: "ray.newman"}, Action: authz.Action{Name: "view"}, Resource: authz.Entity{Type: "screen", ID: "SP408030"},
	}))
	require.NoError(t, err)
	_, err = fmt.Fprintf(conn, "POST /portals/storehut/access/v1/evaluation HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:10])
	require.NoError(t, err)

	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	require.Eventually(t, func() bool { status, _ := r.get(t, "/readyz"); return status == http.StatusServiceUnavailable }, delay, 5*time.Millisecond)
	require.Equal(t, "granted", r.may(t, "ray.newman", "view", "SP408030"), "still deciding")
	require.Eventually(t, func() bool {
		c, err := net.DialTimeout("tcp", r.Addr().String(), time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}, soon, 10*time.Millisecond, "no new connections")

	_, err = conn.Write(body[10:])
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(soon)))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(answer), `"decision":true`)
	require.NoError(t, <-ended)
}
