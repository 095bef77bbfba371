package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/keys"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

// TestAdministrationRows makes the change of every administration row of every
// preset over HTTP: first as a dry run, which must say what the row wants, and then,
// where something is to follow, for good and in a portal of its own.
func TestAdministrationRows(t *testing.T) {
	project, err := policytest.Load(policytest.Source{Paths: []string{"../fixtures"}})
	require.NoError(t, err)
	worlds, cases, err := project.StageChanges(moment)
	require.NoError(t, err)
	staged := map[string]*authz.World{}
	for i := range worlds {
		staged[worlds[i].Portal.ID] = &worlds[i]
	}
	for i := range cases {
		fillCounts(t, staged[cases[i].Portal], &cases[i])
	}
	asking := map[string][]*policytest.StagedChange{}
	for i := range cases {
		asking[cases[i].Portal] = append(asking[cases[i].Portal], &cases[i])
	}
	t.Logf("%d rows, %d portals", len(cases), len(worlds))
	for _, few := range together(worlds) {
		t.Run(few[0].Portal.ID, func(t *testing.T) {
			r := start(t, few, func(o *server.Options) { o.Now, o.HTTP.Now, o.Eval = atMoment, atMoment, 10*time.Second })
			a := &administrator{running: r, system: r.makeKey(t), acting: r.makeKey(t, authz.Any)}
			for i := range few {
				for _, c := range asking[few[i].Portal.ID] {
					t.Run(c.Suite.File+"/"+c.String(), func(t *testing.T) { a.row(t, c) })
				}
			}
		})
	}
}

// usersTogether is about how many users the portals of one server have: to read those of
// one portal, the embedded database goes through all of them.
const usersTogether = 120

// together parts the worlds, in order, into those of one server each.
func together(worlds []authz.World) [][]authz.World {
	var parts [][]authz.World
	from, users := 0, 0
	for i := range worlds {
		if users += len(worlds[i].Users); users > usersTogether || i == len(worlds)-1 {
			parts = append(parts, worlds[from:i+1])
			from, users = i+1, 0
		}
	}
	return parts
}

// row makes the change of one row.
func (a *administrator) row(t *testing.T, c *policytest.StagedChange) {
	t.Helper()
	a.latch(t, c)
	a.try(t, c)
	if len(c.Want.Tasks) > 0 {
		a.make(t, c)
	}
}

// fillCounts adds to the world what makes its counts those that the case states.
func fillCounts(t *testing.T, w *authz.World, c *policytest.StagedChange) {
	t.Helper()
	for name, want := range c.Known.Counts {
		switch name {
		case authz.CountUsersOfType:
			user, _ := c.Change.New.(authz.User)
			have := 0
			for i := range w.Users {
				if u := &w.Users[i]; u.Active && u.UserType == user.UserType && u.ID != user.ID {
					have++
				}
			}
			require.LessOrEqual(t, have, want, "the fixture has more already")
			users := append([]authz.User(nil), w.Users...)
			for i := range want - have {
				id := fmt.Sprintf("filler-%d", i)
				users = append(users, authz.User{ID: id, Login: id, Active: true, UserType: user.UserType})
			}
			w.Users = users
		case authz.CountPositions:
			have := 0
			for i := range w.Accounts {
				if w.Accounts[i].ID != c.Change.Entity.ID {
					have += w.Accounts[i].PositionsOf()
				}
			}
			require.LessOrEqual(t, have, want, "the fixture has more already")
			filler := authz.Account{ID: "filler", Attributes: map[string]any{"positions": make([]any, 0, want)}}
			for i := range want - have {
				filler.Attributes["positions"] = append(filler.Attributes["positions"].([]any), fmt.Sprint("place ", i))
			}
			w.Accounts = append(append([]authz.Account(nil), w.Accounts...), filler)
		case authz.CountUsersOfAccount, authz.CountAccountsOfOwner:
			fillAccount(t, w, c, name, want)
		case authz.CountScreens:
			screens := append([]authz.Node(nil), w.Screens...)
			for _, n := range w.Screens {
				if n.Kind == authz.Screen && n.Flags["custom"] && n.ID != c.Change.Entity.ID {
					want--
				}
			}
			for i := range want {
				screens = append(screens, authz.Node{ID: fmt.Sprintf("filler-%d", i), Kind: authz.Screen, Flags: map[string]bool{"custom": true}})
			}
			w.Screens = screens
		default:
			t.Fatalf("%s: no way to make the count %s %d", c, name, want)
		}
	}
}

// lowered is by how much the limit of accounts of one owner is lowered, and the count
// with it: 50,000 accounts a case would take minutes to store.
const lowered = 49_950

// fillAccount adds users of the account, or accounts of its owner.
func fillAccount(t *testing.T, w *authz.World, c *policytest.StagedChange, name authz.CountName, want int) {
	t.Helper()
	account := accountOf(w, c)
	require.NotNil(t, account, "the case has an account")
	if name == authz.CountUsersOfAccount {
		for i := range w.Users {
			if u := &w.Users[i]; u.Active && u.Account == account.ID && u.ID != c.Change.Entity.ID {
				u.Active = want > 0
				want--
			}
		}
		for i := range want {
			id := fmt.Sprintf("filler-%d", i)
			w.Users = append(w.Users, authz.User{ID: id, Login: id, Active: true, Account: account.ID})
		}
		return
	}
	limits, limit := map[string]any{}, int64(50_000)
	maps.Copy(limits, w.Portal.Limits)
	if said, ok := limits["accounts_per_owner"].(int64); ok {
		limit = said
	}
	limits["accounts_per_owner"] = limit - lowered
	w.Portal.Limits = limits
	want -= lowered
	for i := range w.Accounts {
		if w.Accounts[i].Owner == account.Owner {
			want--
		}
	}
	accounts := append([]authz.Account(nil), w.Accounts...)
	for i := range want {
		accounts = append(accounts, authz.Account{ID: fmt.Sprintf("filler-%d", i), Owner: account.Owner})
	}
	w.Accounts = accounts
}

// accountOf returns the account of what the case writes, or of its contact.
func accountOf(w *authz.World, c *policytest.StagedChange) *authz.Account {
	s := c.Change.New
	if s == nil {
		s = c.Change.Old
	}
	d := authz.Document(s)
	id, _ := d["account"].(string)
	if a, ok := s.(authz.Account); ok {
		return &a
	}
	for i := range w.Contacts {
		if w.Contacts[i].ID == d["contact"] && id == "" {
			id = w.Contacts[i].Account
		}
	}
	for i := range w.Accounts {
		if w.Accounts[i].ID == id {
			return &w.Accounts[i]
		}
	}
	return nil
}

// makeKey stores a key that opens everything, for the users.
func (r *running) makeKey(t *testing.T, users ...string) string {
	t.Helper()
	key, id, hash := keys.New()
	caller := authz.Caller{
		ID: id, Name: "rows", Hash: hash, Portals: []string{authz.Any}, Permissions: authz.Permissions(), ActsFor: users, CreatedAt: moment,
	}
	require.NoError(t, r.Callers().PutCaller(t.Context(), caller, authz.AuditEntry{
		Chain: authz.ServiceChain, At: moment, Actor: "test", Operation: "create",
	}))
	return key
}

// latch makes the store remember the tasks that the case says have run.
func (r *running) latch(t *testing.T, c *policytest.StagedChange) {
	t.Helper()
	if len(c.Known.Latches) == 0 {
		return
	}
	at, err := r.Store().Head(t.Context(), c.Portal)
	require.NoError(t, err)
	set := authz.Changeset{Base: at, Entry: authz.AuditEntry{Chain: c.Portal, At: moment, Actor: "test", Operation: "latch"}}
	for _, task := range c.Known.Latches {
		set.Latches = append(set.Latches, authz.Latch{Entity: c.Change.Entity, Task: task})
	}
	_, err = r.Store().Commit(t.Context(), c.Portal, &set)
	require.NoError(t, err)
}

// administrator calls the administration API of a server.
type administrator struct {
	*running
	system, acting string // keys: of the service itself, and for users
}

// answered is an answer of the administration API.
type answered struct {
	Document map[string]any
	Defaults map[string]any
	Tasks    []struct{ Name, ID, Kind, Entity, Cause, State, Error string }
	Errors   []struct{ Field, Rule, Reason, Message string }
	Detail   string
}

// call makes one call as the user, who may be "".
func (a *administrator) call(t *testing.T, method, path, user string, said map[string]any, body any) (int, []byte) {
	t.Helper()
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		require.NoError(t, err)
		text = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, a.base+"/admin/v1"+path, text)
	require.NoError(t, err)
	key := a.system
	if user != "" {
		key = a.acting
		req.Header.Set("Portcullis-User", user)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if said != nil {
		b, err := json.Marshal(said)
		require.NoError(t, err)
		req.Header.Set("Portcullis-Context", string(b))
	}
	if method == http.MethodPut || method == http.MethodDelete {
		req.Header.Set("If-Match", "*")
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, answer
}

// write makes the case's change.
func (a *administrator) write(t *testing.T, c *policytest.StagedChange, query string) (int, answered) {
	t.Helper()
	method, path, body := requestFor(c.Portal, &c.Change)
	status, text := a.call(t, method, path+query, c.Actor, c.Context, body)
	var got answered
	if len(text) > 0 {
		require.NoError(t, json.Unmarshal(text, &got), "%d: %s", status, text)
	}
	return status, got
}

// requestFor returns the request that makes the change.
func requestFor(portal string, c *authz.Change) (method, path string, body map[string]any) {
	path = address(portal, c.Entity)
	if c.New != nil {
		body = authz.Document(c.New)
	}
	switch {
	case c.Entity.Kind == authz.RightEntity && body != nil:
		return http.MethodPut, path, map[string]any{"level": c.New.(authz.Right).Level.String()}
	case c.Operation == authz.CreateEntity:
		return http.MethodPost, path[:strings.LastIndex(path, "/")], body
	case c.Operation == authz.UpdateEntity:
		return http.MethodPut, path, body
	}
	return http.MethodDelete, path, nil
}

// address returns where the entity is.
func address(portal string, k authz.Key) string {
	at, id := "/portals/"+url.PathEscape(portal), url.PathEscape(k.ID)
	switch k.Kind {
	case authz.PortalEntity:
		return at
	case authz.RightEntity:
		return at + "/rights/" + url.PathEscape(k.Of) + "/" + id
	case authz.RecordEntity:
		return at + "/records/" + url.PathEscape(k.Of) + "/" + id
	}
	return at + "/" + string(k.Kind) + "s/" + id
}

// try makes a dry run.
func (a *administrator) try(t *testing.T, c *policytest.StagedChange) {
	t.Helper()
	status, got := a.write(t, c, "?dry_run=true")
	var admission authz.Admission
	admission.Defaults = got.Defaults
	for _, e := range got.Errors {
		if e.Rule != "" {
			admission.Refusals = append(admission.Refusals, authz.Refusal{Rule: e.Rule, Field: e.Field, Reason: e.Reason})
		}
	}
	switch {
	case status == http.StatusForbidden:
		require.NotEmpty(t, c.Want.Refusals, "the call is not let in: %+v", got)
	case status == http.StatusConflict && len(c.Want.Tasks) == 0 && len(c.Want.Refusals) == 0:
		// The policy lets it pass, and something that is stored refers to what it takes away.
		require.Contains(t, got.Detail, "first")
	case c.Kind == policytest.KindAdmission:
		require.Contains(t, []int{http.StatusOK, http.StatusUnprocessableEntity}, status, "%+v", got)
		require.Equal(t, len(c.Want.Refusals) > 0, status == http.StatusUnprocessableEntity, "%+v", got)
		require.Empty(t, c.AdmissionDiffs(&admission), "%+v", got)
	default:
		require.Equal(t, http.StatusOK, status, "%+v", got)
		require.Empty(t, c.TaskDiffs(got.tasksOf(c.Change.Entity), "id", "kind", "entity"), "%+v", got)
	}
}

// tasksOf returns the tasks that the write of the entity itself led to.
func (a *answered) tasksOf(k authz.Key) []authz.Task {
	var tasks []authz.Task
	for _, t := range a.Tasks {
		entity, _ := authz.ParseKey(t.Entity)
		if t.Cause == k.Ref() {
			tasks = append(tasks, authz.Task{ID: t.ID, Kind: authz.TaskKind(t.Kind), Entity: entity})
		}
	}
	return tasks
}

// make makes the change for good, and looks for what was to follow: entities as the
// tasks set them, and the tasks that wait.
func (a *administrator) make(t *testing.T, c *policytest.StagedChange) {
	t.Helper()
	status, got := a.write(t, c, "")
	require.Contains(t, []int{http.StatusOK, http.StatusCreated, http.StatusNoContent}, status, "%+v", got)
	page, err := a.Store().Tasks(t.Context(), authz.TaskQuery{Portal: c.Portal, Limit: authz.MaxPage})
	require.NoError(t, err)
	waiting := map[string]*authz.StoredTask{}
	for i := range page.Tasks {
		if s := &page.Tasks[i]; s.Cause == c.Change.Entity {
			waiting[s.ID] = s
		}
	}
	for _, want := range c.Want.Tasks {
		if stored := waiting[want["id"].(string)]; stored == nil || stored.State != authz.TaskRefused {
			a.follows(t, c, want, stored)
		}
	}
}

// follows holds one task of the case: it is stored, or its effect is.
func (a *administrator) follows(t *testing.T, c *policytest.StagedChange, want map[string]any, stored *authz.StoredTask) {
	t.Helper()
	after, _ := json.Marshal(want["after"])
	var seconds float64
	_ = json.Unmarshal(after, &seconds)
	if want["kind"] == "mail" || seconds > 0 {
		require.NotNil(t, stored, "%v is stored", want)
		one := policytest.StagedChange{ChangeCase: &policytest.ChangeCase{Want: policytest.ChangeWant{Tasks: []map[string]any{want}}}}
		require.Empty(t, one.TaskDiffs([]authz.Task{stored.Task}, "id", "kind", "entity", "set", "template", "to", "after", "once"))
		require.Equal(t, moment.Add(time.Duration(seconds*float64(time.Second))).UTC(), stored.Due.UTC())
		return
	}
	ref, _ := want["entity"].(string)
	key, err := authz.ParseKey(ref)
	if err != nil {
		return // a row that does not say of what
	}
	stands, err := a.Store().Entity(t.Context(), c.Portal, key)
	if want["kind"] == "delete" {
		require.Equal(t, authz.NotFound, authz.KindOf(err))
		return
	}
	require.NoError(t, err, "%v", want)
	document := authz.Document(stands.Stored)
	if want["kind"] == "deactivate" {
		require.Equal(t, false, document["active"])
	}
	if set, ok := want["set"].(map[string]any); ok {
		patched, err := authz.FromDocument(key, authz.MergePatch(document, set))
		require.NoError(t, err)
		require.Equal(t, asJSON(t, authz.Document(patched)), asJSON(t, document), "what the task sets is there")
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}
