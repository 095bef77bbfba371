package policy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// searchable are the facts that are lists of names.
var searchable = map[string]bool{"user.roles": true, "user.effective_roles": true}

// objects are the facts of which a policy may ask no more than whether they are there.
var objects = map[string]bool{
	"user": true, "screen": true, "record": true, "parent": true, "owner": true, "contact": true, "account": true, "target": true,
}

// scoping follows the rules that a question of the kind may come to.
type scoping struct {
	compiler *ast.Compiler
	known    map[string]string // what holds of all questions; a path without a value is not known
	byValue  bool              // of ids and lists of names too the values count
	truths   map[string]bool   // what comparisons of known facts came to
	queue    []*ast.Rule
	met      map[*ast.Rule]bool
	texts    []string // of the rules, as far as they can hold

	reads   reads                      // facts whose values matter
	equals  map[string]map[string]bool // ids, and those that they are compared with
	lists   map[string]map[string]bool // lists, and the names that are looked for
	exists  map[string]bool            // facts that are there or not
	data    map[string]bool            // settings that are read, as paths below data
	actions map[string]bool
	byName  bool // it is read which role has a level
}

func newScoping(compiler *ast.Compiler, known map[string]string) *scoping {
	return &scoping{
		compiler: compiler, known: known, truths: map[string]bool{}, met: map[*ast.Rule]bool{},
		reads: reads{}, equals: map[string]map[string]bool{}, lists: map[string]map[string]bool{}, exists: map[string]bool{},
		data: map[string]bool{}, actions: map[string]bool{},
	}
}

func (x *scoping) run() {
	for len(x.queue) > 0 {
		r := x.queue[0]
		x.queue = x.queue[1:]
		x.rule(r)
	}
}

// rule follows a rule with its branches, each up to the first comparison that cannot
// hold: what stands before it is evaluated, and may fail.
func (x *scoping) rule(r *ast.Rule) {
	text := fmt.Sprint(r.Default, r.Ref())
	for branch := r; branch != nil; branch = branch.Else {
		b := bound{paths: map[ast.Var]ast.Ref{}, seen: map[ast.Var]bool{}, tables: map[ast.Var]ast.Ref{}, constants: map[ast.Var][]string{}, branch: branch}
		b.meet(branch.Head.Args)
		x.body(&b, branch.Body)
		for _, e := range branch.Body[:b.until] {
			text += ";" + e.String()
		}
		if !b.fails {
			text += "=>" + branch.Head.String()
			for _, name := range b.actions {
				x.actions[name] = true
			}
			x.values(&b, branch.Head)
			x.values(&b, branch.Head.Reference)
		}
		text += "|"
	}
	x.texts = append(x.texts, renumbered(text))
}

// renumbered returns the text with the compiler's own variables numbered in the order
// in which they occur: a change to another rule gives them other numbers.
func renumbered(text string) string {
	const mark = "__local"
	var b strings.Builder
	numbers := map[string]int{}
	for {
		before, rest, found := strings.Cut(text, mark)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		number, after, _ := strings.Cut(rest, "__")
		if _, known := numbers[number]; !known {
			numbers[number] = len(numbers)
		}
		fmt.Fprintf(&b, "%s%d__", mark, numbers[number])
		text = after
	}
}

// bound are the facts that variables of a body stand for.
type bound struct {
	paths map[ast.Var]ast.Ref
	seen  map[ast.Var]bool // variables that may have a value already

	tables    map[ast.Var]ast.Ref  // rules that variables stand for
	constants map[ast.Var][]string // the names in constants that variables stand for
	branch    *ast.Rule
	until     int  // how many expressions can be evaluated
	fails     bool // the last of them never holds

	actions []string // that the body names
}

func (b *bound) meet(node any) {
	if t, ok := node.(*ast.Term); ok && t == nil {
		return
	}
	ast.WalkVars(node, func(v ast.Var) bool {
		b.seen[v] = true
		return false
	})
}

// body takes down what a body reads, as far as it can be evaluated.
func (x *scoping) body(b *bound, body ast.Body) {
	b.until = len(body)
	for i, e := range body {
		switch v, path, ok := alias(e); {
		case ok && !b.seen[v] && path.HasPrefix(ast.InputRootRef):
			b.paths[v], b.seen[v] = path, true
			x.there(b, path)
			continue
		case ok:
			b.tables[v] = path
		}
		if v, names := constant(e); v != "" {
			b.constants[v] = names
		}
		x.expr(b, e)
		if x.never(b, e) {
			b.until, b.fails = i+1, true
			return
		}
	}
}

// there takes down that a variable gets the value of the fact, which must be there for
// that. What becomes of the value is told by where the variable is used.
func (x *scoping) there(b *bound, path ast.Ref) {
	switch name := factPath(path); {
	case x.byID(name):
		x.equal(name, "")
	case x.searches(name):
		x.list(name, "")
	case name == "screen.kind" || x.known[name] == "":
		x.ref(b, path)
	}
}

// byID reports whether of the fact it may be enough which ids are equal, and searches
// whether it may be enough which names it holds.
func (x *scoping) byID(name string) bool     { return !x.byValue && comparableIDs[name] }
func (x *scoping) searches(name string) bool { return !x.byValue && searchable[name] }

// alias returns the variable and the fact, setting or rule of an expression that does no
// more than give the one the value of the other.
func alias(e *ast.Expr) (ast.Var, ast.Ref, bool) {
	if !e.IsEquality() || e.Negated || len(e.With) > 0 {
		return "", nil, false
	}
	for _, at := range [2][2]int{{0, 1}, {1, 0}} {
		v, isVar := e.Operand(at[0]).Value.(ast.Var)
		path, isRef := e.Operand(at[1]).Value.(ast.Ref)
		if isVar && v.IsGenerated() && isRef && path.IsGround() {
			return v, path, true
		}
	}
	return "", nil, false
}

// constant returns the variable to which an expression gives a constant, with the names in
// that.
func constant(e *ast.Expr) (ast.Var, []string) {
	if !e.IsEquality() || e.Negated {
		return "", nil
	}
	for _, at := range [2][2]int{{0, 1}, {1, 0}} {
		if v, ok := e.Operand(at[0]).Value.(ast.Var); ok && ast.IsConstant(e.Operand(at[1]).Value) {
			return v, namesIn(e.Operand(at[1]).Value)
		}
	}
	return "", nil
}

// path returns the fact that the term is, by itself or through a variable.
func (b *bound) path(t *ast.Term) (ast.Ref, bool) {
	switch v := t.Value.(type) {
	case ast.Var:
		ref, ok := b.paths[v]
		return ref, ok
	case ast.Ref:
		return v, v.HasPrefix(ast.InputRootRef) && v.IsGround()
	}
	return nil, false
}

// expr takes down what an expression reads.
func (x *scoping) expr(b *bound, e *ast.Expr) {
	if len(e.With) > 0 {
		x.reads[""], x.byName = struct{}{}, true
	}
	x.named(b, e)
	defer b.meet(e)
	switch terms := e.Terms.(type) {
	case *ast.Term:
		if !x.asked(b, terms) {
			x.values(b, terms)
		}
	case []*ast.Term:
		if !x.compared(b, e) && !x.searched(b, e) {
			x.values(b, e)
		}
	default:
		x.values(b, e)
	}
}

// asked takes down a fact that need only be there.
func (x *scoping) asked(b *bound, t *ast.Term) bool {
	path, ok := b.path(t)
	if !ok {
		return false
	}
	name := factPath(path)
	switch {
	case x.byID(name):
		x.equal(name, "")
	case !x.byValue && objects[name]:
		x.exists[name] = true
	case len(path) == 4 && x.searches(factPath(path[:3])) && path[3].Value.Compare(ast.Number("0")) == 0:
		x.list(factPath(path[:3]), "")
	default:
		return false
	}
	return true
}

// compared takes down two ids that are compared with each other.
func (x *scoping) compared(b *bound, e *ast.Expr) bool {
	op := e.Operator().String()
	if len(e.Operands()) != 2 || op != ast.Equality.Name && op != ast.Equal.Name && op != ast.NotEqual.Name {
		return false
	}
	first, ok1 := b.path(e.Operand(0))
	second, ok2 := b.path(e.Operand(1))
	one, other := factPath(first), factPath(second)
	if !ok1 || !ok2 || !x.byID(one) || !x.byID(other) {
		return false
	}
	x.equal(one, other)
	x.equal(other, one)
	return true
}

// searched takes down a name that is looked for in a list.
func (x *scoping) searched(b *bound, e *ast.Expr) bool {
	if e.Operator().String() != ast.Member.Name || len(e.Operands()) != 2 {
		return false
	}
	name, isName := e.Operand(0).Value.(ast.String)
	list, isPath := b.path(e.Operand(1))
	if !isName || !isPath || !x.searches(factPath(list)) {
		return false
	}
	x.list(factPath(list), string(name))
	return true
}

func (x *scoping) equal(id, with string) {
	if x.equals[id] == nil {
		x.equals[id] = map[string]bool{}
	}
	if with != "" {
		x.equals[id][with] = true
	}
}

func (x *scoping) list(name, member string) {
	if x.lists[name] == nil {
		x.lists[name] = map[string]bool{}
	}
	if member != "" {
		x.lists[name][member] = true
	}
}

// factPath returns a path below input as "user.account"; "" for one that is no such path.
func factPath(path ast.Ref) string {
	if len(path) < 2 {
		return ""
	}
	var steps []string
	for _, t := range path[1:] {
		s, ok := t.Value.(ast.String)
		if !ok {
			return ""
		}
		steps = append(steps, string(s))
	}
	return strings.Join(steps, ".")
}

// named takes down the constants of an expression about the action, and those of the
// tables in which it looks the action up.
func (x *scoping) named(b *bound, e *ast.Expr) {
	about := false
	var words []string
	for _, node := range operands(e) {
		ast.WalkTerms(node, func(t *ast.Term) bool {
			path, isPath := b.path(t)
			about = about || isPath && factPath(path) == "action.name"
			switch v := t.Value.(type) {
			case ast.String:
				words = append(words, string(v))
			case ast.Var:
				words = append(append(words, x.table(b, b.tables[v])...), b.constants[v]...)
			case ast.Ref:
				about = about || slices.ContainsFunc(v, func(t *ast.Term) bool { return b.isAction(t) })
				if v.HasPrefix(ast.DefaultRootRef) {
					words = append(words, x.table(b, v)...)
					return true
				}
			}
			return isPath
		})
	}
	if about {
		b.actions = append(b.actions, words...)
	}
}

func (b *bound) isAction(t *ast.Term) bool {
	path, isPath := b.path(t)
	return isPath && factPath(path) == "action.name"
}

// table returns the names at the reference to a rule: the members of a set, or the keys
// of an object where the action is looked up.
func (x *scoping) table(b *bound, ref ast.Ref) []string {
	if len(ref) == 0 {
		return nil
	}
	var names []string
	for _, r := range x.compiler.GetRules(ref.GroundPrefix()) {
		own := r.Ref().GroundPrefix()
		if !ref.HasPrefix(own) {
			continue
		}
		if r.Head.Key != nil {
			names = append(names, namesIn(r.Head.Key.Value)...)
		}
		for branch := r; branch != nil; branch = branch.Else {
			if branch.Head.Value != nil {
				names = append(names, namesIn(x.entry(b, branch.Head.Value.Value, ref[len(own):]))...)
			}
		}
	}
	return names
}

// entry returns what is at the steps into a constant, up to the action.
func (x *scoping) entry(b *bound, v ast.Value, steps ast.Ref) ast.Value {
	for _, t := range steps {
		object, ok := v.(ast.Object)
		if !ok || b.isAction(t) {
			return v
		}
		if path, isPath := b.path(t); isPath {
			t = ast.StringTerm(x.known[factPath(path)])
		}
		member := object.Get(t)
		if member == nil {
			return nil
		}
		v = member.Value
	}
	return v
}

// namesIn returns the texts in a set or a list, the keys of an object, or a text itself.
func namesIn(v ast.Value) []string {
	var names []string
	add := func(t *ast.Term) {
		if s, ok := t.Value.(ast.String); ok {
			names = append(names, string(s))
		}
	}
	switch v := v.(type) {
	case ast.String:
		return []string{string(v)}
	case ast.Set:
		v.Foreach(add)
	case *ast.Array:
		v.Foreach(add)
	case ast.Object:
		v.Foreach(func(key, _ *ast.Term) { add(key) })
	}
	return names
}

// operands returns what an expression is about, the operator aside.
func operands(e *ast.Expr) []*ast.Term {
	switch terms := e.Terms.(type) {
	case *ast.Term:
		return []*ast.Term{terms}
	case []*ast.Term:
		return terms[1:]
	}
	return nil
}

// values takes down everything in the node as read by its value, and goes on to the
// rules and the bodies in it.
func (x *scoping) values(b *bound, node any) {
	ast.NewGenericVisitor(func(n any) bool {
		switch n := n.(type) {
		case *ast.ArrayComprehension:
			x.inner(b, n.Body, n.Term)
		case *ast.SetComprehension:
			x.inner(b, n.Body, n.Term)
		case *ast.ObjectComprehension:
			x.inner(b, n.Body, n.Key, n.Value)
		case *ast.Every:
			x.values(b, n.Domain)
			b.meet(n.Key)
			b.meet(n.Value)
			x.inner(b, n.Body)
		case ast.Ref:
			x.ref(b, n)
			for _, t := range n {
				x.values(b, t.Value)
			}
		case ast.Var:
			if path, ok := b.paths[n]; ok {
				x.ref(b, path)
			}
			return true
		default:
			return false
		}
		return true
	}).Walk(node)
}

// inner goes into a body within another, of which the terms make the value.
func (x *scoping) inner(outer *bound, body ast.Body, terms ...*ast.Term) {
	b := bound{paths: maps.Clone(outer.paths), seen: maps.Clone(outer.seen), tables: maps.Clone(outer.tables), constants: maps.Clone(outer.constants), branch: outer.branch}
	x.body(&b, body)
	outer.actions = append(outer.actions, b.actions...)
	for _, t := range terms {
		x.values(&b, t)
	}
}

// ref takes down a fact or a setting, or goes on to the rules.
func (x *scoping) ref(b *bound, ref ast.Ref) {
	switch {
	case ref.HasPrefix(ast.InputRootRef):
		x.reads.add(ref)
		x.byName = x.byName || tellsRoles(ref, b)
	case ref.HasPrefix(ast.DefaultRootRef):
		ground := ref.GroundPrefix()
		rules := x.compiler.GetRules(ground)
		for _, r := range rules {
			if !x.met[r] {
				x.met[r] = true
				x.queue = append(x.queue, r)
			}
		}
		if len(rules) == 0 || len(ground) < len(ref) && len(ground) < 3 {
			x.data[ground[:min(len(ground), 4)].String()] = true
		}
	}
}

// occurrences returns how often the variable occurs in a branch of a rule.
func occurrences(of ast.Var, branch *ast.Rule) (n int) {
	count := func(v ast.Var) bool {
		if v == of {
			n++
		}
		return false
	}
	ast.WalkVars(branch.Head, count)
	ast.WalkVars(branch.Body, count)
	return n
}

// tellsRoles reports whether a reference into the levels of roles tells more of the roles
// than the order of their names: anything but input.rights[node][_], whose last step is
// a variable that occurs nowhere else.
func tellsRoles(ref ast.Ref, b *bound) bool {
	if len(ref) > 1 && ref[1].Value.Compare(ast.String("rights")) != 0 && ref[1].Value.Compare(ast.String("fields")) != 0 {
		return false
	}
	if len(ref) != 4 || b == nil {
		return true
	}
	v, isVar := ref[3].Value.(ast.Var)
	return !isVar || occurrences(v, b.branch) != 1
}

// never reports whether the expression is a comparison of what is known of the question
// that does not hold.
func (x *scoping) never(b *bound, e *ast.Expr) bool {
	known, ok := x.settled(b, e)
	if !ok {
		return false
	}
	text := known.String()
	if holds, tried := x.truths[text]; tried {
		return !holds
	}
	rs, err := topdown.NewQuery(ast.NewBody(known)).WithCompiler(x.compiler).Run(context.Background())
	x.truths[text] = err != nil || len(rs) > 0
	return !x.truths[text]
}

// settled returns the expression with constants in the place of what is known of the
// question, and false when it is about anything else.
func (x *scoping) settled(b *bound, e *ast.Expr) (*ast.Expr, bool) {
	if _, call := e.Terms.([]*ast.Term); !call || len(e.With) > 0 {
		return nil, false
	}
	known := e.Copy()
	operands := known.Terms.([]*ast.Term)
	for i, t := range operands[1:] {
		path, isPath := b.path(t)
		switch {
		case isPath:
			value := x.known[factPath(path)]
			if value == "" {
				return nil, false
			}
			operands[i+1] = ast.StringTerm(value)
		case !ast.IsConstant(t.Value):
			return nil, false
		}
	}
	return known, !e.Operator().HasPrefix(ast.DefaultRootRef)
}

// scope makes of what was taken down what makes a difference.
func (x *scoping) scope(p *Policy) *Scope {
	x.demote()
	s := &Scope{policy: p.copied(), lists: map[string][]string{}, exists: slices.Sorted(maps.Keys(x.exists))}
	s.policy.reads, s.policy.needs = x.reads, x.reads.needs()
	s.ids, s.named = slices.Sorted(maps.Keys(x.equals)), x.byName
	for list, names := range x.lists {
		s.lists[list] = slices.Sorted(maps.Keys(names))
	}
	s.actions = slices.Sorted(maps.Keys(x.actions))
	slices.Sort(x.texts)
	h := sha256.New()
	for _, t := range x.texts {
		fmt.Fprintf(h, "%d:%s", len(t), t)
	}
	for _, path := range slices.Sorted(maps.Keys(x.data)) {
		fmt.Fprintf(h, "|%s=%s", path, p.setting(path))
	}
	fmt.Fprintf(h, "|%s", cmp.Or(p.pkg, "-"))
	s.digest = hex.EncodeToString(h.Sum(nil))
	return s
}

// demote has the values of those ids count that are compared with something whose value
// counts, and of those lists that are read in another way too.
func (x *scoping) demote() {
	for changed := true; changed; {
		changed = false
		for id, with := range x.equals {
			counts := x.reads.any(id)
			for other := range with {
				_, still := x.equals[other]
				counts = counts || !still
			}
			if counts {
				delete(x.equals, id)
				x.reads[id] = struct{}{}
				changed = true
			}
		}
	}
	for list := range x.lists {
		if x.reads.any(list) {
			delete(x.lists, list)
			x.reads[list] = struct{}{}
		}
	}
}

// setting returns what is at the path, "data.portal" or below, as a text.
func (p *Policy) setting(path string) string {
	ref, err := ast.ParseRef(path)
	if err != nil {
		return path
	}
	if v := p.data.Get(ref); v != nil {
		return v.String()
	}
	return "undefined"
}
