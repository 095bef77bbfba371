package authz_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// decoded reads JSON with numbers as text, as requests are read.
func decoded(t require.TestingT, text []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var doc map[string]any
	require.NoError(t, d.Decode(&doc), "%s", text)
	return doc
}

func faultsOf(t require.TestingT, err error) authz.Faults {
	require.Equal(t, authz.Invalid, authz.KindOf(err))
	faults, ok := errors.AsType[authz.Faults](err)
	require.True(t, ok, "%v", err)
	return faults
}

func TestFromDocument(t *testing.T) {
	user := authz.Key{Kind: authz.UserEntity, ID: "ray"}
	for name, tc := range map[string]struct {
		key  authz.Key
		doc  string
		want authz.Stored
	}{
		"nothing but the key": {user, `{}`, authz.User{ID: "ray"}},
		"the key again":       {user, `{"id": "ray"}`, authz.User{ID: "ray"}},
		"grants by name":      {user, `{"grants": ["a", {"role": "b", "until": "2026-01-31T01:00:00+01:00"}]}`, authz.User{ID: "ray", Grants: []authz.Grant{{Role: "a"}, {Role: "b", Until: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)}}}},
		"empty members":       {user, `{"grants": [], "flags": {}, "attributes": {}}`, authz.User{ID: "ray"}},
		"numbers":             {user, `{"attributes": {"a": 1, "b": 1.0, "c": 0.5, "d": 1e3, "e": [null, true]}}`, authz.User{ID: "ray", Attributes: map[string]any{"a": int64(1), "b": int64(1), "c": 0.5, "d": int64(1000), "e": []any{nil, true}}}},
		"level by name":       {authz.Key{Kind: authz.RightEntity, Of: "Clerk", ID: "home"}, `{"level": "edit"}`, authz.Right{Role: "Clerk", Node: "home", Level: authz.Edit}},
		"level by rank":       {authz.Key{Kind: authz.RightEntity, Of: "Clerk", ID: "home"}, `{"role": "Clerk", "node": "home", "level": 2}`, authz.Right{Role: "Clerk", Node: "home", Level: authz.Edit}},
		"record":              {authz.Key{Kind: authz.RecordEntity, Of: "case", ID: "C"}, `{"properties": {"x": {"y": []}}}`, authz.Record{Type: "case", ID: "C", Properties: map[string]any{"x": map[string]any{"y": []any{}}}}},
		"allowed roles":       {authz.Key{Kind: authz.UserTypeEntity, ID: "t"}, `{"linked": "contact", "allowed_roles": ["a", {"role": "b", "default": true}]}`, authz.UserType{ID: "t", Linked: "contact", AllowedRoles: []authz.AllowedRole{{Role: "a"}, {Role: "b", Default: true}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := authz.FromDocument(tc.key, decoded(t, []byte(tc.doc)))
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestFromDocumentFaults(t *testing.T) {
	user, right := authz.Key{Kind: authz.UserEntity, ID: "ray"}, authz.Key{Kind: authz.RightEntity, Of: "Clerk", ID: "home"}
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	many := `{"attributes": {"a": [` + strings.TrimSuffix(strings.Repeat("1,", authz.MaxValues+5), ",") + `]}}`
	for name, tc := range map[string]struct {
		key  authz.Key
		doc  string
		want []string // path and a part of the message
	}{
		"unknown member":   {user, `{"logn": "x"}`, []string{`logn: unknown member "logn": did you mean "login"?`}},
		"far from any":     {user, `{"qqqqqqqq": 1}`, []string{"qqqqqqqq: unknown member"}},
		"another id":       {user, `{"id": "eve"}`, []string{`id: is "eve", but the entity is "ray"`}},
		"all at once":      {user, `{"active": "yes", "grants": [{"rle": "x"}, 7], "login": null}`, []string{"active: is text where true or false", `grants[0].rle: unknown member "rle": did you mean "role"?`, "grants[1]: is a number where an object", "login: is null where text"}},
		"time":             {user, `{"grants": [{"role": "a", "from": "tomorrow", "until": "0001-01-01T00:00:00Z"}]}`, []string{"grants[0].from: \"tomorrow\" is no time", "grants[0].until: \"0001-01-01T00:00:00Z\" is out of range"}},
		"time too fine":    {user, `{"grants": [{"role": "a", "from": "2026-01-01T00:00:00.00001Z"}]}`, []string{"grants[0].from: \"2026-01-01T00:00:00.00001Z\" is finer"}},
		"number":           {user, `{"attributes": {"a": 92233720368547758070, "b": 1e999}}`, []string{"attributes.a: \"92233720368547758070\" is no number that can be kept", "attributes.b"}},
		"too deep":         {user, `{"attributes": ` + deep + `}`, []string{"attributes" + strings.Repeat(".a", 16) + ": is nested too deep"}},
		"too many":         {user, many, []string{"attributes.a[9998]: is one value too many"}},
		"no level":         {right, `{}`, []string{"level: is missing"}},
		"unknown level":    {right, `{"level": "veiw"}`, []string{`level: unknown level "veiw"`}},
		"inherit":          {right, `{"level": "inherit"}`, []string{"level: \"inherit\" is no level of a right"}},
		"rank beyond":      {right, `{"level": 6}`, []string{"level: is a number where the name of a level"}},
		"rank with parts":  {right, `{"level": 1.5}`, []string{"level: is a number where"}},
		"sharing":          {authz.Key{Kind: authz.PortalEntity, ID: "p"}, `{"sharing": {}, "resource_screens": {"case": 1}}`, []string{"resource_screens.case: is a number where an object", "sharing: is an object where a list"}},
		"odd member names": {user, `{"a b": 1}`, []string{`["a b"]: unknown member`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := authz.FromDocument(tc.key, decoded(t, []byte(tc.doc)))
			faults := faultsOf(t, err)
			require.Len(t, faults, len(tc.want), "%v", faults)
			for i, f := range faults {
				require.Contains(t, f.Path+": "+f.Msg, tc.want[i])
			}
		})
	}
	_, err := authz.FromDocument(authz.Key{Kind: "caller", ID: "x"}, nil)
	require.Equal(t, authz.Invalid, authz.KindOf(err))
}

func TestFromDocumentBoundsItsFaults(t *testing.T) {
	doc := map[string]any{}
	for i := range 5000 {
		doc[fmt.Sprintf("member%d", i)] = 1
	}
	_, err := authz.FromDocument(authz.Key{Kind: authz.UserEntity, ID: "ray"}, doc)
	require.Len(t, faultsOf(t, err), 100)
}

// someStored draws an entity in the form in which entities are kept: what is empty
// is nil.
func someStored(t *rapid.T) authz.Stored {
	id := func(label string) string { return rapid.StringN(1, 20, 60).Draw(t, label) }
	maybe := func(label string) string { return rapid.OneOf(rapid.Just(""), rapid.String()).Draw(t, label) }
	texts := func(label string) []string { return none(rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, label)) }
	flags := func(label string) map[string]bool {
		return noMap(rapid.MapOfN(rapid.String(), rapid.Bool(), 0, 3).Draw(t, label))
	}
	values := func(label string) map[string]any {
		return noMap(rapid.MapOfN(rapid.String(), anyValue(3), 0, 3).Draw(t, label))
	}
	on := func(label string) bool { return rapid.Bool().Draw(t, label) }
	moment := func(label string) time.Time {
		if on(label + "?") {
			return time.Time{}
		}
		return time.UnixMilli(rapid.Int64Range(-30e12, 250e12).Draw(t, label)).UTC()
	}
	switch rapid.IntRange(0, 8).Draw(t, "kind") {
	case 0:
		p := authz.Portal{ID: id("id"), Title: maybe("title"), Policy: maybe("policy"), Settings: values("settings"), Features: flags("features"),
			Sharing: none(rapid.SliceOfN(anyValue(2), 0, 3).Draw(t, "sharing")), Limits: values("limits")}
		p.ResourceScreens = noMap(rapid.MapOfN(rapid.String(), rapid.MapOfN(rapid.String(), rapid.String(), 1, 2), 0, 2).Draw(t, "screens"))
		return p
	case 1:
		u := authz.UserType{ID: id("id"), Title: maybe("title"), Linked: authz.Linked(maybe("linked")), Manages: texts("manages"), Licence: maybe("licence"), Attributes: values("attributes")}
		for range rapid.IntRange(0, 3).Draw(t, "roles") {
			u.AllowedRoles = append(u.AllowedRoles, authz.AllowedRole{Role: maybe("role"), Default: on("default")})
		}
		return u
	case 2:
		return authz.Role{ID: id("id"), Title: maybe("title"), Guest: on("guest"), Inherits: texts("inherits"), Attributes: values("attributes")}
	case 3:
		return authz.Node{ID: id("id"), Kind: authz.NodeKind(maybe("kind")), Title: maybe("title"), Parent: maybe("parent"), AlsoIn: texts("also"), Feature: maybe("feature"), Flags: flags("flags")}
	case 4:
		return authz.Right{Role: id("role"), Node: id("node"), Level: authz.Level(rapid.IntRange(0, 5).Draw(t, "level"))}
	case 5:
		u := authz.User{ID: id("id"), Login: maybe("login"), Active: on("active"), UserType: maybe("type"), Account: maybe("account"), Contact: maybe("contact"),
			Position: maybe("position"), Flags: flags("flags"), Attributes: values("attributes")}
		for range rapid.IntRange(0, 3).Draw(t, "grants") {
			u.Grants = append(u.Grants, authz.Grant{Role: maybe("role"), By: maybe("by"), Why: maybe("why"), From: moment("from"), Until: moment("until")})
		}
		return u
	case 6:
		return authz.Account{ID: id("id"), Name: maybe("name"), Parent: maybe("parent"), Owner: maybe("owner"), Flags: flags("flags"), Attributes: values("attributes")}
	case 7:
		return authz.Contact{ID: id("id"), Name: maybe("name"), Email: maybe("email"), Account: maybe("account"), Position: maybe("position"), Flags: flags("flags"), Attributes: values("attributes")}
	}
	return authz.Record{Type: id("type"), ID: id("id"), Account: maybe("account"), Contact: maybe("contact"), Owner: maybe("owner"), Parent: maybe("parent"), Flags: flags("flags"), Properties: values("properties")}
}

func none[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}

func noMap[K comparable, V any](m map[K]V) map[K]V {
	if len(m) == 0 {
		return nil
	}
	return m
}

func anyValue(depth int) *rapid.Generator[any] {
	scalars := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.Int64().AsAny(),
		rapid.Map(rapid.IntRange(-1000, 1000), func(n int) any { return float64(n) + 0.375 }),
	}
	if depth == 0 {
		return rapid.OneOf(scalars...)
	}
	return rapid.OneOf(append(scalars,
		rapid.SliceOfN(anyValue(depth-1), 0, 3).AsAny(),
		rapid.MapOfN(rapid.String(), anyValue(depth-1), 0, 3).AsAny())...)
}

// TestDocumentsComeBack: an entity equals what is read from its document, by way of
// JSON too.
func TestDocumentsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := someStored(t)
		doc := authz.Document(e)
		got, err := authz.FromDocument(e.Key(), doc)
		require.NoError(t, err)
		require.Equal(t, e, got)
		text, err := json.Marshal(doc)
		require.NoError(t, err)
		got, err = authz.FromDocument(e.Key(), decoded(t, text))
		require.NoError(t, err)
		require.Equal(t, e, got)
	})
}

func FuzzFromDocument(f *testing.F) {
	for _, seed := range []string{`{}`, `{"grants": [{"role": "a", "from": "2026-01-01T00:00:00Z"}]}`, `{"level": 2}`, `{"settings": {"a": [1.5e3, {"b": null}]}}`, `{"id": "x", "flags": {"y": true}}`, `{"resource_screens": {"case": {"*": "s"}}}`} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(5))
	}
	kinds := []authz.EntityKind{authz.PortalEntity, authz.UserTypeEntity, authz.RoleEntity, authz.NodeEntity, authz.RightEntity, authz.UserEntity, authz.AccountEntity, authz.ContactEntity, authz.RecordEntity}
	f.Fuzz(func(t *testing.T, text string, kind uint8) {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var doc map[string]any
		if d.Decode(&doc) != nil {
			return
		}
		k := authz.Key{Kind: kinds[int(kind)%len(kinds)], Of: "o", ID: "x"}
		e, err := authz.FromDocument(k, doc)
		if err != nil {
			require.NotEmpty(t, faultsOf(t, err))
			return
		}
		want := k
		if k.Kind != authz.RightEntity && k.Kind != authz.RecordEntity {
			want.Of = ""
		}
		require.Equal(t, want, e.Key(), "a document names no other entity than the one asked for")
		again, err := authz.FromDocument(k, authz.Document(e))
		require.NoError(t, err)
		require.Equal(t, e, again)
	})
}

// TestMergePatch holds the examples of RFC 7396 that are about objects.
func TestMergePatch(t *testing.T) {
	for _, tc := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		doc, patch := decoded(t, []byte(tc[0])), decoded(t, []byte(tc[1]))
		before := maps.Clone(doc)
		got, err := json.Marshal(authz.MergePatch(doc, patch))
		require.NoError(t, err)
		require.JSONEq(t, tc[2], string(got))
		require.Equal(t, before, doc, "the document is left alone")
	}
	require.True(t, slices.Equal([]string{"a"}, slices.Collect(maps.Keys(authz.MergePatch(nil, map[string]any{"a": 1})))))
}
