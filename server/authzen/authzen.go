// Package authzen is AuthZEN 1.0 as a client of the service writes and reads it:
// a question as the body of an evaluation, and an answer with the context that
// Portcullis gives. The command line and the tests ask through it; the server's
// own encoding, which is on the hot path, is in package httpapi.
//
// It imports no own package but authz.
package authzen

import (
	"fmt"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Evaluation is the body of an evaluation, or one item of a batch.
type Evaluation struct {
	Subject  Entity         `json:"subject"`
	Action   Action         `json:"action"`
	Resource Entity         `json:"resource"`
	Context  map[string]any `json:"context,omitempty"`
}

// Entity is a subject or a resource.
type Entity struct {
	Type       string         `json:"type"`
	ID         string         `json:"id"`
	Properties map[string]any `json:"properties,omitempty"`
}

// Action is what is to be done.
type Action struct {
	Name       string         `json:"name"`
	Properties map[string]any `json:"properties,omitempty"`
}

// EvaluationOf returns q as a client asks it. The moment of q is not part of it:
// a server has its own.
func EvaluationOf(q *authz.Query) Evaluation {
	return Evaluation{Subject: Entity(q.Subject), Action: Action(q.Action), Resource: Entity(q.Resource), Context: q.Context}
}

// Answer is the answer to one evaluation.
type Answer struct {
	Decision bool    `json:"decision"`
	Context  Context `json:"context"`
}

// Context is what Portcullis says of its decision.
type Context struct {
	Outcome     authz.Outcome           `json:"outcome"`
	Reason      string                  `json:"reason"`
	Level       string                  `json:"level,omitempty"`
	Fields      map[string]authz.Access `json:"fields,omitempty"`
	Obligations []map[string]any        `json:"obligations,omitempty"`
	Revision    int64                   `json:"revision"`
	Policy      string                  `json:"policy"`
	// PolicyRevision is the number of the policy, when the portal keeps it in the store.
	PolicyRevision int64      `json:"policy_revision,omitempty"`
	Error          *ItemError `json:"error,omitempty"`
}

// ItemError says why an item of a batch could not be asked.
type ItemError struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
}

// AnswerOf returns d as a server answers it.
func AnswerOf(d *authz.Decision) Answer {
	return Answer{Decision: d.Allowed(), Context: Context{
		Outcome: d.Outcome, Reason: d.Reason, Level: d.Level, Fields: d.Fields, Obligations: d.Obligations,
		Revision: d.Revision, Policy: d.Policy, PolicyRevision: d.PolicyRevision,
	}}
}

// Read returns the decision that was answered. An answer that is an error, or
// that does not agree with itself, is an Unavailable error and no decision.
func (a *Answer) Read() (authz.Decision, error) {
	c := &a.Context
	d := authz.Decision{
		Outcome: c.Outcome, Reason: c.Reason, Level: c.Level, Fields: c.Fields, Obligations: c.Obligations,
		Revision: c.Revision, Policy: c.Policy, PolicyRevision: c.PolicyRevision,
	}
	switch {
	case c.Error != nil:
		return authz.Decision{}, authz.Errorf(authz.Unavailable, "the server could not decide: %s", c.Error.Message)
	case c.Outcome == "" || d.Allowed() != a.Decision:
		return authz.Decision{}, authz.Errorf(authz.Unavailable, "this is no answer of Portcullis: %s", fmt.Sprintf("%+v", *a))
	}
	return d, nil
}
