package httpapi_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/httpapi"
)

func TestAnswers(t *testing.T) {
	full := authz.Decision{
		Outcome: authz.Allow, Reason: "r\"<\u2028\x01", Level: "edit", Revision: -1, Policy: "p",
		Fields: map[string]authz.Access{"b": authz.Read, "a": authz.Write, "c\"": authz.Hidden},
		Obligations: []map[string]any{
			{"z": nil, "a": []any{true, "x", json.Number("1.50"), 2, int64(3), 0.5, map[string]any{}}},
			{},
		},
	}
	for name, c := range map[string]struct {
		d    authz.Decision
		want string
	}{
		"full": {full, `{"decision":true,"context":{"outcome":"allow","reason":"r\"<` + "\u2028" + `\u0001","level":"edit","fields":{"a":"write","b":"read","c\"":"hidden"},` +
			`"obligations":[{"a":[true,"x",1.50,2,3,0.5,{}],"z":null},{}],"revision":-1,"policy":"p"}}`},
		"challenge": {authz.Decision{Outcome: authz.Challenge, Reason: "login"}, `{"decision":false,"context":{"outcome":"challenge","reason":"login","revision":0,"policy":""}}`},
		"numbered":  {authz.Decision{Outcome: authz.Deny, Reason: "x", Revision: 3, Policy: "p", PolicyRevision: 12}, `{"decision":false,"context":{"outcome":"deny","reason":"x","revision":3,"policy":"p","policy_revision":12}}`},
		"hide":      {authz.Decision{Outcome: authz.Hide, Reason: "gone"}, `{"decision":false,"context":{"outcome":"hide","reason":"gone","revision":0,"policy":""}}`},
		"no word":   {authz.Decision{Outcome: "Allow"}, `{"decision":false,"context":{"outcome":"Allow","reason":"","revision":0,"policy":""}}`},
		"bad UTF-8": {authz.Decision{Outcome: authz.Deny, Reason: "a\xff"}, `{"decision":false,"context":{"outcome":"deny","reason":"a` + "\ufffd" + `","revision":0,"policy":""}}`},
	} {
		t.Run(name, func(t *testing.T) {
			base := start(t, judge(func(*authz.Query) authz.Decision { return c.d }), httpapi.Options{})
			a := post(t, base+"/access/v1/evaluation", single)
			require.Equal(t, 200, a.status)
			require.Equal(t, c.want, a.body)
			for range 20 {
				require.Equal(t, a.body, post(t, base+"/access/v1/evaluation", single).body, "the same question has the same answer")
			}
			require.True(t, json.Valid([]byte(a.body)))
		})
	}
}

// TestUnwritableObligationIsNoAllow: an allow whose conditions cannot be written
// does not go out without them.
func TestUnwritableObligationIsNoAllow(t *testing.T) {
	deep := any("x")
	for range 100 {
		deep = []any{deep}
	}
	for name, v := range map[string]any{
		"NaN":        math.NaN(),
		"infinite":   math.Inf(1),
		"struct":     struct{}{},
		"no number":  json.Number("1; DROP"),
		"not number": json.Number(`"x"`),
		"no digits":  json.Number(""),
		"two":        json.Number("1 2"),
		"deep":       deep,
	} {
		t.Run(name, func(t *testing.T) {
			base := start(t, judge(func(*authz.Query) authz.Decision {
				return authz.Decision{Outcome: authz.Allow, Obligations: []map[string]any{{"v": v}}}
			}), httpapi.Options{})
			for path, body := range map[string]string{
				"evaluation":  single,
				"evaluations": with(alice, read, record, `"evaluations":[{},{}]`, `"options":{"reasons":true}`),
			} {
				a := post(t, base+"/access/v1/"+path, body)
				require.Equal(t, 500, a.status, a.body)
				require.False(t, strings.Contains(a.body, "true"), a.body)
			}
		})
	}
}
