package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Config is the whole configuration. The zero value is not valid; start from
// [Default] or [Load].
type Config struct {
	Addr          string        `koanf:"addr" doc:"Address on which the service listens: host:port, of which port 0 takes a free one, or unix:/path of a socket."`
	Data          string        `koanf:"data" doc:"Folder of the embedded database; used when mongo.uri is empty."`
	Mongo         Mongo         `koanf:"mongo"`
	Policies      string        `koanf:"policies" doc:"Folder of Rego to load beside the built-in policies; empty: built in only."`
	DefaultPortal string        `koanf:"default_portal" doc:"Portal of requests whose path names none; empty: the only portal, if there is one."`
	Auth          Auth          `koanf:"auth"`
	Log           Log           `koanf:"log"`
	Limits        Limits        `koanf:"limits"`
	Poll          time.Duration `koanf:"poll" doc:"How often the store is asked for changes; from 10ms to 1s."`
	Drain         Drain         `koanf:"drain"`
	Webhook       Webhook       `koanf:"webhook"`
}

// Mongo says which database holds the data.
type Mongo struct {
	URI      Secret `koanf:"uri" doc:"MongoDB replica set, mongodb:// or mongodb+srv://; empty: the embedded database."`
	Database string `koanf:"database" doc:"Name of the database."`
}

// Auth says who is let in.
type Auth struct {
	Anonymous string `koanf:"anonymous" doc:"What callers without a key may do: decide, search and explain, with commas between them, or none; empty: all three where only this machine can call (loopback and Unix sockets), and none elsewhere."`
}

// None in Auth.Anonymous stands for no permission at all.
const None = "none"

// anonymous are the permissions that need no key when the operator says so.
var anonymous = []string{"decide", "search", "explain"}

// Permissions returns the permissions of callers without a key, and false when the
// operator does not say which.
func (a Auth) Permissions() (names []string, said bool) {
	switch a.Anonymous {
	case "":
		return nil, false
	case None:
		return []string{}, true
	}
	for name := range strings.SplitSeq(a.Anonymous, ",") {
		names = append(names, strings.TrimSpace(name))
	}
	return names, true
}

// Log says what is logged and how.
type Log struct {
	Level  string `koanf:"level" doc:"Least level that is logged: debug, info, warn or error."`
	Format string `koanf:"format" doc:"Form of log lines: text or json."`
}

// Limits bound what one request, and the process, may use.
type Limits struct {
	Body    int64         `koanf:"body" doc:"Greatest size of a request's body, in bytes; from 1024 to 67108864."`
	Depth   int           `koanf:"depth" doc:"Greatest nesting of the JSON in a request; from 4 to 256."`
	Batch   int           `koanf:"batch" doc:"Greatest number of questions in one request; from 1 to 10000."`
	Eval    time.Duration `koanf:"eval" doc:"Time that one evaluation of a policy may take, less the pauses that a busy machine makes; from 1ms to 10s."`
	Request time.Duration `koanf:"request" doc:"Time that one request may take; from limits.eval to 1m."`
	Cache   int           `koanf:"cache" doc:"Users and records kept in memory by each process; from 1 to 10000000."`
}

// Drain says how the service stops.
type Drain struct {
	Delay   time.Duration `koanf:"delay" doc:"Time between reporting not ready and refusing connections; at most 5m."`
	Timeout time.Duration `koanf:"timeout" doc:"Time that requests under way have to finish; above 0 and at most 10m."`
}

// Webhook says who sends the mails that policies want sent.
type Webhook struct {
	URL       string `koanf:"url" doc:"Address to which mails are handed over to be sent, https:// with a host; empty: they wait until there is one."`
	Secret    Secret `koanf:"secret" doc:"What these requests are signed with: whsec_ and a key of 24 to 64 bytes in base64; while it is being replaced, the new one and the old with a space between them."`
	PlainHTTP string `koanf:"plain_http" doc:"Where webhook.url may be http://: loopback or anywhere."`
}

// Values of Webhook.PlainHTTP.
const (
	PlainLoopback = "loopback"
	PlainAnywhere = "anywhere"
)

// Default returns the configuration of a service that is told nothing.
func Default() Config {
	return Config{
		Addr:   "127.0.0.1:8181",
		Data:   "./portcullis-data",
		Mongo:  Mongo{Database: "portcullis"},
		Log:    Log{Level: "info", Format: "text"},
		Limits: Limits{Body: 1 << 20, Depth: 32, Batch: 1000, Eval: 100 * time.Millisecond, Request: 5 * time.Second, Cache: 100_000},
		Poll:   500 * time.Millisecond,
		Drain:  Drain{Timeout: 10 * time.Second},

		Webhook: Webhook{PlainHTTP: PlainLoopback},
	}
}

// Redacted returns the configuration without its secrets, fit to be shown.
func (c Config) Redacted() Config {
	c.Mongo.URI = Secret(c.Mongo.URI.String())
	c.Webhook.Secret = Secret(c.Webhook.Secret.String())
	return c
}

// Key describes one key of the configuration.
type Key struct {
	Name    string // such as limits.body: the path in the file
	Env     string // such as PORTCULLIS_LIMITS_BODY
	Flag    string // such as limits-body, without its dashes
	Default string // empty: none
	Doc     string // one sentence or two

	kind reflect.Type
}

// Reference returns every key in the order of [Config], for --help and for
// documentation.
func Reference() []Key { return describe(reflect.ValueOf(Default()), "") }

func describe(v reflect.Value, prefix string) []Key {
	var keys []Key
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := prefix + f.Tag.Get("koanf")
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, describe(v.Field(i), name+".")...)
			continue
		}
		keys = append(keys, Key{
			Name: name, Env: envName(name), Flag: flagName(name),
			Default: fmt.Sprint(v.Field(i).Interface()), Doc: f.Tag.Get("doc"), kind: f.Type,
		})
	}
	return keys
}

// Prefix begins the names of all environment variables of the service.
const Prefix = "PORTCULLIS_"

func envName(key string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func flagName(key string) string { return strings.NewReplacer(".", "-", "_", "-").Replace(key) }

// Values returns the value of every key, as the environment would write it.
func (c Config) Values() map[string]string {
	values := map[string]string{}
	for _, k := range describe(reflect.ValueOf(c), "") {
		values[k.Name] = k.Default
	}
	return values
}
