package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/priority"
)

type serveCmd struct {
	storeFlags
	serviceFlags
	Demo bool   `help:"Serve the demo portals from a throw-away embedded database, and show what to ask them." xor:"mode"`
	Dev  string `help:"Serve the portals of a folder from a throw-away embedded database, and follow it: on each save, test what the change touches, show who gains and who loses access, and serve it if it is good." xor:"mode" placeholder:"DIR"`
}

// Run serves until it is told to stop.
func (c *serveCmd) Run(ctx context.Context, s *streams) error {
	switch {
	case c.Dev != "":
		return c.dev(ctx, s)
	case !c.Demo:
		return c.serve(ctx, s)
	}
	dir, err := c.prepareDemo()
	if err != nil {
		return err
	}
	return errors.Join(c.serve(ctx, s), os.RemoveAll(dir))
}

func (c *serveCmd) serve(ctx context.Context, s *streams) error {
	conf, err := load(s, c.Config, c.storeFlags, c.serviceFlags)
	if err != nil {
		return err
	}
	log := logger(s, &conf)
	o := serverOptions(&conf, log)
	o.Below, o.Workers = priority.Below, priority.Decisions(ctx, admin.MaxExaminations)
	srv, err := server.New(ctx, o)
	if err != nil {
		return stopped(ctx, err)
	}
	log.Info("listening", "addr", srv.Addr().String(), "version", version(), "demo", c.Demo)
	context.AfterFunc(ctx, func() { log.Info("stopping; a second signal ends the process at once") })
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return srv.Run(ctx) })
	if c.Demo {
		g.Go(func() error { return demo(ctx, s, srv) })
	} else {
		g.Go(func() error { return hint(ctx, log, srv.Store(), conf.Mongo.URI.Reveal() == "") })
	}
	err = g.Wait()
	log.Info("stopped")
	return err
}

// hint tells an operator whose store is empty how it is filled. A store that
// cannot be read is told of by others.
func hint(ctx context.Context, log *slog.Logger, store *server.Store, embedded bool) error {
	portals, err := store.Portals(ctx)
	if err != nil || len(portals) > 0 {
		return nil
	}
	how := "run portcullis import FOLDER"
	if embedded {
		how = "stop this process, run portcullis import FOLDER with the same data folder, and start again"
	}
	log.Warn("the store holds no portal, so that the service is not ready", "fix", how)
	return nil
}
