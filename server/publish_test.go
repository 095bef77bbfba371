package server_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/authzen"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/priority"
)

// puts stores the files as the next revision of the portal's policy and brings it into
// force; no files are the folder's.
func (r *running) puts(t *testing.T, portal string, files map[string]string) (number int64) {
	t.Helper()
	store := r.Store()
	b, err := store.Bundle(t.Context(), portal)
	require.NoError(t, err)
	at := r.stands(t, portal)
	if b.Published = nil; files != nil {
		b.Published = &authz.PolicyRevision{Number: at.last + 1, Files: files, At: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	}
	return r.publishes(t, &at, b.Portal, b)
}

// standing is where a portal stands that somebody writes.
type standing struct {
	at   authz.PortalRevision
	last int64 // greatest number of a revision of its policy
}

func (r *running) stands(t *testing.T, portal string) standing {
	t.Helper()
	at, err := r.Store().Head(t.Context(), portal)
	require.NoError(t, err)
	state, err := r.Store().PolicyState(t.Context(), portal)
	require.NoError(t, err)
	return standing{at, state.Last}
}

// publishes brings the policy of the configuration into force with the portal's settings,
// which were those of before, and stores it as a revision when there is none of the
// number. The portal stands elsewhere then.
func (r *running) publishes(t *testing.T, now *standing, before authz.Portal, b *authz.Bundle) (number int64) {
	t.Helper()
	c := &authz.Changeset{Base: now.at, Publish: &number, Config: b, Entry: authz.AuditEntry{Actor: "cli", Operation: "publish"}}
	if !reflect.DeepEqual(before, b.Portal) {
		c.Changes = append(c.Changes, authz.EntityWrite{Entity: b.Portal.Key(), Old: before, New: b.Portal})
	}
	if b.Published != nil {
		if number = b.Published.Number; number > now.last {
			c.Changes = append(c.Changes, authz.EntityWrite{Entity: b.Published.Key(), New: *b.Published})
			now.last = number
		}
	}
	done, err := r.Store().Commit(t.Context(), b.Portal.ID, c)
	require.NoError(t, err)
	now.at = done.At
	return number
}

// builtIn are the policies that come with the service, as a revision holds them.
func builtIn(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, fs.WalkDir(policies.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".rego") {
			return err
		}
		text, err := fs.ReadFile(policies.FS, path)
		files[path] = string(text)
		return err
	}))
	return files
}

// TestAPortalKeepsItsPolicyInTheStore goes through a server on the embedded database.
func TestAPortalKeepsItsPolicyInTheStore(t *testing.T) {
	worlds, err := server.DemoWorlds()
	require.NoError(t, err)
	var o server.Options
	r := start(t, worlds, func(opts *server.Options) { o = *opts })
	portal := worlds[0].Portal
	q := authz.Query{
		Subject: authz.Entity{Type: "user", ID: worlds[0].Users[0].ID}, Action: authz.Action{Name: "view"},
		Resource: authz.Entity{Type: "screen", ID: worlds[0].Screens[0].ID},
	}
	asked := func(number int64) authz.Decision {
		t.Helper()
		var d authz.Decision
		require.Eventually(t, func() bool {
			d, err = r.single(t.Context(), portal.ID, q)
			return err == nil && d.PolicyRevision == number
		}, soon, 10*time.Millisecond)
		return d
	}
	detail := func() map[string]any {
		_, all := r.Ready()
		return all["portals"].(map[string]any)[portal.ID].(map[string]any)
	}
	before := asked(0)
	require.NotContains(t, detail(), "policy_revision")

	own := builtIn(t)
	same := asked(r.puts(t, portal.ID, own))
	require.Equal(t, before.Reason, same.Reason)
	require.Equal(t, policy.Of(own).Revision(), same.Policy)
	require.Equal(t, int64(1), detail()["policy_revision"])

	shut := map[string]string{"shut.rego": "package " + portal.Policy + "\n\ndecision := {\"outcome\": \"deny\", \"reason\": \"shut\"}"}
	require.Equal(t, "shut", asked(r.puts(t, portal.ID, shut)).Reason)
	r.puts(t, portal.ID, map[string]string{"gone.rego": "package " + portal.Policy + "\n\ndecision := data.lib.gone.rule(1)"})
	require.Eventually(t, func() bool { _, told := detail()["error"]; return told }, soon, 10*time.Millisecond)
	require.Contains(t, detail()["error"], "revision 3 of the policy cannot be used")
	require.Equal(t, "shut", asked(2).Reason, "the last good one stays in force")

	require.NoError(t, r.stop())
	r = start(t, nil, func(opts *server.Options) { opts.Store = o.Store })
	require.Eventually(t, func() bool {
		d, err := r.single(t.Context(), portal.ID, q)
		return err == nil && d.Reason == authz.ReasonPolicyMissing
	}, soon, 10*time.Millisecond, "with none to go on with it denies, whatever the folder has")
	require.Contains(t, detail()["error"], "revision 3 of the policy cannot be used")
	r.puts(t, portal.ID, nil)
	require.Eventually(t, func() bool {
		d, err := r.single(t.Context(), portal.ID, q)
		return err == nil && d.Reason == before.Reason && d.Policy == before.Policy
	}, soon, 10*time.Millisecond)
}

// TestRequestsDuringPublications has eight clients ask over HTTP while another process
// publishes policies and takes them back: no request fails, and no answer is of a
// mixture. It tells how long the requests take; PORTCULLIS_TEST_PUBLICATIONS says how many
// publications that is over.
func TestRequestsDuringPublications(t *testing.T) {
	const clients = 8
	publications := 12
	if said := os.Getenv("PORTCULLIS_TEST_PUBLICATIONS"); said != "" {
		var err error
		publications, err = strconv.Atoi(said)
		require.NoError(t, err)
	}
	worlds := demo(t)[:1]
	worlds[0].Portal.Settings = map[string]any{"n": int64(0)}
	processors := runtime.GOMAXPROCS(0)
	garbage := debug.SetGCPercent(100)
	t.Cleanup(func() {
		runtime.GOMAXPROCS(processors)
		debug.SetGCPercent(garbage)
	})
	threads := priority.Decisions(t.Context(), admin.MaxExaminations) // as portcullis serve has it
	r := start(t, worlds, func(o *server.Options) { o.Below, o.Workers = priority.Below, threads })
	t.Cleanup(asking.CloseIdleConnections)
	config, err := r.Store().Bundle(t.Context(), worlds[0].Portal.ID)
	require.NoError(t, err)
	at := r.stands(t, config.Portal.ID)
	publish := func(back bool) {
		t.Helper()
		b, before := *config, config.Portal
		config = &b
		number := at.last + 1
		if back {
			number = max(1, at.last-3)
		}
		b.Portal.Settings = map[string]any{"n": number}
		b.Published = numbered(t, b.Portal.Policy, number)
		r.publishes(t, &at, before, &b)
		var of int64
		require.Eventually(t, func() bool {
			_, of, err = r.ask(t.Context(), b.Portal.ID, 1)
			return err == nil && of == number
		}, soon, 5*time.Millisecond, "revision %d comes into force", number)
	}
	publish(false)

	measure := func(meanwhile func()) []time.Duration {
		ctx, stop := context.WithCancel(t.Context())
		var asking errgroup.Group
		took := make([][]time.Duration, clients)
		for i := range clients {
			asking.Go(func() error {
				for ctx.Err() == nil {
					d, _, err := r.ask(t.Context(), worlds[0].Portal.ID, 3)
					if err != nil {
						return err
					}
					took[i] = append(took[i], d)
					time.Sleep(time.Millisecond)
				}
				return nil
			})
		}
		meanwhile()
		stop()
		require.NoError(t, asking.Wait())
		all := slices.Concat(took...)
		slices.Sort(all)
		return all
	}
	say := func(when string, all []time.Duration) {
		t.Logf("%s: %d requests, median %s, p99 %s, longest %s", when, len(all), all[len(all)/2], all[len(all)*99/100], all[len(all)-1])
	}
	say("nothing published", measure(func() { time.Sleep(time.Second) }))
	say(fmt.Sprintf("%d publications", publications), measure(func() {
		for n := range publications {
			publish(n%2 == 1)
		}
	}))
}

// numbered is a policy of the size of those that are built in, which says its number and
// that in the portal's settings.
func numbered(t *testing.T, pkg string, number int64) *authz.PolicyRevision {
	t.Helper()
	files := map[string]string{}
	for path, text := range builtIn(t) {
		if strings.HasPrefix(path, "lib/") && !strings.HasSuffix(path, "_test.rego") {
			files[path] = text
		}
	}
	files["numbered.rego"] = fmt.Sprintf("package %s\n\ndecision := {\"outcome\": \"allow\", \"reason\": sprintf(\"%d %%d\", [data.portal.settings.n])}", pkg, number)
	return &authz.PolicyRevision{Number: number, Files: files, At: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
}

// asking keeps a connection for each of many clients.
var asking = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}

// ask puts several questions in one request. It returns how long the answer took and the
// revision of which all of it is, or what is wrong with it.
func (r *running) ask(ctx context.Context, portal string, many int) (took time.Duration, of int64, err error) {
	items := make([]string, many)
	for i := range items {
		items[i] = fmt.Sprintf(`{"resource": {"type": "screen", "id": "screen-%d"}}`, i)
	}
	body := fmt.Sprintf(`{"subject": {"type": "user", "id": "somebody"}, "action": {"name": "view"}, "evaluations": [%s], "options": {"reasons": true}}`, strings.Join(items, ","))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+"/portals/"+portal+"/access/v1/evaluations", strings.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	resp, err := asking.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	var answers struct{ Evaluations []authzen.Answer }
	err = json.NewDecoder(resp.Body).Decode(&answers)
	took = time.Since(began)
	if err != nil || resp.StatusCode != http.StatusOK || len(answers.Evaluations) != many {
		return 0, 0, cmp.Or(err, fmt.Errorf("status %d, %d answers", resp.StatusCode, len(answers.Evaluations)))
	}
	var all []authz.Decision
	for i := range answers.Evaluations {
		d, err := answers.Evaluations[i].Read()
		if err != nil {
			return 0, 0, err
		}
		if all = append(all, d); d.PolicyRevision != all[0].PolicyRevision || d.Reason != fmt.Sprintf("%d %d", d.PolicyRevision, d.PolicyRevision) {
			return 0, 0, fmt.Errorf("a mixture: %v", all)
		}
	}
	return took, all[0].PolicyRevision, nil
}
