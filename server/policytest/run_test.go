package policytest_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

// desk writes the project of testdata, with changes: new files by name, and old text
// with new by "file: old".
func desk(t testing.TB, changes map[string]string) string {
	t.Helper()
	a, err := txtar.ParseFile("testdata/desk.txtar")
	require.NoError(t, err)
	files := map[string]string{}
	for _, f := range a.Files {
		files[f.Name] = string(f.Data)
	}
	for name, text := range changes {
		file, old, replaces := strings.Cut(name, ": ")
		if !replaces {
			files[name] = text
			continue
		}
		require.Contains(t, files[file], old)
		files[file] = strings.ReplaceAll(files[file], old, text)
	}
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	return dir
}

func load(t testing.TB, dir string) *policytest.Project {
	t.Helper()
	p, err := policytest.Load(policytest.Source{Paths: []string{dir}})
	require.NoError(t, err)
	return p
}

func run(t testing.TB, dir string, o policytest.Options) *policytest.Report {
	t.Helper()
	report, err := policytest.Run(t.Context(), load(t, dir), o)
	require.NoError(t, err)
	return report
}

// statuses lists the results that did not pass.
func statuses(r *policytest.Report) []string {
	var list []string
	for i := range r.Results {
		if x := &r.Results[i]; x.Status != policytest.StatusPassed {
			list = append(list, fmt.Sprintf("%s %s %s", x.ID, x.Status, x.Why))
		}
	}
	return list
}

func TestRun(t *testing.T) {
	dir := desk(t, nil)
	var told []string
	report := run(t, dir, policytest.Options{OnResult: func(r *policytest.Result) { told = append(told, r.ID) }})
	require.Equal(t, []string{"D-13 pending waits"}, statuses(report), "%v", report.Results)
	require.Len(t, report.Results, 14)
	require.Len(t, told, 14)
	require.Nil(t, report.Coverage)
	first := report.Results[0]
	first.Took = 0
	require.JSONEq(t, `{"subject": {"type": "user", "properties": {}}, "user": {"account": "A", "active": true, "effective_roles": ["clerk"]}, "record": {"account": "A"}, "context": {}}`, string(first.Facts))
	first.Facts = nil
	require.Equal(t, policytest.Result{
		Suite: filepath.ToSlash(dir) + "/suites/decisions.yaml", Line: 4, Kind: policytest.KindDecision, ID: "D-1", Name: "a clerk", Portal: "p",
		Question: "ann view case/1", Status: policytest.StatusPassed, Rules: []policytest.Rule{
			{ID: "clerk", Reason: "granted", Title: "Clerks", File: filepath.ToSlash(dir) + "/policies/desk.rego", Line: 16},
			{ID: "own", Reason: "granted", Title: "Own things", File: filepath.ToSlash(dir) + "/policies/desk.rego", Line: 25},
		},
	}, first)
	last := report.Results[13]
	require.Equal(t, policytest.KindRego, last.Kind)
	require.Equal(t, "desk_test.test_clerk", last.ID)
	require.Equal(t, "boss update user/bob", report.Results[7].Question)
}

func TestRunFailures(t *testing.T) {
	report := run(t, desk(t, map[string]string{
		"suites/decisions.yaml: rules: [own]":                    "level: view, fields: {}, obligations: [{id: x}], rules: [clerk]",
		"suites/decisions.yaml: {rule: staff}":                   "{rule: other}",
		"suites/decisions.yaml: kind: mail, to: dee@x":           "kind: mail, to: x",
		"suites/decisions.yaml: reason: closed":                  "reason: open",
		"suites/decisions.yaml: defaults: {flags: {new: true}}":  "defaults: {}",
		"policies/desk_test.rego: desk.decision.outcome":         "print(\"seen\")\n\tdesk.decision.reason",
		"suites/decisions.yaml: tasks: []":                       "tasks: [{id: mail}]",
		"suites/decisions.yaml: entity: user/ann, kind: deactiv": "entity: user/ann, once: true, kind: deactiv",
	}), policytest.Options{})
	got := map[string][]policytest.Diff{}
	for _, r := range report.Results {
		if r.Status == policytest.StatusFailed {
			got[r.ID] = r.Diffs
			require.NotEmpty(t, string(r.Facts)+strings.Join(r.Output, ""), "%s shows what it was judged on", r.ID)
		}
	}
	require.Equal(t, map[string][]policytest.Diff{
		"D-4":  {{"reason", "open", "closed"}},
		"D-5":  {{"level", "view", "edit"}, {"obligations", `[{"id":"x"}]`, "[]"}, {"rules", `["clerk"]`, `["own"]`}},
		"D-8":  {{"defaults", "{}", `{"flags":{"new":true}}`}},
		"D-9":  {{"refusals", `[{"rule":"other"},{"field":"active","rule":"limit"}]`, `[{"field":"active","reason":"too_many","rule":"limit"},{"reason":"staff_only","rule":"staff"}]`}},
		"D-10": {{"tasks", `[{"kind":"mail","to":"x"}]`, `[{"id":"mail","kind":"mail","template":"welcome","to":"dee@x"}]`}},
		"D-11": {{"tasks", `[{"id":"mail"}]`, "[]"}},
		"D-12": {{"tasks", `[{"entity":"user/ann","kind":"deactivate","once":true}]`, `[{"entity":"user/ann","id":"off","kind":"deactivate"}]`}},

		"desk_test.test_clerk": nil,
	}, got)
	rego := report.Results[len(report.Results)-1]
	require.Equal(t, []string{"seen", "not true: line 7"}, rego.Output)
}

func TestRunSome(t *testing.T) {
	for name, tc := range map[string]struct {
		changes map[string]string
		filter  string
		want    []string
	}{
		"filter":           {nil, "suites/D-1 a", []string{"D-1 passed"}},
		"filter of a test": {nil, "^policies/desk_test", []string{"desk_test.test_clerk passed"}},
		"filter of none":   {nil, "^D-1", nil},
		"skip":             {map[string]string{"suites/decisions.yaml: name: a clerk": "skip: later"}, "D-[13]( |$)", []string{"D-1 skipped", "D-3 passed"}},
		"only":             {map[string]string{"suites/decisions.yaml: name: a clerk": "only: true"}, "", []string{"D-1 passed"}},
	} {
		t.Run(name, func(t *testing.T) {
			report := run(t, desk(t, tc.changes), policytest.Options{Filter: regexp.MustCompile(tc.filter), Workers: 3})
			var got []string
			for _, r := range report.Results {
				got = append(got, fmt.Sprintf("%s %s", r.ID, r.Status))
			}
			require.Equal(t, tc.want, got)
			require.Equal(t, name == "only", report.Only)
		})
	}
}

func TestCoverage(t *testing.T) {
	dir := desk(t, map[string]string{"suites/decisions.yaml: outcome: challenge": "outcome: deny"})
	all := run(t, dir, policytest.Options{Coverage: true})
	require.Contains(t, statuses(all), "D-2 failed ", "coverage hides no failure")
	require.Equal(t, 100.0, all.Coverage.Percent, "%+v", all.Coverage)
	some := run(t, dir, policytest.Options{Coverage: true, Filter: regexp.MustCompile("D-5")})
	require.Equal(t, filepath.ToSlash(dir)+"/policies/desk.rego", some.Coverage.Files[1].File)
	require.Equal(t, []policytest.Range{{7, 11}, {16, 19}}, some.Coverage.Files[1].Missed)
	require.Equal(t, []policytest.Range{{5, 5}, {25, 25}}, some.Coverage.Files[1].Covered)
	require.Equal(t, 2, some.Coverage.Files[1].CoveredLines)
	require.Less(t, some.Coverage.Percent, 50.0)
}

func TestLoadFaults(t *testing.T) {
	const suite = "suites/decisions.yaml"
	for name, tc := range map[string]struct {
		changes map[string]string
		want    []string
		compile bool
	}{
		"nothing wrong":   {nil, nil, false},
		"unknown portal":  {map[string]string{suite + ": portal: p": "portal: pp"}, []string{suite + `:4:1: asks portal "pp", which is not there; did you mean "p"?`}, false},
		"given, field":    {map[string]string{suite + ": {account: A}": "{acount: A}"}, []string{suite + `:25:27: given.users.bob.acount: unknown key "acount"; did you mean "account"?`}, false},
		"given, type":     {map[string]string{suite + ": {account: A}": "{active: x}"}, []string{suite + ":25:35: given.users.bob.active: is text: want a Boolean, such as true"}, false},
		"given, world":    {map[string]string{suite + ": {account: A}": "{account: C}"}, []string{suite + `:25:36: users[1].account: account "C" does not exist`}, false},
		"given, section":  {map[string]string{suite + ": {users: {bob": "{user: {bob"}, []string{suite + `:25:13: given.user: unknown key "user"; did you mean "users"?`}, false},
		"given, id":       {map[string]string{suite + ": {account: A}": "{id: rob}"}, []string{suite + `:25:31: given.users.bob.id: must equal the key, which says "bob"`}, false},
		"given, nobody":   {map[string]string{suite + ": bob: null": "rob: null"}, []string{suite + `:39:101: given.users.rob: is not there to be removed: user "rob" is unknown; did you mean "bob"?`}, false},
		"given, rest":     {map[string]string{suite + ": given: {users: {bob: {account: A}}}": "given: {accounts: {B: null}}"}, []string{suite + `:25:12: users[1].account: the patch does not leave a portal that is right: account "B" does not exist`}, false},
		"change, unknown": {map[string]string{suite + ": entity: user/bob\n    set": "entity: user/rob\n    set"}, []string{suite + `:45:13: entity: user "rob" is unknown; did you mean "bob"?`}, false},
		"change, there":   {map[string]string{suite + ": operation: delete": "operation: create"}, []string{suite + `:58:43: entity: user "bob" is there already`}, false},
		"change, field":   {map[string]string{suite + ": set: {active: true}": "set: {activ: true}"}, []string{suite + `:46:11: set.activ: unknown key "activ"; did you mean "active"?`}, false},
		"fixture":         {map[string]string{"suites/p/users.yaml: boss, login": "boss, logn"}, []string{`suites/p/users.yaml:3:14: users[2].logn: unknown key "logn"`}, false},
		"policy":          {map[string]string{"suites/p/portal.yaml: policy: desk": "policy: dsk"}, []string{`suites/p/portal.yaml: policy: no policy package "dsk"`}, false},
		"two suites":      {map[string]string{"suites/x.decisions.yaml": "now: 1", suite + ": portal: p": "portl: p"}, []string{suite + ":1:1: portl", "suites/x.decisions.yaml:1:6: now"}, false},
		"compile":         {map[string]string{"policies/desk.rego: not data": "nt data"}, []string{"/policies/desk.rego:19:5: "}, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policytest.Load(policytest.Source{Paths: []string{desk(t, tc.changes)}})
			if tc.want == nil {
				require.NoError(t, err)
				return
			}
			require.Equal(t, authz.Invalid, authz.KindOf(err))
			for _, want := range tc.want {
				require.ErrorContains(t, err, want)
			}
			compile, ok := errors.AsType[*policytest.CompileError](err)
			require.Equal(t, tc.compile, ok)
			if ok {
				require.FileExists(t, compile.Faults[0].Module)
				require.Positive(t, compile.Faults[0].Line)
				require.Positive(t, compile.Faults[0].Column)
			}
		})
	}
}

// TestSuiteInAPortalsFolder finds a suite that stands beside portal.yaml.
func TestSuiteInAPortalsFolder(t *testing.T) {
	dir := desk(t, nil)
	for _, name := range []string{"decisions.yaml", "more.decisions.yaml"} {
		source, err := os.ReadFile(filepath.Join(dir, "suites/decisions.yaml"))
		require.NoError(t, err)
		text := "id: p\npolicy: desk\nsettings: {closed: false}\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, "suites/p/portal.yaml"), []byte(text), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "suites/p", name), source, 0o600))
	}
	report := run(t, dir, policytest.Options{})
	require.Len(t, report.Results, 3*13+1)
	require.Zero(t, report.Counts()[policytest.StatusFailed])
}

// TestGivenIsFast runs many cases with many patches.
func TestGivenIsFast(t *testing.T) {
	var b strings.Builder
	b.WriteString("portal: storehut\nnow: 2026-03-01T09:00:00Z\ncases:\n")
	for i := range 400 {
		given := fmt.Sprintf("users: {ray.newman: {attributes: {n: %d}}}", i/2)
		if i%4 == 0 {
			given = fmt.Sprintf("portal: {limits: {n: %d}}", i/4)
		}
		fmt.Fprintf(&b, "  - {id: c, subject: ray.newman, action: view, resource: screen/SP408030, given: {%s}, want: {outcome: allow}}\n", given)
	}
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("../../fixtures/acumatica")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "decisions.yaml"), []byte(b.String()), 0o600))
	start := time.Now()
	p, err := policytest.Load(policytest.Source{Paths: []string{dir}, Policies: "../../policies"})
	require.NoError(t, err)
	report, err := policytest.Run(t.Context(), p, policytest.Options{Workers: 1, Filter: regexp.MustCompile("/c$")})
	require.NoError(t, err)
	require.Equal(t, map[policytest.Status]int{policytest.StatusPassed: 400}, report.Counts())
	t.Logf("400 cases with 300 patches in %s", time.Since(start).Round(time.Millisecond))
}

// TestMutateDesk finds the changes that the small project's suite does not notice.
func TestMutateDesk(t *testing.T) {
	dir := desk(t, map[string]string{"suites/survivors.txt": "# known\nadmission.rego: drop `input.entity.kind == \"user\"`  # nothing else is written\nnever: seen  # not there\n"})
	var steps int
	r, err := policytest.Mutate(t.Context(), load(t, dir), policytest.MutateOptions{OnMutant: func(done, total int) { steps++; require.LessOrEqual(t, done, total) }})
	require.NoError(t, err)
	require.Equal(t, len(r.Mutants), steps)
	require.Equal(t, len(r.Mutants), r.Killed+r.Invalid+r.Survived)
	fates := map[string]policytest.MutantResult{}
	for _, m := range r.Mutants {
		fates[strings.TrimPrefix(m.String(), filepath.ToSlash(dir)+"/")] = m
	}
	require.Equal(t, policytest.FateKilled, fates["policies/desk.rego:19: drop `not data.portal.settings.closed`"].Fate)
	require.Equal(t, "D-4 closed", fates["policies/desk.rego:19: drop `not data.portal.settings.closed`"].By)
	require.Equal(t, policytest.FateSurvived, fates["policies/desk.rego:17: drop `input.user.active == true`"].Fate)
	require.Equal(t, "nothing else is written", fates["policies/admission.rego:8: drop `input.entity.kind == \"user\"`"].Why)
	require.Equal(t, policytest.FateKilled, fates[`suites/p/users.yaml: p: user "ann": without role "clerk"`].Fate)
	require.Equal(t, 1, r.Explained)
	require.Len(t, r.Unused, 1)
	require.Contains(t, r.Unused[0], "suites/survivors.txt:3: never: seen")
	require.InDelta(t, 100*float64(r.Killed)/float64(r.Killed+r.Survived), r.Score, 1e-9)

	some, err := policytest.Mutate(t.Context(), load(t, dir), policytest.MutateOptions{Every: 10, Workers: 1})
	require.NoError(t, err)
	require.Len(t, some.Mutants, (len(r.Mutants)+9)/10)
	require.Empty(t, some.Unused)

	broken := desk(t, map[string]string{"suites/decisions.yaml: outcome: challenge": "outcome: deny"})
	_, err = policytest.Mutate(t.Context(), load(t, broken), policytest.MutateOptions{})
	require.ErrorContains(t, err, "suites/decisions.yaml:10: D-2 nobody fails as it is")
}
