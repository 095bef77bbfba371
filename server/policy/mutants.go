package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Mutant is a set of policies that differs in one small way from another. Tests
// of a policy that cannot tell the two apart do not hold what the difference is
// about.
type Mutant struct {
	Module  string // path of the module that differs
	Line    int    // of the original
	What    string // such as "drop `level >= need`"
	Modules Modules
}

// String names the mutant in reports.
func (m *Mutant) String() string { return fmt.Sprintf("%s:%d: %s", m.Module, m.Line, m.What) }

// Mutants returns the mutants of the modules, by path and then in the order of
// the source: every expression dropped, and negated or its `not` removed; every
// comparison, operator and aggregate swapped with its neighbours; every constant
// changed; every member of a literal dropped; every rule and branch deleted. A
// changed module is formatted as `opa fmt` does. Mutants need not compile.
//
// The error is Invalid when a module cannot be parsed.
func Mutants(modules Modules) ([]Mutant, error) {
	changes, err := Changes(modules)
	if err != nil {
		return nil, err
	}
	all := make([]Mutant, len(changes))
	for i := range changes {
		source, err := changes[i].Source()
		if err != nil {
			return nil, err
		}
		mutated := maps.Clone(modules)
		mutated[changes[i].Module] = source
		all[i] = Mutant{Module: changes[i].Module, Line: changes[i].Line, What: changes[i].What, Modules: mutated}
	}
	return all, nil
}

// Change is what makes a [Mutant], before it is made.
type Change struct {
	Module string // path of the module that is changed
	Line   int    // of the original
	What   string // such as "drop `level >= need`"

	original *ast.Module // never written to
	edit     int
}

// Changes returns the changes that [Mutants] makes, in its order.
func Changes(modules Modules) ([]Change, error) {
	parsed, err := parse(modules, Capabilities())
	if err != nil {
		return nil, err
	}
	var all []Change
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		for i, e := range edits(parsed[path]) {
			all = append(all, Change{Module: path, Line: e.line, What: e.what, original: parsed[path], edit: i})
		}
	}
	return all, nil
}

// Source returns the changed module. It applies the edit to a copy: an edit cannot
// be undone, and formatting may write to what it prints.
func (c *Change) Source() (string, error) {
	module := c.original.Copy()
	edits(module)[c.edit].apply()
	respell(module)
	text, err := format.AstWithOpts(module, format.Opts{RegoVersion: ast.RegoV1, SkipDefensiveCopying: true})
	if err != nil {
		return "", authz.Errorf(authz.Internal, "%s:%d: %s: the mutant cannot be written: %v", c.Module, c.Line, c.What, err).Because(err)
	}
	return string(text), nil
}

// respell has the formatter print the words that else branches stand for as they
// are now: it takes them from the source of the head.
func respell(m *ast.Module) {
	for _, r := range m.Rules {
		for branch := r.Else; branch != nil; branch = branch.Else {
			if word, ok := branch.Head.Value.Value.(ast.String); ok {
				at := *branch.Head.Location
				at.Text = []byte(word.String())
				branch.Head.Location = &at
			}
		}
	}
}

// edit is one change that can be made to the module it was found in.
type edit struct {
	line  int
	what  string
	apply func()
}

// editor collects edits in the order of the source.
type editor struct{ edits []edit }

func edits(m *ast.Module) []edit {
	var e editor
	for i, r := range m.Rules {
		e.offer(r.Loc(), "delete rule "+quote(r.Loc()), func() { m.Rules = slices.Delete(m.Rules, i, i+1) })
		e.rule(r)
	}
	return e.edits
}

func (e *editor) offer(at *ast.Location, what string, apply func()) {
	e.edits = append(e.edits, edit{at.Row, what, apply})
}

// quote returns the first line of the source at a location.
func quote(at *ast.Location) string {
	line, rest, more := strings.Cut(string(at.Text), "\n")
	if more && strings.TrimSpace(rest) != "" {
		line += " ..."
	}
	return "`" + line + "`"
}

func (e *editor) rule(r *ast.Rule) {
	if r.Else != nil {
		e.offer(r.Loc(), "delete branch "+quote(r.Head.Loc()), func() {
			next := r.Else
			r.Head.Value, r.Body, r.Else = next.Head.Value, next.Body, next.Else
		})
	}
	for _, arg := range r.Head.Args {
		e.term(arg)
	}
	if r.Head.Value == nil { // else the key is part of the name: another one is as good as no rule
		e.term(r.Head.Key)
	}
	e.term(r.Head.Value)
	e.body(&r.Body)
	if branch := r.Else; branch != nil {
		if branch.Else == nil {
			e.offer(branch.Loc(), "delete branch "+quote(branch.Loc()), func() { r.Else = nil })
		}
		e.rule(branch)
	}
}

func (e *editor) body(b *ast.Body) {
	for i, x := range *b {
		if always(x) {
			continue
		}
		e.offer(x.Loc(), "drop "+condition(x), func() { drop(b, i) })
		e.negate(x)
		e.expr(x)
	}
}

// condition returns the source of x. The parser locates the only condition of an
// else branch at the branch.
func condition(x *ast.Expr) string {
	if text := quote(x.Loc()); !strings.HasPrefix(text, "`else ") {
		return text
	}
	return "`" + x.String() + "`"
}

// always reports whether x is the body that the parser gives a rule without one.
func always(x *ast.Expr) bool {
	t, ok := x.Terms.(*ast.Term)
	return ok && !x.Negated && ast.Boolean(true).Equal(t.Value)
}

// drop removes expression i; a body that has no other becomes `true`.
func drop(b *ast.Body, i int) {
	if len(*b) > 1 {
		*b = slices.Delete(slices.Clone(*b), i, i+1)
		return
	}
	at := (*b)[i].Loc()
	*b = ast.NewBody(ast.NewExpr(ast.BooleanTerm(true).SetLocation(at)).SetLocation(at))
}

func (e *editor) negate(x *ast.Expr) {
	flip := func() { x.Negated = !x.Negated }
	switch {
	case x.Negated:
		e.offer(x.Loc(), "remove the `not` of "+condition(x), flip)
	case x.IsSome(), x.IsEvery(), x.IsAssignment():
		// `not` before a declaration does not parse.
	default:
		e.offer(x.Loc(), "negate "+condition(x), flip)
	}
}

func (e *editor) expr(x *ast.Expr) {
	switch terms := x.Terms.(type) {
	case *ast.Term:
		e.term(terms)
	case []*ast.Term:
		e.call(terms)
	case *ast.SomeDecl:
		for _, symbol := range terms.Symbols {
			e.term(symbol)
		}
	case *ast.Every:
		e.term(terms.Domain)
		e.body(&terms.Body)
	}
	for _, w := range x.With {
		e.term(w.Value)
	}
}

// swaps are the built-ins that a slip of the pen puts for one another.
func swaps(operator string) []string {
	switch operator {
	case "equal":
		return []string{"neq"}
	case "neq":
		return []string{"equal"}
	case "lt":
		return []string{"lte", "gt"}
	case "lte":
		return []string{"lt", "gte"}
	case "gt":
		return []string{"gte", "lt"}
	case "gte":
		return []string{"gt", "lte"}
	case "min":
		return []string{"max"}
	case "max":
		return []string{"min"}
	case "minus":
		return []string{"plus"}
	case "plus":
		return []string{"minus"}
	case "and":
		return []string{"or", "minus"}
	case "or":
		return []string{"and"}
	}
	return nil
}

// sign returns a built-in as a policy writes it.
func sign(operator string) string {
	b, ok := ast.BuiltinMap[operator]
	if ok && b.Infix != "" {
		return b.Infix
	}
	return operator
}

// call edits an operator and its operands. The minus of numbers is that of sets
// too, so that one of its swaps is right in either place.
func (e *editor) call(terms []*ast.Term) {
	operator, at := terms[0].Value.String(), terms[0].Loc()
	others := swaps(operator)
	if operator == "minus" {
		others = append(others, "and")
	}
	for _, other := range others {
		e.offer(at, fmt.Sprintf("`%s` -> `%s`", sign(operator), sign(other)), func() {
			terms[0] = ast.RefTerm(ast.VarTerm(other)).SetLocation(at)
		})
	}
	for _, t := range terms[1:] {
		e.term(t)
	}
}

func (e *editor) term(t *ast.Term) {
	if t == nil || t.Location == nil {
		return
	}
	switch v := t.Value.(type) {
	case ast.String, ast.Number, ast.Boolean:
		e.scalar(t)
	case ast.Ref:
		e.ref(v)
	case ast.Call:
		e.call(v)
	case ast.Set:
		members := v.Slice()
		e.members(t, members, func(rest []*ast.Term) ast.Value { return ast.NewSet(rest...) })
	case *ast.Array:
		members := make([]*ast.Term, 0, v.Len())
		v.Foreach(func(m *ast.Term) { members = append(members, m) })
		e.members(t, members, func(rest []*ast.Term) ast.Value { return ast.NewArray(rest...) })
	case ast.Object:
		e.object(t, v)
	case *ast.SetComprehension:
		e.term(v.Term)
		e.body(&v.Body)
	case *ast.ArrayComprehension:
		e.term(v.Term)
		e.body(&v.Body)
	case *ast.ObjectComprehension:
		e.term(v.Key)
		e.term(v.Value)
		e.body(&v.Body)
	}
}

// ref edits the numbers by which a reference indexes, and what it is computed
// from. A name in it is no constant: another one does not exist.
func (e *editor) ref(ref ast.Ref) {
	for i, step := range ref {
		if _, name := step.Value.(ast.String); i == 0 || !name {
			e.term(step)
		}
	}
}

func (e *editor) members(t *ast.Term, members []*ast.Term, build func([]*ast.Term) ast.Value) {
	for i, m := range members {
		e.offer(m.Loc(), fmt.Sprintf("drop member `%s`", m), func() {
			t.Value = build(slices.Delete(slices.Clone(members), i, i+1))
		})
		e.term(m)
	}
}

func (e *editor) object(t *ast.Term, object ast.Object) {
	var members [][2]*ast.Term
	object.Foreach(func(k, v *ast.Term) { members = append(members, [2]*ast.Term{k, v}) })
	for i, m := range members {
		e.offer(m[0].Loc(), fmt.Sprintf("drop member `%s: %s`", m[0], m[1]), func() {
			t.Value = ast.NewObject(slices.Delete(slices.Clone(members), i, i+1)...)
		})
		e.term(m[0])
		e.term(m[1])
	}
}

// scalar replaces a constant by its neighbours.
func (e *editor) scalar(t *ast.Term) {
	for _, other := range neighbours(t.Value) {
		e.offer(t.Loc(), fmt.Sprintf("%s -> %s", t.Value, other), func() {
			at := *t.Location // the formatter prints words as their source has them
			at.Text = []byte(other.String())
			t.Value, t.Location = other, &at
		})
	}
}

// neighbours are the constants that tell most by taking a constant's place: the
// numbers beside it, the other boolean, and for a word one that nothing knows, or
// one that a decision could as well have.
func neighbours(v ast.Value) []ast.Value {
	switch v := v.(type) {
	case ast.Boolean:
		return []ast.Value{!v}
	case ast.Number:
		if n, ok := v.Int(); ok {
			return []ast.Value{number(n + 1), number(n - 1)}
		}
	case ast.String:
		switch authz.Outcome(v) {
		case authz.Allow:
			return []ast.Value{ast.String(authz.Deny)}
		case authz.Deny:
			return []ast.Value{ast.String(authz.Allow), ast.String(authz.Hide)}
		case authz.Hide, authz.Challenge:
			return []ast.Value{ast.String(authz.Allow), ast.String(authz.Deny)}
		}
		return []ast.Value{v + "!"}
	}
	return nil
}

func number(n int) ast.Value { return ast.Number(json.Number(strconv.Itoa(n))) }
