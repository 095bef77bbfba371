package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// entrypoints are the rules of a package that the service asks for.
var entrypoints = [...]string{"decision", "admission", "provisioning"}

// settingGroups are the members of data.portal.
var settingGroups = []string{"settings", "features", "user_types", "sharing", "limits"}

// lookup calls visit for every reference and bare name in x, below its else-branches
// too, with the place where it is written. The targets of with are left out.
func lookup(x any, visit func(ref ast.Ref, at *ast.Location)) {
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.With:
			lookup(x.Value, visit)
			return true
		case *ast.Head:
			for _, part := range []*ast.Term{x.Key, x.Value} {
				if part != nil {
					lookup(part, visit)
				}
			}
			if len(x.Reference) > 1 {
				for _, part := range x.Reference[1:] {
					lookup(part, visit)
				}
			}
			return true
		case *ast.Term:
			switch v := x.Value.(type) {
			case ast.Ref:
				visit(v, x.Location)
				for _, part := range v[1:] {
					lookup(part, visit)
				}
				return true
			case ast.Var:
				visit(ast.Ref{x}, x.Location)
			}
		}
		return false
	}).Walk(x)
}

// resolve returns the path below data that a reference in m leads to: through an
// import, to a rule of the package, or spelled out; "" for any other.
func (r *review) resolve(m *ast.Module, ref ast.Ref) string {
	head, ok := ref[0].Value.(ast.Var)
	if !ok {
		return ""
	}
	if head == "data" {
		return dotted(ref)
	}
	rest := strings.TrimPrefix(dotted(ref), string(head))
	for _, i := range m.Imports {
		if path, ok := i.Path.Value.(ast.Ref); ok && i.Name() == head && path.HasPrefix(ast.DefaultRootRef) {
			return dotted(path) + rest
		}
	}
	if key := dotted(m.Package.Path) + "." + string(head); r.holders[key] {
		return key + rest
	}
	return ""
}

// reached returns the rules that the path may evaluate: the one at it or above it,
// or all below it.
func (r *review) reached(path string) []string {
	for p := path; p != ""; p = p[:max(0, strings.LastIndexByte(p, '.'))] {
		if _, ok := r.rules[p]; ok {
			return []string{p}
		}
	}
	var keys []string
	for key := range r.rules {
		if strings.HasPrefix(key, path+".") {
			keys = append(keys, key)
		}
	}
	return keys
}

// closure returns the rules that those in from may evaluate, themselves included.
// It does not go beyond a rule at which stop holds.
func (r *review) closure(from []string, stop func(key string) bool) map[string]bool {
	seen := map[string]bool{}
	for len(from) > 0 {
		key := from[len(from)-1]
		from = from[:len(from)-1]
		if seen[key] {
			continue
		}
		seen[key] = true
		if stop != nil && stop(key) {
			continue
		}
		for _, rule := range r.rules[key] {
			lookup(rule.Rule, func(ref ast.Ref, _ *ast.Location) {
				if path := r.resolve(rule.module, ref); path != "" {
					from = append(from, r.reached(path)...)
				}
			})
		}
	}
	return seen
}

func isEntrypoint(key string) bool {
	return slices.Contains(entrypoints[:], key[strings.LastIndexByte(key, '.')+1:])
}

// checkUse reports rules that nothing evaluates.
func (r *review) checkUse() {
	var asked, tested []string
	for key, rules := range r.rules {
		for _, rule := range rules {
			switch {
			case isTest(rule.file):
				tested = append(tested, key)
			case isEntrypoint(key) || marked(rule.Rule):
				asked = append(asked, key)
			}
		}
	}
	used, byTests := r.closure(asked, nil), r.closure(tested, nil)
	var last string
	r.each(func(key string, rule ruleIn) {
		if used[key] || isTest(rule.file) || key == last {
			return
		}
		last = key
		name := key[strings.LastIndexByte(key, '.')+1:]
		msg := fmt.Sprintf("the rule %s is never used: no decision, admission or provisioning reaches it", name)
		if byTests[key] {
			msg = fmt.Sprintf("the rule %s is used by tests alone: no decision, admission or provisioning reaches it", name)
		}
		r.add(SeverityWarning, "unused-rule", rule.Location, msg, "use it, take it out, or mark it entrypoint: true in its METADATA")
	})
}

// marked reports whether METADATA makes the rule an entrypoint.
func marked(rule *ast.Rule) bool {
	return slices.ContainsFunc(rule.Annotations, func(a *ast.Annotations) bool { return a.Entrypoint })
}

// checkFacts reports references to facts that the contract does not have, to rules
// that do not exist, and to facts that a decision reads whole. whole is false when some module could
// not be read, so that what it holds is not known.
func (r *review) checkFacts(whole bool) {
	decides := r.deciding()
	r.each(func(key string, rule ruleIn) {
		narrow := decides[key] && !isTest(rule.file)
		lookup(rule.Rule, func(ref ast.Ref, at *ast.Location) {
			if ref[0].Equal(ast.InputRootDocument) || isInput(rule.module, ref) {
				r.checkFact(rule.module, ref, at, narrow)
				return
			}
			if path := r.resolve(rule.module, ref); whole && path != "" {
				r.checkPath(path, at)
			}
		})
	})
	for name := range r.own {
		if m := r.modules[name]; m != nil && whole {
			r.checkImports(m)
		}
	}
}

// deciding returns the rules that a decision may evaluate.
func (r *review) deciding() map[string]bool {
	var decisions []string
	for key := range r.rules {
		if strings.HasSuffix(key, ".decision") {
			decisions = append(decisions, key)
		}
	}
	return r.closure(decisions, nil)
}

// isInput reports whether a name stands for an import of input.
func isInput(m *ast.Module, ref ast.Ref) bool {
	return slices.ContainsFunc(m.Imports, func(i *ast.Import) bool {
		path, ok := i.Path.Value.(ast.Ref)
		return ok && path[0].Equal(ast.InputRootDocument) && ref[0].Value.Compare(i.Name()) == 0
	})
}

func (r *review) checkImports(m *ast.Module) {
	for _, i := range m.Imports {
		if path, ok := i.Path.Value.(ast.Ref); ok && path[0].Equal(ast.DefaultRootDocument) {
			r.checkPath(dotted(path), i.Location)
		}
	}
}

// checkPath reports a path below data at which there is nothing: in Rego that is
// no fault but undefined, so that a condition never holds.
func (r *review) checkPath(path string, at *ast.Location) {
	if group, ok := strings.CutPrefix(path, "data.portal."); ok {
		group, _, _ = strings.Cut(group, ".")
		if !slices.Contains(settingGroups, group) {
			r.add(SeverityError, "unknown-fact", at, fmt.Sprintf("data.portal has no member %s", group),
				suggest(group, settingGroups, "want one of "+strings.Join(settingGroups, ", ")))
		}
		return
	}
	if r.places[path] || len(r.reached(path)) > 0 {
		return
	}
	// The last step that exists says where the name went wrong.
	above := path
	for !r.places[above] {
		above = above[:strings.LastIndexByte(above, '.')]
	}
	name, _, _ := strings.Cut(path[len(above)+1:], ".")
	names := r.below(above)
	r.add(SeverityError, "unknown-rule", at, fmt.Sprintf("there is no rule or package %s.%s, so that it is never defined", above, name),
		suggest(name, names, "want one of "+strings.Join(names, ", ")))
}

// below returns the names of the rules and packages right below a path.
func (r *review) below(path string) []string {
	names := map[string]bool{}
	for key := range r.rules {
		if rest, ok := strings.CutPrefix(key, path+"."); ok {
			name, _, _ := strings.Cut(rest, ".")
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// unaliased spells out a reference to what is imported from input.
func unaliased(m *ast.Module, ref ast.Ref) ast.Ref {
	for _, i := range m.Imports {
		if path, ok := i.Path.Value.(ast.Ref); ok && path[0].Equal(ast.InputRootDocument) && ref[0].Value.Compare(i.Name()) == 0 {
			return path.Concat(ref[1:])
		}
	}
	return ref
}

// checkFact holds a reference to input against the schema.
func (r *review) checkFact(m *ast.Module, ref ast.Ref, at *ast.Location, narrow bool) {
	ref = unaliased(m, ref)
	if narrow {
		r.checkNarrow(ref, at)
	}
	schema, path := r.input, "input"
	for _, step := range ref[1:] {
		name, constant := step.Value.(ast.String)
		next, names := r.member(schema, string(name), constant)
		if names != nil {
			r.add(SeverityError, "unknown-fact", at, fmt.Sprintf("%s.%s is no fact: %s has no member %s", path, string(name), path, string(name)),
				suggest(string(name), names, "want one of "+strings.Join(names, ", ")))
			return
		}
		if next == nil {
			return
		}
		schema, path = next, path+"."+step.String()
		if constant {
			path = strings.TrimSuffix(path, step.String()) + string(name)
		}
	}
}

// member returns the schema of a member, nil when it says no more of it, or the
// names to choose from when there is no such member.
func (r *review) member(schema map[string]any, name string, constant bool) (next map[string]any, names []string) {
	schema = r.follow(schema)
	if items, ok := schema["items"].(map[string]any); ok {
		return items, nil
	}
	properties, _ := schema["properties"].(map[string]any)
	if p, ok := properties[name].(map[string]any); ok && constant {
		return p, nil
	}
	if more, ok := schema["additionalProperties"].(map[string]any); ok {
		return more, nil
	}
	if constant && properties != nil && schema["additionalProperties"] == false {
		return nil, slices.Sorted(maps.Keys(properties))
	}
	return nil, nil
}

// follow returns what a $ref of the schema leads to. A chain of them ends after a
// few steps, so that a circle ends too.
func (r *review) follow(schema map[string]any) map[string]any {
	for range 8 {
		ref, ok := schema["$ref"].(string)
		if !ok {
			break
		}
		definitions, _ := r.input["definitions"].(map[string]any)
		schema, _ = definitions[strings.TrimPrefix(ref, "#/definitions/")].(map[string]any)
	}
	return schema
}

// people are the facts that differ from one user to the next.
var people = []string{"user", "actor", "owner"}

// checkNarrow reports input, or a person, read whole: an answer then depends on who
// asks in every respect, and no two users can share it.
func (r *review) checkNarrow(ref ast.Ref, at *ast.Location) {
	switch constant := dotted(ref); {
	case constant == "input":
		r.add(SeverityWarning, "not-narrow", at, "input is read whole, so that no two questions can share an answer", "read the facts that are needed by name, such as input.user.account")
	case slices.Contains(people, strings.TrimPrefix(constant, "input.")):
		r.add(SeverityWarning, "not-narrow", at, constant+" is read whole, so that no two users can share an answer",
			fmt.Sprintf("read what is needed by name, such as %s.account, or %s.id to see whether there is one", constant, constant))
	}
}
