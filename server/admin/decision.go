package admin

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"

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
	d, err := s.put(ctx, call.Portal, query, &q)
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

// decideAll is decide for questions none of which depends on the answer to another.
// They are decided side by side, and logged in their order.
func (s *Service) decideAll(ctx context.Context, call *Call, qs []question) ([]decided, error) {
	all := make([]decided, len(qs))
	var next atomic.Int64
	group, together := errgroup.WithContext(ctx)
	for range min(len(qs), runtime.GOMAXPROCS(0)) {
		group.Go(func() error {
			return guarded("the decision", func() (err error) {
				for i := next.Add(1) - 1; err == nil && i < int64(len(qs)); i = next.Add(1) - 1 {
					all[i].id = newID()
					all[i].Decision, err = s.put(together, call.Portal, qs[i].of(call), &qs[i])
				}
				return err
			})
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i := range all {
		query := qs[i].of(call)
		s.logDecision(ctx, call, &query, &all[i].Decision, all[i].id)
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

// beside does something beside another, and returns when both are done.
func beside(what string, something, other func()) error {
	var group errgroup.Group
	group.Go(func() error {
		return guarded(what, func() error {
			something()
			return nil
		})
	})
	other()
	return group.Wait()
}

// put asks the policy of the portal, or of the one that is being made.
func (s *Service) put(ctx context.Context, portal string, query authz.Query, q *question) (authz.Decision, error) {
	if q.config != nil {
		return s.decider.DecideNew(ctx, q.config, query, q.after)
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
