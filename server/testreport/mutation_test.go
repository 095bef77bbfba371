package testreport_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/testreport"
)

func mutation() *testreport.Mutation {
	return &testreport.Mutation{MutationReport: &policytest.MutationReport{
		Killed: 2, Invalid: 1, Survived: 3, Explained: 2, Score: 40, Took: 61 * time.Second,
		Mutants: []policytest.MutantResult{
			{File: "policies/lib/groups.rego", Line: 7, What: "drop `input.user`", Fate: policytest.FateSurvived, Why: "saves work alone"},
			{File: "policies/lib/levels.rego", Line: 14, What: "`>=` -> `>`", Fate: policytest.FateSurvived},
			{File: "policies/lib/levels.rego", Line: 15, What: "delete rule", Fate: policytest.FateKilled, By: "MY-01"},
			{File: "policies/lib/levels.rego", Line: 16, What: "2 -> 3", Fate: policytest.FateInvalid},
			{File: "mine/rights.yaml", What: "right removed", Fate: policytest.FateSurvived, Why: "inherited, too"},
			{File: "mine/rights.yaml", What: "right lowered", Fate: policytest.FateKilled, By: "MY-01"},
		},
	}}
}

func TestMutationText(t *testing.T) {
	m := mutation()
	m.Complaints = []testreport.Complaint{{Text: "the score is below 99 %"}}
	brief := "SURVIVED policies/lib/levels.rego:14: `>=` -> `>`\n" +
		"not passed: the score is below 99 %\n" +
		"6 mutants: 2 killed, 1 invalid, 3 survived and 2 of them with a reason; score 40.0 % in 61.0 s\n"
	var b bytes.Buffer
	require.NoError(t, testreport.MutationText(&b, m, false, testreport.TextOptions{}))
	require.Equal(t, brief, b.String())
	b.Reset()
	require.NoError(t, testreport.MutationText(&b, m, true, testreport.TextOptions{}))
	require.Equal(t, "survived with a reason\n"+
		"  policies/lib/groups.rego:7: drop `input.user`\n"+
		"    saves work alone\n"+
		"  mine/rights.yaml: right removed\n"+
		"    inherited, too\n"+brief, b.String())
	require.Error(t, testreport.MutationText(broken{}, m, false, testreport.TextOptions{}))
}

func TestMutationInOtherFormats(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, testreport.MutationJSON(&b, mutation()))
	var d testreport.MutationDocument
	require.NoError(t, json.Unmarshal(b.Bytes(), &d))
	require.False(t, d.Passed)
	require.Equal(t, testreport.MutationTotals{Total: 6, Killed: 2, Invalid: 1, Survived: 3, Explained: 2, Score: 40, Seconds: 61}, d.Summary)
	require.Len(t, d.Survivors, 3)
	require.Equal(t, testreport.Survivor{File: "policies/lib/levels.rego", Line: 14, What: "`>=` -> `>`"}, d.Survivors[0])

	b.Reset()
	require.NoError(t, testreport.GitHub(&b, mutation().Run(), nil))
	require.Equal(t, "::error file=policies/lib/levels.rego,line=14,title=portcullis test::no case notices this change: `>=` -> `>`\n", b.String())

	b.Reset()
	require.NoError(t, testreport.JUnit(&b, mutation().Run()))
	require.Equal(t, 1, parseJUnit(t, b.Bytes()).Failures)

	b.Reset()
	m := mutation()
	m.Mutants, m.Survived, m.Explained = m.Mutants[2:4], 0, 0
	require.NoError(t, testreport.MutationJSON(&b, m))
	require.Contains(t, b.String(), `"passed": true`)
	require.Contains(t, b.String(), `"survivors": []`)
	m.Complaints = []testreport.Complaint{{Text: "the score is low"}}
	require.False(t, m.Passed())
}
