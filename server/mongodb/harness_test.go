package mongodb_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/ferret"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// uriVariable names the MongoDB replica set that the contract runs on besides
// the embedded database.
const uriVariable = "PORTCULLIS_TEST_MONGODB_URI"

// embedded is the database that the tests of one run share, at embeddedURI.
var (
	embedded    *ferret.Server
	embeddedURI string
)

func TestMain(m *testing.M) {
	if job := os.Getenv(childVariable); job != "" {
		child(job)
	}
	if job := os.Getenv(runnerVariable); job != "" {
		runnerChild(job)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	f, err := ferret.Start(context.Background(), dir, quiet())
	if err != nil {
		panic(err)
	}
	embedded, embeddedURI = f, f.URI()
	code := m.Run()
	if err := f.Stop(context.Background()); err != nil {
		panic(err)
	}
	return code
}

// index makes the indexes of the embedded database that a serving process makes.
func index(ctx context.Context, database string) error { return embedded.Index(ctx, database) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// contract runs a test on every database at the same time: a fresh one each, dropped
// afterwards.
func contract(t *testing.T, test func(t *testing.T, o mongodb.Options)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, fresh(t, embeddedURI, true))
	})
	t.Run("mongodb", func(t *testing.T) {
		t.Parallel()
		uri := os.Getenv(uriVariable)
		if uri == "" {
			t.Skipf("set %s to the URI of a MongoDB replica set to run the contract there too", uriVariable)
		}
		test(t, fresh(t, uri, false))
	})
}

// patience is how long a test waits for an answer of the database: a machine that is
// busy otherwise is no fault.
const patience = time.Minute

func fresh(t *testing.T, uri string, embedded bool) mongodb.Options {
	t.Helper()
	o := mongodb.Options{URI: uri, Database: "test_" + uuid.NewString()[:8], Embedded: embedded, Sole: embedded, Log: quiet(), Timeout: patience}
	if embedded {
		o.Prepare = index
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, raw(t, o).Drop(ctx))
	})
	return o
}

// raw is the database as another program sees it. A server that is stopped by the
// end of the test is not waited for: the driver would look for it for 30 s.
func raw(t *testing.T, o mongodb.Options) *mongo.Database {
	t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(o.URI))
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = c.Disconnect(ctx)
	})
	return c.Database(o.Database)
}

func open(t *testing.T, o mongodb.Options) *mongodb.Store {
	t.Helper()
	s, err := mongodb.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		kept, stored, err := s.Unlike(context.Background())
		require.NoError(t, err)
		require.Equal(t, stored, kept, "what is kept in memory is what is stored")
		require.NoError(t, s.Close(context.Background()))
	})
	return s
}

// holding opens a store that holds the worlds.
func holding(t *testing.T, o mongodb.Options, worlds ...authz.World) *mongodb.Store {
	t.Helper()
	s := open(t, o)
	require.NoError(t, s.Import(t.Context(), worlds, "test", nil))
	return s
}

func kindOf(t *testing.T, want authz.Kind, err error) string {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, authz.KindOf(err), "%v", err)
	return err.Error()
}

func day(d int) time.Time { return time.Date(2026, 3, d, 9, 30, 15, 123e6, time.UTC) }

// full is a world in which every field of every entity says something, and in
// which what is absent stands beside what is empty.
func full(id string) authz.World {
	return authz.World{
		Bundle: authz.Bundle{
			Portal: authz.Portal{
				ID: id, Title: "Sweet & Ünïcode", Policy: "presets.acumatica",
				Settings: nested(), Features: map[string]bool{"sales": true, "a.b": false},
				Sharing: []any{map[string]any{"group": "g"}, []any{[]any{int64(1)}, []any{}}, "x", nil},
				Limits:  map[string]any{"users": int64(5)},
				ResourceScreens: map[string]map[string]string{
					"case": {"*": "CASES", "create.new": "CASES"}, "none": {},
				},
			},
			UserTypes: []authz.UserType{
				{ID: "staff", Linked: authz.LinkedEmployee, Manages: []string{"customer", "staff"}, AllowedRoles: []authz.AllowedRole{}},
				{ID: "customer", Title: "Customer", Linked: authz.LinkedContact, Licence: "gold", Manages: []string{},
					AllowedRoles: []authz.AllowedRole{{Role: "guest", Default: true}, {Role: "clerk"}}, Attributes: nested()},
			},
			Roles: []authz.Role{
				{ID: "zebra"}, {ID: "guest", Guest: true, Inherits: []string{}},
				{ID: "clerk", Title: "Clerk", Inherits: []string{"guest", "zebra"}, Attributes: nested()},
				{ID: "with/slash.and$"},
			},
			Screens: []authz.Node{
				{ID: "W", Kind: authz.Workspace, Title: "Work"}, {ID: "A", Kind: authz.Workspace, AlsoIn: []string{}},
				{ID: "CASES", Kind: authz.Screen, Title: "Cases", Parent: "W", AlsoIn: []string{"A"}, Feature: "sales", Flags: map[string]bool{"unlisted": true, "off": false}},
				{ID: "C", Kind: authz.Container, Parent: "CASES", Flags: map[string]bool{}},
				{ID: "E", Kind: authz.Element, Parent: "C"},
			},
			Rights: []authz.Right{
				{Role: "clerk", Node: "CASES", Level: authz.Delete}, {Role: "clerk", Node: "E", Level: authz.Revoked},
				{Role: "guest", Node: "W", Level: authz.Publish}, {Role: "with/slash.and$", Node: "C", Level: authz.View},
			},
		},
		Accounts: []authz.Account{
			{ID: "acme", Name: "Acme", Owner: "sam", Flags: map[string]bool{"key": true}, Attributes: nested()},
			{ID: "acme/east", Parent: "acme"},
		},
		Contacts: []authz.Contact{
			{ID: "ann", Name: "Ann", Email: "ann@acme.example", Account: "acme", Position: "Manager", Flags: map[string]bool{"vip": true}, Attributes: nested()},
			{ID: "bob", Flags: map[string]bool{}, Attributes: map[string]any{}},
		},
		Users: []authz.User{
			{ID: "ann@acme", Login: "ann", Active: true, UserType: "customer", Account: "acme", Contact: "ann", Position: "Manager",
				Grants: []authz.Grant{{Role: "guest"}, {Role: "clerk", By: "sam", From: day(1), Until: day(2)}, {Role: "zebra", Until: day(3)}},
				Flags:  map[string]bool{"super_user": true, "admin": false}, Attributes: nested()},
			{ID: "empty", Grants: []authz.Grant{}, Flags: map[string]bool{}, Attributes: map[string]any{}},
			{ID: "nothing"},
		},
		Records: []authz.Record{
			{Type: "case", ID: "1", Account: "acme", Contact: "ann", Owner: "sam", Flags: map[string]bool{"visible": true}, Properties: nested()},
			{Type: "case", ID: "1/2"}, {Type: "invoice", ID: "1", Parent: "case/1/2", Flags: map[string]bool{}, Properties: map[string]any{}},
		},
	}
}

// nested holds a value of every kind, under keys that no database likes.
func nested() map[string]any {
	return map[string]any{
		"": "empty key", "a.b": true, "$set": "dollar", "100%": "percent", "%2E": "escape", "%list": []any{"like ours"},
		"null": nil, "no": false, "text": "", "int": int64(1) << 53, "negative": int64(-1), "whole": 2.0, "float": 0.1,
		"list": []any{int64(1), "two", []any{3.5, []any{}, map[string]any{"x": []any{nil}}}},
		"map":  map[string]any{"inner": map[string]any{"deep.er": []any{true}}, "empty": map[string]any{}}, "none": []any{},
	}
}

// sized is a world of many documents, all of which carry the mark.
func sized(id, mark string, roles, screens, rights, users, records int) authz.World {
	w := authz.World{Bundle: authz.Bundle{Portal: authz.Portal{ID: id, Title: mark, Policy: "presets.acumatica"}}}
	w.UserTypes = []authz.UserType{{ID: "customer", Title: mark, Linked: authz.LinkedContact}}
	w.Accounts = []authz.Account{{ID: "acme", Name: mark}}
	for i := range roles {
		w.Roles = append(w.Roles, authz.Role{ID: fmt.Sprintf("role-%05d", i), Title: mark})
	}
	for i := range screens {
		w.Screens = append(w.Screens, authz.Node{ID: fmt.Sprintf("screen-%05d", i), Kind: authz.Screen, Title: mark})
	}
	for i := range rights {
		w.Rights = append(w.Rights, authz.Right{Role: w.Roles[i%roles].ID, Node: w.Screens[(i/roles+i%roles*7)%screens].ID, Level: authz.Edit})
	}
	for i := range users {
		w.Users = append(w.Users, authz.User{
			ID: fmt.Sprintf("user-%05d", i), Login: fmt.Sprintf("login-%05d", i/2), Active: true, UserType: "customer", Account: "acme",
			Position: mark, Grants: []authz.Grant{{Role: w.Roles[i%roles].ID}},
		})
	}
	for i := range records {
		w.Records = append(w.Records, authz.Record{
			Type: "case", ID: fmt.Sprintf("%06d", i), Account: "acme", Owner: mark,
			Properties: map[string]any{"subject": "Printer on fire", "priority": int64(i % 5), "status": "open"},
		})
	}
	return w
}
