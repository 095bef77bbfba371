package authz_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
)

func TestResourceOfACallNamesItsEntity(t *testing.T) {
	for _, tc := range []struct {
		key     authz.Key
		typ, id string
	}{
		{authz.Key{Kind: authz.PortalEntity, ID: "p"}, "portal", "p"},
		{authz.Key{Kind: authz.UserTypeEntity, ID: "t"}, "user_type", "t"},
		{authz.Key{Kind: authz.RoleEntity, ID: "a/b"}, "role", "a/b"},
		{authz.Key{Kind: authz.NodeEntity, ID: "n"}, "screen", "n"},
		{authz.Key{Kind: authz.RightEntity, Of: "r", ID: "n"}, "right", "r/n"},
		{authz.Key{Kind: authz.UserEntity, ID: "*"}, "user", "*"},
		{authz.Key{Kind: authz.AccountEntity, ID: "a"}, "account", "a"},
		{authz.Key{Kind: authz.ContactEntity, ID: "c"}, "contact", "c"},
		{authz.Key{Kind: authz.PolicyEntity, ID: "7"}, "policy", "7"},
		{authz.Key{Kind: authz.RecordEntity, Of: "policy", ID: "7"}, "record/policy", "7"},
		{authz.Key{Kind: authz.RecordEntity, Of: "case", ID: "1/2"}, "case", "1/2"},
		{authz.Key{Kind: authz.RecordEntity, Of: "task", ID: "1"}, "task", "1"},
		{authz.Key{Kind: authz.RecordEntity, Of: "user", ID: "1"}, "record/user", "1"},
		{authz.Key{Kind: authz.RecordEntity, Of: "record", ID: "1"}, "record/record", "1"},
		{authz.Key{Kind: authz.RecordEntity, Of: "right", ID: "r/n"}, "record/right", "r/n"},
	} {
		r := authz.CallResource(tc.key)
		require.Equal(t, authz.Entity{Type: tc.typ, ID: tc.id}, r)
		key, ok := authz.CallKey(r)
		require.True(t, ok, tc.key)
		require.Equal(t, tc.key, key)
	}
}

func TestResourcesThatAreNoEntity(t *testing.T) {
	for _, r := range []authz.Entity{
		{Type: "task", ID: "*"}, {Type: "audit", ID: "*"}, {Type: "caller", ID: "*"}, {Type: "grants", ID: "*"},
		{Type: "right", ID: "a/b/c"}, {Type: "right", ID: "a"}, {Type: "record", ID: "1"}, {Type: "record/", ID: "1"}, {Type: "user"}, {Type: "", ID: "1"},
	} {
		_, ok := authz.CallKey(r)
		require.False(t, ok, r)
	}
}
