package policy

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// readDocument turns a decision document into a Decision. It takes exactly what
// the contract knows: {outcome, reason, level?, fields?, obligations?}, each of
// its type. Anything else is an error, so that a slip of the pen in a policy can
// never be read as something milder.
func readDocument(v ast.Value) (authz.Decision, error) {
	var d authz.Decision
	object, ok := v.(ast.Object)
	if !ok {
		return d, fmt.Errorf("the decision is %s, not an object", ast.ValueName(v))
	}
	err := object.Iter(func(k, v *ast.Term) error { return readMember(&d, k.Value, v.Value) })
	switch {
	case err != nil:
		return authz.Decision{}, err
	case d.Outcome == "":
		return authz.Decision{}, fmt.Errorf("the decision has no outcome: want one of allow, deny, challenge, hide")
	case d.Reason == "":
		return authz.Decision{}, fmt.Errorf("the decision has no reason")
	}
	return d, nil
}

func readMember(d *authz.Decision, key, v ast.Value) (err error) {
	switch key {
	case ast.String("outcome"):
		d.Outcome, err = readOutcome(v)
	case ast.String("reason"):
		reason, ok := v.(ast.String)
		if d.Reason = string(reason); !ok {
			err = fmt.Errorf("reason is %s, not a string", ast.ValueName(v))
		}
	case ast.String("level"):
		d.Level, err = readLevel(v)
	case ast.String("fields"):
		d.Fields, err = readFields(v)
	case ast.String("obligations"):
		d.Obligations, err = readObligations(v)
	default:
		err = fmt.Errorf("the decision has an unknown member %s: want outcome, reason, level, fields, obligations", key)
	}
	return err
}

func readOutcome(v ast.Value) (authz.Outcome, error) {
	s, ok := v.(ast.String)
	switch o := authz.Outcome(s); {
	case ok && (o == authz.Allow || o == authz.Deny || o == authz.Challenge || o == authz.Hide):
		return o, nil
	default:
		return "", fmt.Errorf("outcome is %s: want one of allow, deny, challenge, hide", v)
	}
}

func readLevel(v ast.Value) (string, error) {
	n, ok := v.(ast.Number)
	rank, whole := n.Int()
	if !ok || !whole || rank < int(authz.Revoked) || rank > int(authz.Delete) {
		return "", fmt.Errorf("level is %s: want a rank from 0 (revoked) to 5 (delete)", v)
	}
	return authz.Level(rank).String(), nil
}

func readFields(v ast.Value) (map[string]authz.Access, error) {
	object, ok := v.(ast.Object)
	if !ok {
		return nil, fmt.Errorf("fields is %s, not an object", ast.ValueName(v))
	}
	fields := make(map[string]authz.Access, object.Len())
	return fields, object.Iter(func(k, v *ast.Term) error {
		name, ok := k.Value.(ast.String)
		access, isString := v.Value.(ast.String)
		a := authz.Access(access)
		if !ok || !isString || a != authz.Hidden && a != authz.Read && a != authz.Write {
			return fmt.Errorf("fields[%s] is %s: want one of hidden, read, write", k, v)
		}
		fields[string(name)] = a
		return nil
	})
}

func readObligations(v ast.Value) ([]map[string]any, error) {
	list, ok := v.(*ast.Array)
	if !ok {
		return nil, fmt.Errorf("obligations is %s, not an array", ast.ValueName(v))
	}
	obligations := make([]map[string]any, 0, list.Len())
	return obligations, list.Iter(func(t *ast.Term) error {
		x, err := ast.JSON(t.Value)
		o, ok := x.(map[string]any)
		if err != nil || !ok {
			return fmt.Errorf("an obligation is %s, not an object", t)
		}
		obligations = append(obligations, o)
		return nil
	})
}
