package policy

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// A settled rule does not need a whole question for its value: all that it can see, itself
// and through other rules, is settled by the kind of the question, by the place that it is
// about, or by both. Such a value is worked out once for those and kept, under the policy's
// settings, when it is a scalar or undefined. The decision is a document, and so is never
// kept.
type settling uint8

const (
	unsettled settling = iota
	byKind             // who asks, what is asked about, and what is done, as far as the words go
	byPlace            // the node, the rights there, and the effective roles
	byBoth
)

// What settled rules may see of input, as [reads] has it. The portal is the policy's own.
var (
	kindPaths  = map[string]bool{"portal": true, "subject.type": true, "resource.type": true, "action.name": true}
	placePaths = map[string]bool{"portal": true, "user.effective_roles": true, "screen": true, "rights": true}
)

// settled are settled rules by the last name of their references.
type settled map[string][]settledRule

type settledRule struct {
	ref ast.Ref
	by  settling
}

// settledRules returns those of the rules that a decision rule can come to.
func settledRules(c *ast.Compiler, decision ast.Ref) settled {
	s := sighted{compiler: c, sees: map[*ast.Rule]reads{}}
	for _, r := range c.GetRules(decision) {
		s.of(r)
	}
	all := settled{}
	for r := range s.sees {
		if ref := r.Ref(); all.of(ref) == nil {
			if by := s.settling(ref); by != unsettled {
				last := lastName(ref)
				all[last] = append(all[last], settledRule{ref, by})
			}
		}
	}
	return all
}

func lastName(ref ast.Ref) string {
	name, _ := ref[len(ref)-1].Value.(ast.String)
	return string(name)
}

// of returns the rule that ref is of, or nil when it is not settled.
func (s settled) of(ref ast.Ref) *settledRule {
	rules := s[lastName(ref)]
	for i := range rules {
		if rules[i].ref.Equal(ref) {
			return &rules[i]
		}
	}
	return nil
}

// sighted tells what rules can see.
type sighted struct {
	compiler *ast.Compiler
	sees     map[*ast.Rule]reads
}

func (s *sighted) settling(ref ast.Ref) settling {
	seen := reads{}
	for _, r := range s.compiler.GetRulesExact(ref) {
		if len(r.Head.Args) > 0 || r.Head.RuleKind() != ast.SingleValue || !r.Ref().IsGround() {
			return unsettled
		}
		for path := range s.of(r) {
			seen[path] = struct{}{}
		}
	}
	switch {
	case seen.within(kindPaths):
		return byKind
	case seen.within(placePaths):
		return byPlace
	case seen.within(kindPaths, placePaths):
		return byBoth
	}
	return unsettled
}

// within reports whether all that is read is, or is inside, a member of one of the sets.
func (r reads) within(sets ...map[string]bool) bool {
	for path := range r {
		member, _, _ := strings.Cut(path, ".")
		if !slices.ContainsFunc(sets, func(set map[string]bool) bool { return set[path] || set[member] }) {
			return false
		}
	}
	return true
}

// of returns all that the rule mentions of input, itself or in rules that it mentions,
// whether it matters or not.
func (s *sighted) of(rule *ast.Rule) reads {
	if seen, ok := s.sees[rule]; ok {
		return seen
	}
	seen := reads{}
	s.sees[rule] = seen // rules are not recursive
	ast.WalkRefs(rule, func(ref ast.Ref) bool {
		switch {
		case ref.HasPrefix(ast.InputRootRef):
			seen.add(ref)
		case ref.HasPrefix(ast.DefaultRootRef):
			for _, r := range s.compiler.GetRules(ref.GroundPrefix()) {
				for path := range s.of(r) {
					seen[path] = struct{}{}
				}
			}
		}
		return false
	})
	return seen
}

// values are what settled rules came to, for one kind or at one place.
type values struct{ kept atomic.Pointer[[]ruleEntry] }

func (v *values) load() *[]ruleEntry {
	if v == nil {
		return nil
	}
	return v.kept.Load()
}

// add keeps more beside what was kept, unless somebody else has added meanwhile.
func (v *values) add(was *[]ruleEntry, more []ruleEntry) {
	if v == nil || len(more) == 0 {
		return
	}
	all := more // on the heap, as more would be whatever comes of it
	if was != nil {
		all = append(slices.Clip(*was), more...)
	}
	v.kept.CompareAndSwap(was, &all)
}

// atPlace is what a policy makes of an authz.Facts.Place.
type atPlace struct {
	rights *ast.Term
	values values
	kinds  few[*values, *values] // by what is kept of the kind anywhere
}

// kindsAtPlace bounds the kinds of questions of which something is kept at one place.
const kindsAtPlace = 16

// place returns what is kept where the facts say; nil for nowhere. A policy that is watched
// is there for one question, and leaves nothing behind.
func (p *Policy) place(f *authz.Facts) *atPlace {
	if f.Place == nil || p.watch != nil {
		return nil
	}
	return f.Place.Recall(p, func() any {
		return &atPlace{rights: rights(f.Rights), kinds: few[*values, *values]{most: kindsAtPlace}}
	}).(*atPlace)
}

// rights returns the term of the facts' rights.
func (p *Policy) rights(f *authz.Facts) *ast.Term {
	if at := p.place(f); at != nil {
		return at.rights
	}
	return rights(f.Rights)
}

// recalled is what an evaluation starts with, and where it leaves what it has settled.
type recalled struct {
	kind      *values  // nil: nothing is kept of the kind
	at        *atPlace // nil: nothing is kept of the place
	both      *values  // nil: nothing is known yet
	fromKind  *[]ruleEntry
	fromPlace *[]ruleEntry
	fromBoth  *[]ruleEntry
	known     int // how many entries that is
}

// recall hands the scratch what is known of the question.
func (p *Policy) recall(q *authz.Query, f *authz.Facts, s *scratch) (r recalled) {
	if p.watch != nil {
		return r // who watches is to see all of it
	}
	if k, ok := kindOf(q); ok {
		r.kind = p.kinds.get(k)
		if r.kind == nil && !p.kinds.full() {
			k = Kind{Subject: strings.Clone(k.Subject), Resource: strings.Clone(k.Resource), Action: strings.Clone(k.Action)}
			r.kind = p.kinds.keep(k, &values{})
		}
	}
	if r.at = p.place(f); r.at != nil {
		r.fromPlace = r.at.values.load()
		if r.kind != nil {
			r.both = r.at.kinds.get(r.kind)
		}
	}
	r.fromKind, r.fromBoth = r.kind.load(), r.both.load()
	r.known = s.virtual.know(r.fromKind, r.fromPlace, r.fromBoth)
	return r
}

// learn keeps what the evaluation has settled. It must have come to its end.
func (p *Policy) learn(r recalled, s *scratch) {
	if r.kind == nil && r.at == nil {
		return
	}
	var learnt [byBoth + 1][]ruleEntry
	for _, e := range s.virtual.entries[r.known:] {
		if e.value != nil && !ast.IsScalar(e.value.Value) {
			continue
		}
		if rule := p.settled.of(e.ref); rule != nil {
			learnt[rule.by] = append(learnt[rule.by], ruleEntry{rule.ref, e.value})
		}
	}
	r.kind.add(r.fromKind, learnt[byKind])
	if r.at == nil {
		return
	}
	r.at.values.add(r.fromPlace, learnt[byPlace])
	if both := learnt[byBoth]; r.kind != nil && len(both) > 0 {
		if r.both == nil && !r.at.kinds.full() {
			r.both = r.at.kinds.keep(r.kind, &values{})
		}
		r.both.add(r.fromBoth, both)
	}
}
