package publishing

import (
	"path"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// Options of an Examiner.
type Options struct {
	// Modules returns the policies of the folder as they are now, those built in
	// included.
	Modules func() (policy.Modules, error)
	// Compile compiles policies as they are compiled to decide.
	Compile func(policy.Modules) (*policy.Program, error)
	Now     func() time.Time
	// Below does work that nobody waits for within a moment; nil: as it is.
	Below   func(work func())
	Workers int // of one examination; below 1: one for each processor
}

// Examiner examines revisions of policies. It is safe for concurrent use.
type Examiner struct{ opts Options }

// New returns an Examiner.
func New(o Options) *Examiner {
	if o.Below == nil {
		o.Below = func(work func()) { work() }
	}
	return &Examiner{o}
}

// Seed returns the files of which a policy in the store can be made that decides as
// the package of the folder does: all modules that its rules can come to evaluate.
func (x *Examiner) Seed(pkg string) (map[string]string, error) {
	modules, err := x.opts.Modules()
	if err != nil {
		return nil, err
	}
	program, err := x.opts.Compile(modules)
	if err != nil {
		return nil, err
	}
	reached, err := program.Reach(pkg)
	if err != nil {
		return nil, err
	}
	files := make(map[string]string, len(reached))
	for _, name := range reached {
		files[name] = modules[name]
	}
	return files, nil
}

// program returns the policies that decide in a portal of the configuration.
func (x *Examiner) program(config *authz.Bundle) (*policy.Program, error) {
	if config.Published != nil {
		return x.opts.Compile(policy.Of(config.Published.Files))
	}
	modules, err := x.opts.Modules()
	if err != nil {
		return nil, err
	}
	return x.opts.Compile(modules)
}

// parts are the files of a revision by what they are.
type parts struct {
	modules, tests policy.Modules
	suites, data   map[string]string
	others         []string // YAML that is no part of a policy
}

func sorted(files map[string]string) parts {
	p := parts{modules: policy.Of(files), tests: policy.TestsOf(files), suites: map[string]string{}, data: map[string]string{}}
	for name, text := range files {
		switch base := path.Base(name); {
		case fixture.IsSuite(base):
			p.suites[name] = text
		case fixture.IsData(base):
			p.data[name] = text
		case path.Ext(base) == ".yaml" || path.Ext(base) == ".yml":
			p.others = append(p.others, name)
		}
	}
	return p
}
