package policy

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Policy is the decision rule of one package with the settings of one portal. It
// is immutable, and safe for concurrent use.
type Policy struct {
	program *Program
	pkg     string
	rule    ast.Ref   // of the decision
	portal  *ast.Term // its id, as input.portal
	reads   reads
	needs   needs

	query    ast.Body
	probe    ast.Body // nil: the decision is not of complete rules alone
	compiler ast.QueryCompiler
	data     *settings

	admission, provisioning *changeRule // nil: the package has no such rule
	both                    *changeRule // nil: it does not have both

	sights *sights // shared with the policy for other portals
	claims few[claimKey, *ast.Term]

	settled settled            // shared as well
	kinds   few[Kind, *values] // of settled rules
	watch   *watch             // sees every evaluation; nil on the decision path
}

// Bind returns the policy that b's portal names, with the portal's settings as
// data.portal. The error is Invalid when the program has no such policy. What
// portals of one policy have in common is made once.
func (p *Program) Bind(b *authz.Bundle) (*Policy, error) {
	if first, ok := p.bound.Load(b.Portal.Policy); ok {
		return first.(*Policy).For(b)
	}
	bound, err := p.bind(b)
	if err == nil {
		p.bound.Store(b.Portal.Policy, bound)
	}
	return bound, err
}

func (p *Program) bind(b *authz.Bundle) (*Policy, error) {
	rule, err := p.rule(b.Portal.Policy)
	if err != nil {
		return nil, err
	}
	reads, err := p.reads(rule)
	if err != nil {
		return nil, err
	}
	compiler := p.compiler.QueryCompiler()
	compiled, err := compiler.Compile(query(rule))
	if err != nil {
		return nil, authz.Errorf(authz.Internal, "the decision query does not compile").Because(err)
	}
	data, err := settingsOf(b)
	if err != nil {
		return nil, err
	}
	bound := &Policy{
		program: p, pkg: b.Portal.Policy, rule: rule, portal: ast.StringTerm(b.Portal.ID), reads: reads, needs: reads.needs(),
		query: compiled, probe: p.probe(rule), compiler: compiler, data: data, sights: &sights{},
		settled: settledRules(p.compiler, rule),
	}
	if bound.admission, err = p.changeRule(b.Portal.Policy, admissionRule); err != nil {
		return nil, err
	}
	if bound.provisioning, err = p.changeRule(b.Portal.Policy, provisioningRule); err != nil {
		return nil, err
	}
	bound.both, err = p.bothRules(bound.admission, bound.provisioning)
	return bound, err
}

// For returns the same policy bound to another portal, or to the same with other
// settings. It takes a small part of the time of [Program.Bind].
func (p *Policy) For(b *authz.Bundle) (*Policy, error) {
	data, err := settingsOf(b)
	if err != nil {
		return nil, err
	}
	other := p.copied()
	other.portal, other.data = ast.StringTerm(b.Portal.ID), data
	return other, nil
}

// Program returns the program that the policy is of.
func (p *Policy) Program() *Program { return p.program }

// copied returns the policy as another one, which may be bound to other settings.
func (p *Policy) copied() *Policy {
	return &Policy{
		program: p.program, pkg: p.pkg, rule: p.rule, portal: p.portal, reads: p.reads, needs: p.needs, query: p.query, probe: p.probe, compiler: p.compiler,
		data: p.data, admission: p.admission, provisioning: p.provisioning, both: p.both, sights: p.sights,
		settled: p.settled,
	}
}

func settingsOf(b *authz.Bundle) (*settings, error) {
	portal, err := ast.InterfaceToValue(portalDocument(b))
	if err != nil {
		return nil, authz.Errorf(authz.Invalid, "the portal's settings cannot be shown to a policy: %v", err).Because(err)
	}
	return &settings{portal: portal}, nil
}

// result is the variable of a query that takes the rule's document.
const result = ast.Var("decision")

// portalDocument returns data.portal: settings alone. Roles, screens and rights
// reach the policy as facts, and only those that bear on a question.
func portalDocument(b *authz.Bundle) map[string]any {
	features := make(map[string]any, len(b.Portal.Features))
	for name, on := range b.Portal.Features {
		features[name] = on
	}
	types := make(map[string]any, len(b.UserTypes))
	for i := range b.UserTypes {
		types[b.UserTypes[i].ID] = userTypeDocument(&b.UserTypes[i])
	}
	return map[string]any{
		"settings":   orEmpty(b.Portal.Settings),
		"features":   features,
		"user_types": types,
		"sharing":    append([]any{}, b.Portal.Sharing...),
		"limits":     orEmpty(b.Portal.Limits),
	}
}

func userTypeDocument(t *authz.UserType) map[string]any {
	roles := make(map[string]any, len(t.AllowedRoles))
	for _, r := range t.AllowedRoles {
		roles[r.Role] = map[string]any{"default": r.Default}
	}
	doc := map[string]any{"linked": string(t.Linked), "allowed_roles": roles, "manages": append([]string{}, t.Manages...), "attributes": orEmpty(t.Attributes)}
	if t.Licence != "" {
		doc["licence"] = t.Licence
	}
	return doc
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// Reads returns which costly facts the policy reads.
func (p *Policy) Reads() authz.Reads {
	return authz.Reads{
		Logins: p.reads.logins() || p.admission.countsLogins() || p.provisioning.countsLogins(),
		Parent: p.reads.any("parent"), Owner: p.reads.any("owner"),
		Contact: p.reads.any("contact"), Fields: p.reads.any("fields"),
		Node: p.reads.any("node"), Levels: p.reads.any("levels"),
	}
}

// logins reports whether the number of those who share a user's login is read, be
// it the subject, who acts as it, or an owner.
func (r reads) logins() bool {
	return r.any("user.same_login") || r.any("actor.same_login") || r.any("owner.same_login")
}

func (r *changeRule) countsLogins() bool { return r != nil && r.logins }

// Decide evaluates the policy on the question and its facts. It answers always:
// a policy that errs, takes too long or gives no decision document denies, with
// the cause in Decision.Err.
func (p *Policy) Decide(ctx context.Context, q *authz.Query, f *authz.Facts) (d authz.Decision) {
	defer func() {
		if r := recover(); r != nil {
			d = authz.Refuse(authz.ReasonPolicyError, fmt.Errorf("evaluation panicked: %v\n%s", r, debug.Stack()))
		}
		d.Policy = p.program.revision
	}()
	g := p.glanceAt(q, f)
	if kept, ok := g.answer(q.Alike); ok {
		return kept.(authz.Decision)
	}
	if d = p.decide(ctx, q, f); g != nil && d.Err == nil {
		g.keep(q.Alike, d)
	}
	return d
}

func (p *Policy) decide(ctx context.Context, q *authz.Query, f *authz.Facts) authz.Decision {
	s := takeScratch(ctx, p.program.limit)
	defer s.giveBack()
	known := p.recall(q, f, s)
	document, err := p.eval(ctx, p.input(q, f), s)
	if reason, err := failure(ctx, s, document, err); reason != "" {
		return authz.Refuse(reason, err)
	}
	d, err := readDocument(document)
	if err != nil {
		return authz.Refuse(authz.ReasonPolicyMalformed, err)
	}
	p.learn(known, s)
	return d
}

// failure returns the reason why an evaluation gave no document, or "", and its cause.
func failure(ctx context.Context, s *scratch, document ast.Value, err error) (string, error) {
	switch {
	case err != nil && (s.deadline.passed || topdown.IsCancel(err)):
		return authz.ReasonPolicyTimeout, errors.Join(err, context.Cause(ctx))
	case err != nil:
		return authz.ReasonPolicyError, err
	case document == nil:
		return authz.ReasonPolicyUndefined, nil
	}
	return "", nil
}

// probe returns a query that has the rule evaluated, and takes nothing of its document: the
// evaluator leaves that in its cache of rules, and would copy it once more for a variable.
// It is nil where a rule is not complete, and so is not kept whole.
func (p *Program) probe(rule ast.Ref) ast.Body {
	for _, r := range p.compiler.GetRules(rule) {
		if !r.Ref().Equal(rule) || r.Head.RuleKind() != ast.SingleValue {
			return nil
		}
	}
	return ast.NewBody(ast.Equality.Expr(ast.NewTerm(rule), ast.NullTerm()))
}

// eval returns the decision document, or nil when it is undefined.
func (p *Policy) eval(ctx context.Context, input *ast.Term, s *scratch) (ast.Value, error) {
	if p.probe == nil || p.watch != nil { // who watches is to see the query hold
		return p.evaluate(ctx, p.query, p.compiler, input, s)
	}
	err := p.run(ctx, p.probe, p.compiler, input, s, func(topdown.QueryResult) error { return nil })
	if err != nil {
		return nil, err
	}
	document, _ := s.virtual.Get(p.rule)
	if document == nil {
		return nil, nil
	}
	return document.Value, nil
}

// evaluate returns the document that the query asks for, or nil when it is
// undefined.
func (p *Policy) evaluate(ctx context.Context, query ast.Body, compiler ast.QueryCompiler, input *ast.Term, s *scratch) (document ast.Value, err error) {
	err = p.run(ctx, query, compiler, input, s, func(r topdown.QueryResult) error {
		document = r[result].Value
		return nil
	})
	return document, err
}

// run calls found with each result of the query. It calls OPA's evaluator as package
// rego does, less what rego rebuilds for every evaluation.
func (p *Policy) run(ctx context.Context, query ast.Body, compiler ast.QueryCompiler, input *ast.Term, s *scratch, found func(topdown.QueryResult) error) error {
	q := topdown.NewQuery(query).
		WithCompiler(p.program.compiler).
		WithQueryCompiler(compiler).
		WithStore(p.data).
		WithTransaction(p.data).
		WithInput(input).
		WithMetrics(metrics.NoOp()).
		WithStrictBuiltinErrors(true).
		WithBaseCache(p.data).
		WithVirtualCache(&s.virtual).
		WithCancel(&s.deadline)
	if p.watch != nil {
		p.watch.begin(q, input)
	}
	err := q.Iter(ctx, found)
	if err == nil && s.deadline.passed {
		return errors.New("evaluation was stopped at its time limit")
	}
	return err
}
