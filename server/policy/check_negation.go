package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// checkNegations reports negations that do not hold when they should. OPA evaluates
// some operands before the `not`: the arguments of a call and of an operator other
// than ==, what stands in brackets, the parts of a composite value, and the value of
// a `with`. Where such an operand is undefined, the whole body fails, as if what is
// negated held: a refusal is not given. A bare reference and a side of == stay inside.
func (r *review) checkNegations() {
	var decisions, changes []string
	for key := range r.rules {
		switch {
		case strings.HasSuffix(key, ".decision"):
			decisions = append(decisions, key)
		case isEntrypoint(key):
			changes = append(changes, key)
		}
	}
	asked, changed := r.closure(decisions, nil), r.closure(changes, nil)
	r.each(func(key string, rule ruleIn) {
		if isTest(rule.file) {
			return
		}
		n := negations{review: r, rule: rule}
		switch {
		case asked[key] && !changed[key]:
			n.given = ofQuestions[:]
		case changed[key] && !asked[key]:
			n.given = ofChanges[:]
		}
		var there []ast.Ref
		for branch := rule.Rule; branch != nil; branch = branch.Else {
			n.branch(branch, there)
			there = append(there, ruledOut(branch)...)
		}
	})
}

// The members of input that every question has, and every change.
var (
	ofQuestions = [...]string{"subject", "action", "resource"}
	ofChanges   = [...]string{"operation", "entity", "roles", "users", "levels", "latches"}
)

// negations are those of one rule.
type negations struct {
	*review
	rule   ruleIn
	given  []string         // members of input that are there when the rule is asked, beside those that always are
	locals map[ast.Var]bool // names that the branch binds
}

// branch checks a branch of the rule before which the references there have a value.
// One that has no value when its head is made has none whatever the body says.
func (n *negations) branch(rule *ast.Rule, there []ast.Ref) {
	n.locals = locals(rule)
	for _, part := range []*ast.Term{rule.Head.Key, rule.Head.Value} {
		if part != nil {
			there = append(slices.Clip(there), evaluated(ast.NewBody(ast.NewExpr(part)))...)
		}
	}
	n.body(rule.Body, there)
	n.bodies(rule.Head, append(slices.Clip(there), evaluated(rule.Body)...))
}

// ruledOut returns the reference that has a value whenever an else-branch after this
// branch is tried: the one whose absence is all that this branch asks for.
func ruledOut(branch *ast.Rule) []ast.Ref {
	value := branch.Head.Value
	if len(branch.Body) != 1 || !branch.Body[0].Negated || len(branch.Body[0].With) > 0 || value == nil || !ast.IsConstant(value.Value) {
		return nil
	}
	if term, ok := branch.Body[0].Terms.(*ast.Term); ok {
		if ref, ok := term.Value.(ast.Ref); ok && ref.IsGround() {
			return []ast.Ref{ref}
		}
	}
	return nil
}

// body checks a body in which the references there have a value.
func (n *negations) body(body ast.Body, there []ast.Ref) {
	there = append(slices.Clip(there), evaluated(body)...)
	for _, e := range body {
		if e.Negated {
			n.negation(e, there)
		}
		n.bodies(e, there)
	}
}

// bodies checks the bodies inside x: those of comprehensions and of every.
func (n *negations) bodies(x any, there []ast.Ref) {
	ast.NewGenericVisitor(func(x any) bool {
		body, ok := x.(ast.Body)
		if ok {
			n.body(body, there)
		}
		return ok
	}).Walk(x)
}

// evaluated returns the references without which no solution of the body exists.
func evaluated(body ast.Body) (refs []ast.Ref) {
	for _, e := range body {
		if e.Negated || len(e.With) > 0 {
			continue
		}
		ast.NewGenericVisitor(func(x any) bool {
			switch x := x.(type) {
			case ast.Body, *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, *ast.TemplateString:
				return true
			case *ast.Term:
				switch v := x.Value.(type) {
				case ast.Ref:
					refs = append(refs, v)
				case ast.Var:
					refs = append(refs, ast.Ref{x})
				}
			}
			return false
		}).Walk(e)
	}
	return refs
}

// locals returns the names that a rule binds: its arguments, and what some, every
// and := declare anywhere in it.
func locals(rule *ast.Rule) map[ast.Var]bool {
	names := map[ast.Var]bool{}
	bind := func(terms ...*ast.Term) {
		for _, t := range terms {
			if t != nil {
				ast.WalkVars(t, func(v ast.Var) bool { names[v] = true; return false })
			}
		}
	}
	bind(rule.Head.Args...)
	ast.WalkExprs(rule, func(e *ast.Expr) bool {
		switch t := e.Terms.(type) {
		case *ast.SomeDecl:
			for _, s := range t.Symbols {
				if in, ok := s.Value.(ast.Call); ok {
					bind(in[1 : len(in)-1]...)
				} else {
					bind(s)
				}
			}
		case *ast.Every:
			bind(t.Key, t.Value)
		case []*ast.Term:
			if e.IsAssignment() {
				bind(t[1])
			}
		}
		return false
	})
	delete(names, "input")
	delete(names, "data")
	return names
}

func (n *negations) negation(e *ast.Expr, there []ast.Ref) {
	if len(e.With) > 0 {
		there = nil // of another input
	}
	var first *ast.Term
	lifted(e, func(t *ast.Term) {
		if first == nil && n.mayBeUndefined(t, there, 0) {
			first = t
		}
	})
	if first != nil {
		n.add(SeverityWarning, "negated-operand", e.Location,
			fmt.Sprintf("%s may be undefined and is evaluated before the negation: the body then fails, as if what is negated held", first), n.remedy(e))
	}
}

// remedy returns how to keep what is negated together: a bare reference stays inside
// the negation, and so does a function of what is bound.
func (n *negations) remedy(e *ast.Expr) string {
	bound := map[string]bool{}
	ast.WalkVars(e, func(v ast.Var) bool {
		if n.locals[v] {
			bound[string(v)] = true
		}
		return false
	})
	if len(bound) == 0 {
		return "write what is negated as a rule without arguments, and negate its name"
	}
	return fmt.Sprintf("write what is negated as a function of %s, and negate that", strings.Join(slices.Sorted(maps.Keys(bound)), ", "))
}

// lifted calls visit for each term that OPA evaluates before a negated expression.
func lifted(e *ast.Expr, visit func(*ast.Term)) {
	for _, w := range e.With {
		whole(w.Value, visit)
	}
	operator, operands := e.Operator(), e.Operands()
	if term, ok := e.Terms.(*ast.Term); ok {
		call, ok := term.Value.(ast.Call)
		if !ok {
			within(term, visit)
			return
		}
		operator, operands = call[0].Value.(ast.Ref), call[1:]
	}
	visitOperand := whole
	if len(operands) == 2 && (operator.Equal(ast.Equal.Ref()) || operator.Equal(ast.Equality.Ref())) {
		visitOperand = within
	}
	for _, t := range operands {
		visitOperand(t, visit)
	}
}

// whole visits a term that is itself evaluated before the negation, and its parts.
func whole(t *ast.Term, visit func(*ast.Term)) {
	switch v := t.Value.(type) {
	case ast.Ref:
		within(t, visit)
		visit(t)
	case ast.Var:
		visit(t)
	case ast.Call:
		for _, argument := range v[1:] {
			whole(argument, visit)
		}
		visit(t)
	case *ast.Array:
		v.Foreach(func(part *ast.Term) { whole(part, visit) })
	case ast.Set:
		v.Foreach(func(part *ast.Term) { whole(part, visit) })
	case ast.Object:
		v.Foreach(func(name, part *ast.Term) { whole(name, visit); whole(part, visit) })
	}
}

// within visits the parts of a term of which a bare reference stays in the negation.
func within(t *ast.Term, visit func(*ast.Term)) {
	ref, ok := t.Value.(ast.Ref)
	switch _, name := t.Value.(ast.Var); {
	case name:
	case !ok:
		whole(t, visit)
	default:
		if _, name := ref[0].Value.(ast.Var); !name {
			whole(ref[0], visit)
		}
		for _, step := range ref[1:] {
			whole(step, visit)
		}
	}
}

// maxCalls bounds how many functions deep a value is looked for; Rego has no
// recursion, but what is checked need not compile.
const maxCalls = 8

// mayBeUndefined reports whether a term, its parts aside, may have no value where
// the references there have one.
func (n *negations) mayBeUndefined(t *ast.Term, there []ast.Ref, depth int) bool {
	switch v := t.Value.(type) {
	case ast.Call:
		return n.partial(v[0].Value.(ast.Ref), depth)
	case ast.Ref:
		return n.absent(v, there)
	case ast.Var:
		return n.absent(ast.Ref{t}, there)
	}
	return false
}

// absent reports whether a reference may have no value.
func (n *negations) absent(ref ast.Ref, there []ast.Ref) bool {
	head, ok := ref[0].Value.(ast.Var)
	switch {
	case slices.ContainsFunc(there, func(seen ast.Ref) bool { return seen.HasPrefix(ref) }):
		return false
	case !ok, n.locals[head]:
		return len(ref) > 1
	}
	if ref = unaliased(n.rule.module, ref); ref[0].Equal(ast.InputRootDocument) {
		return !n.always(ref)
	}
	path := n.resolve(n.rule.module, ref)
	if slices.ContainsFunc(ref[1:], func(step *ast.Term) bool { _, name := step.Value.(ast.String); return !name }) {
		return true
	}
	if group, ok := strings.CutPrefix(path, "data.portal."); ok && slices.Contains(settingGroups, group) {
		return false
	}
	return !n.total(path, map[string]bool{})
}

// always reports whether a fact is there whenever the rule is asked.
func (n *negations) always(ref ast.Ref) bool {
	schema := n.input
	for i, step := range ref[1:] {
		name, ok := step.Value.(ast.String)
		schema = n.follow(schema)
		required, _ := schema["required"].([]any)
		if !ok || !slices.Contains(required, any(string(name))) && (i > 0 || !slices.Contains(n.given, string(name))) {
			return false
		}
		properties, _ := schema["properties"].(map[string]any)
		schema, _ = properties[string(name)].(map[string]any)
	}
	return true
}

// partial reports whether a function may have no value although its arguments have.
// Of the built-ins that is so for the greatest of nothing; all others have a value
// or fail the evaluation.
func (n *negations) partial(name ast.Ref, depth int) bool {
	rules := n.rules[n.resolve(n.rule.module, name)]
	if len(rules) == 0 {
		return name.String() == ast.Max.Name || name.String() == ast.Min.Name
	}
	return depth >= maxCalls || !slices.ContainsFunc(rules, func(rule ruleIn) bool {
		last := rule.Rule
		for last.Else != nil {
			last = last.Else
		}
		return rule.Default || unconditional(last.Body) && n.takesAll(rule, last, depth)
	})
}

// takesAll reports whether a branch without conditions has a value for all arguments.
func (n *negations) takesAll(rule ruleIn, branch *ast.Rule, depth int) bool {
	inner := negations{review: n.review, rule: rule, locals: locals(branch)}
	for _, argument := range rule.Head.Args {
		if _, name := argument.Value.(ast.Var); !name {
			return false
		}
	}
	all := true
	whole(branch.Head.Value, func(t *ast.Term) { all = all && !inner.mayBeUndefined(t, nil, depth+1) })
	return all
}
