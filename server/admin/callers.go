package admin

import (
	"context"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Callers returns who may call with a key, by id and without their hashes. Like all
// that is done to callers it takes the command line, or a key without a user that
// opens administration of all portals.
func (s *Service) Callers(ctx context.Context, call Call) ([]authz.Caller, error) {
	return nil, authz.Errorf(authz.Internal, "callers are not read yet")
}

// CreateCaller makes a caller with a new key, which is returned once and kept
// nowhere. ID, Hash, CreatedAt and CreatedBy are the service's to set. What is wrong
// is an authz.Invalid error because of authz.Faults.
func (s *Service) CreateCaller(ctx context.Context, call Call, c authz.Caller) (key string, made authz.Caller, err error) {
	return "", authz.Caller{}, authz.Errorf(authz.Internal, "callers are not made yet")
}

// DeleteCaller takes the caller's key away.
func (s *Service) DeleteCaller(ctx context.Context, call Call, id string) error {
	return authz.Errorf(authz.Internal, "callers are not deleted yet")
}
