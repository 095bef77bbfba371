package admin

import (
	"context"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Audit returns a page of the portal's audit, newest first. Without a portal it is
// the chain of entries about callers.
func (s *Service) Audit(ctx context.Context, call Call, q authz.AuditQuery) (authz.AuditPage, error) {
	limit, err := pageSize(q.Limit)
	if err != nil {
		return authz.AuditPage{}, err
	}
	if _, err := s.permit(ctx, &call, general(authz.ReadCall, authz.AuditResource)); err != nil {
		return authz.AuditPage{}, err
	}
	q.Limit = limit
	return s.store.Audit(ctx, call.Portal, q)
}

// Tasks returns a page of the portal's stored tasks, newest first.
func (s *Service) Tasks(ctx context.Context, call Call, q authz.TaskQuery) (authz.TaskPage, error) {
	limit, err := pageSize(q.Limit)
	if err != nil {
		return authz.TaskPage{}, err
	}
	if _, err := s.permit(ctx, &call, general(authz.ReadCall, authz.TaskResource)); err != nil {
		return authz.TaskPage{}, err
	}
	q.Portal, q.Limit = call.Portal, limit
	return s.store.Tasks(ctx, q)
}

// RetryTask has a task that is refused or dead tried again.
func (s *Service) RetryTask(ctx context.Context, call Call, name string) error {
	if _, err := s.permit(ctx, &call, general(authz.UpdateCall, authz.TaskResource)); err != nil {
		return err
	}
	return s.store.Retry(ctx, call.Portal, name)
}
