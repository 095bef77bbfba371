package main_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

// kind is a broken or dangerous draft; testdata/drafts/kinds.txt says what its lines mean.
type kind struct {
	name, at, says string
	folder         bool
	files          map[string]string
}

// kinds returns all there are, as what they make of the files.
func kinds(t *testing.T, base map[string]string) (all []kind) {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/drafts/kinds.txt")
	require.NoError(t, err)
	special := strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\0`, "\x00")
	for _, f := range archive.Files {
		k := kind{name: f.Name, files: maps.Clone(base)}
		for line := range strings.Lines(string(f.Data)) {
			word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			name, text, _ := strings.Cut(rest, ":")
			text = special.Replace(strings.TrimPrefix(text, " "))
			switch word {
			case "at":
				k.at = rest
			case "says":
				k.says = rest
			case "folder":
				k.folder = true
			case "none":
				clear(k.files)
			case "in":
				was, is, ok := strings.Cut(text, " => ")
				require.True(t, ok && strings.Contains(k.files[name], was), "%s: %s", k.name, line)
				k.files[name] = strings.ReplaceAll(k.files[name], was, is)
			case "put":
				if k.files[name] = text; text == "" {
					delete(k.files, name)
				}
			case "add":
				k.files[name] += "\n" + text + "\n"
				k.files[name] = strings.ReplaceAll(k.files[name], "\n\n  - {", "\n  - {")
			case "fill", "many":
				n, err := strconv.Atoi(strings.TrimSpace(text + strings.Repeat(rest, 1-min(1, len(text)))))
				require.NoError(t, err)
				if word == "fill" {
					k.files[name] = strings.Repeat("#", n)
					continue
				}
				for i := range n {
					k.files["many/"+strconv.Itoa(i)+".md"] = "x"
				}
			default:
				t.Fatalf("%s: %q", k.name, line)
			}
		}
		all = append(all, k)
	}
	require.GreaterOrEqual(t, len(all), 30)
	return all
}

// desk is a running server with the portal of the base.
type desk struct {
	dir, base string
	env       []string
	process   *process // of some
}

// unpack writes what of the archive lies below the folder.
func unpack(t *testing.T, a *txtar.Archive, below, dir string) (files map[string]string) {
	t.Helper()
	files = map[string]string{}
	for _, f := range a.Files {
		name, ok := strings.CutPrefix(f.Name, below+"/")
		if !ok {
			continue
		}
		files[name] = string(f.Data)
		if dir != "" {
			write(t, dir, map[string]string{name: string(f.Data)})
		}
	}
	return files
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
}

// call makes a call as the user and returns what is answered.
func (d *desk) call(t *testing.T, method, path, user string, body any, into any) (int, string) {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), method, d.base+path, strings.NewReader(string(text)))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+strings.TrimPrefix(d.env[1], "PORTCULLIS_KEY="))
	if user != "" {
		req.Header.Set("Portcullis-User", user)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	if into != nil {
		require.NoError(t, json.Unmarshal(answer, into), "%s", answer)
	}
	return res.StatusCode, string(answer)
}

const deskPolicy = "/admin/v1/portals/p/policy"

// examined runs an examination to its end and returns its answer.
func (d *desk) examined(t *testing.T, number int64, kind string) (answer string) {
	t.Helper()
	return d.examinedAt(t, deskPolicy, number, kind, "root")
}

// examinedAt is examined for the policy at the path.
func (d *desk) examinedAt(t *testing.T, at string, number int64, kind, user string) (answer string) {
	t.Helper()
	var x struct{ ID, State string }
	status, answer := d.call(t, http.MethodPost, at+"/revisions/"+strconv.FormatInt(number, 10)+"/"+kind, user, map[string]any{}, &x)
	require.Equal(t, http.StatusAccepted, status, answer)
	require.Eventually(t, func() bool {
		_, answer = d.call(t, http.MethodGet, at+"/examinations/"+x.ID, user, nil, &x)
		return x.State != "running"
	}, patience, 50*time.Millisecond)
	return answer
}

// run runs the built binary, and returns its exit code and all that it wrote.
func (d *desk) run(t *testing.T, args ...string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Env = d.dir, append(os.Environ(), d.env...)
	text, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(text)
}

// servedDesk returns the server with the portal of the base, and the files of a good draft.
func servedDesk(t *testing.T) (*desk, map[string]string) {
	t.Helper()
	d := &desk{dir: t.TempDir()}
	base, err := txtar.ParseFile("testdata/drafts/base.txt")
	require.NoError(t, err)
	unpack(t, base, "policies", filepath.Join(d.dir, "policies"))
	unpack(t, base, "p", filepath.Join(d.dir, "portals", "p"))
	for _, args := range [][]string{
		{"import", "--quiet", "portals"},
		{"key", "create", "--name", "k", "--portal", "p", "--permission", "admin,decide", "--acts-for", "*", "--json"},
	} {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = d.dir
		out, err := cmd.Output()
		require.NoError(t, err, "%s", out)
		if args[0] == "key" {
			write(t, d.dir, map[string]string{"key.json": string(out)})
		}
	}
	d.env = serveWithKey(t, d.dir, "--limits-eval", "1s", "--limits-body", "16777216")
	d.base = strings.TrimPrefix(d.env[0], "PORTCULLIS_SERVER=")
	var made struct {
		Document struct{ Number int64 }
	}
	status, answer := d.call(t, http.MethodPost, deskPolicy+"/revisions", "root", map[string]any{"message": "seed"}, &made)
	require.Equal(t, http.StatusCreated, status, answer)
	var seeded struct {
		Files map[string]struct{ Text string }
	}
	d.call(t, http.MethodGet, deskPolicy+"/revisions/1", "root", nil, &seeded)
	files := unpack(t, base, "suite", "")
	for name, f := range seeded.Files {
		files[name] = f.Text
	}
	return d, files
}

// TestDraftsThatAreBrokenOrDangerous: none of them reaches publication, by the API, by
// the command line or by the folder, and each is told why.
func TestDraftsThatAreBrokenOrDangerous(t *testing.T) {
	t.Parallel()
	d, good := servedDesk(t)
	for _, k := range kinds(t, good) {
		t.Run(k.name, func(t *testing.T) {
			d.refuses(t, &k)
			var state struct{ Source string }
			d.call(t, http.MethodGet, deskPolicy, "root", nil, &state)
			require.Equal(t, "dir", state.Source)
			if k.folder {
				d.keeps(t, &k, good)
			}
		})
	}
}

// refuses takes the draft as far as it comes.
func (d *desk) refuses(t *testing.T, k *kind) {
	t.Helper()
	var made struct {
		Document struct{ Number int64 }
	}
	status, answer := d.call(t, http.MethodPost, deskPolicy+"/revisions", "root", map[string]any{"message": k.name, "files": k.files}, &made)
	if k.at == "draft" {
		require.GreaterOrEqual(t, status, 400, answer)
		require.Less(t, status, 500, answer)
		require.Contains(t, answer, k.says)
		d.refusesFolder(t, k)
		return
	}
	require.Equal(t, http.StatusCreated, status, answer)
	number := made.Document.Number
	name := strconv.FormatInt(number, 10)
	found := d.examined(t, number, "check")
	quoted, err := json.Marshal(k.says)
	require.NoError(t, err)
	inJSON := strings.Trim(string(quoted), `"`)
	if k.at == "check" {
		require.Contains(t, found, inJSON)
		code, text := d.run(t, "policy", "check", name, "--as", "root")
		require.Contains(t, []int{3, 4}, code, text)
		require.Contains(t, text, k.says)
	} else {
		require.Contains(t, found, `"ok":true`)
		require.Contains(t, d.examined(t, number, "preview"), `"state":"done"`)
	}
	if k.at == "approve" {
		status, answer = d.call(t, http.MethodPost, deskPolicy+"/revisions/"+name+"/approve", "root", nil, nil)
		require.Equal(t, http.StatusForbidden, status, answer)
		require.Contains(t, answer, inJSON)
		code, text := d.run(t, "policy", "approve", name, "--as", "root")
		require.Equal(t, 6, code, text)
		require.Contains(t, text, k.says)
	}
	status, answer = d.call(t, http.MethodPost, deskPolicy+"/revisions/"+name+"/publish", "root", map[string]any{}, nil)
	require.Contains(t, []int{403, 409, 422}, status, answer)
	code, text := d.run(t, "policy", "publish", name, "--as", "root")
	require.Contains(t, []int{1, 6}, code, text)
	if k.at != "approve" {
		require.Contains(t, answer, inJSON)
		require.Contains(t, text, k.says)
	}
}

// refusesFolder pushes the draft from a folder, as far as a folder can hold it.
func (d *desk) refusesFolder(t *testing.T, k *kind) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range k.files {
		if !filepath.IsLocal(name) || strings.HasPrefix(name, ".") || !strings.Contains(".rego .yaml .md", filepath.Ext(name)) {
			return // no folder is sent with it
		}
		write(t, dir, map[string]string{name: text})
	}
	code, text := d.run(t, "policy", "push", dir, "-m", "x", "-p", "p", "--as", "root")
	require.Equal(t, 1, code, text)
}

// keeps changes the folder alike, and holds that what was in force stays so.
func (d *desk) keeps(t *testing.T, k *kind, good map[string]string) {
	t.Helper()
	const file = "policies/desk/desk.rego"
	write(t, d.dir, map[string]string{file: k.files["desk/desk.rego"]})
	ready := func() (fault string) {
		_, answer := d.call(t, http.MethodGet, "/readyz", "root", nil, nil)
		return answer
	}
	require.Eventually(t, func() bool { return strings.Contains(ready(), `"error"`) }, patience, 20*time.Millisecond, "%s", ready())
	var decided struct{ Decision bool }
	_, answer := d.call(t, http.MethodPost, "/access/v1/evaluation", "", map[string]any{
		"subject": map[string]any{"type": "user", "id": "ann"}, "action": map[string]any{"name": "view"}, "resource": map[string]any{"type": "screen", "id": "home"},
	}, &decided)
	require.True(t, decided.Decision, answer)
	write(t, d.dir, map[string]string{file: good["desk/desk.rego"]})
	require.Eventually(t, func() bool { return !strings.Contains(ready(), `"error"`) }, patience, 20*time.Millisecond)
}
