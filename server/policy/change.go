package policy

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// The rules beside the decision by which a package judges changes. Both may be
// left out.
const (
	admissionRule    = "admission"
	provisioningRule = "provisioning"
)

// changeRule is one of them, compiled, with what it reads.
type changeRule struct {
	ref      ast.Ref
	query    ast.Body
	compiler ast.QueryCompiler
	reached  reads
	needs    changeNeeds
	facts    authz.ChangeReads
	logins   bool // reads how many users share a login of the actor or the owner
}

// changeRule returns the rule called name of package pkg, or nil when there is none.
// Rules that only give parts of it are an Invalid error: they must not be taken for
// a package that has no such rule, and accepts.
func (p *Program) changeRule(pkg, name string) (*changeRule, error) {
	ref, err := ast.ParseRef("data." + pkg + "." + name)
	if err != nil {
		return nil, authz.Errorf(authz.Invalid, "%q is no policy package", pkg).At("policy")
	}
	whole, parts := p.compiler.GetRulesExact(ref), p.compiler.GetRulesWithPrefix(ref)
	switch {
	case len(parts) == 0:
		return nil, nil
	case len(whole) != len(parts) || len(whole[0].Head.Args) > 0:
		return nil, authz.Errorf(authz.Invalid, "%s: %s is given in parts or is a function: write it as one document, %s := {...}", ref, name, name).At("policy")
	}
	reads, err := p.reads(ref)
	if err != nil {
		return nil, err
	}
	r, err := p.asking(query(ref), reads)
	if err == nil {
		r.ref = ref
	}
	return r, err
}

// asking returns the query as a rule that reads what is given.
func (p *Program) asking(query ast.Body, reads reads) (_ *changeRule, err error) {
	r := &changeRule{compiler: p.compiler.QueryCompiler(), reached: reads, needs: reads.changeNeeds(), facts: reads.changeFacts(), logins: reads.logins()}
	if r.query, err = r.compiler.Compile(query.Copy()); err != nil {
		return nil, authz.Errorf(authz.Internal, "the query %s does not compile", query).Because(err)
	}
	return r, nil
}

// query asks for the document that the rule gives.
func query(rule ast.Ref) ast.Body { return ast.NewBody(equal(rule, result)) }

func equal(rule ast.Ref, v ast.Var) *ast.Expr {
	return ast.Equality.Expr(ast.NewTerm(rule), ast.NewTerm(v))
}

// The variables of a query for the documents of both rules.
const (
	admissionVar    = ast.Var("admission")
	provisioningVar = ast.Var("provisioning")
)

// bothRules returns the rules as one query for their documents, or nil when the package
// does not have both.
func (p *Program) bothRules(admission, provisioning *changeRule) (*changeRule, error) {
	if admission == nil || provisioning == nil {
		return nil, nil
	}
	all := maps.Clone(admission.reached)
	maps.Copy(all, provisioning.reached)
	return p.asking(ast.NewBody(equal(admission.ref, admissionVar), equal(provisioning.ref, provisioningVar)), all)
}

// AdmissionReads returns which facts Admit reads.
func (p *Policy) AdmissionReads() authz.ChangeReads { return p.admission.reads() }

// ProvisioningReads returns which facts Provision reads.
func (p *Policy) ProvisioningReads() authz.ChangeReads { return p.provisioning.reads() }

func (r *changeRule) reads() authz.ChangeReads {
	if r == nil {
		return authz.ChangeReads{}
	}
	return r.facts
}

// Admit judges a change before it is made. A package without an admission rule
// accepts. One that has it refuses whenever the rule gives no well-formed answer,
// with the cause in Admission.Err.
func (p *Policy) Admit(ctx context.Context, c *authz.Change, f *authz.ChangeFacts) authz.Admission {
	if p.admission == nil {
		return authz.Admission{}
	}
	v, reason, err := p.judge(ctx, p.admission, c, f)
	if reason != "" {
		return authz.RefuseChange(reason, err)
	}
	a, err := readAdmission(v)
	if err != nil {
		return authz.RefuseChange(authz.ReasonPolicyMalformed, err)
	}
	return a
}

// Provision says what is to be done because of a change. A package without a
// provisioning rule wants nothing. One that has it gives an error, and no task,
// whenever the rule gives no well-formed answer.
func (p *Policy) Provision(ctx context.Context, c *authz.Change, f *authz.ChangeFacts) authz.Provisioning {
	if p.provisioning == nil {
		return authz.Provisioning{}
	}
	v, reason, err := p.judge(ctx, p.provisioning, c, f)
	if reason != "" {
		return authz.FailProvisioning(reason, err)
	}
	tasks, err := readProvisioning(v)
	if err != nil {
		return authz.FailProvisioning(authz.ReasonPolicyMalformed, err)
	}
	return authz.Provisioning{Tasks: tasks}
}

// PlainReads returns which facts Plain reads.
func (p *Policy) PlainReads() authz.ChangeReads { return p.both.reads() }

// Plain reports whether Admit accepts a change and adds nothing to it, and Provision
// wants nothing done because of it. It takes less than to ask them. Of a package that
// does not have both rules it is not known, and false, and so is whatever goes wrong.
func (p *Policy) Plain(ctx context.Context, c *authz.Change, f *authz.ChangeFacts) (plain bool) {
	if p.both == nil {
		return false
	}
	defer func() {
		if recover() != nil { // Admit, or Provision, panics as well, and says so
			plain = false
		}
	}()
	g := p.glanceAtChange(c, f)
	if _, ok := g.answer(c.Alike); ok {
		return true
	}
	if plain = p.plain(ctx, c, f); g != nil && plain {
		g.keep(c.Alike, plain)
	}
	return plain
}

func (p *Policy) plain(ctx context.Context, c *authz.Change, f *authz.ChangeFacts) (plain bool) {
	s := takeScratch(ctx, p.program.limit)
	defer s.giveBack()
	err := p.run(ctx, p.both.query, p.both.compiler, p.changeInput(&p.both.needs, c, f), s, func(r topdown.QueryResult) error {
		a, err := readAdmission(r[admissionVar].Value)
		if err != nil || !a.Admitted() || len(a.Defaults) > 0 {
			return err
		}
		tasks, err := readProvisioning(r[provisioningVar].Value)
		plain = err == nil && len(tasks) == 0
		return err
	})
	return plain && err == nil
}

// judge evaluates the rule on the change. Where it gives no document, the reason
// says why.
func (p *Policy) judge(ctx context.Context, r *changeRule, c *authz.Change, f *authz.ChangeFacts) (v ast.Value, reason string, err error) {
	defer func() {
		if x := recover(); x != nil {
			v, reason, err = nil, authz.ReasonPolicyError, fmt.Errorf("evaluation panicked: %v\n%s", x, debug.Stack())
		}
	}()
	s := takeScratch(ctx, p.program.limit)
	defer s.giveBack()
	v, err = p.evaluate(ctx, r.query, r.compiler, p.changeInput(&r.needs, c, f), s)
	reason, err = failure(ctx, s, v, err)
	return v, reason, err
}
