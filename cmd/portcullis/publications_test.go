package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// publications is how many there are under load; what the environment says of that is
// read before TestMain clears it.
var publications = os.Getenv("PORTCULLIS_TEST_PUBLICATIONS")

// TestPublicationsUnderLoad publishes revisions of the demo portal's policy over the API,
// each drafted, checked and previewed before, and returns to former ones, while eight
// clients ask: no request fails, and no answer is of a mixture. It tells how long
// requests take; PORTCULLIS_TEST_PUBLICATIONS says over how many publications and returns.
func TestPublicationsUnderLoad(t *testing.T) {
	const clients = 8
	changes := 2
	if publications != "" {
		var err error
		changes, err = strconv.Atoi(publications)
		require.NoError(t, err)
	}
	d := servedDemo(t)
	d.publishes(t, d.drafted(t, "the folder's policy", nil))
	l := &load{url: d.base + "/access/v1/evaluations", key: strings.TrimPrefix(d.env[1], "PORTCULLIS_KEY="), digests: map[int64]string{}}
	l.http.Transport = &http.Transport{MaxIdleConnsPerHost: clients}
	t.Cleanup(l.http.CloseIdleConnections)

	l.during(t, clients, func() { time.Sleep(time.Second) }) // warms up
	quiet := l.during(t, clients, func() { time.Sleep(2 * time.Second) })
	var switching []span
	began := time.Now()
	busy := l.during(t, clients, func() {
		seen := int64(1)
		for n := range changes {
			if n%2 == 0 {
				number := d.drafted(t, fmt.Sprint("change ", n), &seen)
				switching = append(switching, spanOf(func() { d.publishes(t, number) }))
				seen = number
				continue
			}
			switching = append(switching, spanOf(func() {
				status, answer := d.call(t, http.MethodPost, demoPolicy+"/return", "", map[string]any{"number": seen - 1, "expected": seen}, nil)
				require.Equal(t, http.StatusOK, status, answer)
			}))
			seen--
		}
	})
	t.Logf("nothing published: %s", summary(quiet))
	t.Logf("%d publications and returns in %s, drafts, checks and previews included: %s", changes, time.Since(began).Round(time.Millisecond), summary(busy))
	t.Logf("of these, while something was published or returned to: %s", summary(within(busy, switching)))
	require.Greater(t, len(l.digests), changes/2, "the clients have seen each revision come into force")
}

const demoPolicy = "/admin/v1/portals/storehut/policy"

// servedDemo returns a running server with the demo portal alone.
func servedDemo(t *testing.T) *desk {
	t.Helper()
	d := &desk{dir: t.TempDir()}
	fixtures, err := filepath.Abs("../../fixtures/acumatica")
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(d.dir, "policies"), 0o755))
	for _, args := range [][]string{
		{"import", "--quiet", fixtures},
		{"key", "create", "--name", "k", "--portal", "storehut", "--permission", "admin,decide", "--json"},
	} {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = d.dir
		out, err := cmd.Output()
		require.NoError(t, err, "%s", out)
		if args[0] == "key" {
			write(t, d.dir, map[string]string{"key.json": string(out)})
		}
	}
	d.process, d.env = servingProcess(t, d.dir, "--default-portal", "storehut")
	d.base = strings.TrimPrefix(d.env[0], "PORTCULLIS_SERVER=")
	return d
}

// drafted returns the number of a revision that only has to be published. It differs
// from the one before in a comment; the first, over which nil comes, is the folder's
// policy.
func (d *desk) drafted(t *testing.T, message string, over *int64) int64 {
	t.Helper()
	draft := map[string]any{"message": message}
	if over != nil {
		var last struct {
			Files map[string]struct{ Text string }
		}
		d.call(t, http.MethodGet, revisionPath(*over), "", nil, &last)
		files := map[string]string{}
		for name, f := range last.Files {
			files[name] = f.Text
		}
		first := slices.Sorted(maps.Keys(files))[0]
		files[first] += "\n# " + message + "\n"
		draft["files"], draft["parent"] = files, *over
	}
	var made struct {
		Document struct{ Number int64 }
	}
	status, answer := d.call(t, http.MethodPost, demoPolicy+"/revisions", "", draft, &made)
	require.Equal(t, http.StatusCreated, status, answer)
	for _, kind := range []string{"check", "preview"} {
		require.Contains(t, d.examinedAt(t, demoPolicy, made.Document.Number, kind, ""), `"state":"done"`)
	}
	return made.Document.Number
}

func (d *desk) publishes(t *testing.T, number int64) {
	t.Helper()
	status, answer := d.call(t, http.MethodPost, revisionPath(number)+"/publish", "", map[string]any{}, nil)
	require.Equal(t, http.StatusOK, status, answer)
}

func revisionPath(number int64) string {
	return demoPolicy + "/revisions/" + strconv.FormatInt(number, 10)
}

// span is a time.
type span struct{ from, to time.Time }

func spanOf(do func()) span {
	from := time.Now()
	do()
	return span{from, time.Now()}
}

// within returns those of all that some span of the others touches.
func within(all, others []span) []span {
	return slices.DeleteFunc(slices.Clone(all), func(s span) bool {
		return !slices.ContainsFunc(others, func(o span) bool { return s.from.Before(o.to) && s.to.After(o.from) })
	})
}

// summary says how long they take.
func summary(all []span) string {
	if len(all) == 0 {
		return "no requests"
	}
	took := make([]time.Duration, len(all))
	for i, s := range all {
		took[i] = s.to.Sub(s.from)
	}
	slices.Sort(took)
	return fmt.Sprintf("%d requests, median %s, p99 %s, longest %s", len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
}

// load is what clients ask, and have been told.
type load struct {
	url, key string
	http     http.Client

	mu      sync.Mutex
	digests map[int64]string // of the policy, by the number of its revision
}

// thinking is how long a client does something else between two questions. Clients that
// never do keep all processors busy, and measure how long their own queue is.
const thinking = 5 * time.Millisecond

// during has clients ask until meanwhile returns, and returns their requests.
func (l *load) during(t *testing.T, clients int, meanwhile func()) []span {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(1000)) // the clients' own pauses are not the server's
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var asking errgroup.Group
	requests := make([][]span, clients)
	for i := range clients {
		asking.Go(func() (err error) {
			for ctx.Err() == nil && err == nil {
				requests[i] = append(requests[i], spanOf(func() { err = l.ask() }))
				time.Sleep(thinking)
			}
			return err
		})
	}
	meanwhile()
	stop()
	require.NoError(t, asking.Wait())
	return slices.Concat(requests...)
}

const threeQuestions = `{"subject": {"type": "user", "id": "ray.newman"}, "options": {"reasons": true}, "action": {"name": "view"}, "evaluations": [
  {"resource": {"type": "screen", "id": "SP408030"}}, {"resource": {"type": "case", "id": "CS-RAY"}}, {"resource": {"type": "screen", "id": "SP408030"}, "action": {"name": "edit"}}]}`

// ask puts three questions in one request, and returns what is wrong with the answers.
func (l *load) ask() error {
	req, err := http.NewRequest(http.MethodPost, l.url, strings.NewReader(threeQuestions))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+l.key)
	res, err := l.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var answers struct {
		Evaluations []struct {
			Decision bool
			Context  struct {
				Policy         string
				PolicyRevision int64 `json:"policy_revision"`
				Revision       int64
			}
		}
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&answers); err != nil || res.StatusCode != http.StatusOK || len(answers.Evaluations) != 3 {
		return fmt.Errorf("status %d: %s: %w", res.StatusCode, text, err)
	}
	first := answers.Evaluations[0].Context
	for i, a := range answers.Evaluations {
		if a.Context != first || a.Decision != (i < 2) {
			return fmt.Errorf("answer %d: %s", i, text)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if was, seen := l.digests[first.PolicyRevision]; seen && was != first.Policy {
		return fmt.Errorf("revision %d is %s and %s", first.PolicyRevision, was, first.Policy)
	}
	l.digests[first.PolicyRevision] = first.Policy
	return nil
}
