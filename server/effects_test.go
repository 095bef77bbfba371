package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/fixtures"
	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/tasks"
	"github.com/portcullis-authz/portcullis/server/webhook"
)

// clock is moved by a test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// workshop is the portal kaarna with workflows of a test, its administration and
// what does its tasks, on a clock that the test moves.
type workshop struct {
	*admin.Service
	t     *testing.T
	where server.StoreOptions
	clock *clock
	store *server.Store
	stop  func()
	mails *postbox
}

// postbox keeps what is handed over to be sent, as "template to address".
type postbox struct {
	mu    sync.Mutex
	mails []string
}

func (p *postbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var mail struct{ Template, To string }
	if err := json.NewDecoder(r.Body).Decode(&mail); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, mail.Template+" to "+mail.To)
}

func (p *postbox) sorted() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(slices.Values(p.mails))
}

// open begins a workshop with the settings, JSON, over those of the fixture.
func openWorkshop(t *testing.T, settings string) *workshop {
	t.Helper()
	w := &workshop{t: t, where: freshStore(t), clock: &clock{at: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}, mails: &postbox{}}
	root, err := fs.Sub(fixtures.FS, "crm-service")
	require.NoError(t, err)
	worlds, err := fixture.Load(root)
	require.NoError(t, err)
	require.Len(t, worlds, 1)
	var more map[string]any
	require.NoError(t, json.Unmarshal([]byte(settings), &more))
	for k, v := range more {
		worlds[0].Portal.Settings[k] = v
	}
	store, err := server.OpenStore(t.Context(), w.where)
	require.NoError(t, err)
	require.NoError(t, errors.Join(store.Import(t.Context(), worlds, "test", nil), store.Close(t.Context())))
	w.start()
	t.Cleanup(func() { w.stop() })
	return w
}

// start begins a process, as it were: everything anew on the data that is there.
func (w *workshop) start() {
	t := w.t
	t.Helper()
	store, err := server.OpenStore(t.Context(), w.where)
	require.NoError(t, err)
	program, err := server.Program("", time.Second)
	require.NoError(t, err)
	manager := live.NewManager(store, live.Policies{Compile: func(*policy.Program) (*policy.Program, error) { return program, nil }}, live.Options{
		Model: policies.RBACModel, Poll: 20 * time.Millisecond, Retry: time.Second, StaleAfter: time.Minute, Log: server.Discard(), Now: w.clock.now,
	})
	decider, err := pdp.New(manager, store, 1000, w.clock.now)
	require.NoError(t, err)
	w.store, w.Service = store, admin.New(store, manager, decider, admin.Options{Now: w.clock.now})
	receiver := httptest.NewServer(w.mails)
	sender, err := webhook.New(webhook.Options{URL: receiver.URL, Secret: "whsec_c2FtcGxlIHNlY3JldCBvZiAzMiBieXRlcyBpbiBhbGwu", Now: w.clock.now})
	require.NoError(t, err)
	runner := tasks.New(store, w.Service, sender, tasks.Options{Poll: 10 * time.Millisecond, Now: w.clock.now})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = manager.Run(ctx) })
	running.Go(func() { _ = runner.Run(ctx) })
	w.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		sender.Close()
		receiver.Close()
		require.NoError(t, store.Close(context.Background()))
	})
	head, err := store.Head(t.Context(), "kaarna")
	require.NoError(t, err)
	require.NoError(t, manager.Await(t.Context(), "kaarna", head.Revision))
}

// restart ends the process and begins another.
func (w *workshop) restart() { w.stop(); w.start() }

// save patches an entity, as a caller with a key of its own.
func (w *workshop) save(ref, patch string) []admin.Task {
	w.t.Helper()
	k, err := authz.ParseKey(ref)
	require.NoError(w.t, err)
	dec := json.NewDecoder(strings.NewReader(patch))
	dec.UseNumber()
	var p map[string]any
	require.NoError(w.t, dec.Decode(&p))
	call := admin.Call{Portal: "kaarna", IfMatch: admin.Whatever}
	call.Acting.Caller = &authz.Caller{ID: "crm", Portals: []string{authz.Any}, Permissions: authz.Permissions()}
	r, err := w.Patch(w.t.Context(), call, k, p)
	require.NoError(w.t, err, "%+v", err)
	return r.Tasks
}

// later moves the clock, and waits until every task whose time has come is settled.
func (w *workshop) later(d time.Duration) {
	w.t.Helper()
	w.clock.move(d)
	require.Eventually(w.t, func() bool {
		page, err := w.store.Tasks(w.t.Context(), authz.TaskQuery{Portal: "kaarna", State: authz.TaskPending, Limit: 100})
		return err == nil && !slices.ContainsFunc(page.Tasks, func(t authz.StoredTask) bool { return !t.Due.After(w.clock.now()) })
	}, time.Minute, 5*time.Millisecond)
}

// states returns the ids of the stored tasks and where they stand, oldest first.
func (w *workshop) states() (list []string) {
	w.t.Helper()
	page, err := w.store.Tasks(w.t.Context(), authz.TaskQuery{Portal: "kaarna", Limit: 100})
	require.NoError(w.t, err)
	for _, t := range slices.Backward(page.Tasks) {
		list = append(list, t.ID+" "+string(t.State))
		require.Empty(w.t, t.Error)
	}
	return list
}

// ben returns whether he has access, and with which role.
func (w *workshop) ben() string {
	w.t.Helper()
	u, err := w.store.User(w.t.Context(), "kaarna", "", "ben")
	require.NoError(w.t, err)
	access := "inactive"
	if u.Active {
		access = "active"
	}
	for _, g := range u.Grants {
		access += " " + g.Role
	}
	return access
}

// workflow is W1, in a mode and with a delay in seconds.
func workflow(mode, delay, more string) string {
	return `{"workflows": [{"id": "W1", "module": "contacts", "mode": "` + mode + `", "conditions": [{"field": "email", "op": "not_empty"}],
		"tasks": [{"id": "give", "kind": "add_or_update_portal_user", "active": true, "access": {"active": true, "profile": "normal"}, "delay": ` + delay + `}]}]` + more + `}`
}

const block = `{"active": false, "grants": [{"role": "reader"}]}`

// TestDelay (CS-41): a task runs at its time and not before, across restarts.
func TestDelay(t *testing.T) {
	w := openWorkshop(t, workflow("every_save", "3600", ""))
	w.save("user/ben", block)
	w.save("contact/C-BEN", `{"name": "Benny Ek"}`)
	require.Equal(t, "inactive reader", w.ben())
	w.later(time.Hour - time.Millisecond)
	w.restart()
	time.Sleep(100 * time.Millisecond)
	require.Equal(t, "inactive reader", w.ben())
	require.Equal(t, []string{"W1.give pending"}, w.states())
	w.stop()
	w.clock.move(time.Millisecond)
	w.start()
	w.later(0)
	require.Equal(t, "active normal", w.ben())
	require.Equal(t, []string{"W1.give done"}, w.states())
	w.save("user/ben", block)
	w.later(24 * time.Hour)
	require.Equal(t, "inactive reader", w.ben(), "what is done is done once")
}

// TestRecheck (CS-42): whether conditions are looked at again when the delay is over
// is the portal's to say.
func TestRecheck(t *testing.T) {
	for name, tc := range map[string]struct{ more, between, want string }{
		"not looked at again":                       {"", `{"email": null}`, "active normal"},
		"they hold still":                           {`, "recheck_after_delay": true`, `{"name": "Benny"}`, "active normal"},
		"they hold no more":                         {`, "recheck_after_delay": true`, `{"email": null}`, "inactive reader"},
		"they hold once again":                      {`, "recheck_after_delay": true`, `{"email": "benny@nordlift.example"}`, "active normal"},
		"nothing came between":                      {`, "recheck_after_delay": true`, `{}`, "active normal"},
		"nothing came between, not looked at again": {"", `{}`, "active normal"},
	} {
		t.Run(name, func(t *testing.T) {
			w := openWorkshop(t, workflow("every_save", "3600", tc.more))
			w.save("user/ben", block)
			w.save("contact/C-BEN", `{"name": "Benny Ek"}`)
			w.later(30 * time.Minute)
			w.save("contact/C-BEN", tc.between)
			require.Equal(t, "inactive reader", w.ben())
			w.later(31 * time.Minute)
			require.Equal(t, tc.want, w.ben())
			w.later(time.Hour)
			require.Equal(t, tc.want, w.ben(), "a second look sets nothing else going")
		})
	}
}

// TestOnce (CS-34): what runs the first time alone never runs again, at once or
// after a delay, across restarts.
func TestOnce(t *testing.T) {
	for name, delay := range map[string]string{"at once": "0", "after a delay": "60", "looked at again": `60`} {
		t.Run(name, func(t *testing.T) {
			more := ""
			if name == "looked at again" {
				more = `, "recheck_after_delay": true`
			}
			w := openWorkshop(t, workflow("first_time", delay, more))
			w.save("user/ben", block)
			w.save("contact/C-BEN", `{"name": "Benny"}`)
			w.save("contact/C-BEN", `{"name": "Ben"}`)
			w.later(time.Hour)
			require.Equal(t, "active normal", w.ben())
			w.save("user/ben", block)
			w.restart()
			w.save("contact/C-BEN", `{"name": "Benny Ek"}`)
			w.later(time.Hour)
			require.Equal(t, "inactive reader", w.ben(), "what was switched off by hand stays off")
			w.save("contact/C-NORA", `{"name": "Nora"}`)
			w.later(time.Hour)
			u, err := w.store.User(t.Context(), "kaarna", "", "nora")
			require.NoError(t, err)
			require.Equal(t, []authz.Grant{{Role: "normal"}}, u.Grants, "of another contact it is the first time")
		})
	}
}

// TestEverySave (CS-35, CS-38): every save gives access anew, and a cleared address
// takes it away.
func TestEverySave(t *testing.T) {
	w := openWorkshop(t, `{}`)
	for range 2 {
		w.save("user/ben", block)
		w.save("contact/C-BEN", `{"name": "Benny Ek"}`)
		require.Equal(t, "active normal", w.ben())
	}
	w.save("contact/C-BEN", `{"email": null}`)
	require.Equal(t, "inactive", w.ben())
	require.Empty(t, w.states(), "nothing had to wait")
}

// TestMails (CS-36, CS-45): warnings and the mail of the first login leave by the
// webhook, each once.
func TestMails(t *testing.T) {
	w := openWorkshop(t, `{"warn_to": "ops@kaarna.example", "first_login_mail": "first_login"}`)
	w.save("user/ben", `{"active": false}`)
	w.save("contact/C-BEN", `{"name": "Benny"}`)
	w.later(0)
	require.Equal(t, []string{"first_login to ben.ek@nordlift.example", "portal_user_reactivated to ops@kaarna.example"}, w.mails.sorted())
	w.save("user/ben", `{"active": false}`)
	w.restart()
	w.save("contact/C-BEN", `{"email": "nora.falk@nordlift.example"}`)
	w.later(0)
	require.Equal(t, []string{
		"first_login to ben.ek@nordlift.example", "login_not_unique to ops@kaarna.example",
		"portal_user_reactivated to ops@kaarna.example", "portal_user_reactivated to ops@kaarna.example",
	}, w.mails.sorted())
}

// TestWebhookIsChecked: a webhook that cannot work is a fault at start, which is told
// without its secret, and not when the first mail is due.
func TestWebhookIsChecked(t *testing.T) {
	for field, o := range map[string]webhook.Options{
		"webhook.url":    {URL: "http://mail.example.com/", Secret: "whsec_c2FtcGxlIHNlY3JldCBvZiAzMiBieXRlcyBpbiBhbGwu"},
		"webhook.secret": {URL: "https://mail.example.com/", Secret: "whsec_hunter2"},
	} {
		_, err := server.New(t.Context(), server.Options{
			Addr: "127.0.0.1:0", Store: freshStore(t),
			Eval: time.Second, Cache: 100, Poll: time.Second, Log: server.Discard(), Now: time.Now, Webhook: o,
		})
		e, ok := errors.AsType[*authz.Error](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, authz.Invalid, e.Kind)
		require.Equal(t, field, e.Field)
		require.NotContains(t, err.Error(), "hunter2")
	}
}
