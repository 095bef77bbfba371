package policy

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Severity says what a finding does to a check: an error fails it, a warning only
// when the caller is strict, and a note never.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
	SeverityNote    Severity = "note"
)

// Finding is one thing to mend in a policy, or in what stands beside it.
type Finding struct {
	File         string // path of the file, as it was given
	Line, Column int    // from 1; 0 when the module as a whole is meant
	Rule         string // what was checked, such as "unknown-fact"
	Severity     Severity
	Msg          string // what is wrong
	Fix          string // what would be right
}

// String returns the finding as "file:line:column: [rule] message; fix".
func (f Finding) String() string {
	s := f.File
	if f.Line > 0 {
		s += fmt.Sprintf(":%d:%d", f.Line, f.Column)
	}
	s += ": [" + f.Rule + "] " + f.Msg
	if f.Fix != "" {
		s += "; " + f.Fix
	}
	return s
}

// Sources returns every .rego file below fsys, tests included: what [Check] takes.
func Sources(fsys fs.FS) (Modules, error) {
	return load([]fs.FS{fsys}, func(string) bool { return true })
}

// Check reviews the modules own, which build on those of base, and returns what is
// to be mended in own, in the order of files and lines. compiles is false when a
// server would refuse them; what can still be said is said. schema is the JSON
// schema of input.
func Check(own, base Modules, schema []byte) (findings []Finding, compiles bool, err error) {
	var input map[string]any
	if err := json.Unmarshal(schema, &input); err != nil {
		return nil, false, authz.Errorf(authz.Invalid, "the schema of input is not JSON: %v", err).Because(err)
	}
	r := &review{own: own, modules: map[string]*ast.Module{}, input: input}
	compiles = r.parse(own, base)
	whole := compiles
	r.index()
	r.checkFacts(whole)
	if whole {
		compiles = r.compile()
		r.checkUse()
	}
	r.checkMetadata()
	r.checkReasons()
	r.checkDecisions()
	r.checkNegations()
	return r.sorted(), compiles, nil
}

// review is one check of modules. Its analyses work on what the author wrote, not
// on what OPA's compiler makes of it, so that they also work on what does not
// compile.
type review struct {
	own     Modules
	modules map[string]*ast.Module // all that parse, by path
	input   map[string]any         // the schema of input
	rules   map[string][]ruleIn    // by path, such as "data.lib.levels.screen"
	places  map[string]bool        // every package path and every prefix of one
	holders map[string]bool        // every path at or below which a rule is

	findings []Finding
}

// ruleIn is a rule with the module that it stands in.
type ruleIn struct {
	*ast.Rule
	module *ast.Module
	file   string
}

// parse reads all modules and reports whether all of them can be read.
func (r *review) parse(own, base Modules) bool {
	all := maps.Clone(base)
	if all == nil {
		all = Modules{}
	}
	maps.Copy(all, own)
	whole := true
	for _, name := range slices.Sorted(maps.Keys(all)) {
		m, err := ast.ParseModuleWithOpts(name, all[name], ast.ParserOptions{ProcessAnnotation: true, RegoVersion: ast.RegoV1})
		if err != nil {
			whole = false
			r.findings = append(r.findings, faultsOf(name, err)...)
			continue
		}
		r.modules[name] = m
	}
	return whole
}

// compile compiles as a server does, and reports whether that works.
func (r *review) compile() bool {
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, any(r.input))
	c := ast.NewCompiler().WithStrict(true).WithCapabilities(Capabilities()).WithSchemas(schemas).SetErrorLimit(0)
	if c.Compile(r.modules); !c.Failed() {
		return true
	}
	for _, f := range faultsOf("", c.Errors) {
		if !r.told(f) {
			r.findings = append(r.findings, f)
		}
	}
	return false
}

// told reports whether the line has its finding already: a misspelt fact is also
// what the type checker stumbles over.
func (r *review) told(f Finding) bool {
	return f.Rule == "types" && slices.ContainsFunc(r.findings, func(g Finding) bool {
		return g.Rule == "unknown-fact" && g.File == f.File && g.Line == f.Line
	})
}

// index notes where each rule and each package is.
func (r *review) index() {
	r.rules, r.places, r.holders = map[string][]ruleIn{}, map[string]bool{"data": true, "data.portal": true}, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(r.modules)) {
		m := r.modules[name]
		for p := m.Package.Path; len(p) > 0; p = p[:len(p)-1] {
			r.places[dotted(p)] = true
		}
		for _, rule := range m.Rules {
			key := keyOf(m, rule)
			r.rules[key] = append(r.rules[key], ruleIn{rule, m, name})
			for path := key; path != ""; path = path[:max(0, strings.LastIndexByte(path, '.'))] {
				r.holders[path] = true
			}
		}
	}
}

// keyOf returns the path of a rule: "data.presets.acumatica.granted".
func keyOf(m *ast.Module, rule *ast.Rule) string {
	return dotted(m.Package.Path) + "." + dotted(rule.Head.Ref().ConstantPrefix())
}

// dotted returns the constant part of a reference as names joined by dots.
func dotted(ref ast.Ref) string {
	var names []string
	for i, term := range ref {
		switch v := term.Value.(type) {
		case ast.Var:
			if i > 0 {
				return strings.Join(names, ".")
			}
			names = append(names, string(v))
		case ast.String:
			names = append(names, string(v))
		default:
			return strings.Join(names, ".")
		}
	}
	return strings.Join(names, ".")
}

// each calls do for every rule of one's own, else-branches not by themselves.
func (r *review) each(do func(key string, rule ruleIn)) {
	for _, key := range slices.Sorted(maps.Keys(r.rules)) {
		for _, rule := range r.rules[key] {
			if _, own := r.own[rule.file]; own {
				do(key, rule)
			}
		}
	}
}

func (r *review) add(s Severity, rule string, at *ast.Location, msg, fix string) {
	if at == nil {
		return
	}
	if _, own := r.own[at.File]; !own {
		return
	}
	r.findings = append(r.findings, Finding{File: at.File, Line: at.Row, Column: at.Col, Rule: rule, Severity: s, Msg: msg, Fix: fix})
}

func (r *review) sorted() []Finding {
	slices.SortStableFunc(r.findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), strings.Compare(a.Rule, b.Rule))
	})
	// A missing import is told once, not again at each use.
	said := map[[2]string]bool{}
	return slices.DeleteFunc(slices.Compact(r.findings), func(f Finding) bool {
		again := f.Rule == "unknown-rule" && said[[2]string{f.File, f.Msg}]
		said[[2]string{f.File, f.Msg}] = true
		return again
	})
}

// faultsOf returns what OPA says as findings, each with its remedy.
func faultsOf(name string, err error) []Finding {
	list, ok := errors.AsType[ast.Errors](err)
	if !ok {
		if one, ok := errors.AsType[*ast.Error](err); ok {
			list = ast.Errors{one}
		}
	}
	if len(list) == 0 {
		return []Finding{{File: name, Rule: "syntax", Severity: SeverityError, Msg: err.Error(), Fix: remedy("")}}
	}
	var findings []Finding
	for _, e := range list {
		f := Finding{File: name, Rule: "compile", Severity: SeverityError, Msg: firstLine(e.Message)}
		if e.Location != nil {
			f.File, f.Line, f.Column = cmp.Or(e.Location.File, name), max(e.Location.Row, 1), max(e.Location.Col, 1)
		}
		switch e.Code {
		case ast.ParseErr:
			f.Rule = "syntax"
		case ast.TypeErr:
			f.Rule = "types"
		}
		f.Fix = remedy(f.Msg)
		if f.Msg == "match error" && e.Details != nil {
			sides := strings.Join(strings.Fields(strings.Join(e.Details.Lines(), ", ")), " ")
			f.Msg = "the two sides can never be equal: " + strings.ReplaceAll(sides, " :", " is")
		}
		if function, ok := strings.CutPrefix(f.Msg, "undefined function "); ok {
			f = undefinedFunction(f, function)
		}
		findings = append(findings, f)
	}
	return findings
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(line)
}

// undefinedFunction tells a built-in that is refused from a slip of the pen.
func undefinedFunction(f Finding, name string) Finding {
	refused := slices.ContainsFunc(ast.CapabilitiesForThisVersion().Builtins, func(b *ast.Builtin) bool { return b.Name == name })
	if !refused {
		var known []string
		for _, b := range Capabilities().Builtins {
			known = append(known, b.Name)
		}
		f.Msg, f.Fix = fmt.Sprintf("there is no function %s", name), suggest(name, known, "write it as a rule with arguments, or import its package")
		return f
	}
	f.Rule = "impure"
	f.Msg = name + " is refused: its answer is not a function of its arguments, and a decision must be one of input and data.portal"
	f.Fix = "state what it tells as a fact or a setting"
	if strings.HasPrefix(name, "time.") {
		f.Fix = "read input.context.now, the moment of the decision"
	}
	return f
}

// suggest returns `did you mean "x"?`, or otherwise when no name is near.
func suggest(written string, names []string, otherwise string) string {
	if n := authz.Nearest(written, slices.Values(names)); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return otherwise
}

// remedies are what to do about what OPA says, by a part of its message.
var remedies = [...]struct{ part, fix string }{
	{"is unsafe", "bind it before it is used: with :=, with some x in, or as a rule of this name"},
	{"unused", "use it, or take it out"},
	{"declared but", "use it, or take it out"},
	{"must not shadow", "give it a name of its own"},
	{"recursive", "break the circle: a rule must not need its own answer"},
	{"conflicting rules", "give one of them another name, or the same shape"},
	{"multiple default", "keep one default"},
	{"conflict", "give one of them another name"},
	{"assigned above", "give it another name"},
	{"var cannot be used", "give it another name"},
	{"undefined ref", "look the member up in what `portcullis schema input` shows"},
	{"match error", "compare values of one type; `portcullis schema input` says which type a fact has"},
	{"invalid argument", "pass what the function takes"},
	{"arity mismatch", "pass as many arguments as the function takes"},
	{"too few arg", "pass as many arguments as the function takes"},
	{"too many arg", "pass as many arguments as the function takes"},
	{"`if` keyword is required", "write name := value if { ... }"},
	{"`contains` keyword is required", "write name contains element if { ... }"},
	{"no package", "begin the file with a line such as: package helpdesk"},
	{"package expected", "begin the file with a line such as: package helpdesk"},
	{"empty module", "begin the file with a line such as: package helpdesk"},
	{"yaml", "write METADATA as YAML, each line after # and a space"},
	{"non-terminated", "close it"},
	{"unexpected eof", "close what is open: a brace, a bracket or a quote"},
	{"illegal token", "take the character out, or put it between quotes"},
}

func remedy(msg string) string {
	lower := strings.ToLower(msg)
	for _, r := range remedies {
		if strings.Contains(lower, strings.ToLower(r.part)) {
			return r.fix
		}
	}
	return "mend the line: want Rego v1, as name := value if { conditions }"
}
