package admin

import (
	"context"
	"slices"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Callers returns who may call with a key, by id and without their hashes. Like all
// that is done to callers it takes the command line, or a key without a user that
// opens administration of all portals: callers belong to no portal, so that no
// portal's policy could say who may make them.
func (s *Service) Callers(ctx context.Context, call Call) ([]authz.Caller, error) {
	if err := servesAll(&call); err != nil {
		return nil, err
	}
	all, err := s.store.Callers(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.Clone(all)
	for i := range all {
		all[i].Hash = nil
	}
	return all, nil
}

// servesAll says whether the call may be about the service as a whole.
func servesAll(call *Call) error {
	a := &call.Acting
	switch {
	case a.User != "":
		return authz.Errorf(authz.Forbidden, "callers belong to the service, and users to a portal: use a key that acts for no user")
	case a.Caller != nil && !a.Caller.Opens(authz.PermitAdmin, ""):
		return authz.Errorf(authz.Forbidden, "the key does not open the administration of all portals")
	}
	return nil
}

// CreateCaller makes a caller with a new key, which is returned once and kept
// nowhere. ID, Hash, CreatedAt and CreatedBy are the service's to set. What is wrong
// is an authz.Invalid error because of authz.Faults. A key makes none that opens
// what it does not open itself.
func (s *Service) CreateCaller(ctx context.Context, call Call, c authz.Caller) (key string, made authz.Caller, err error) {
	if err := servesAll(&call); err != nil {
		return "", authz.Caller{}, err
	}
	now := s.now()
	c.Until = c.Until.UTC().Truncate(time.Millisecond) // as it is stored, and as the audit is to have it
	faults, _ := errorsAs(c.Validate())
	if !c.Until.IsZero() && !now.Before(c.Until) {
		faults = append(faults, authz.Fault{Path: "until", Msg: "is not after now: the key would open nothing"})
	}
	if by := call.Acting.Caller; by != nil {
		for i, p := range c.Permissions {
			if slices.Contains(authz.Permissions(), p) && !by.Opens(p, "") {
				faults = append(faults, authz.Fault{Path: join("permissions", index(i)), Msg: "is more than the key opens that makes this one: " + string(p)})
			}
		}
	}
	if err := invalid(faults); err != nil {
		return "", authz.Caller{}, err
	}
	actor, _ := actorOf(call.Acting)
	key, c.ID, c.Hash = s.opts.NewKey()
	c.CreatedAt, c.CreatedBy = now, actor
	if err := s.store.PutCaller(ctx, c, s.serviceEntry(&call, authz.CreateEntity, authz.CallerChange(nil, &c))); err != nil {
		return "", authz.Caller{}, err
	}
	c.Hash = nil
	return key, c, nil
}

// DeleteCaller takes the caller's key away.
func (s *Service) DeleteCaller(ctx context.Context, call Call, id string) error {
	if err := servesAll(&call); err != nil {
		return err
	}
	all, err := s.store.Callers(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(c authz.Caller) bool { return c.ID == id })
	if i < 0 {
		return absent(authz.Entity{Type: authz.CallerResource, ID: id})
	}
	return s.store.DeleteCaller(ctx, id, s.serviceEntry(&call, authz.DeleteEntity, authz.CallerChange(&all[i], nil)))
}

// serviceEntry is what the audit keeps of a write that is about no portal.
func (s *Service) serviceEntry(call *Call, op authz.Operation, change authz.EntityChange) authz.AuditEntry {
	actor, _ := actorOf(call.Acting)
	return authz.AuditEntry{
		Chain: authz.ServiceChain, At: s.now(), Actor: actor, Request: call.Request, Operation: string(op), Note: call.Note,
		Changes: []authz.EntityChange{change},
	}
}
