package authz_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
)

func TestChangeIsOfOnePiece(t *testing.T) {
	u, other := authz.User{ID: "u"}, authz.User{ID: "v"}
	for name, tc := range map[string]struct {
		c    authz.Change
		want string
	}{
		"create":               {authz.Change{Operation: "create", Entity: u.Key(), New: u}, ""},
		"update":               {authz.Change{Operation: "update", Entity: u.Key(), Old: u, New: u}, ""},
		"delete":               {authz.Change{Operation: "delete", Entity: u.Key(), Old: u}, ""},
		"no operation":         {authz.Change{Entity: u.Key(), New: u}, `operation: unknown operation ""`},
		"unknown operation":    {authz.Change{Operation: "remove", Entity: u.Key(), Old: u}, `operation: unknown operation "remove"`},
		"create of what is":    {authz.Change{Operation: "create", Entity: u.Key(), Old: u, New: u}, "old: is there"},
		"create of nothing":    {authz.Change{Operation: "create", Entity: u.Key()}, "new: is missing"},
		"update of nothing":    {authz.Change{Operation: "update", Entity: u.Key(), New: u}, "old: is missing"},
		"delete with a new":    {authz.Change{Operation: "delete", Entity: u.Key(), Old: u, New: u}, "new: is there"},
		"another entity":       {authz.Change{Operation: "update", Entity: u.Key(), Old: u, New: other}, `new: is user "v", but the change is to user "u"`},
		"another entity's old": {authz.Change{Operation: "delete", Entity: u.Key(), Old: other}, `old: is user "v"`},
		"a pointer":            {authz.Change{Operation: "create", Entity: u.Key(), New: &u}, "no stored entity"},
	} {
		err := tc.c.Validate()
		if tc.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.Equal(t, authz.Invalid, authz.KindOf(err), name)
		require.ErrorContains(t, err, tc.want, name)
	}
}

func TestAdmitted(t *testing.T) {
	for _, tc := range []struct {
		a    authz.Admission
		want bool
	}{
		{authz.Admission{}, true}, {authz.Admission{Defaults: map[string]any{}}, true},
		{authz.Admission{Refusals: []authz.Refusal{{Rule: "r", Reason: "x"}}}, false},
		{authz.Admission{Err: authz.Errorf(authz.Internal, "x")}, false}, {authz.RefuseChange("x", nil), false},
	} {
		require.Equal(t, tc.want, tc.a.Admitted())
	}
	require.Error(t, authz.FailProvisioning("x", nil).Err)
}

func TestParseKey(t *testing.T) {
	for ref, want := range map[string]authz.Key{
		"user/ray":                {Kind: authz.UserEntity, ID: "ray"},
		"user/a/b":                {Kind: authz.UserEntity, ID: "a/b"},
		"user_type/Customer User": {Kind: authz.UserTypeEntity, ID: "Customer User"},
		"portal/p":                {Kind: authz.PortalEntity, ID: "p"},
		"role/r":                  {Kind: authz.RoleEntity, ID: "r"},
		"screen/s":                {Kind: authz.NodeEntity, ID: "s"},
		"account/a":               {Kind: authz.AccountEntity, ID: "a"},
		"contact/c":               {Kind: authz.ContactEntity, ID: "c"},
		"policy/7":                {Kind: authz.PolicyEntity, ID: "7"},
		"record/policy/7":         {Kind: authz.RecordEntity, Of: "policy", ID: "7"},
		"right/Clerk/home":        {Kind: authz.RightEntity, Of: "Clerk", ID: "home"},
		"case/CS-1":               {Kind: authz.RecordEntity, Of: "case", ID: "CS-1"},
		"case/CS/1":               {Kind: authz.RecordEntity, Of: "case", ID: "CS/1"},
		"record/user/1":           {Kind: authz.RecordEntity, Of: "user", ID: "1"},
		"record/record/1":         {Kind: authz.RecordEntity, Of: "record", ID: "1"},
		"record/right/1":          {Kind: authz.RecordEntity, Of: "right", ID: "1"},
	} {
		got, err := authz.ParseKey(ref)
		require.NoError(t, err, ref)
		require.Equal(t, want, got, ref)
		require.Equal(t, ref, got.Ref())
	}
	got, err := authz.ParseKey("record/case/CS-1")
	require.NoError(t, err)
	require.Equal(t, "case/CS-1", got.Ref())
	require.Empty(t, authz.Key{}.Ref())
	for _, ref := range []string{"", "/", "user", "user/", "/ray", "right/Clerk", "right//home", "right/Clerk/", "right/a/b/c", "record/case", "record//1", "record/case/", "case/"} {
		_, err := authz.ParseKey(ref)
		require.Equal(t, authz.Invalid, authz.KindOf(err), ref)
	}
}

func TestFoldLogin(t *testing.T) {
	for login, want := range map[string]string{"Ann@X": "ann@x", " a \t\n": "a", "a b": "a b", "": "", " ": "", "ÉVA": "éva", "\u00a0x": "x"} {
		require.Equal(t, want, authz.FoldLogin(login), "%q", login)
	}
}

func TestDocument(t *testing.T) {
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.FixedZone("", 3600))
	none := map[string]any{}
	for _, tc := range []struct {
		e    authz.Stored
		want map[string]any
	}{
		{authz.User{ID: "u"}, map[string]any{"id": "u", "active": false, "grants": []any{}, "flags": none, "attributes": none}},
		{
			authz.User{
				ID: "u", Login: "l", Active: true, UserType: "t", Account: "a", Contact: "c", Position: "p", Flags: map[string]bool{"admin": true},
				Attributes: map[string]any{"n": int64(1)}, Grants: []authz.Grant{{Role: "r"}, {Role: "q", By: "b", From: at, Until: at.Add(time.Hour)}},
			},
			map[string]any{
				"id": "u", "login": "l", "active": true, "user_type": "t", "account": "a", "contact": "c", "position": "p",
				"flags": map[string]any{"admin": true}, "attributes": map[string]any{"n": int64(1)}, "grants": []any{
					map[string]any{"role": "r"}, map[string]any{"role": "q", "by": "b", "from": "2026-03-01T09:00:00Z", "until": "2026-03-01T10:00:00Z"},
				},
			},
		},
		{authz.UserType{ID: "t"}, map[string]any{"id": "t", "allowed_roles": []any{}, "manages": []any{}, "attributes": none}},
		{
			authz.UserType{ID: "t", Title: "T", Linked: authz.LinkedContact, Licence: "l", Manages: []string{"m"}, AllowedRoles: []authz.AllowedRole{{Role: "r", Default: true}, {Role: "q"}}},
			map[string]any{
				"id": "t", "title": "T", "linked": "contact", "licence": "l", "manages": []any{"m"}, "attributes": none,
				"allowed_roles": []any{map[string]any{"role": "r", "default": true}, map[string]any{"role": "q", "default": false}},
			},
		},
		{authz.Role{ID: "r", Guest: true, Inherits: []string{"q"}}, map[string]any{"id": "r", "guest": true, "inherits": []any{"q"}, "attributes": none}},
		{
			authz.Node{ID: "n", Kind: authz.Screen, Title: "N", Parent: "w", AlsoIn: []string{"x"}, Feature: "f", Flags: map[string]bool{"custom": true}},
			map[string]any{"id": "n", "kind": "screen", "title": "N", "parent": "w", "also_in": []any{"x"}, "feature": "f", "flags": map[string]any{"custom": true}},
		},
		{authz.Right{Role: "r", Node: "n", Level: authz.Delete}, map[string]any{"role": "r", "node": "n", "level": int64(5)}},
		{authz.Account{ID: "a"}, map[string]any{"id": "a", "flags": none, "attributes": none}},
		{authz.Account{ID: "a", Name: "A", Parent: "p", Owner: "o"}, map[string]any{"id": "a", "name": "A", "parent": "p", "owner": "o", "flags": none, "attributes": none}},
		{
			authz.Contact{ID: "c", Name: "C", Email: "e", Account: "a", Position: "p"},
			map[string]any{"id": "c", "name": "C", "email": "e", "account": "a", "position": "p", "flags": none, "attributes": none},
		},
		{
			authz.Record{Type: "case", ID: "1", Account: "a", Contact: "c", Owner: "o", Parent: "case/2"},
			map[string]any{"type": "case", "id": "1", "account": "a", "contact": "c", "owner": "o", "parent": "case/2", "flags": none, "properties": none},
		},
		{
			authz.Portal{ID: "p"}, map[string]any{
				"id": "p", "settings": none, "features": none, "sharing": []any{}, "limits": none, "resource_screens": none,
			},
		},
		{
			authz.Portal{
				ID: "p", Title: "P", Policy: "x", Settings: map[string]any{"s": true}, Features: map[string]bool{"f": true}, Sharing: []any{"x"},
				Limits: map[string]any{"users": int64(1)}, ResourceScreens: map[string]map[string]string{"case": {"*": "S"}},
			},
			map[string]any{
				"id": "p", "title": "P", "policy": "x", "settings": map[string]any{"s": true}, "features": map[string]any{"f": true}, "sharing": []any{"x"},
				"limits": map[string]any{"users": int64(1)}, "resource_screens": map[string]any{"case": map[string]any{"*": "S"}},
			},
		},
		{&authz.User{ID: "u"}, nil},
		{nil, nil},
	} {
		require.Equal(t, tc.want, authz.Document(tc.e))
	}
}
