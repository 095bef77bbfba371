package policy

import (
	"context"
	"encoding/json"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Applied is a rule that had a part in an answer, as its METADATA describes it.
type Applied struct {
	ID, Reason, Title string
	Module            string // path
	Line              int
}

// Examination is how an answer came about.
type Examination struct {
	Input json.RawMessage // the document that the policy saw
	// Rules are those with an id in their METADATA that hold in the answer, each
	// once, outermost first. A rule that held in a branch given up later is none.
	Rules []Applied

	touched map[place]bool
}

// place is a line of a module.
type place struct {
	module string
	line   int
}

// Touches reports whether something in the line was evaluated.
func (x *Examination) Touches(module string, line int) bool { return x.touched[place{module, line}] }

// Lens looks at evaluations, at the price of some time: what it sees is the
// evaluation itself, for each of which it takes a new one. The zero Lens sees how
// the answer comes about, and nothing else.
type Lens struct{ Coverage *Coverage }

// Decide is [Policy.Decide] with how the decision came about.
func (l Lens) Decide(ctx context.Context, p *Policy, q *authz.Query, f *authz.Facts) (authz.Decision, Examination) {
	w := l.on(p)
	d := w.Decide(ctx, q, f)
	return d, w.watch.examination(d.Err == nil)
}

// Admit is [Policy.Admit] with how the admission came about.
func (l Lens) Admit(ctx context.Context, p *Policy, c *authz.Change, f *authz.ChangeFacts) (authz.Admission, Examination) {
	w := l.on(p)
	a := w.Admit(ctx, c, f)
	return a, w.watch.examination(a.Err == nil)
}

// Provision is [Policy.Provision] with how the tasks came about.
func (l Lens) Provision(ctx context.Context, p *Policy, c *authz.Change, f *authz.ChangeFacts) (authz.Provisioning, Examination) {
	w := l.on(p)
	t := w.Provision(ctx, c, f)
	return t, w.watch.examination(t.Err == nil)
}

// on returns the policy under a new watch.
func (l Lens) on(p *Policy) *Policy {
	w := p.copied()
	w.watch = &watch{coverage: l.Coverage, compiler: p.program.compiler}
	return w
}

// watch sees one evaluation.
type watch struct {
	coverage *Coverage
	compiler *ast.Compiler
	input    *ast.Term
	trace    trace
}

func (w *watch) begin(q *topdown.Query, input *ast.Term) {
	w.input, w.trace = input, trace{frames: map[uint64]*frame{}, held: map[string][]*held{}, touched: map[place]bool{}}
	// Several rules may give one answer, of which the evaluator takes the first.
	q.WithEarlyExit(false)
	q.WithQueryTracer(&w.trace)
	if w.coverage != nil {
		q.WithQueryTracer(w.coverage.hits)
	}
}

// examination returns what was seen; an evaluation that failed has no rules that
// hold.
func (w *watch) examination(answered bool) Examination {
	var x Examination
	if w.input == nil { // the package has no such rule
		return x
	}
	x.touched = w.trace.touched
	// A document of ours can be written as JSON, or Decide would have failed.
	if document, err := ast.JSON(w.input.Value); err == nil {
		x.Input, _ = json.Marshal(document)
	}
	if answered {
		l := listing{notes: notes(w.compiler), held: w.trace.held, listed: map[*ast.Annotations]bool{}, visited: map[*held]bool{}}
		l.add(w.trace.answer)
		x.Rules = l.rules
	}
	return x
}

// listing collects the rules with an id.
type listing struct {
	notes   map[*ast.Rule]*ast.Annotations
	held    map[string][]*held
	listed  map[*ast.Annotations]bool
	visited map[*held]bool
	rules   []Applied
}

// add lists rules with those of the same name: the evaluator goes on with the answer
// as soon as the first of them holds, and comes back to the others.
func (l *listing) add(all []*held) {
	for _, h := range all {
		if l.visited[h] {
			continue
		}
		l.visited[h] = true
		if a := l.notes[h.rule]; a != nil && !l.listed[a] {
			l.listed[a] = true
			l.rules = append(l.rules, applied(a, h.rule))
		}
		l.add(h.within)
		l.add(l.held[h.path()])
	}
}

func applied(a *ast.Annotations, r *ast.Rule) Applied {
	id, _ := a.Custom["id"].(string)
	reason, _ := a.Custom["reason"].(string)
	return Applied{ID: id, Reason: reason, Title: a.Title, Module: r.Loc().File, Line: r.Loc().Row}
}

// notes returns the annotations that name an id, by the rule that they are about;
// those of a rule are about its else branches too.
func notes(c *ast.Compiler) map[*ast.Rule]*ast.Annotations {
	all := map[*ast.Rule]*ast.Annotations{}
	for _, m := range c.Modules {
		for _, r := range m.Rules {
			for _, a := range r.Annotations {
				if id, _ := a.Custom["id"].(string); id == "" {
					continue
				}
				for branch := r; branch != nil; branch = branch.Else {
					all[branch] = a
				}
			}
		}
	}
	return all
}

// trace follows an evaluation, and keeps of it the rules that hold in its answer.
type trace struct {
	frames map[uint64]*frame
	held   map[string][]*held // by the path of the rule: the evaluator asks a rule once, and remembers
	answer []*held

	touched map[place]bool
}

// frame is a query being evaluated: a rule's body, or one within it.
type frame struct {
	parent uint64
	at     int // the expression being evaluated
	found  []found
}

// found is a rule that was found to hold at an expression.
type found struct {
	at   int
	what *held
}

// held is a rule that has a value, and the rules by which it has.
type held struct {
	rule   *ast.Rule
	within []*held
}

func (h *held) path() string { return h.rule.Ref().GroundPrefix().String() }

// Enabled reports that events are wanted.
func (t *trace) Enabled() bool { return true }

// Config asks for events without the values of variables.
func (t *trace) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent follows one step of the evaluator.
func (t *trace) TraceEvent(e topdown.Event) {
	if e.Location != nil {
		t.touched[place{e.Location.File, e.Location.Row}] = true
	}
	switch e.Op {
	case topdown.EnterOp:
		t.frames[e.QueryID] = &frame{parent: e.ParentID}
	case topdown.EvalOp:
		if x, ok := e.Node.(*ast.Expr); ok {
			t.frame(e).step(x.Index)
		}
	case topdown.ExitOp:
		t.exit(e)
	}
}

func (t *trace) frame(e topdown.Event) *frame {
	f := t.frames[e.QueryID]
	if f == nil {
		f = &frame{parent: e.ParentID}
		t.frames[e.QueryID] = f
	}
	return f
}

// step begins an expression. What was found there or later belongs to an attempt
// that was given up.
func (f *frame) step(index int) {
	f.at = index
	for len(f.found) > 0 && f.found[len(f.found)-1].at >= index {
		f.found = f.found[:len(f.found)-1]
	}
}

// exit takes a query that succeeded over into the one that it is part of.
func (t *trace) exit(e topdown.Event) {
	f := t.frame(e)
	var within []*held
	for _, x := range f.found {
		within = append(within, x.what)
	}
	if r, ok := e.Node.(*ast.Rule); ok {
		h := &held{rule: r, within: append(within, t.remembered(r, within)...)}
		if len(r.Head.Args) == 0 {
			t.held[h.path()] = append(t.held[h.path()], h)
		}
		within = []*held{h}
	}
	parent := t.frames[f.parent]
	if parent == nil || f.parent == e.QueryID {
		t.answer = within
		return
	}
	for _, h := range within {
		parent.found = append(parent.found, found{parent.at, h})
	}
}

// remembered returns the rules that r refers to, other than by `not`, whose values
// the evaluator knew from before.
func (t *trace) remembered(r *ast.Rule, asked []*held) []*held {
	known := map[string]bool{}
	for _, h := range asked {
		known[h.path()] = true
	}
	var all []*held
	visit := func(ref ast.Ref) bool {
		if !ref.HasPrefix(ast.DefaultRootRef) {
			return false
		}
		for n := 2; n <= len(ref); n++ {
			path := ref[:n].String()
			if held := t.held[path]; held != nil && !known[path] {
				known[path] = true
				all = append(all, held...)
			}
		}
		return false
	}
	for _, x := range r.Body {
		if !x.Negated {
			ast.WalkRefs(x, visit)
		}
	}
	ast.WalkRefs(r.Head, visit)
	return all
}
