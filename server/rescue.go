package server

import (
	"context"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Rescue brings a revision of the portal's policy into force again, or with number 0 the
// folder's policy, without asking the policy in force: it is for whoever holds the
// store, when that policy lets nobody administer it any more, or does not compile. The
// revision must have been in force before, and compile; actor, as
// authz.AuditEntry.Actor, and note go into the audit. The errors are those of
// Store.Commit, Conflict for a revision that is in force or never was, and Invalid for
// one that does not compile.
func Rescue(ctx context.Context, store *Store, portal string, number int64, actor, note string) (authz.Committed, error) {
	base, err := store.Head(ctx, portal)
	if err != nil {
		return authz.Committed{}, err
	}
	config, err := store.Bundle(ctx, portal)
	if err != nil {
		return authz.Committed{}, err
	}
	var current int64
	if config.Published != nil {
		current = config.Published.Number
	}
	if current == number {
		return authz.Committed{}, authz.Errorf(authz.Conflict, "%s is in force already", revisionName(number))
	}
	at := time.Now().UTC().Truncate(time.Millisecond)
	c := &authz.Changeset{
		Base: base, Config: config, Publish: &number,
		Entry: authz.AuditEntry{At: at, Actor: actor, Operation: authz.RescueOperation, Note: note},
	}
	config.Published = nil
	if number != 0 {
		if err := former(ctx, store, portal, number, authz.Publication{At: at, By: actor, From: current}, c); err != nil {
			return authz.Committed{}, err
		}
	}
	return store.Commit(ctx, portal, c)
}

// former adds the publication of a former revision to the changeset.
func former(ctx context.Context, store *Store, portal string, number int64, p authz.Publication, c *authz.Changeset) error {
	r, err := store.Revision(ctx, portal, number)
	if err != nil {
		return err
	}
	if len(r.Publications) == 0 {
		return authz.Errorf(authz.Conflict, "%s was never in force: only one that was can be brought back here", revisionName(number))
	}
	program, err := ProgramOf(r.Files, time.Second)
	if err != nil {
		return err
	}
	if _, err := program.Bind(c.Config); err != nil {
		return err
	}
	next := r.PublishedBy(p)
	c.Config.Published = &next
	c.Changes = []authz.EntityWrite{{Entity: r.Key(), Old: r, New: next}}
	return nil
}

func revisionName(number int64) string {
	if number == 0 {
		return "the folder's policy"
	}
	return authz.PolicyRevision{Number: number}.Key().String()
}
