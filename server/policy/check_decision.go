package policy

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// document is a decision document as it is written in a rule.
type document struct {
	outcome, reason string // "" when it is not a constant
	at              *ast.Location
	rule            *ast.Rule // the branch that gives it
}

// documents returns the decision documents in a rule and its else-branches.
func documents(rule *ast.Rule) (found []document) {
	for branch := rule; branch != nil; branch = branch.Else {
		parts := []any{branch.Head.Value, branch.Body}
		if branch.Head.Key != nil {
			parts = append(parts, branch.Head.Key)
		}
		for _, part := range parts {
			if term, ok := part.(*ast.Term); ok && term == nil {
				continue
			}
			ast.WalkTerms(part, func(t *ast.Term) bool {
				if o, ok := t.Value.(ast.Object); ok && o.Get(ast.StringTerm("outcome")) != nil {
					found = append(found, document{text(o, "outcome"), text(o, "reason"), t.Location, branch})
				}
				return false
			})
		}
	}
	return found
}

// text returns a member that is a constant string, or "".
func text(o ast.Object, name string) string {
	if t := o.Get(ast.StringTerm(name)); t != nil {
		s, _ := t.Value.(ast.String)
		return string(s)
	}
	return ""
}

// custom returns a member of the rule's own METADATA, nil without one.
func custom(rule *ast.Rule, name string) any {
	for _, a := range rule.Annotations {
		if v, ok := a.Custom[name]; ok {
			return v
		}
	}
	return nil
}

// checkMetadata holds what rules say of themselves.
func (r *review) checkMetadata() {
	for _, name := range slices.Sorted(maps.Keys(r.own)) {
		m := r.modules[name]
		if m != nil && !isTest(name) && !r.titled(m.Package) {
			r.add(SeverityWarning, "missing-metadata", m.Package.Location, fmt.Sprintf("%s has no title", m.Package),
				"write above it: # METADATA, and below that # title: what the package decides")
		}
	}
	ids := map[string]string{}
	r.each(func(key string, rule ruleIn) {
		if !isTest(rule.file) {
			r.checkRuleMetadata(key, rule, ids)
		}
	})
}

// titled reports whether some file of the package has the title for all of them.
func (r *review) titled(p *ast.Package) bool {
	for _, m := range r.modules {
		if m.Package.Equal(p) && slices.ContainsFunc(m.Annotations, func(a *ast.Annotations) bool { return a.Scope == "package" && a.Title != "" }) {
			return true
		}
	}
	return false
}

func (r *review) checkRuleMetadata(key string, rule ruleIn, ids map[string]string) {
	id, _ := custom(rule.Rule, "id").(string)
	if id != "" {
		scoped := dotted(rule.module.Package.Path) + "/" + id
		if at, again := ids[scoped]; again {
			r.add(SeverityError, "duplicate-id", rule.Location, fmt.Sprintf("the id %s is taken by the rule in %s", id, at), "give each rule an id of its own: explanations and suites name rules by it")
		} else {
			ids[scoped] = fmt.Sprintf("line %d of %s", rule.Location.Row, path.Base(rule.Location.File))
		}
	}
	reason, _ := custom(rule.Rule, "reason").(string)
	switch {
	case strings.HasSuffix(key, ".refusals") && rule.Head.Key != nil:
		if !r.documentsRefusal(key, rule.Head.Key) {
			r.wantIDs(rule, "refuses", id, reason)
		}
		return
	case rule.Default:
		return
	}
	for _, d := range documents(rule.Rule) {
		if d.outcome != "allow" {
			continue
		}
		if isEntrypoint(key) {
			reason = d.reason
		}
		r.wantIDs(rule, "grants", id, reason)
		if reason != "" && d.reason != "" && reason != d.reason {
			r.add(SeverityWarning, "reason-differs", d.at, fmt.Sprintf("the rule gives the reason %s and its METADATA says %s", d.reason, reason), "make them one")
		}
		return
	}
}

// documentsRefusal reports whether METADATA of the package knows the refusal's id,
// and its reason: one refusal may take several rules, for several reasons, of which
// those of admission are documented with it.
func (r *review) documentsRefusal(key string, refusal *ast.Term) bool {
	o, ok := refusal.Value.(ast.Object)
	if !ok {
		return false
	}
	knows := func(rules []ruleIn, member, value string) bool {
		return slices.ContainsFunc(rules, func(rule ruleIn) bool { return value != "" && custom(rule.Rule, member) == any(value) })
	}
	documented := slices.ContainsFunc(r.rules[strings.TrimSuffix(key, ".refusals")+".admission"], func(rule ruleIn) bool {
		reasons, _ := custom(rule.Rule, "reasons").(map[string]any)
		return reasons[text(o, "reason")] != nil
	})
	return knows(r.rules[key], "id", text(o, "rule")) && (documented || knows(r.rules[key], "reason", text(o, "reason")))
}

func (r *review) wantIDs(rule ruleIn, does, id, reason string) {
	var missing []string
	if id == "" {
		missing = append(missing, "custom.id")
	}
	if reason == "" {
		missing = append(missing, "custom.reason")
	}
	if len(missing) > 0 {
		r.add(SeverityWarning, "missing-metadata", rule.Location, fmt.Sprintf("the rule %s and has no %s in METADATA", does, strings.Join(missing, " and no ")),
			"write above it: # METADATA, and below that # custom: {id: own_account, reason: granted}")
	}
}

// checkReasons holds the reasons that decisions give against those documented.
func (r *review) checkReasons() {
	done := map[string]bool{}
	r.each(func(key string, rule ruleIn) {
		if strings.HasSuffix(key, ".decision") && !isTest(rule.file) && !done[key] {
			done[key] = true
			r.checkReasonsOf(key, rule)
		}
	})
}

func (r *review) checkReasonsOf(key string, at ruleIn) {
	documented := map[string]bool{}
	for _, rule := range r.rules[key] {
		reasons, _ := custom(rule.Rule, "reasons").(map[string]any)
		for code := range reasons {
			documented[code] = true
		}
	}
	// Another package's decision documents its own reasons.
	elsewhere := func(k string) bool { return k != key && strings.HasSuffix(k, ".decision") }
	for _, reached := range slices.Sorted(maps.Keys(r.closure([]string{key}, elsewhere))) {
		if elsewhere(reached) {
			continue
		}
		for _, rule := range r.rules[reached] {
			r.checkGiven(rule, documented, at)
		}
	}
	given := r.constants(r.closure([]string{key}, nil))
	for _, code := range slices.Sorted(maps.Keys(documented)) {
		if !given[code] {
			r.add(SeverityWarning, "undocumented-reason", lineOf(at, code), fmt.Sprintf("the decision never gives the documented reason %s", code), "take the line out, or give the reason")
		}
	}
}

func (r *review) checkGiven(rule ruleIn, documented map[string]bool, decision ruleIn) {
	for _, d := range documents(rule.Rule) {
		if d.reason == "" || documented[d.reason] {
			continue
		}
		at := d.at
		if _, own := r.own[rule.file]; !own {
			at = decision.Location
		}
		r.add(SeverityWarning, "undocumented-reason", at, fmt.Sprintf("the decision gives the reason %s and does not document it", d.reason),
			fmt.Sprintf("add to custom.reasons in the METADATA of decision: %s: a sentence for people", d.reason))
	}
}

// constants returns every string that the rules hold: a reason may come from a table.
func (r *review) constants(keys map[string]bool) map[string]bool {
	held := map[string]bool{}
	for key := range keys {
		for _, rule := range r.rules[key] {
			ast.WalkTerms(rule.Rule, func(t *ast.Term) bool {
				if s, ok := t.Value.(ast.String); ok {
					held[string(s)] = true
				}
				return false
			})
		}
	}
	return held
}

// lineOf returns where METADATA of the rule documents a reason.
func lineOf(rule ruleIn, code string) *ast.Location {
	for _, c := range rule.module.Comments {
		if line := strings.TrimSpace(string(c.Text)); strings.HasPrefix(line, code+":") && c.Location.Row < rule.Location.Row {
			return c.Location
		}
	}
	return rule.Location
}

// checkDecisions reports decisions that may be undefined and grants without conditions.
func (r *review) checkDecisions() {
	done := map[string]bool{}
	r.each(func(key string, rule ruleIn) {
		if isTest(rule.file) {
			return
		}
		r.checkConditions(rule)
		if name := key[strings.LastIndexByte(key, '.')+1:]; isEntrypoint(key) && !done[key] && !r.total(key, map[string]bool{}) {
			done[key] = true
			last := rule.Rule
			for last.Else != nil {
				last = last.Else
			}
			r.add(SeverityError, "may-be-undefined", last.Location,
				fmt.Sprintf("%s may be undefined: no default and no last else-branch always holds", name), totalFix[name])
		}
	})
}

// totalFix is what makes an entrypoint total.
var totalFix = map[string]string{
	"decision":     `end it with a branch without conditions: else := {"outcome": "deny", "reason": "not_granted"}`,
	"admission":    `write it without conditions, of parts that are always defined: admission := {"refusals": refusals, "defaults": defaults}`,
	"provisioning": `write it without conditions, of parts that are always defined: provisioning := {"tasks": tasks}`,
}

// checkConditions reports allow in a branch that holds for everyone.
func (r *review) checkConditions(rule ruleIn) {
	for _, d := range documents(rule.Rule) {
		if d.outcome == "allow" && len(rule.Head.Args) == 0 && unconditional(d.rule.Body) {
			r.add(SeverityError, "unconditional-allow", d.at, "this allows everyone everything: the branch has no condition", "say in full what the grant takes: who asks, which action, which resource, and why the record is in scope")
		}
	}
}

// unconditional reports whether a body is no condition. It says no when in doubt.
func unconditional(body ast.Body) bool {
	for _, e := range body {
		t, ok := e.Terms.(*ast.Term)
		if !ok || e.Negated || len(e.With) > 0 || !t.Equal(ast.BooleanTerm(true)) {
			return false
		}
	}
	return true
}

// total reports whether the rule at key always has a value. It says no when in doubt.
func (r *review) total(key string, seen map[string]bool) bool {
	if seen[key] {
		return false
	}
	seen[key] = true
	for _, rule := range r.rules[key] {
		if rule.Default || rule.Head.RuleKind() == ast.MultiValue || !rule.Head.Ref().IsGround() {
			return true
		}
		last := rule.Rule
		for last.Else != nil {
			last = last.Else
		}
		if len(rule.Head.Args) == 0 && unconditional(last.Body) && r.defined(rule.module, last.Head.Value, seen) {
			return true
		}
	}
	return false
}

// defined reports whether a term always has a value.
func (r *review) defined(m *ast.Module, t *ast.Term, seen map[string]bool) bool {
	ok := true
	switch v := t.Value.(type) {
	case ast.Ref:
		return r.total(r.resolve(m, v), maps.Clone(seen))
	case ast.Var:
		return r.total(r.resolve(m, ast.Ref{t}), maps.Clone(seen))
	case ast.Object:
		v.Foreach(func(k, e *ast.Term) { ok = ok && r.defined(m, k, seen) && r.defined(m, e, seen) })
	case *ast.Array:
		v.Foreach(func(e *ast.Term) { ok = ok && r.defined(m, e, seen) })
	case ast.Set:
		v.Foreach(func(e *ast.Term) { ok = ok && r.defined(m, e, seen) })
	case ast.Call:
		ok = slices.Contains(totalFunctions[:], v[0].String())
		for _, argument := range v[1:] {
			ok = ok && r.defined(m, argument, seen)
		}
	}
	return ok
}

// totalFunctions have a value for all arguments of their types.
var totalFunctions = [...]string{"array.concat", "concat", "count", "object.get", "object.remove", "object.union", "object.union_n", "union"}
