package mongodb_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/ferret"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// childVariable makes the test binary import two worlds and end, or write until it
// is killed.
const childVariable = "PORTCULLIS_TEST_STORE_CHILD"

// job is what such a child does: in the database at the URI, or else in the
// embedded one of the folder.
type job struct {
	Dir, URI, Database, Mark string
	Writes                   bool // until it is killed
	Publishes                bool // likewise
}

func crashWorlds(mark string) []authz.World {
	return []authz.World{sized("p", mark, 40, 10, 80, 20, 200), sized("q", mark, 40, 10, 80, 20, 50)}
}

// child tells on its standard output when the import begins, how far it is, and
// when it has returned; or when the first of its writes is made.
func child(text string) {
	var j job
	must(json.Unmarshal([]byte(text), &j))
	o := mongodb.Options{URI: j.URI, Database: j.Database}
	var f *ferret.Server
	if j.Dir != "" {
		var err error
		f, err = ferret.Start(context.Background(), j.Dir, quiet())
		must(err)
		o.URI, o.Embedded, o.Sole, o.Prepare = f.URI(), true, true, f.Index
	}
	o.Lease = time.Second
	s, err := mongodb.Open(context.Background(), o)
	must(err)
	switch {
	case j.Writes:
		writeForEver(s, j.Mark)
	case j.Publishes:
		publishForEver(s)
	}
	fmt.Println("begin")
	must(s.Import(context.Background(), crashWorlds(j.Mark), "child", func(done, total int) {
		if done == total {
			fmt.Println("written")
		}
	}))
	fmt.Println("end")
	os.Exit(0)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runChild starts the job, kills it the given time after it has printed the
// line, and returns how long it took from there and whether it ended by itself.
func runChild(t *testing.T, j job, line string, kill time.Duration) (took time.Duration, ended bool) {
	t.Helper()
	text, err := json.Marshal(j)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != line {
	}
	began := time.Now()
	timer := time.AfterFunc(kill, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	for lines.Scan() {
		ended = ended || lines.Text() == "end"
	}
	_ = cmd.Wait()
	return time.Since(began), ended
}

// TestKilledImportIsAllOrNothing kills a process at moments of an import of two
// portals, half of them close to its commit, and looks what is there.
func TestKilledImportIsAllOrNothing(t *testing.T) {
	contract(t, func(t *testing.T, o mongodb.Options) {
		j, look := job{Database: o.Database, Mark: "m0"}, reopenServer
		if o.Embedded {
			j.Dir, look = t.TempDir(), reopenFolder
		} else {
			j.URI = o.URI
		}
		_, ended := runChild(t, j, "end", time.Minute)
		require.False(t, ended, "the line itself is not counted")
		j.Mark = "m1"
		importTakes, ended := runChild(t, j, "begin", time.Minute)
		require.True(t, ended)
		j.Mark = "m2"
		commitTakes, ended := runChild(t, j, "written", time.Minute)
		require.True(t, ended)
		old, outcomes, rounds := "m2", map[string]int{}, max(8, kills(t))
		for i := range rounds {
			j.Mark = fmt.Sprintf("m%d", i+3)
			line, span := "begin", importTakes
			if i%2 == 1 {
				line, span = "written", commitTakes
			}
			if !o.Embedded {
				time.Sleep(time.Second) // the lease of the one before runs out
			}
			_, ended := runChild(t, j, line, rand.N(span+span/10))
			got := look(t, o, j)
			require.Contains(t, []string{old, j.Mark}, got, "round %d", i)
			if ended {
				require.Equal(t, j.Mark, got, "an import that has returned stays")
			}
			if got == old {
				outcomes["old"]++
			} else {
				outcomes["new"]++
			}
			old = got
		}
		t.Logf("after %d kills: %v", rounds, outcomes)
	})
}

func reopenFolder(t *testing.T, o mongodb.Options, j job) string {
	t.Helper()
	f, err := ferret.Start(t.Context(), j.Dir, quiet())
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Stop(context.Background())) }()
	o.URI, o.Prepare = f.URI(), f.Index
	return onlyMark(t, o)
}

// reopenServer ends the dead process's transactions first, as the server would
// within a minute.
func reopenServer(t *testing.T, o mongodb.Options, _ job) string {
	t.Helper()
	require.NoError(t, raw(t, o).Client().Database("admin").RunCommand(t.Context(), bson.D{{Key: "killAllSessions", Value: bson.A{}}}).Err())
	return onlyMark(t, o)
}

// onlyMark opens the store and requires that every document of both portals says
// the same.
func onlyMark(t *testing.T, o mongodb.Options) string {
	t.Helper()
	s, err := mongodb.Open(t.Context(), o)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(context.Background())) }()
	mark := ""
	for i, want := range crashWorlds("") {
		w, err := s.World(t.Context(), want.Portal.ID)
		require.NoError(t, err, "%v", errors.Unwrap(err))
		if i == 0 {
			mark = w.Portal.Title
		}
		require.Equal(t, map[string]int{mark: marks(&want)[""]}, marks(w), want.Portal.ID)
		require.Len(t, w.Rights, len(want.Rights))
	}
	require.True(t, strings.HasPrefix(mark, "m"))
	require.NoError(t, s.Sweep(t.Context()))
	return mark
}
