package adminapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/adminapi"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// FuzzDecode holds what is read of a body against the standard library, and refuses
// what that library lets pass: members that come twice and faulty UTF-8.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, `[]`, `{"a":1.50,"b":[null,true,"x"]}`, `{"a":1,"a":2}`, `{"a":{"b":1,"\u0062":2}}`, "{\"a\":\"\xff\"}", `{"a":"\ud800"}`,
		`{"a":1e400}`, `{"a":-0}`, `{"a":1E+5}`, `{"a":12345678901234567890123}`, `{} {}`, `{"a":`, ``, ` `, strings.Repeat(`{"a":`, 30) + "1" + strings.Repeat("}", 30),
		`{"a":"\u0000"}`, `{"":{"":{}}}`, `{"0":{"1":[{"2":1e999}]}}`, `{"name":"x","portals":["*"],"permissions":["admin"]}`, "\ufeff{}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		m, err := adminapi.DecodeObject(text)
		if v, err2 := adminapi.DecodeValue(text); err == nil {
			require.NoError(t, err2)
			checkFloats(t, v)
		}
		var caller adminapi.NewCaller
		if err := adminapi.DecodeStruct(text, &caller); err != nil {
			require.Equal(t, authz.Invalid, authz.KindOf(err))
		}
		require.Equal(t, before, text, "the body was written to")
		if err != nil {
			require.Equal(t, authz.Invalid, authz.KindOf(err))
			require.LessOrEqual(t, len(err.Error()), 1500)
			require.True(t, utf8.ValidString(err.Error()), "%q", err.Error())
			return
		}
		require.True(t, utf8.Valid(text))
		want, err := strictly(text)
		require.NoError(t, err, "%q", text)
		if diff := cmp.Diff(want, any(m)); diff != "" {
			t.Fatalf("%q: (-want +got)\n%s", text, diff)
		}
	})
}

func checkFloats(t *testing.T, v any) {
	switch v := v.(type) {
	case float64:
		require.False(t, math.IsInf(v, 0) || math.IsNaN(v))
	case map[string]any:
		for _, e := range v {
			checkFloats(t, e)
		}
	case []any:
		for _, e := range v {
			checkFloats(t, e)
		}
	}
}

// strictly decodes with the standard library, and refuses members that come twice.
func strictly(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	v, err := strictValue(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

func strictValue(dec *json.Decoder) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		m := map[string]any{}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			if _, twice := m[name.(string)]; twice {
				return nil, errors.New("twice")
			}
			if m[name.(string)], err = strictValue(dec); err != nil {
				return nil, err
			}
		}
		_, err := dec.Token()
		return m, err
	case json.Delim('['):
		l := []any{}
		for dec.More() {
			v, err := strictValue(dec)
			if err != nil {
				return nil, err
			}
			l = append(l, v)
		}
		_, err := dec.Token()
		return l, err
	}
	return tok, nil
}

// FuzzRequest sends any path, query and body to the API: whatever comes, the answer
// is one that this API gives, and none is 500.
func FuzzRequest(f *testing.F) {
	base, _ := start(f, willing(), nil)
	for _, s := range []string{"/portals/acme/users/ann", "/portals/acme/users?limit=1", "/portals/%61cme/rights/a%2fb/c", "/portals/acme/users/%", "/callers?x=%ff", "/portals//", "/portals/acme/audit?from=2026-01-01T00:00:00Z"} {
		f.Add("GET", s, "", "application/json")
	}
	f.Add("POST", "/portals/acme/users", `{"id":"a"}`, "application/json")
	f.Add("PATCH", "/portals/acme/users/a", `{"id":null}`, "application/merge-patch+json")
	f.Add("PUT", "/portals/acme/rights/a/b", `{"level":"view"}`, "application/json;charset=utf-8")
	f.Add("POST", "/portals/acme/import?kind=users", "id,active\na,true\n", "text/csv")
	f.Fuzz(func(t *testing.T, method, path, body, media string) {
		for _, s := range []string{method, path, media} {
			if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) || strings.Contains(s, "#") {
				return // the client sends no such request
			}
		}
		if method == "" || method == "CONNECT" || method == "HEAD" || strings.ContainsAny(method, "(),/:;<=>?@[\\]{}\"") || len(path) > 4000 || path != "" && path[0] != '/' || strings.HasSuffix(path, "?") {
			return // the client sends no such request
		}
		a := send(t, base, method, adminapi.Prefix+path, body, "Content-Type", media)
		require.NotEqual(t, 500, a.status, "%s", a.body)
		if a.status >= 400 && a.status != 501 && path != "" {
			require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), "%d %s", a.status, a.body)
		}
	})
}
