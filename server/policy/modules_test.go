package policy_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestLoad(t *testing.T) {
	builtIn := fstest.MapFS{
		"lib/a.rego": file("1"), "lib/a_test.rego": file("2"), "presets/x/x.rego": file("3"), "schema/input.json": file("{}"),
		"README.md": file("4"), "lib/.hidden.rego": file("5"), ".git/b.rego": file("6"), "..data/c.rego": file("7"), "regofile": file("8"),
	}
	own := fstest.MapFS{"presets/x/x.rego": file("mended"), "mine.rego": file("added"), "lib/a_test.rego": file("9")}
	m, err := policy.Load(builtIn)
	require.NoError(t, err)
	require.Equal(t, policy.Modules{"lib/a.rego": "1", "presets/x/x.rego": "3"}, m)
	m, err = policy.Load(builtIn, own)
	require.NoError(t, err)
	require.Equal(t, policy.Modules{"lib/a.rego": "1", "presets/x/x.rego": "mended", "mine.rego": "added"}, m)
	m, err = policy.Load()
	require.NoError(t, err)
	require.Empty(t, m)
}

func TestModulesAmongFiles(t *testing.T) {
	files := map[string]string{"p/a.rego": "1", "p/a_test.rego": "2", "decisions.yaml": "3", "notes.rego.md": "4"}
	require.Equal(t, policy.Modules{"p/a.rego": "1"}, policy.Of(files))
	require.Equal(t, policy.Modules{"p/a_test.rego": "2"}, policy.TestsOf(files))
	require.Empty(t, policy.Of(nil))
}

func TestLoadBounds(t *testing.T) {
	full := fstest.MapFS{}
	for i := range policy.MaxModules {
		full[fmt.Sprintf("m%d.rego", i)] = file("package a")
	}
	_, err := policy.Load(full, fstest.MapFS{"m0.rego": file("replaced")})
	require.NoError(t, err)
	_, err = policy.Load(full, fstest.MapFS{"one_more.rego": file("")})
	require.Equal(t, authz.TooLarge, authz.KindOf(err))

	large := strings.Repeat("#", policy.MaxModuleSize)
	_, err = policy.Load(fstest.MapFS{"a.rego": file(large)})
	require.NoError(t, err)
	_, err = policy.Load(fstest.MapFS{"dir/a.rego": file(large + "#")})
	require.Equal(t, authz.TooLarge, authz.KindOf(err))
	require.ErrorContains(t, err, "dir/a.rego")
}

// broken is a folder that cannot be read.
type broken struct{ fstest.MapFS }

func (broken) ReadFile(name string) ([]byte, error) {
	return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrPermission}
}

func TestLoadUnreadable(t *testing.T) {
	_, err := policy.Load(broken{fstest.MapFS{"a.rego": file("package a")}})
	require.Equal(t, authz.Unavailable, authz.KindOf(err))
	require.ErrorIs(t, err, fs.ErrPermission)
}

func TestRevision(t *testing.T) {
	one := policy.Modules{"a": "1", "b": "2"}
	require.Equal(t, one.Revision(), policy.Modules{"b": "2", "a": "1"}.Revision())
	require.Len(t, one.Revision(), 12)
	for _, other := range []policy.Modules{
		nil, {"a": "1"}, {"a": "1", "b": "3"}, {"a": "2", "b": "1"}, {"a": "1", "c": "2"}, {"a": "1b", "": "2"}, {"a1": "", "b": "2"}, {"a": "12", "b": ""},
	} {
		require.NotEqual(t, one.Revision(), other.Revision(), "%v", other)
	}
	m, err := policy.Load(policies.FS)
	require.NoError(t, err)
	again, err := policy.Load(policies.FS)
	require.NoError(t, err)
	require.Equal(t, m.Revision(), again.Revision())
}
