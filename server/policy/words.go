package policy

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Rules returns the rules with an id in their METADATA that the package can come to
// evaluate, in the order of modules and lines. The error is as that of
// [Program.Reach].
func (p *Program) Rules(pkg string) ([]Applied, error) {
	var rules []Applied
	err := p.reached(pkg, func(m *ast.Module) {
		for _, r := range m.Rules {
			for _, a := range r.Annotations {
				if found := applied(a, r); found.ID != "" {
					rules = append(rules, found)
				}
			}
		}
	})
	return rules, err
}

// Words returns every text that stands in the modules that the package can come to
// evaluate: what names a role or a user type there is among them.
func (p *Program) Words(pkg string) (map[string]bool, error) {
	words := map[string]bool{}
	err := p.reached(pkg, func(m *ast.Module) {
		for _, r := range m.Rules {
			ast.WalkTerms(r, func(t *ast.Term) bool {
				if s, ok := t.Value.(ast.String); ok {
					words[string(s)] = true
				}
				return false
			})
		}
	})
	return words, err
}

// Actions returns the actions that the package knows, sorted: the texts that its
// rules hold input.action.name against. There may be some among them that are no
// names of actions.
func (p *Program) Actions(pkg string) ([]string, error) {
	k := knowledge{compiler: p.compiler, actions: map[string]bool{}}
	err := p.reached(pkg, func(m *ast.Module) {
		for _, r := range m.Rules {
			for branch := r; branch != nil; branch = branch.Else {
				k.rule(branch)
			}
		}
	})
	return slices.Sorted(maps.Keys(k.actions)), err
}

// reached calls do for each module that the package can come to evaluate.
func (p *Program) reached(pkg string, do func(*ast.Module)) error {
	paths, err := p.Reach(pkg)
	for _, path := range paths {
		do(p.compiler.Modules[path])
	}
	return err
}

// knowledge gathers the names of actions.
type knowledge struct {
	compiler *ast.Compiler
	actions  map[string]bool
	values   map[ast.Var]*ast.Term // what the rule's own variables stand for
}

// rule looks at one branch of a rule, as the compiler has left it.
func (k *knowledge) rule(r *ast.Rule) {
	k.values = map[ast.Var]*ast.Term{}
	ast.WalkExprs(r, func(x *ast.Expr) bool {
		if (x.IsEquality() || x.IsAssignment()) && len(x.Operands()) == 2 {
			k.note(x.Operand(0), x.Operand(1))
			k.note(x.Operand(1), x.Operand(0))
		}
		if every, ok := x.Terms.(*ast.Every); ok {
			k.note(every.Value, every.Domain)
		}
		return false
	})
	ast.WalkExprs(r, func(x *ast.Expr) bool {
		k.expression(x)
		return false
	})
	ast.WalkRefs(r, func(ref ast.Ref) bool {
		for i, step := range ref {
			if i > 0 && k.isAction(step) {
				k.table(ref[:i])
			}
		}
		return false
	})
}

func (k *knowledge) note(name, value *ast.Term) {
	if v, ok := name.Value.(ast.Var); ok && k.values[v] == nil {
		k.values[v] = value
	}
}

// expression takes what input.action.name is compared with, or looked for in.
func (k *knowledge) expression(x *ast.Expr) {
	if !slices.ContainsFunc(x.Operands(), k.isAction) {
		return
	}
	for _, other := range x.Operands() {
		if !k.isAction(other) {
			k.take(other)
		}
	}
	if x.IsCall() {
		k.take(ast.NewTerm(x.Operator()))
	}
}

// table takes what stands in the place of the action where it is the next step after
// the reference: `knows[input.resource.type][input.action.name]`.
func (k *knowledge) table(ref ast.Ref) {
	if !ref.HasPrefix(ast.DefaultRootRef) {
		k.take(ref[0])
		return
	}
	for _, r := range k.compiler.GetRulesWithPrefix(ref.GroundPrefix()) {
		if head := r.Head.Ref(); len(head) > len(ref) {
			k.texts(head[len(ref)])
			continue
		}
		k.whole(r)
	}
}

// isAction reports whether the term is input.action.name, or a variable for it.
func (k *knowledge) isAction(t *ast.Term) bool {
	ref, ok := k.resolve(t).Value.(ast.Ref)
	return ok && ref.String() == "input.action.name"
}

// resolve returns what a variable of the rule stands for, as far as that is known.
func (k *knowledge) resolve(t *ast.Term) *ast.Term {
	for range len(k.values) {
		v, ok := t.Value.(ast.Var)
		if !ok || k.values[v] == nil {
			break
		}
		t = k.values[v]
	}
	return t
}

// take adds the texts that the term can stand for: those in it, and in the rules
// that it refers to.
func (k *knowledge) take(t *ast.Term) {
	t = k.resolve(t)
	if ref, ok := t.Value.(ast.Ref); ok {
		k.ref(ref)
		return
	}
	k.texts(t)
}

// ref takes the texts of the rules that a reference leads to, or of the value that
// it begins with.
func (k *knowledge) ref(ref ast.Ref) {
	switch {
	case ref.HasPrefix(ast.DefaultRootRef):
		for _, r := range k.compiler.GetRulesWithPrefix(ref.GroundPrefix()) {
			k.whole(r)
		}
	case len(ref) > 1:
		k.take(ref[0])
	}
}

// whole takes the texts of a rule, the names on the way to it left out.
func (k *knowledge) whole(r *ast.Rule) {
	for branch := r; branch != nil; branch = branch.Else {
		k.texts(branch.Head.Args)
		if branch.Head.RuleKind() == ast.MultiValue {
			k.texts(branch.Head.Key)
		} else {
			k.texts(branch.Head.Value)
		}
		k.texts(branch.Body)
	}
}

// texts adds the texts below x but for the names in references.
func (k *knowledge) texts(x any) {
	ast.NewGenericVisitor(func(y any) bool {
		switch y := y.(type) {
		case ast.Ref, *ast.Annotations:
			return true
		case ast.String:
			k.actions[string(y)] = true
		}
		return false
	}).Walk(x)
}
