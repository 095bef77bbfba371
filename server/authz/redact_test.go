package authz_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
)

func TestRedact(t *testing.T) {
	doc := map[string]any{
		"login": "ray", "flags": map[string]any{"mail_credentials": true, "password_expired": false},
		"attributes": map[string]any{
			"Password": "x", "client-secret": []any{"a"}, "accessToken": map[string]any{"v": 1}, "api_key": 7, "key_hash": "ff", "pin": "1234",
			"note": "a token of thanks", "pinned": "yes", "nested": []any{map[string]any{"otp": "1", "who": "ray"}}, "refresh_token": nil,
		},
	}
	got := authz.Redact(doc)
	require.Equal(t, map[string]any{
		"login": "ray", "flags": map[string]any{"mail_credentials": true, "password_expired": false},
		"attributes": map[string]any{
			"Password": authz.Redacted, "client-secret": authz.Redacted, "accessToken": authz.Redacted, "api_key": authz.Redacted,
			"key_hash": authz.Redacted, "pin": authz.Redacted, "note": "a token of thanks", "pinned": "yes",
			"nested": []any{map[string]any{"otp": authz.Redacted, "who": "ray"}}, "refresh_token": nil,
		},
	}, got)
	require.Equal(t, "x", doc["attributes"].(map[string]any)["Password"], "the document itself is left alone")
	require.Nil(t, authz.Redact(nil))
}
