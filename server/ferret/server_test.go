package ferret_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/ferret"
)

// childVariable makes the test binary hold the folder until it is killed.
const childVariable = "PORTCULLIS_TEST_FERRET_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		s, err := ferret.Start(context.Background(), dir, slog.New(slog.DiscardHandler))
		if err != nil {
			panic(err)
		}
		fmt.Println(s.URI())
		select {}
	}
	os.Exit(m.Run())
}

func start(t *testing.T, dir string) *ferret.Server {
	t.Helper()
	s, err := ferret.Start(t.Context(), dir, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	return s
}

// using calls fn with a client that is gone when using returns: a server waits
// for its clients.
func using(t *testing.T, uri string, fn func(*mongo.Collection)) {
	t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(2 * time.Second))
	require.NoError(t, err)
	defer func() { _ = c.Disconnect(context.Background()) }()
	fn(c.Database("x").Collection("x"))
}

// insert stores a document and returns the database's refusal, if any.
func insert(t *testing.T, uri string) (err error) {
	t.Helper()
	using(t, uri, func(c *mongo.Collection) { _, err = c.InsertOne(t.Context(), bson.M{"_id": "a"}) })
	return err
}

func count(t *testing.T, uri string) (n int64) {
	t.Helper()
	using(t, uri, func(c *mongo.Collection) {
		var err error
		n, err = c.CountDocuments(t.Context(), bson.M{"_id": "a"})
		require.NoError(t, err)
	})
	return n
}

// socket returns the path that a URI leads to.
func socket(t *testing.T, uri string) string {
	t.Helper()
	path, err := url.PathUnescape(strings.TrimSuffix(strings.TrimPrefix(uri, "mongodb://"), "/"))
	require.NoError(t, err)
	return path
}

func TestDataOutlivesTheServer(t *testing.T) {
	for _, name := range []string{"plain", "with space", "ünïcode+&", strings.Repeat("long", 30)} {
		t.Run(name[:5], func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			s, err := ferret.Start(t.Context(), dir, slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			require.NoError(t, insert(t, s.URI()))
			path := socket(t, s.URI())
			require.LessOrEqual(t, len(path), 100)
			for _, folder := range []string{dir, filepath.Join(dir, "db"), filepath.Dir(path)} {
				fi, err := os.Stat(folder)
				require.NoError(t, err)
				require.Equal(t, os.FileMode(0o700), fi.Mode().Perm(), folder)
			}
			require.NoError(t, s.Stop(t.Context()))
			require.NoFileExists(t, path)
			if len(dir) > 100 {
				require.NoDirExists(t, filepath.Dir(path), "the temporary folder goes too")
			}
			require.EqualValues(t, 1, count(t, start(t, dir).URI()))
			require.FileExists(t, filepath.Join(dir, "db", "x.sqlite"))
		})
	}
}

func TestFolderServesOneProcess(t *testing.T) {
	dir := t.TempDir()
	cmd, uri := hold(t, dir)
	_, err := ferret.Start(t.Context(), dir, slog.New(slog.DiscardHandler))
	require.Equal(t, authz.Conflict, authz.KindOf(err), "%v", err)
	for _, want := range []string{dir, fmt.Sprintf("process %d", cmd.Process.Pid), "--data"} {
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, insert(t, uri), "the attempt must not disturb the holder")

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.FileExists(t, socket(t, uri), "a killed process leaves its socket")
	require.EqualValues(t, 1, count(t, start(t, dir).URI()))
}

// TestKilledProcessLeavesNoTemporaryFolder is about long paths.
func TestKilledProcessLeavesNoTemporaryFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	cmd, uri := hold(t, dir)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	temp := filepath.Dir(socket(t, uri))
	require.DirExists(t, temp)
	start(t, dir)
	require.NoDirExists(t, temp)
}

// TestForeignFilesStay puts paths that are not ours into the lock file.
func TestForeignFilesStay(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	temp := filepath.Join(other, "portcullis-1")
	require.NoError(t, os.Mkdir(temp, 0o700))
	mine := filepath.Join(temp, "ferret.sock")
	require.NoError(t, os.WriteFile(mine, []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "portcullis.lock"), []byte("1\n"+mine+"\n"), 0o600))
	start(t, dir)
	require.FileExists(t, mine)
}

func hold(t *testing.T, dir string) (cmd *exec.Cmd, uri string) {
	t.Helper()
	cmd = exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	_, err = fmt.Fscanln(out, &uri)
	require.NoError(t, err)
	return cmd, uri
}

func TestUnusableFolderIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{file, filepath.Join(t.TempDir(), "what?"), filepath.Join(t.TempDir(), "a%20b"), filepath.Join(t.TempDir(), "a#b")} {
		_, err := ferret.Start(t.Context(), dir, slog.New(slog.DiscardHandler))
		require.Equal(t, authz.Invalid, authz.KindOf(err), "%v", err)
		require.ErrorContains(t, err, "--data")
	}
}

func TestItSaysNothing(t *testing.T) {
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	s, err := ferret.Start(t.Context(), t.TempDir(), log)
	require.NoError(t, err)
	require.NoError(t, insert(t, s.URI()))
	require.Error(t, insert(t, s.URI()), "the _id is taken")
	require.NoError(t, s.Stop(t.Context()))
	require.Empty(t, said.String())
	require.NoError(t, s.Stop(t.Context()), "a second Stop")
}

func TestStopIsBounded(t *testing.T) {
	s := start(t, t.TempDir())
	using(t, s.URI(), func(c *mongo.Collection) {
		require.NoError(t, c.Database().Client().Ping(t.Context(), nil))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.Equal(t, authz.Unavailable, authz.KindOf(s.Stop(ctx)))
		began := time.Now()
		require.NoError(t, s.Stop(t.Context()))
		require.Less(t, time.Since(began), 5*time.Second)
	})
}
