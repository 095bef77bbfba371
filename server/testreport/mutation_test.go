package testreport_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/testreport"
)

func mutation() *testreport.Mutation {
	return &testreport.Mutation{
		Killed: 181, Invalid: 12, Score: 98.9, Took: 61 * time.Second,
		Survivors: []testreport.Survivor{{File: "policies/lib/levels.rego", Line: 14, What: "`>=` -> `>`"}},
		Explained: []testreport.Survivor{{File: "policies/lib/groups.rego", Line: 7, What: "drop `input.user`", Why: "saves work alone"}, {What: "storehut: right removed", Why: "inherited, too"}},
	}
}

func TestMutationText(t *testing.T) {
	m := mutation()
	m.Complaints = []testreport.Complaint{{Text: "the score is below 99 %"}}
	var b bytes.Buffer
	require.NoError(t, testreport.MutationText(&b, m, testreport.TextOptions{}))
	require.Equal(t, `survived with a reason
  policies/lib/groups.rego:7 drop `+"`input.user`"+`
    saves work alone
  storehut: right removed
    inherited, too
SURVIVED policies/lib/levels.rego:14 `+"`>=` -> `>`"+`
not passed: the score is below 99 %
196 mutants: 181 killed, 12 invalid, 2 survived with a reason, 1 without; score 98.9 % in 61.0 s
`, b.String())
	require.Error(t, testreport.MutationText(broken{}, m, testreport.TextOptions{}))
}

func TestMutationInOtherFormats(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, testreport.MutationJSON(&b, mutation()))
	var d testreport.MutationDocument
	require.NoError(t, json.Unmarshal(b.Bytes(), &d))
	require.False(t, d.Passed)
	require.Equal(t, testreport.MutationTotals{Total: 196, Killed: 181, Invalid: 12, Survived: 3, Explained: 2, Score: 98.9, Seconds: 61}, d.Summary)
	require.Equal(t, []testreport.MutantSurvivor{{File: "policies/lib/levels.rego", Line: 14, What: "`>=` -> `>`"}}, d.Survivors)

	b.Reset()
	require.NoError(t, testreport.GitHub(&b, mutation().Run(), nil))
	require.Equal(t, "::error file=policies/lib/levels.rego,line=14,title=portcullis test::no case notices this change: `>=` -> `>`\n", b.String())

	b.Reset()
	require.NoError(t, testreport.JUnit(&b, mutation().Run()))
	require.Equal(t, 1, parseJUnit(t, b.Bytes()).Failures)

	b.Reset()
	m := mutation()
	m.Survivors = nil
	require.NoError(t, testreport.MutationJSON(&b, m))
	require.Contains(t, b.String(), `"passed": true`)
	require.Contains(t, b.String(), `"survivors": []`)
}
