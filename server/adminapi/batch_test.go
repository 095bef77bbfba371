package adminapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/adminapi"
	"github.com/portcullis-authz/portcullis/server/authz"
)

func TestBatch(t *testing.T) {
	var got []admin.Item
	s := willing()
	s.batch = func(_ admin.Call, items []admin.Item) (admin.Result, error) {
		got = items
		return admin.Result{Revision: 2}, nil
	}
	base, _ := start(t, s, nil)
	post := func(body string) answer {
		return send(t, base, http.MethodPost, adminapi.Prefix+"/portals/acme/batch", body)
	}
	a := post(`{"items":[{"operation":"create","kind":"role","id":"a/b","document":{"title":"x"}},
		{"operation":"replace","kind":"right","of":"R","id":"home","document":{"level":"edit"},"if_match":"none"},
		{"operation":"delete","kind":"record","of":"case","id":"1","if_match":"\"r1z\""}]}`)
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	require.Contains(t, string(a.body), `"items":3`)
	require.Equal(t, []admin.Item{
		{Operation: admin.CreateItem, Key: authz.Key{Kind: authz.RoleEntity, ID: "a/b"}, Document: map[string]any{"title": "x"}},
		{Operation: admin.ReplaceItem, Key: authz.Key{Kind: authz.RightEntity, Of: "R", ID: "home"}, Document: map[string]any{"level": "edit"}, IfMatch: admin.None},
		{Operation: admin.DeleteItem, Key: authz.Key{Kind: authz.RecordEntity, Of: "case", ID: "1"}, IfMatch: `"r1z"`},
	}, got)
	for body, want := range map[string]string{
		`{"items":[]}`: "items", `{}`: "items", `{"items":[{"operation":"drop","kind":"role","id":"a"}]}`: "operation",
		`{"items":[{"operation":"create","kind":"caller","id":"a"}]}`:                                                                     "kind",
		`{"items":[{"operation":"create","kind":"right","id":"a"}]}`:                                                                      "items[0].of",
		`{"items":[{"operation":"create","kind":"role","of":"x","id":"a"}]}`:                                                              "items[0].of",
		`{"items":[{"operation":"create","kind":"role","id":"a","documnt":{}}]}`:                                                          "documnt",
		`{"items":[` + strings.TrimSuffix(strings.Repeat(`{"operation":"delete","kind":"role","id":"a"},`, admin.MaxItems+1), ",") + `]}`: "items",
	} {
		got = nil
		a := post(body)
		require.Equal(t, http.StatusUnprocessableEntity, a.status, "%.100s: %s", body, a.body)
		require.Contains(t, string(a.body), want)
		require.Nil(t, got)
	}
}
