package main_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/authzen"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

// project loads every preset's table with its portals.
func project(t *testing.T) *policytest.Project {
	t.Helper()
	p, err := policytest.Load(policytest.Source{Paths: []string{"../../fixtures"}})
	require.NoError(t, err)
	return p
}

// said is what every surface must say alike.
func said(t *testing.T, d *authz.Decision) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"outcome": d.Outcome, "reason": d.Reason, "level": d.Level, "fields": fields(d), "obligations": append([]map[string]any{}, d.Obligations...)})
	require.NoError(t, err)
	return string(b)
}

// fields returns the fields as JSON shows them, in which none are an empty object.
func fields(d *authz.Decision) map[string]authz.Access {
	if d.Fields == nil {
		return map[string]authz.Access{}
	}
	return d.Fields
}

// TestSurfaces puts the decision rows of every preset to the built binary: portals
// imported by import, served by serve, asked over HTTP. The answers must be as the
// row wants and as the engine in process gives them. Rows that want their data
// changed are put to the binary by its own command test; server has the test of the
// other surfaces.
func TestSurfaces(t *testing.T) {
	t.Parallel()
	// A server has the real clock and takes no other.
	worlds, cases := project(t).Stage(time.Now().Truncate(time.Second), policytest.StoredCase)
	program, err := server.Program("", 10*time.Second)
	require.NoError(t, err)
	offline, err := server.Offline(worlds, program, "", time.Now)
	require.NoError(t, err)

	dir := t.TempDir()
	require.NoError(t, fixture.Write(filepath.Join(dir, "fixture"), worlds))
	must(t, "import", "-q", "--data", filepath.Join(dir, "data"), filepath.Join(dir, "fixture"))
	// The limits are wide: a machine that is busy otherwise must not turn an answer
	// into a timeout's.
	p := serving(t, "--data", filepath.Join(dir, "data"), "--limits-eval=10s", "--limits-request=1m")
	byPortal := map[string][]policytest.Staged{}
	for _, c := range cases {
		byPortal[c.Portal] = append(byPortal[c.Portal], c)
	}
	for portal, all := range byPortal {
		for cases := range slices.Chunk(all, 500) {
			for i, a := range p.askAll(t, portal, cases) {
				c := cases[i]
				engine, err := server.One(t.Context(), offline, portal, c.Query)
				require.NoError(t, err)
				got, err := a.Read()
				require.NoError(t, err)
				require.Empty(t, c.Want.Diffs(&got), c)
				require.Equal(t, said(t, &engine), said(t, &got), c)
			}
		}
	}
}

// serverProcess is a running binary that serves.
type serverProcess struct {
	*process
	base string
}

// serving starts a server and waits until it is ready.
func serving(t *testing.T, args ...string) *serverProcess {
	t.Helper()
	p, err := startProcess(t.TempDir(), os.Environ(), append([]string{"serve", "--addr=127.0.0.1:0"}, args...)...)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(os.Interrupt)
		require.Zero(t, p.wait(), "%s", p.log)
	})
	addr, err := p.addr()
	require.NoError(t, err)
	s := &serverProcess{p, "http://" + addr}
	require.NoError(t, p.eventually(func() bool {
		resp, err := http.Get(s.base + "/readyz")
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	}))
	return s
}

// askAll asks in one batch, with reasons. A portal that is not published yet is
// waited for: the server is ready with the first.
func (s *serverProcess) askAll(t *testing.T, portal string, cases []policytest.Staged) []authzen.Answer {
	t.Helper()
	var items []any
	for _, c := range cases {
		items = append(items, authzen.EvaluationOf(&c.Query))
	}
	body, err := json.Marshal(map[string]any{"evaluations": items, "options": map[string]any{"reasons": true}})
	require.NoError(t, err)
	var answers struct{ Evaluations []authzen.Answer }
	require.NoError(t, s.eventually(func() bool {
		resp, err := http.Post(s.base+"/portals/"+portal+"/access/v1/evaluations", "application/json", strings.NewReader(string(body)))
		require.NoError(t, err)
		defer resp.Body.Close()
		if resp.StatusCode == http.StatusNotFound {
			return false
		}
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&answers))
		return true
	}))
	require.Len(t, answers.Evaluations, len(cases))
	return answers.Evaluations
}

// TestDecideAnswersAlike puts the rows whose answer depends on the moment, and some
// others, to decide, which takes the suite's moment as it is and the fixture folder
// as it is kept.
func TestDecideAnswersAlike(t *testing.T) {
	t.Parallel()
	asked := 0
	for _, s := range project(t).Suites {
		cases := s.Stored()
		for i := range cases {
			c := &cases[i]
			told := c.Query.Subject.Properties == nil && c.Query.Action.Properties == nil // decide has no flags for them
			if told && (c.Query.Subject.ID == "lara.guest" || i%80 == 0) {
				asked++
				decideAnswersAlike(t, s, c)
			}
		}
	}
	require.GreaterOrEqual(t, asked, 10)
}

func decideAnswersAlike(t *testing.T, s *policytest.Suite, c *policytest.Case) {
	t.Helper()
	q := &c.Query
	args := []string{
		"decide", "--fixture", path.Dir(s.File), "--now", s.Now.Format(time.RFC3339), "--format", "json", "--portal", c.Portal,
		"--subject", q.Subject.Type + "/" + q.Subject.ID, "--action", q.Action.Name, "--resource", q.Resource.Type + "/" + q.Resource.ID,
	}
	for flag, m := range map[string]map[string]any{"--property": q.Resource.Properties, "--context": q.Context} {
		if m != nil {
			text, err := json.Marshal(m)
			require.NoError(t, err)
			args = append(args, flag, string(text))
		}
	}
	p, err := startProcess(".", os.Environ(), args...)
	require.NoError(t, err)
	require.Zero(t, p.wait(), "%v\n%s", args, p.log)
	var a authzen.Answer
	require.NoError(t, json.Unmarshal([]byte(p.out.String()), &a))
	require.NoError(t, c.Check(t.Context(), func(context.Context, string, authz.Query) (authz.Decision, error) { return a.Read() }))
}
