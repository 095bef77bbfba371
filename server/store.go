package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/portcullis-authz/portcullis/server/ferret"
	"github.com/portcullis-authz/portcullis/server/mongodb"
)

// Store is an open store, with the embedded database under it where there is one.
type Store struct {
	*mongodb.Store
	closers closers
}

// OpenStore opens the MongoDB replica set of o, or else the embedded database in
// its data folder. The caller closes it.
func OpenStore(ctx context.Context, o StoreOptions) (*Store, error) {
	s := &Store{}
	options := mongodb.Options{URI: o.URI, Database: o.Database, Log: o.Log}
	if o.URI == "" {
		db, err := ferret.Start(ctx, o.Data, o.Log)
		if err != nil {
			return nil, err
		}
		s.closers.add("embedded database", db.Stop)
		options.URI, options.Embedded, options.Sole, options.Prepare = db.URI(), true, true, db.Index
	}
	store, err := mongodb.Open(ctx, options)
	if err != nil {
		return nil, errors.Join(err, s.closers.close(ctx))
	}
	s.Store = store
	s.closers.add("store", store.Close)
	return s, nil
}

// Close closes the store and stops the database under it.
func (s *Store) Close(ctx context.Context) error { return s.closers.close(ctx) }

// closers undo what was started, last first.
type closers []closer

type closer struct {
	name string
	stop func(context.Context) error
}

func (c *closers) add(name string, stop func(context.Context) error) {
	*c = append(*c, closer{name, stop})
}

// close stops everything once. One step's failure does not spare the rest, and
// every failure carries the name of its step.
func (c *closers) close(ctx context.Context) error {
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		if err := (*c)[i].stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", (*c)[i].name, err))
		}
	}
	*c = nil
	return errors.Join(errs...)
}
