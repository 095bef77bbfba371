package server

import (
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/httpapi"
	"github.com/portcullis-authz/portcullis/server/live"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/webhook"
)

// StoreOptions say where the data is.
type StoreOptions struct {
	Data     string // folder of the embedded database, used when URI is empty
	URI      string // of a MongoDB replica set
	Database string // in it
	Log      *slog.Logger
}

// Options of a Server. The zero value of HTTP takes httpapi's defaults; who is let in
// there is not HTTP's to say.
type Options struct {
	Addr     string // host:port; port 0: any free one
	Store    StoreOptions
	Policies string // folder of Rego beside what is built in; empty: none
	// Handover gives the policies instead of the folder; nil: the folder does.
	Handover      *Handover
	DefaultPortal string
	// Anonymous is what callers without a key may do. Nil: decide, search and
	// explain where only this machine can call, and nothing elsewhere.
	Anonymous  []authz.Permission
	Eval       time.Duration // limit of one evaluation
	Cache      int           // users, records and the like kept in memory
	Poll       time.Duration // how often the store is asked for changes
	DrainDelay time.Duration // between saying that it is not ready and closing the listener
	// Below does work that nobody waits for within a moment, on Workers processors at a
	// time; nil: as everything else, and below 1: on all.
	Below   func(work func())
	Workers int
	HTTP    httpapi.Options
	Webhook webhook.Options // without a URL, mails wait
	Log     *slog.Logger
	Now     func() time.Time
}

const (
	// retry is after how long what could not be built or compiled is tried again.
	retry = 2 * time.Second
	// staleAfter is how long a failing store leaves the service ready: it decides
	// on what is loaded, and denies what it cannot read.
	staleAfter = 15 * time.Second
)

// Program returns the policies built in, with those of folder over them when it is
// not empty, compiled. limit bounds each evaluation.
func Program(folder string, limit time.Duration) (*policy.Program, error) {
	modules, err := loadModules(folder)
	if err != nil {
		return nil, err
	}
	return policy.Compile(modules, policies.InputSchema, limit)
}

// ProgramOf compiles the policy among the files of an authz.PolicyRevision: of them
// alone, without what is built in.
func ProgramOf(files map[string]string, limit time.Duration) (*policy.Program, error) {
	return policy.Compile(policy.Of(files), policies.InputSchema, limit)
}

func loadModules(folder string) (policy.Modules, error) {
	layers := []fs.FS{policies.FS}
	if folder != "" {
		info, err := os.Stat(folder)
		if err != nil || !info.IsDir() {
			return nil, authz.Errorf(authz.Unavailable, "the folder of policies %s cannot be read", folder).At("policies").Because(err)
		}
		layers = append(layers, os.DirFS(folder))
	}
	return policy.Load(layers...)
}

// policySource is where a server takes its policies from, which compiler compiles.
func policySource(o *Options, compiler *policy.Compiler) live.Policies {
	if o.Handover != nil {
		return o.Handover.source()
	}
	p := live.Policies{Compile: func(last *policy.Program) (*policy.Program, error) {
		modules, err := loadModules(o.Policies)
		if err != nil {
			return nil, err
		}
		if last != nil && last.Revision() == modules.Revision() {
			return last, nil
		}
		return compiler.Compile(modules)
	}}
	p.Own = func(files map[string]string) (*policy.Program, error) { return compiler.Compile(policy.Of(files)) }
	if o.Policies != "" {
		p.Watch = watchFolder(o.Policies)
	}
	return p
}

// Discard is a logger for commands that have nothing to log.
func Discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
