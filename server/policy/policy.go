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
	portal  *ast.Term // its id, as input.portal
	reads   reads
	needs   needs

	query    ast.Body
	compiler ast.QueryCompiler
	data     *settings

	scratch scratchPool
	claims  claims
}

// Bind returns the policy that b's portal names, with the portal's settings as
// data.portal. The error is Invalid when the program has no such policy.
func (p *Program) Bind(b *authz.Bundle) (*Policy, error) {
	rule, err := p.rule(b.Portal.Policy)
	if err != nil {
		return nil, err
	}
	reads, err := p.reads(rule)
	if err != nil {
		return nil, err
	}
	compiler := p.compiler.QueryCompiler()
	query, err := compiler.Compile(ast.NewBody(ast.Equality.Expr(ast.NewTerm(rule), ast.VarTerm(string(result)))))
	if err != nil {
		return nil, authz.Errorf(authz.Internal, "the decision query does not compile").Because(err)
	}
	portal, err := ast.InterfaceToValue(portalDocument(b))
	if err != nil {
		return nil, authz.Errorf(authz.Invalid, "the portal's settings cannot be shown to a policy: %v", err).Because(err)
	}
	return &Policy{
		program: p, portal: ast.StringTerm(b.Portal.ID), reads: reads, needs: reads.needs(),
		query: query, compiler: compiler, data: &settings{portal: portal},
	}, nil
}

// result is the variable of the query that takes the decision document.
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
	doc := map[string]any{"linked": string(t.Linked), "allowed_roles": roles, "attributes": orEmpty(t.Attributes)}
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

// CountsSameLogin reports whether the policy reads how many others share a login,
// which is costly to know.
func (p *Policy) CountsSameLogin() bool { return p.reads.any("user.same_login") }

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
	s := p.scratch.get(ctx, p.program.limit)
	defer p.scratch.put(s)
	document, err := p.eval(ctx, p.input(q, f), s)
	switch {
	case err != nil && (s.deadline.passed || topdown.IsCancel(err)):
		return authz.Refuse(authz.ReasonPolicyTimeout, errors.Join(err, context.Cause(ctx)))
	case err != nil:
		return authz.Refuse(authz.ReasonPolicyError, err)
	case document == nil:
		return authz.Refuse(authz.ReasonPolicyUndefined, nil)
	}
	d, err = readDocument(document)
	if err != nil {
		return authz.Refuse(authz.ReasonPolicyMalformed, err)
	}
	return d
}

// eval returns the decision document, or nil when it is undefined. It calls OPA's
// evaluator as package rego does, less what rego rebuilds for every evaluation.
func (p *Policy) eval(ctx context.Context, input *ast.Term, s *scratch) (ast.Value, error) {
	var document ast.Value
	err := topdown.NewQuery(p.query).
		WithCompiler(p.program.compiler).
		WithQueryCompiler(p.compiler).
		WithStore(p.data).
		WithTransaction(p.data).
		WithInput(input).
		WithMetrics(metrics.NoOp()).
		WithStrictBuiltinErrors(true).
		WithBaseCache(p.data).
		WithVirtualCache(&s.virtual).
		WithCancel(&s.deadline).
		Iter(ctx, func(r topdown.QueryResult) error {
			document = r[result].Value
			return nil
		})
	if err == nil && s.deadline.passed {
		return nil, errors.New("evaluation was stopped at its time limit")
	}
	return document, err
}
