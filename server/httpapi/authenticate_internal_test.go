package httpapi

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// FuzzBearer: a token is what stands behind the scheme, whole and without spaces
// around it; whatever else is sent is no key, or refused.
func FuzzBearer(f *testing.F) {
	for _, s := range []string{"", "Bearer x", "bearer  x ", "Bearer", "Bearer ", "Basic eDp5", "\tBearer\tx", "Bearer a b", "ptc_a_b", "Bearer \x00", "BEARER\u00a0x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := bearer([][]byte{[]byte(text)})
		scheme, rest, spaced := strings.Cut(strings.Trim(text, " \t"), " ")
		rest = strings.TrimLeft(rest, " ")
		switch {
		case !strings.EqualFold(scheme, "Bearer"):
			require.NoError(t, err)
			require.Empty(t, token)
		case !spaced || rest == "":
			require.Equal(t, authz.Unauthenticated, authz.KindOf(err))
			require.Empty(t, token)
		default:
			require.NoError(t, err)
			require.Equal(t, rest, token)
		}
	})
}

// FuzzAdminOpen: a key to one portal opens no path but that portal's, the list and
// the document, as routes read paths.
func FuzzAdminOpen(f *testing.F) {
	for _, s := range []string{"/portals/acme", "/portals/acme/users/x", "/portals/%61cme", "/portals/acme%2fx", "/portals/", "/portals", "/callers", "/openapi.json", "/portals/acme%", "//portals/acme", "/portals/acme?x", ""} {
		f.Add(s)
	}
	caller := &authz.Caller{Name: "k", Portals: []string{"acme"}, Permissions: []authz.Permission{authz.PermitAdmin}}
	f.Fuzz(func(t *testing.T, rest string) {
		err := adminOpen(caller, pathAdmin+rest)
		if err != nil {
			require.Equal(t, authz.Forbidden, authz.KindOf(err))
			return
		}
		segments := strings.Split(rest, "/")
		of := slices.Contains([]string{"/portals", "/openapi.json"}, rest)
		require.True(t, of || len(segments) > 2 && segments[0] == "" && segments[1] == "portals" && unescapes(segments[2], "acme"), "%q", rest)
	})
}

// unescapes reports whether the segment is one spelling of want, letter by letter.
func unescapes(segment, want string) bool {
	for ; want != ""; want = want[1:] {
		switch {
		case strings.HasPrefix(segment, want[:1]):
			segment = segment[1:]
		case len(segment) > 2 && segment[0] == '%' && strings.EqualFold(segment[1:3], hex(want[0])):
			segment = segment[3:]
		default:
			return false
		}
	}
	return segment == ""
}

func hex(b byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[b>>4], digits[b&15]})
}

func TestActingUser(t *testing.T) {
	for name, c := range map[string]struct {
		caller authz.Caller
		header []string
		want   string
		kind   authz.Kind
	}{
		"nobody":             {authz.Caller{}, nil, "", 0},
		"bound":              {authz.Caller{User: "ann"}, nil, "ann", 0},
		"bound, said":        {authz.Caller{User: "ann"}, []string{"ann"}, "ann", 0},
		"bound, another":     {authz.Caller{User: "ann"}, []string{"bob"}, "", authz.Forbidden},
		"may":                {authz.Caller{ActsFor: []string{"ann"}}, []string{"ann"}, "ann", 0},
		"may, says nothing":  {authz.Caller{ActsFor: []string{"ann"}}, nil, "", authz.Forbidden},
		"may not":            {authz.Caller{ActsFor: []string{"ann"}}, []string{"bob"}, "", authz.Forbidden},
		"any":                {authz.Caller{ActsFor: []string{authz.Any}}, []string{"bob"}, "bob", 0},
		"any, but nobody":    {authz.Caller{ActsFor: []string{authz.Any}}, []string{""}, "", authz.Forbidden},
		"for nobody, named":  {authz.Caller{}, []string{"ann"}, "", authz.Forbidden},
		"two":                {authz.Caller{ActsFor: []string{authz.Any}}, []string{"a", "b"}, "", authz.Invalid},
		"no user called any": {authz.Caller{ActsFor: []string{"ann"}}, []string{authz.Any}, "", authz.Forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			var h fasthttp.RequestHeader
			for _, v := range c.header {
				h.Add(headerUser, v)
			}
			user, err := actingUser(&c.caller, h.PeekAll(headerUser))
			require.Equal(t, c.want, user)
			if c.kind == 0 {
				require.NoError(t, err)
			} else {
				require.Equal(t, c.kind, authz.KindOf(err))
			}
		})
	}
}
