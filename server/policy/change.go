package policy

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/open-policy-agent/opa/v1/ast"

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
	query    ast.Body
	compiler ast.QueryCompiler
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
	r := &changeRule{compiler: p.compiler.QueryCompiler(), needs: reads.changeNeeds(), facts: reads.changeFacts(), logins: reads.logins()}
	if r.query, err = r.compiler.Compile(query(ref)); err != nil {
		return nil, authz.Errorf(authz.Internal, "the query of %s does not compile", ref).Because(err)
	}
	return r, nil
}

// query asks for the document that the rule gives.
func query(rule ast.Ref) ast.Body {
	return ast.NewBody(ast.Equality.Expr(ast.NewTerm(rule), ast.VarTerm(string(result))))
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
