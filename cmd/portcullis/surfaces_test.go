package main_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
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

// moved returns the demo's portals with every grant's times moved by the distance.
// A server has the real clock and takes no other: the suite's moment comes to it by
// moving what depends on it.
func moved(t *testing.T, by time.Duration) []authz.World {
	t.Helper()
	worlds, err := server.DemoWorlds()
	require.NoError(t, err)
	for i := range worlds {
		for j := range worlds[i].Users {
			for k := range worlds[i].Users[j].Grants {
				g := &worlds[i].Users[j].Grants[k]
				for _, at := range []*time.Time{&g.From, &g.Until} {
					if !at.IsZero() {
						*at = at.Add(by)
					}
				}
			}
		}
	}
	return worlds
}

func loadSuite(t *testing.T) *policytest.Suite {
	t.Helper()
	data, err := os.ReadFile("../../fixtures/acumatica/decisions.yaml")
	require.NoError(t, err)
	s, err := policytest.Parse("decisions.yaml", data)
	require.NoError(t, err)
	s.Cases = s.Stored()
	return s
}

// said is what every surface must say alike.
func said(t *testing.T, d *authz.Decision) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"outcome": d.Outcome, "reason": d.Reason, "level": d.Level, "fields": len(d.Fields), "obligations": append([]map[string]any{}, d.Obligations...)})
	require.NoError(t, err)
	return string(b)
}

// TestSurfaces puts every row of the decision table to the built binary: portals
// imported by import, served by serve, asked over HTTP. The answers must be as the
// row wants and as the engine in process gives them. server has the test of the
// other surfaces.
func TestSurfaces(t *testing.T) {
	t.Parallel()
	s := loadSuite(t)
	worlds := moved(t, time.Since(s.Now).Truncate(time.Second))
	program, err := server.Program("", time.Second)
	require.NoError(t, err)
	offline, err := server.Offline(worlds, program, "", time.Now)
	require.NoError(t, err)

	dir := t.TempDir()
	require.NoError(t, fixture.Write(filepath.Join(dir, "fixture"), worlds))
	must(t, "import", "-q", "--data", filepath.Join(dir, "data"), filepath.Join(dir, "fixture"))
	// The limits are wide: a machine that is busy otherwise must not turn an answer
	// into a timeout's.
	p := serving(t, "--data", filepath.Join(dir, "data"), "--limits-eval=10s", "--limits-request=1m")
	byPortal := map[string][]*policytest.Case{}
	for i := range s.Cases {
		byPortal[s.Cases[i].Portal] = append(byPortal[s.Cases[i].Portal], &s.Cases[i])
	}
	for portal, cases := range byPortal {
		for i, a := range p.askAll(t, portal, cases) {
			c := cases[i]
			engine, err := server.One(t.Context(), offline, portal, c.Query)
			require.NoError(t, err)
			got, err := a.Read()
			require.NoError(t, c.Check(t.Context(), func(context.Context, string, authz.Query) (authz.Decision, error) { return got, err }))
			require.Equal(t, said(t, &engine), said(t, &got), c)
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
func (s *serverProcess) askAll(t *testing.T, portal string, cases []*policytest.Case) []authzen.Answer {
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
	s := loadSuite(t)
	asked := 0
	for i := range s.Cases {
		c := &s.Cases[i]
		if c.Query.Subject.ID != "lara.guest" && i%20 != 0 {
			continue
		}
		asked++
		q := &c.Query
		args := []string{
			"decide", "--fixture", "../../fixtures/acumatica", "--now", s.Now.Format(time.RFC3339), "--format", "json", "--portal", c.Portal,
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
	require.GreaterOrEqual(t, asked, 10)
}
