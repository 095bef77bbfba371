package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/dependencies"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Program is a compiled set of policies. It is immutable.
type Program struct {
	compiler *ast.Compiler
	revision string
	limit    time.Duration
	bound    sync.Map // package -> *Policy, the first of each that was bound
}

// Compile compiles modules strictly: unused imports and variables, references to
// members of input that schema does not have, and built-ins outside
// [Capabilities] are errors, and so is to have no module at all. limit bounds each
// evaluation. The error is Invalid and lists every fault with file, line and column;
// [Faults] is in its chain.
func Compile(modules Modules, schema []byte, limit time.Duration) (*Program, error) {
	c, err := NewCompiler(schema, limit)
	if err != nil {
		return nil, err
	}
	return c.Compile(modules)
}

// Compiler compiles one set of modules after another. Of the last set it keeps the syntax
// trees: the revisions of a policy have most modules in common. It is safe for concurrent
// use; nobody may write to a set that it was given.
type Compiler struct {
	schemas *ast.SchemaSet
	caps    *ast.Capabilities
	limit   time.Duration
	last    atomic.Pointer[parsed]
}

// parsed are modules with their syntax trees by path. OPA's compiler works on copies of
// the trees; nobody writes to them.
type parsed struct {
	modules Modules
	trees   map[string]*ast.Module
}

// NewCompiler returns a compiler whose programs are checked against the schema of input
// and bounded by limit in each evaluation.
func NewCompiler(schema []byte, limit time.Duration) (*Compiler, error) {
	if limit <= 0 {
		return nil, authz.Errorf(authz.Invalid, "the time limit of an evaluation must be positive, got %s", limit)
	}
	var input any
	if err := json.Unmarshal(schema, &input); err != nil {
		return nil, authz.Errorf(authz.Invalid, "the schema of input is not JSON: %v", err).Because(err)
	}
	c := &Compiler{schemas: ast.NewSchemaSet(), caps: Capabilities(), limit: limit}
	c.schemas.Put(ast.SchemaRootRef, input)
	c.last.Store(&parsed{})
	return c, nil
}

// Compile is as the function [Compile].
func (c *Compiler) Compile(modules Modules) (*Program, error) {
	p, err := c.parse(modules, c.last.Load())
	if err != nil {
		return nil, err
	}
	if len(modules) == 0 {
		return nil, invalid(errors.New("there are none: a policy has at least one .rego file that is no _test.rego"))
	}
	c.last.Store(p)
	return c.compile(p)
}

// Variants are programs that differ in one module each from a set of modules, the
// others of which are parsed once. It is safe for concurrent use.
type Variants struct {
	compiler *Compiler
	parsed   *parsed
}

// NewVariants parses the modules. The error is as that of [Compile].
func NewVariants(modules Modules, schema []byte, limit time.Duration) (*Variants, error) {
	c, err := NewCompiler(schema, limit)
	if err != nil {
		return nil, err
	}
	p, err := c.parse(modules, &parsed{})
	return &Variants{compiler: c, parsed: p}, err
}

// With compiles the modules with another source in the place of one. The error is
// as that of [Compile].
func (v *Variants) With(path, source string) (*Program, error) {
	modules := maps.Clone(v.parsed.modules)
	modules[path] = source
	p, err := v.compiler.parse(modules, v.parsed)
	if err != nil {
		return nil, err
	}
	return v.compiler.compile(p)
}

func (c *Compiler) compile(p *parsed) (*Program, error) {
	oc := ast.NewCompiler().WithStrict(true).WithCapabilities(c.caps).WithSchemas(c.schemas)
	if oc.Compile(p.trees); oc.Failed() {
		return nil, invalid(oc.Errors)
	}
	return &Program{compiler: oc, revision: p.modules.Revision(), limit: c.limit}, nil
}

// parse parses those of the modules that are not the same in old.
func (c *Compiler) parse(modules Modules, old *parsed) (*parsed, error) {
	p := &parsed{modules: modules, trees: make(map[string]*ast.Module, len(modules))}
	others := make(Modules)
	for name, source := range modules {
		if was, there := old.modules[name]; there && was == source {
			p.trees[name] = old.trees[name]
		} else {
			others[name] = source
		}
	}
	trees, err := parse(others, c.caps)
	if err != nil {
		return nil, err
	}
	maps.Copy(p.trees, trees)
	return p, nil
}

func parse(modules Modules, caps *ast.Capabilities) (map[string]*ast.Module, error) {
	parsed := make(map[string]*ast.Module, len(modules))
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		m, err := ast.ParseModuleWithOpts(name, modules[name], ast.ParserOptions{
			Capabilities: caps, ProcessAnnotation: true, RegoVersion: ast.RegoV1,
		})
		if err != nil {
			faults = append(faults, err)
			continue
		}
		parsed[name] = m
	}
	if len(faults) > 0 {
		return nil, invalid(faults...)
	}
	return parsed, nil
}

// Fault is one thing that keeps modules from compiling.
type Fault struct {
	Module       string // path; "" when none in particular is at fault
	Line, Column int    // from 1
	Msg          string
}

// String returns the fault as "module:line:column: message".
func (f Fault) String() string {
	if f.Module == "" {
		return f.Msg
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.Module, f.Line, f.Column, f.Msg)
}

// Faults are all that keeps modules from compiling.
type Faults []Fault

// Error says that the policies do not compile, and why, a line for each fault.
func (all Faults) Error() string {
	s := "the policies do not compile:"
	for _, f := range all {
		s += "\n  " + f.String()
	}
	return s
}

// invalid returns what OPA finds wrong as an Invalid error with [Faults].
func invalid(errs ...error) error {
	var all Faults
	for _, err := range errs {
		list, ok := errors.AsType[ast.Errors](err)
		if !ok {
			all = append(all, Fault{Msg: err.Error()})
		}
		for _, e := range list {
			all = append(all, fault(e))
		}
	}
	return authz.Errorf(authz.Invalid, "%s", all).Because(all)
}

func fault(e *ast.Error) Fault {
	if e.Location == nil {
		return Fault{Msg: e.Message}
	}
	// At the end of a file OPA counts columns from 0.
	return Fault{Module: e.Location.File, Line: max(e.Location.Row, 1), Column: max(e.Location.Col, 1), Msg: e.Message}
}

// Revision returns the digest of the sources that were compiled.
func (p *Program) Revision() string { return p.revision }

// rule returns the reference to the decision rule of package pkg, such as
// "presets.acumatica", or an Invalid error that lists the packages which have one.
func (p *Program) rule(pkg string) (ast.Ref, error) {
	ref, err := ast.ParseRef("data." + pkg + ".decision")
	if err == nil && len(p.compiler.GetRulesExact(ref)) > 0 {
		return ref, nil
	}
	return nil, authz.Errorf(authz.Invalid, "no policy package %q with a rule decision; there are: %s",
		pkg, strings.Join(p.Packages(), ", ")).At("policy")
}

// Packages returns the packages that can decide, sorted.
func (p *Program) Packages() []string {
	var names []string
	for _, m := range p.compiler.Modules {
		if slices.ContainsFunc(m.Rules, func(r *ast.Rule) bool { return r.Head.Reference.String() == "decision" }) {
			names = append(names, strings.TrimPrefix(m.Package.Path.String(), "data."))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// reads returns the members of input that the rule can reach, as dotted paths of
// at most two steps ("user.same_login", "record"), and everything when the rule
// reads input as a whole.
func (p *Program) reads(rule ast.Ref) (reads, error) {
	refs, err := dependencies.Base(p.compiler, ast.NewBody(ast.NewExpr(ast.NewTerm(rule))))
	if err != nil {
		return nil, authz.Errorf(authz.Internal, "what the policy reads cannot be told").Because(err)
	}
	r := reads{}
	for _, ref := range refs {
		if ref.HasPrefix(ast.InputRootRef) {
			r.add(ref)
		}
	}
	return r, nil
}

// reads is a set of paths below input; "" stands for the whole.
type reads map[string]struct{}

func (r reads) add(ref ast.Ref) {
	var steps []string
	for _, term := range ref[1:min(len(ref), 3)] {
		s, ok := term.Value.(ast.String)
		if !ok {
			break
		}
		steps = append(steps, string(s))
	}
	r[strings.Join(steps, ".")] = struct{}{}
}

// any reports whether the policy may look at the member: at it, inside it, or at
// something that holds it.
func (r reads) any(member string) bool {
	for path := range r {
		if path == "" || path == member || strings.HasPrefix(path, member+".") || strings.HasPrefix(member, path+".") {
			return true
		}
	}
	return false
}
