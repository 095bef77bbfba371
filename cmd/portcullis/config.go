package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/config"
	"github.com/portcullis-authz/portcullis/server/httpapi"
	"github.com/portcullis-authz/portcullis/server/webhook"
)

// storeFlags are the keys of the configuration that say where the data is.
type storeFlags struct {
	Config        string  `help:"File of the configuration (YAML)." placeholder:"FILE" env:"PORTCULLIS_CONFIG"`
	Data          *string `key:"data" help:"${data}" placeholder:"DIR"`
	MongoURI      *string `key:"mongo.uri" name:"mongo-uri" help:"${mongo_uri}" placeholder:"URI"`
	MongoDatabase *string `key:"mongo.database" name:"mongo-database" help:"${mongo_database}" placeholder:"NAME"`
	LogLevel      *string `key:"log.level" name:"log-level" help:"${log_level}" placeholder:"LEVEL"`
	LogFormat     *string `key:"log.format" name:"log-format" help:"${log_format}" placeholder:"FORMAT"`
}

// serviceFlags are the other keys.
type serviceFlags struct {
	Addr          *string `key:"addr" help:"${addr}" placeholder:"ADDRESS"`
	Policies      *string `key:"policies" help:"${policies}" placeholder:"DIR"`
	DefaultPortal *string `key:"default_portal" name:"default-portal" help:"${default_portal}" placeholder:"ID"`
	AuthAnonymous *string `key:"auth.anonymous" name:"auth-anonymous" help:"${auth_anonymous}" placeholder:"PERMISSIONS"`
	LimitsBody    *string `key:"limits.body" name:"limits-body" help:"${limits_body}" placeholder:"BYTES"`
	LimitsDepth   *string `key:"limits.depth" name:"limits-depth" help:"${limits_depth}" placeholder:"N"`
	LimitsBatch   *string `key:"limits.batch" name:"limits-batch" help:"${limits_batch}" placeholder:"N"`
	LimitsEval    *string `key:"limits.eval" name:"limits-eval" help:"${limits_eval}" placeholder:"TIME"`
	LimitsRequest *string `key:"limits.request" name:"limits-request" help:"${limits_request}" placeholder:"TIME"`
	LimitsCache   *string `key:"limits.cache" name:"limits-cache" help:"${limits_cache}" placeholder:"N"`
	Poll          *string `key:"poll" help:"${poll}" placeholder:"TIME"`
	DrainDelay    *string `key:"drain.delay" name:"drain-delay" help:"${drain_delay}" placeholder:"TIME"`
	DrainTimeout  *string `key:"drain.timeout" name:"drain-timeout" help:"${drain_timeout}" placeholder:"TIME"`
	WebhookURL    *string `key:"webhook.url" name:"webhook-url" help:"${webhook_url}" placeholder:"URL"`
	WebhookSecret *string `key:"webhook.secret" name:"webhook-secret" help:"${webhook_secret}" placeholder:"SECRET"`
	WebhookPlain  *string `key:"webhook.plain_http" name:"webhook-plain-http" help:"${webhook_plain_http}" placeholder:"WHERE"`
}

// configHelp gives each flag the text and the default of its key.
func configHelp() kong.Option {
	vars := kong.Vars{
		"server_variable": serverVariable, "addr_variable": addrVariable, "server_default": "http://" + config.Default().Addr,
		"permissions": strings.Join(permissionNames(&authz.Caller{Permissions: authz.Permissions()}), ", "), "wait_default": waitDefault.String(), "exit_not_allowed": strconv.Itoa(exitNotAllowed),
		"exit_failed": strconv.Itoa(exitFailed), "exit_differs": strconv.Itoa(exitDiffers), "exit_coverage": strconv.Itoa(exitCoverage), "service_chain": serviceChain,
	}
	for _, k := range config.Reference() {
		text := strings.TrimSuffix(k.Doc, ".")
		if k.Default != "" {
			text += " (" + k.Default + ")"
		}
		vars[strings.NewReplacer(".", "_").Replace(k.Name)] = text + "."
	}
	return vars
}

// load returns the configuration that file, environment and the given flags make.
// The variables of clients may stand beside those of the service.
func load(s *streams, file string, groups ...any) (config.Config, error) {
	flags := map[string]string{}
	for _, g := range groups {
		v := reflect.ValueOf(g)
		for i := range v.NumField() {
			if value, ok := v.Field(i).Interface().(*string); ok && value != nil {
				flags[v.Type().Field(i).Tag.Get("key")] = *value
			}
		}
	}
	env := slices.DeleteFunc(slices.Clone(s.env), func(v string) bool {
		return strings.HasPrefix(v, serverVariable+"=") || strings.HasPrefix(v, keyVariable+"=")
	})
	c, err := config.Load(config.Sources{File: file, Environ: env, Flags: flags})
	if err != nil {
		return c, fmt.Errorf("the configuration is wrong:\n%w", err)
	}
	return c, nil
}

// logger writes to stderr, so that what a command answers stays apart.
func logger(s *streams, c *config.Config) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		level = slog.LevelInfo // config has refused any other
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(s.err, o))
	}
	return slog.New(slog.NewTextHandler(s.err, o))
}

func storeOptions(c *config.Config, log *slog.Logger) server.StoreOptions {
	return server.StoreOptions{Data: c.Data, URI: c.Mongo.URI.Reveal(), Database: c.Mongo.Database, Log: log}
}

func serverOptions(c *config.Config, log *slog.Logger) server.Options {
	return server.Options{
		Addr: c.Addr, Store: storeOptions(c, log), Policies: c.Policies, DefaultPortal: c.DefaultPortal, Anonymous: permissions(c.Auth.Permissions()),
		Eval: c.Limits.Eval, Cache: c.Limits.Cache, Poll: c.Poll, DrainDelay: c.Drain.Delay,
		HTTP: httpapi.Options{
			Body: int(c.Limits.Body), Depth: c.Limits.Depth, Batch: c.Limits.Batch,
			Timeout: c.Limits.Request, Drain: c.Drain.Timeout, Log: log, Version: version(), Now: time.Now,
		},
		Webhook: webhook.Options{URL: c.Webhook.URL, Secret: c.Webhook.Secret.Reveal(), PlainHTTP: c.Webhook.PlainHTTP == config.PlainAnywhere},
		Log:     log, Now: time.Now,
	}
}

// permissions returns a list of names as permissions: nil when none is said.
func permissions(names []string, said bool) []authz.Permission {
	if !said {
		return nil
	}
	ps := make([]authz.Permission, len(names))
	for i, name := range names {
		ps[i] = authz.Permission(name)
	}
	return ps
}

// configCmd checks and shows the configuration.
type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Load the configuration as serve does, and report every fault."`
	Show  configShowCmd  `cmd:"" help:"Show the configuration in force, and every key."`
}

type configCheckCmd struct {
	storeFlags
	serviceFlags
}

// Run checks the configuration and compiles the policies that it names.
func (c *configCheckCmd) Run(s *streams) error {
	conf, err := load(s, c.Config, c.storeFlags, c.serviceFlags)
	if err != nil {
		return err
	}
	program, err := server.Program(conf.Policies, conf.Limits.Eval)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "The configuration is good; policy packages: %s.\n", strings.Join(program.Packages(), ", "))
	return nil
}

type configShowCmd struct {
	storeFlags
	serviceFlags
}

// Run shows every key with its value in force.
func (c *configShowCmd) Run(s *streams) error {
	conf, err := load(s, c.Config, c.storeFlags, c.serviceFlags)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tVALUE\tENVIRONMENT\tFLAG")
	values := conf.Redacted().Values()
	for _, k := range config.Reference() {
		fmt.Fprintf(w, "%s\t%s\t%s\t--%s\n", k.Name, values[k.Name], k.Env, k.Flag)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = s.out.Write(b.Bytes())
	return err
}
