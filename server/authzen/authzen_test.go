package authzen_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/authzen"
)

func TestEvaluation(t *testing.T) {
	text, err := json.Marshal(authzen.EvaluationOf(&authz.Query{
		Subject:  authz.Entity{Type: "user", ID: "ray"},
		Action:   authz.Action{Name: "create"},
		Resource: authz.Entity{Type: "case", ID: "1", Properties: map[string]any{"account": "A"}},
	}))
	require.NoError(t, err)
	require.JSONEq(t, `{"subject":{"type":"user","id":"ray"},"action":{"name":"create"},"resource":{"type":"case","id":"1","properties":{"account":"A"}}}`, string(text))
}

func TestAnswer(t *testing.T) {
	d := authz.Decision{
		Outcome: authz.Allow, Reason: "granted", Level: "edit", Fields: map[string]authz.Access{"email": authz.Read},
		Obligations: []map[string]any{{"id": "x"}}, Revision: 7, Policy: "abc", PolicyRevision: 12,
	}
	text, err := json.Marshal(authzen.AnswerOf(&d))
	require.NoError(t, err)
	require.Contains(t, string(text), `"policy_revision":12`)
	var a authzen.Answer
	require.NoError(t, json.Unmarshal(text, &a))
	got, err := a.Read()
	require.NoError(t, err)
	require.Equal(t, d, got)
}

func TestWhatIsNoAnswer(t *testing.T) {
	for name, text := range map[string]string{
		"an error":                      `{"decision":false,"context":{"error":{"status":400,"message":"subject.id: is missing"}}}`,
		"no context":                    `{"decision":true}`,
		"an outcome that is no allow":   `{"decision":true,"context":{"outcome":"deny","reason":"x"}}`,
		"a decision that is no outcome": `{"decision":false,"context":{"outcome":"allow","reason":"x"}}`,
	} {
		var a authzen.Answer
		require.NoError(t, json.Unmarshal([]byte(text), &a), name)
		d, err := a.Read()
		require.Equal(t, authz.Unavailable, authz.KindOf(err), name)
		require.False(t, d.Allowed(), name)
	}
}
