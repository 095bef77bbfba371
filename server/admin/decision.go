package admin

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// subjectOf says who asks: the acting user, or the caller itself.
func subjectOf(a authz.Acting) authz.Entity {
	switch {
	case a.User != "":
		return authz.Entity{Type: string(authz.UserEntity), ID: a.User}
	case a.Caller != nil:
		return authz.Entity{Type: authz.CallerSubject, ID: a.Caller.ID}
	}
	return authz.Entity{Type: authz.CallerSubject, ID: authz.CommandLine}
}

// actorOf names who writes, and for whom, as the audit has it.
func actorOf(a authz.Acting) (actor, onBehalfOf string) {
	switch {
	case a.Caller != nil && a.User != "" && a.Caller.User != a.User:
		return "caller/" + a.Caller.ID, "user/" + a.User
	case a.User != "":
		return "user/" + a.User, ""
	case a.Caller != nil:
		return "caller/" + a.Caller.ID, ""
	}
	return authz.CommandLine, ""
}

// question is one decision of a call.
type question struct {
	action        string
	resource      authz.Entity
	before, after authz.Stored
	config        *authz.Bundle // of a portal that is being made; nil otherwise
	alike         *authz.Alike  // of a call with many questions; nil otherwise
}

// about is a question about one entity.
func about(action string, k authz.Key, before, after authz.Stored) question {
	return question{action: action, resource: authz.CallResource(k), before: before, after: after}
}

// general is a question about what is no entity.
func general(action, resource string) question {
	return question{action: action, resource: authz.Entity{Type: resource, ID: authz.AnyResource}}
}

// decide puts a question of the call to the portal's policy, logs what comes of it
// and returns the decision with its id.
func (s *Service) decide(ctx context.Context, call *Call, q question) (authz.Decision, string, error) {
	query, id := q.of(call), newID()
	d, _, err := s.put(ctx, call.Portal, query, &q)
	if err != nil {
		return d, id, err
	}
	s.logDecision(ctx, call, &query, &d, id)
	return d, id, nil
}

// of returns the question as the call puts it.
func (q *question) of(call *Call) authz.Query {
	return authz.Query{Subject: subjectOf(call.Acting), Action: authz.Action{Name: q.action}, Resource: q.resource, Context: call.Context, Alike: q.alike}
}

// decided is a decision with its id.
type decided struct {
	authz.Decision
	id string
}

// decideAll is decide for what is asked of changes, none of which depends on the answer to
// another. They are decided side by side, and logged in their order. Changes of one step
// may have their decision in common, which is logged under another id for each.
func (s *Service) decideAll(ctx context.Context, call *Call, changes []*change, ask func(*change) question) ([]*decided, error) {
	all := make([]*decided, len(changes))
	by, err := byStep(ctx, "the decision", changes, func(ctx context.Context, i int) (judgement, error) {
		q := ask(changes[i])
		d, anyRole, err := s.put(ctx, call.Portal, q.of(call), &q)
		all[i] = &decided{Decision: d, id: newID()}
		return judgement{true, anyRole}, err
	})
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i] = all[by[i]]
	}
	if !s.opts.Log.Enabled(ctx, slog.LevelError) {
		return all, nil
	}
	for i, d := range all {
		id := d.id
		if by[i] != i {
			id = newID()
		}
		query := new(ask(changes[i])).of(call)
		s.logDecision(ctx, call, &query, &d.Decision, id)
	}
	return all, nil
}

// guarded turns a panic into an error: beside the goroutine of a call nobody else would
// answer for it.
func guarded(what string, do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = authz.Errorf(authz.Internal, "%s failed", what).Because(fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
		}
	}()
	return do()
}

// beside does something beside another, and returns when both are done, with an error of
// one of them.
func beside(what string, something, other func() error) error {
	var group errgroup.Group
	group.Go(func() error { return guarded(what, something) })
	err := other()
	return cmp.Or(group.Wait(), err)
}

// put asks the policy of the portal, or of the one that is being made. anyRole is as of
// [Decider.DecideCall].
func (s *Service) put(ctx context.Context, portal string, query authz.Query, q *question) (d authz.Decision, anyRole bool, err error) {
	if q.config != nil {
		d, err = s.decider.DecideNew(ctx, q.config, query, q.after)
		return d, false, err
	}
	return s.decider.DecideCall(ctx, portal, query, q.before, q.after)
}

// newID returns an id that sorts by the time at which it was made.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

func (s *Service) logDecision(ctx context.Context, call *Call, q *authz.Query, d *authz.Decision, id string) {
	level := slog.LevelInfo
	if d.Allowed() && q.Action.Name == authz.ReadCall {
		level = slog.LevelDebug
	}
	if d.Err != nil {
		level = slog.LevelError
	}
	if !s.opts.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("decision", id), slog.String("portal", call.Portal), slog.String("request", call.Request),
		slog.String("subject", q.Subject.Type+"/"+q.Subject.ID), slog.String("action", q.Action.Name),
		slog.String("resource", q.Resource.Type+"/"+q.Resource.ID), slog.String("outcome", string(d.Outcome)),
		slog.String("reason", d.Reason), slog.Int64("revision", d.Revision), slog.String("policy", d.Policy),
	}
	if d.Err != nil {
		attrs = append(attrs, slog.Any("err", d.Err))
	}
	s.opts.Log.LogAttrs(ctx, level, "administration", attrs...)
}

// permit is decide for a call that ends when it is not allowed: as if what it is
// about did not exist where the policy says so, and otherwise as refused.
func (s *Service) permit(ctx context.Context, call *Call, q question) (decision string, err error) {
	d, id, err := s.decide(ctx, call, q)
	if err != nil {
		return id, err
	}
	return id, denial(&d, id, q.resource)
}

// denial returns the error of a decision that is no allow.
func denial(d *authz.Decision, id string, resource authz.Entity) error {
	switch d.Outcome {
	case authz.Allow:
		return nil
	case authz.Hide:
		return absent(resource)
	}
	return &Refused{Kind: authz.Forbidden, Decision: id, Outcome: d.Outcome, Reason: d.Reason}
}

// absent says that there is no such thing, in the same words whether there is none
// or it is hidden.
func absent(resource authz.Entity) *authz.Error {
	return authz.Errorf(authz.NotFound, "there is no %s %q", resource.Type, resource.ID)
}
