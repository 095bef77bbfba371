package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"sync"
	"time"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/config"
	"github.com/portcullis-authz/portcullis/server/fixture"
)

// closeTimeout bounds the closing of a store.
const closeTimeout = 10 * time.Second

// withStore runs do on the store that the configuration names, and closes it.
func withStore(ctx context.Context, s *streams, conf *config.Config, do func(*server.Store) error) error {
	store, err := server.OpenStore(ctx, storeOptions(conf, logger(s, conf)))
	if err != nil {
		return err
	}
	err = do(store)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return errors.Join(err, store.Close(closing))
}

// loadFolder reads a fixture folder as it is when reading begins: no link leads out of it.
func loadFolder(dir string) ([]authz.World, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		if e, ok := errors.AsType[*os.PathError](err); ok {
			err = e.Err
		}
		return nil, authz.Errorf(authz.NotFound, "the fixture folder %s cannot be read: %v", dir, err)
	}
	defer root.Close()
	worlds, err := fixture.Load(root.FS())
	if err != nil {
		return nil, fmt.Errorf("%s is no good fixture:\n%w", dir, err)
	}
	return worlds, nil
}

type importCmd struct {
	storeFlags
	Folder string `arg:"" help:"Folder with a folder for each portal, or with the files of one portal."`
	By     string `help:"Who imports, as noted with every document; the system's user by default." placeholder:"NAME"`
	Quiet  bool   `help:"Show no progress." short:"q"`
}

// Run validates the folder whole and imports all of its portals, or none.
func (c *importCmd) Run(ctx context.Context, s *streams) error {
	conf, err := load(s, c.Config, c.storeFlags)
	if err != nil {
		return err
	}
	worlds, err := loadFolder(c.Folder)
	if err != nil {
		return err
	}
	if c.By == "" {
		c.By = whoRuns("import")
	}
	err = withStore(ctx, s, &conf, func(store *server.Store) error {
		p := newProgress(s.err, "writing", "documents", c.Quiet)
		defer p.end()
		return importAll(ctx, store, worlds, c.By, p.show)
	})
	if err != nil {
		return err
	}
	for i := range worlds {
		w := &worlds[i]
		fmt.Fprintf(s.out, "imported %s: %d user types, %d roles, %d screens, %d rights, %d accounts, %d contacts, %d users, %d records\n",
			w.Portal.ID, len(w.UserTypes), len(w.Roles), len(w.Screens), len(w.Rights), len(w.Accounts), len(w.Contacts), len(w.Users), len(w.Records))
	}
	return nil
}

// importAll imports the worlds. The end of ctx stops it only while documents are
// written: what follows is short and would leave it open whether the import
// happened.
func importAll(ctx context.Context, store *server.Store, worlds []authz.World, by string, show func(done, total int)) error {
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var mu sync.Mutex
	written := false
	defer context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if !written {
			stop()
		}
	})()
	err := store.Import(writing, worlds, by, func(done, total int) {
		mu.Lock()
		written = done == total
		mu.Unlock()
		show(done, total)
	})
	if err != nil && writing.Err() != nil {
		return authz.Errorf(authz.Unavailable, "the import was interrupted; nothing has changed, the store holds what it held before")
	}
	return err
}

// whoRuns says which command it is, and which of the system's users runs it.
func whoRuns(command string) string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return command + " by " + u.Username
	}
	return command
}

type exportCmd struct {
	storeFlags
	Folder string   `arg:"" help:"Folder to write; new, empty, or an earlier export."`
	Portal []string `help:"Portal to export; repeat for several. All by default." placeholder:"ID" short:"p"`
}

// Run writes the portals as a fixture folder that import takes back.
func (c *exportCmd) Run(ctx context.Context, s *streams) error {
	conf, err := load(s, c.Config, c.storeFlags)
	if err != nil {
		return err
	}
	return withData(ctx, s, &conf, func(store *server.Store) error {
		worlds, err := c.worlds(ctx, store)
		if err != nil {
			return err
		}
		if err := fixture.Write(c.Folder, worlds); err != nil {
			return err
		}
		for i := range worlds {
			fmt.Fprintf(s.out, "exported %s to %s\n", worlds[i].Portal.ID, c.Folder)
			if kept := worlds[i].Published; kept != nil {
				fmt.Fprintf(s.out, "  its policy, revision %d, is kept in the store and is not among the files: portcullis policy pull has it\n", kept.Number)
			}
		}
		return nil
	})
}

// withData runs do on a store that must be there already.
func withData(ctx context.Context, s *streams, conf *config.Config, do func(*server.Store) error) error {
	if err := dataFolder(conf); err != nil {
		return err
	}
	return withStore(ctx, s, conf, do)
}

// dataFolder refuses to read from an embedded database that is not there: opening
// it would make one, and a misspelt folder would pass for an empty store.
func dataFolder(conf *config.Config) error {
	if conf.Mongo.URI.Reveal() != "" {
		return nil
	}
	if info, err := os.Stat(conf.Data); err != nil || !info.IsDir() {
		return authz.Errorf(authz.NotFound, "there is no data folder %s: name another with --data, or a MongoDB with --mongo-uri", conf.Data)
	}
	return nil
}

// worlds reads the portals asked for, all of them when none is named.
func (c *exportCmd) worlds(ctx context.Context, store *server.Store) ([]authz.World, error) {
	ids := c.Portal
	if len(ids) == 0 {
		all, err := store.Portals(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range all {
			ids = append(ids, p.ID)
		}
	}
	if len(ids) == 0 {
		return nil, authz.Errorf(authz.NotFound, "the store holds no portal: run portcullis import FOLDER first")
	}
	var worlds []authz.World
	for _, id := range ids {
		w, err := store.World(ctx, id)
		if err != nil {
			return nil, err
		}
		worlds = append(worlds, *w)
	}
	return worlds, nil
}
