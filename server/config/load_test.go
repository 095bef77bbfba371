package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/config"
)

// file writes a configuration file and returns its path.
func file(t testing.TB, src string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "portcullis.yaml")
	require.NoError(t, os.WriteFile(name, []byte(src), 0o600))
	return name
}

func TestDefault(t *testing.T) {
	c, err := config.Load(config.Sources{})
	require.NoError(t, err)
	require.Equal(t, config.Default(), c)
	require.NoError(t, c.Validate())
}

// TestPrecedence sets every key in every layer and takes the layers away one by
// one from the top.
func TestPrecedence(t *testing.T) {
	values := map[string][3]string{ // file, environment, flag
		"addr":           {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"},
		"data":           {"d1", "d2", "d3"},
		"mongo.uri":      {"mongodb://h1", "mongodb://h2", "mongodb+srv://h3"},
		"mongo.database": {"b1", "b2", "b3"},
		"policies":       {"p1", "p2", "p3"},
		"default_portal": {"q1", "q2", "q3"},
		"auth.anonymous": {"none", "search", "decide, explain"},
		"log.level":      {"debug", "warn", "error"},
		"log.format":     {"json", "text", "json"},
		"limits.body":    {"2001", "2002", "2003"},
		"limits.depth":   {"11", "12", "13"},
		"limits.batch":   {"21", "22", "23"},
		"limits.eval":    {"31ms", "32ms", "33ms"},
		"limits.request": {"41s", "42s", "43s"},
		"limits.cache":   {"51", "52", "53"},
		"poll":           {"61ms", "62ms", "63ms"},
		"drain.delay":    {"1s", "2s", "3s"},
		"drain.timeout":  {"4s", "5s", "6s"},

		"webhook.url":        {"https://h1", "http://127.0.0.1:2", "https://h3/x?y"},
		"webhook.secret":     {"whsec_1", "whsec_2", "whsec_3 whsec_2"},
		"webhook.plain_http": {"anywhere", "loopback", "anywhere"},
	}
	var src string
	var environ []string
	flags := map[string]string{}
	for _, k := range config.Reference() {
		v, ok := values[k.Name]
		require.True(t, ok, k.Name)
		if group, name, dotted := strings.Cut(k.Name, "."); dotted {
			if !strings.Contains(src, group+":\n") {
				src += group + ":\n"
			}
			src += "  " + name + ": " + v[0] + "\n"
		} else {
			src += k.Name + ": " + v[0] + "\n"
		}
		environ = append(environ, k.Env+"="+v[1])
		flags[k.Name] = v[2]
	}
	require.Len(t, flags, len(values))
	s := config.Sources{File: file(t, src), Environ: environ, Flags: flags}

	c, err := config.Load(s)
	require.NoError(t, err)
	require.Equal(t, config.Config{
		Addr: "127.0.0.1:3", Data: "d3", Mongo: config.Mongo{URI: "mongodb+srv://h3", Database: "b3"}, Policies: "p3", DefaultPortal: "q3",
		Auth:   config.Auth{Anonymous: "decide, explain"},
		Log:    config.Log{Level: "error", Format: "json"},
		Limits: config.Limits{Body: 2003, Depth: 13, Batch: 23, Eval: 33 * time.Millisecond, Request: 43 * time.Second, Cache: 53},
		Poll:   63 * time.Millisecond, Drain: config.Drain{Delay: 3 * time.Second, Timeout: 6 * time.Second},
		Webhook: config.Webhook{URL: "https://h3/x?y", Secret: "whsec_3 whsec_2", PlainHTTP: "anywhere"},
	}, c)

	s.Flags = nil
	c, err = config.Load(s)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:2", c.Addr)
	require.Equal(t, int64(2002), c.Limits.Body)

	s.Environ = nil
	c, err = config.Load(s)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1", c.Addr)
	require.Equal(t, int64(2001), c.Limits.Body)
	require.Equal(t, config.Secret("mongodb://h1"), c.Mongo.URI)
}

// TestLoadBad runs every file of testdata/bad, whose first lines say what the
// error must be.
func TestLoadBad(t *testing.T) {
	names, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(names), 32)
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			src, err := os.ReadFile(name)
			require.NoError(t, err)
			var want []string
			for line := range strings.Lines(string(src)) {
				if w, ok := strings.CutPrefix(line, "# want: "); ok {
					want = append(want, strings.TrimSpace(w))
				}
			}
			c, err := config.Load(config.Sources{File: name})
			require.Error(t, err)
			require.Zero(t, c)
			require.Equal(t, want, strings.Split(strings.ReplaceAll(err.Error(), filepath.ToSlash(name), filepath.Base(name)), "\n"))
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestLoadFaults(t *testing.T) {
	good := file(t, "addr: 127.0.0.1:1\n")
	for _, c := range []struct {
		name    string
		sources config.Sources
		want    string
	}{
		{"missing file", config.Sources{File: "testdata/none.yaml"}, "testdata/none.yaml: does not exist: name a file that does, or none"},
		{"folder", config.Sources{File: "testdata"}, "testdata: is no regular file: name a YAML file"},
		{"unknown variable", config.Sources{Environ: []string{"PORTCULLIS_LIMIT_BODY=1"}}, "PORTCULLIS_LIMIT_BODY: unknown variable; did you mean PORTCULLIS_LIMITS_BODY?"},
		{"unknown variable far", config.Sources{Environ: []string{"PORTCULLIS_XYZZY_PLUGH=1"}}, "PORTCULLIS_XYZZY_PLUGH: unknown variable: leave it out, or look up the keys there are"},
		{"empty variable", config.Sources{Environ: []string{"PORTCULLIS_MONGO_URI="}}, "PORTCULLIS_MONGO_URI: mongo.uri: is set but empty: give it a value or unset it"},
		{"bad variable", config.Sources{Environ: []string{"PORTCULLIS_POLL=fast"}}, `PORTCULLIS_POLL: poll: "fast" is no duration: want a number with a unit, such as 500ms or 5s`},
		{"variable out of range", config.Sources{Environ: []string{"PORTCULLIS_POLL=1m"}}, "PORTCULLIS_POLL: poll: must be from 10ms to 1s, got 1m0s"},
		{"unknown flag", config.Sources{Flags: map[string]string{"default_portl": "x"}}, "--default-portl: unknown flag; did you mean default_portal?"},
		{"bad flag", config.Sources{Flags: map[string]string{"limits.batch": "1e3"}}, `--limits-batch: limits.batch: "1e3" is no whole number: want digits alone, such as 1000`},
		{"flag out of range", config.Sources{Flags: map[string]string{"limits.cache": "-1"}}, "--limits-cache: limits.cache: must be from 1 to 10000000, got -1"},
		{"overflow", config.Sources{Flags: map[string]string{"limits.cache": "99999999999999999999"}}, `--limits-cache: limits.cache: "99999999999999999999" is no whole number: want digits alone, such as 1000`},
		{"overridden fault", config.Sources{Environ: []string{"PORTCULLIS_POLL=x"}, Flags: map[string]string{"poll": "1s"}}, `PORTCULLIS_POLL: poll: "x" is no duration: want a number with a unit, such as 500ms or 5s`},
		{"all layers", config.Sources{File: file(t, "log: {level: x}\n"), Environ: []string{"PORTCULLIS_LOG_FORMAT=y"}, Flags: map[string]string{"addr": "z"}},
			"FILE:1: log.level: must be one of debug, info, warn, error, got \"x\"\n" +
				"PORTCULLIS_LOG_FORMAT: log.format: must be one of text, json, got \"y\"\n" +
				`--addr: addr: must be host:port with a port up to 65535, such as 127.0.0.1:8181, or unix:/path of a socket, got "z"`},
		{"secret in broken YAML", config.Sources{File: file(t, "mongo:\n  uri: \"mongodb://u:hunter2@h\n")}, "FILE:2: is no YAML: could not find end character of double-quoted text"},
		{"large file", config.Sources{File: file(t, strings.Repeat("#", config.MaxFile+1))}, "FILE: is too large: at most 65536 bytes"},
		{"many keys", config.Sources{File: file(t, strings.Repeat("a: b\n", 600))}, "FILE:501: is one key too many: at most 500"},
		{"deep braces", config.Sources{File: file(t, strings.Repeat("{a: ", 15_000))}, "FILE:1: is one key too many: at most 500"},
		{"deep lists", config.Sources{File: file(t, strings.Repeat("[", 60_000))}, "FILE:1: no key takes a list: give one value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.sources.File == "" {
				c.sources.File = good
			}
			_, err := config.Load(c.sources)
			require.Error(t, err)
			require.Equal(t, c.want, strings.ReplaceAll(err.Error(), c.sources.File, label(c.sources.File)))
			p, ok := errors.AsType[*config.Problem](err)
			require.True(t, ok)
			require.NotEmpty(t, p.Source)
		})
	}
}

// label keeps the names that a case gives itself and shortens those of
// temporary files.
func label(name string) string {
	if filepath.IsAbs(name) {
		return "FILE"
	}
	return name
}

func TestVariablesLeftAlone(t *testing.T) {
	c, err := config.Load(config.Sources{Environ: []string{
		"HOME=/", "PORTCULLIS=1", "PORTCULLIS_CONFIG=x.yaml", "PORTCULLIS_TEST_MONGO_URI=x",
		"PORTCULLIS_SERVICE_HOST=10.0.0.1", "PORTCULLIS_SERVICE_PORT=8181", "PORTCULLIS_SERVICE_PORT_HTTP=8181", "PORTCULLIS_PORT=tcp://10.0.0.1:8181",
		"PORTCULLIS_PORT_8181_TCP=tcp://10.0.0.1:8181", "PORTCULLIS_PORT_8181_TCP_PROTO=tcp", "PORTCULLIS_PORT_8181_TCP_PORT=8181", "PORTCULLIS_PORT_8181_TCP_ADDR=10.0.0.1",
	}})
	require.NoError(t, err)
	require.Equal(t, config.Default(), c)
}

func TestReference(t *testing.T) {
	keys := config.Reference()
	var names []string
	for _, k := range keys {
		names = append(names, k.Name)
		require.NotEmpty(t, k.Doc, k.Name)
		require.True(t, strings.HasSuffix(k.Doc, "."), k.Name)
	}
	require.Equal(t, []string{
		"addr", "data", "mongo.uri", "mongo.database", "policies", "default_portal", "auth.anonymous", "log.level", "log.format", "limits.body", "limits.depth",
		"limits.batch", "limits.eval", "limits.request", "limits.cache", "poll", "drain.delay", "drain.timeout", "webhook.url", "webhook.secret", "webhook.plain_http",
	}, names)
	i := slices.IndexFunc(keys, func(k config.Key) bool { return k.Name == "default_portal" })
	require.Equal(t, "PORTCULLIS_DEFAULT_PORTAL", keys[i].Env)
	require.Equal(t, "default-portal", keys[i].Flag)
	require.Equal(t, "", keys[i].Default)
	i = slices.IndexFunc(keys, func(k config.Key) bool { return k.Name == "limits.eval" })
	require.Equal(t, "PORTCULLIS_LIMITS_EVAL", keys[i].Env)
	require.Equal(t, "limits-eval", keys[i].Flag)
	require.Equal(t, "100ms", keys[i].Default)
}

func TestAnonymous(t *testing.T) {
	for text, want := range map[string][]string{"": nil, "none": {}, "decide": {"decide"}, " decide ,explain": {"decide", "explain"}} {
		names, said := config.Auth{Anonymous: text}.Permissions()
		require.Equal(t, want, names, text)
		require.Equal(t, text != "", said, text)
	}
}

func TestSocket(t *testing.T) {
	c := config.Default()
	for addr, good := range map[string]bool{"unix:/run/p.sock": true, "unix:/p": true, "unix:": false, "unix:p.sock": false, "unix:/run/": false, "unix:/a\x00b": false} {
		c.Addr = addr
		require.Equal(t, good, c.Validate() == nil, addr)
	}
	path, ok := config.Socket("unix:/run/p.sock")
	require.True(t, ok)
	require.Equal(t, "/run/p.sock", path)
	_, ok = config.Socket("127.0.0.1:8181")
	require.False(t, ok)
}

func TestSecret(t *testing.T) {
	for _, c := range []struct{ uri, want string }{
		{"", ""},
		{"mongodb://db1:27017,db2:27017/x?replicaSet=rs0", "mongodb://db1:27017,db2:27017"},
		{"mongodb://user:hunter2@db1:27017/x", "mongodb://[redacted]@db1:27017"},
		{"mongodb+srv://user:hunter2@cluster.example.net/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2", "mongodb+srv://[redacted]@cluster.example.net"},
		{"mongodb://user:hunter2/x@db", "[redacted]"},
		{"mongodb://user:hunter2", "[redacted]"},
		{"mongodb://u:hun@ter2@db", "[redacted]"},
		{"mongodb://db/?password=a@hunter2", "[redacted]"},
		{"hunter2", "[redacted]"},
		{"whsec_hunter2", "[redacted]"},
	} {
		t.Run(c.uri, func(t *testing.T) {
			s := config.Secret(c.uri)
			require.Equal(t, c.want, s.String())
			require.Equal(t, c.uri, s.Reveal())
			cfg := config.Config{Mongo: config.Mongo{URI: s}, Webhook: config.Webhook{Secret: s}}
			j, err := json.Marshal(cfg)
			require.NoError(t, err)
			printed := fmt.Sprintf("%v %+v %#v %s %q %x %d %s %v", cfg, cfg, cfg, s, s, s, s, j, cfg.Redacted())
			require.NotContains(t, printed, "hunter2")
			require.NotContains(t, printed, "68756e74657232")
			require.NotContains(t, cfg.Redacted().Mongo.URI.Reveal(), "hunter2")
			require.NotContains(t, cfg.Redacted().Webhook.Secret.Reveal(), "hunter2")
			require.Equal(t, c.uri, cfg.Mongo.URI.Reveal(), "Redacted leaves its receiver")
		})
	}
}

func FuzzLoad(f *testing.F) {
	names, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(f, err)
	for _, name := range names {
		src, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(src)
	}
	f.Add([]byte("\ufeffaddr: 'localhost:0' # any\nlimits: {eval: 1ms}\n"))
	name := filepath.Join(f.TempDir(), "portcullis.yaml")
	f.Fuzz(func(t *testing.T, src []byte) {
		require.NoError(t, os.WriteFile(name, src, 0o600))
		c, err := config.Load(config.Sources{File: name})
		if err == nil {
			require.NoError(t, c.Validate())
		} else {
			require.Zero(t, c)
		}
	})
}
