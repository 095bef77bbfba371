package csvfile_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/csvfile"
)

func readDoc(t *testing.T) string {
	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	return string(text)
}

// words are texts that a file could take for something else.
func words() *rapid.Generator[string] {
	parts := rapid.SampledFrom([]string{"a", "Ä", " ", " until ", " from ", " by=", " why=", "1", "|", "\\", "=", "=default", "=false", "\"", ",", ";", "'", "+", "-", "@", "n", "r", "\u00a0", "＝"})
	return rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(parts, 1, 6).Draw(t, "parts"), "") })
}

func values(depth int) *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.Just[any](nil), rapid.Just[any](true), rapid.Just[any](""), rapid.Just[any]("007"), rapid.Just[any]("null"), rapid.Just[any]("a\r\nb"), rapid.Just[any](" 1"),
		rapid.Map(rapid.Int64(), func(i int64) any { return i }),
		rapid.Map(rapid.Float64Range(-1e300, 1e300), func(f float64) any { return f }),
		rapid.Map(words(), func(s string) any { return s }),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(values(depth-1), 0, 2), func(l []any) any { return l }),
		rapid.Map(rapid.MapOfN(words(), values(depth-1), 0, 2), func(m map[string]any) any { return m }))
}

func moments() *rapid.Generator[time.Time] {
	return rapid.Map(rapid.Int64Range(0, 4e12), func(ms int64) time.Time {
		if ms%3 == 0 {
			return time.Time{}
		}
		return time.UnixMilli(ms).UTC()
	})
}

func entities(kind authz.EntityKind) *rapid.Generator[authz.Stored] {
	attributes := rapid.MapOfN(words(), values(2), 0, 3)
	return rapid.Custom(func(t *rapid.T) authz.Stored {
		text := func(name string) string { return rapid.OneOf(rapid.Just(""), words()).Draw(t, name) }
		id := words().Draw(t, "id")
		ids := rapid.SliceOfN(words(), 0, 3).Draw(t, "ids")
		attrs := attributes.Draw(t, "attributes")
		switch kind {
		case authz.RoleEntity:
			return authz.Role{ID: id, Title: text("title"), Guest: rapid.Bool().Draw(t, "guest"), Inherits: ids, Attributes: attrs}
		case authz.UserTypeEntity:
			u := authz.UserType{ID: id, Title: text("title"), Linked: authz.LinkedEmployee, Manages: ids, Licence: text("licence"), Attributes: attrs}
			for _, role := range ids {
				u.AllowedRoles = append(u.AllowedRoles, authz.AllowedRole{Role: role, Default: rapid.Bool().Draw(t, "default")})
			}
			return u
		case authz.RightEntity:
			return authz.Right{Role: id, Node: words().Draw(t, "node"), Level: authz.Level(rapid.IntRange(0, 5).Draw(t, "level"))}
		}
		u := authz.User{ID: id, Login: text("login"), Active: rapid.Bool().Draw(t, "active"), UserType: text("type"), Account: text("account"),
			Contact: text("contact"), Position: text("position"), Flags: rapid.MapOfN(words(), rapid.Bool(), 0, 3).Draw(t, "flags"), Attributes: attrs}
		for _, role := range ids {
			why := rapid.OneOf(rapid.Just("two\nlines\t\r"), words(), rapid.Just("")).Draw(t, "why")
			u.Grants = append(u.Grants, authz.Grant{Role: role, By: text("by"), Why: why, From: moments().Draw(t, "from"), Until: moments().Draw(t, "until")})
		}
		return u
	})
}

// TestRoundTrip: what Write writes, Read and Apply make the same again, on top of
// nothing and on top of what was written.
func TestRoundTrip(t *testing.T) {
	for _, kind := range csvfile.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				all := rapid.SliceOfNDistinct(entities(kind), 1, 3, authz.Stored.Key).Draw(t, "entities")
				var docs []object
				for _, s := range all {
					docs = append(docs, authz.Document(s))
				}
				var b strings.Builder
				require.NoError(t, csvfile.Write(&b, kind, docs))
				rows, err := csvfile.Read(kind, strings.NewReader(b.String()))
				require.NoError(t, err, b.String())
				require.Len(t, rows, len(all))
				for i, s := range all {
					require.Equal(t, s.Key(), rows[i].Key)
					_, change := rows[i].Apply(docs[i])
					require.False(t, change, b.String())
					made, _ := rows[i].Apply(nil)
					_, change = rows[i].Apply(made)
					require.False(t, change)
					require.JSONEq(t, asJSON(t, level(docs[i])), asJSON(t, made), b.String())
				}
			})
		})
	}
}

// level gives a right's level its name.
func level(d object) object {
	if rank, ok := d["level"].(int64); ok {
		d["level"] = authz.Level(rank).String()
	}
	return d
}

func asJSON(t require.TestingT, v any) string {
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// FuzzRead: whatever is read can be written, and what is then read is written as the
// same.
func FuzzRead(f *testing.F) {
	f.Add("id,login,active,roles,flags,attributes.x\nann,a,1,Clerk until 2026-12-31|b by=c,\\|x=false,\"{\"\"a\"\":1}\"\n")
	f.Add("\ufeffid;title;guest;inherits\r\n'=a;\"b\n\";no;'|\\ \r\n;;;\n")
	f.Add("role,screen,level\na,b,view\nb,c,inherit\n")
	f.Add("id,allowed_roles,manages,linked\nt,a=default|b,t|u,contact\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range csvfile.Kinds() {
			once, ok := rewritten(kind, text)
			if !ok {
				continue
			}
			twice, ok := rewritten(kind, once)
			require.True(t, ok, once)
			require.Equal(t, once, twice)
		}
	})
}

// rewritten reads a file and writes it again, unless one of the two cannot be.
func rewritten(kind authz.EntityKind, text string) (string, bool) {
	rows, err := csvfile.Read(kind, strings.NewReader(text))
	if err != nil {
		return "", false
	}
	var docs []object
	for _, r := range rows {
		if d, _ := r.Apply(nil); d != nil {
			docs = append(docs, d)
		}
	}
	var b strings.Builder
	err = csvfile.Write(&b, kind, docs)
	return b.String(), err == nil
}
