package publishing

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/yamltree"
)

// Bounds of what a check tells.
const (
	MaxFaults = 100
	maxFault  = 600 // bytes of one
)

// Check says whether the files could be the policy of the portal of the configuration:
// whether they compile, review finds no error in them, and their suites pass, which
// ask a portal of that configuration with the users, accounts, contacts and records
// that are among the files. Only OK and what is counted is set of the answer. An
// error says that nothing is known, above all because ctx has ended.
func (x *Examiner) Check(ctx context.Context, config *authz.Bundle, files map[string]string) (found authz.PolicyCheck, err error) {
	x.opts.Below(func() { found, err = x.check(ctx, config, files) })
	return found, err
}

func (x *Examiner) check(ctx context.Context, config *authz.Bundle, files map[string]string) (authz.PolicyCheck, error) {
	c := checking{parts: sorted(files), config: config}
	program, err := c.review(x)
	if err == nil && program != nil {
		err = c.run(ctx, x, program)
	}
	if err == nil {
		err = stopped(ctx)
	}
	if err != nil {
		return authz.PolicyCheck{}, err
	}
	c.result.OK = len(c.result.Faults) == 0
	return c.result, nil
}

func stopped(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return authz.Errorf(authz.Unavailable, "the examination was stopped before its end").Because(context.Cause(ctx))
}

// checking is one check under way.
type checking struct {
	parts  parts
	config *authz.Bundle
	result authz.PolicyCheck
	more   int // faults beyond MaxFaults
}

// fault takes down what keeps the revision from being published.
func (c *checking) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(text) > maxFault {
		text = strings.ToValidUTF8(text[:maxFault], "") + "…"
	}
	switch {
	case len(c.result.Faults) < MaxFaults-1:
		c.result.Faults = append(c.result.Faults, text)
	case c.more == 0:
		c.result.Faults, c.more = append(c.result.Faults, text), 1
	default:
		c.more++
		c.result.Faults[MaxFaults-1] = fmt.Sprintf("%d more faults", c.more)
	}
}

// faults takes down every fault of err, or returns one that is about no file.
func (c *checking) faults(err error) error {
	if list, ok := errors.AsType[*yamltree.Error](err); ok {
		for _, p := range list.Problems {
			c.fault("%s", p)
		}
		if list.More > 0 {
			c.fault("%d more problems", list.More)
		}
		return nil
	}
	if list, ok := errors.AsType[policy.Faults](err); ok {
		for _, f := range list {
			c.fault("%s", f)
		}
		return nil
	}
	if kind := authz.KindOf(err); kind == authz.Invalid || kind == authz.TooLarge {
		c.fault("%s", err)
		return nil
	}
	return err
}

// review reads the modules and returns the program of those that decide, or nil when
// there is none.
func (c *checking) review(x *Examiner) (*policy.Program, error) {
	for _, name := range slices.Sorted(slices.Values(c.parts.others)) {
		c.fault("%s: is no part of a policy: of YAML there are suites (decisions.yaml, *.decisions.yaml), users.yaml, accounts.yaml, contacts.yaml and records.yaml", name)
	}
	if len(c.parts.modules) == 0 {
		c.fault("the policy is empty: it has no Rego module, and would let nobody do anything")
		return nil, nil
	}
	all := maps.Clone(c.parts.modules)
	maps.Copy(all, c.parts.tests)
	findings, compiles, err := policy.Check(all, nil, policies.InputSchema)
	if err != nil {
		return nil, err
	}
	c.result.Findings = len(findings)
	for _, f := range findings {
		if f.Severity == policy.SeverityError {
			c.fault("%s", f)
		}
	}
	if !compiles {
		return nil, nil
	}
	program, err := x.opts.Compile(c.parts.modules)
	if err == nil {
		_, err = program.Bind(c.config)
	}
	if err != nil {
		return nil, c.faults(err)
	}
	return program, nil
}

// run holds the program against the suites.
func (c *checking) run(ctx context.Context, x *Examiner, program *policy.Program) error {
	world, err := fixture.Data(c.config, c.parts.data)
	if err != nil {
		return c.faults(err)
	}
	project, err := policytest.Assemble(policytest.Parts{
		Program: program, Modules: c.parts.modules, Tests: c.parts.tests, Suites: c.parts.suites, World: world,
	})
	if err != nil {
		return c.faults(err)
	}
	report, err := policytest.Run(ctx, project, policytest.Options{Workers: x.opts.Workers, Worker: x.opts.Below})
	if err != nil {
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		return c.faults(err)
	}
	if report.Only {
		c.fault("a case says only, so that no other was run: take it out")
	}
	for i := range report.Results {
		c.counted(&report.Results[i])
	}
	return nil
}

// counted takes down what became of a case.
func (c *checking) counted(r *policytest.Result) {
	switch r.Status {
	case policytest.StatusPassed:
		c.result.Cases++
	case policytest.StatusFailed:
		c.result.Cases++
		c.result.Failed++
		c.fault("%s", failure(r))
	default:
		c.result.Findings++
	}
}

// failure says in one line which case failed, and how.
func failure(r *policytest.Result) string {
	text := fmt.Sprintf("%s:%d: [case] %s", r.Suite, r.Line, r)
	if r.Question != "" {
		text += ": " + r.Question
	}
	for i, d := range r.Diffs {
		join := ": "
		if i > 0 {
			join = ", "
		}
		text += fmt.Sprintf("%s%s is %s and not %s", join, d.Name, orNothing(d.Got), d.Want)
	}
	if r.Err != "" {
		first, _, _ := strings.Cut(r.Err, "\n")
		text += ": " + first
	}
	return text
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
