package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
)

// closeTimeout bounds the closing of a store.
const closeTimeout = 10 * time.Second

// withStore runs do on the store that the flags name, and closes it.
func withStore(ctx context.Context, s *streams, flags storeFlags, do func(*server.Store) error) error {
	conf, err := load(s, flags.Config, flags)
	if err != nil {
		return err
	}
	store, err := server.OpenStore(ctx, storeOptions(&conf, logger(s, &conf)))
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
		return nil, authz.Errorf(authz.NotFound, "the fixture folder %s cannot be read: %v", dir, err).Because(err)
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
	By     string `help:"Who imports, as noted with every document; the system's user by default."`
	Quiet  bool   `help:"Show no progress." short:"q"`
}

// Run validates the folder whole and imports all of its portals, or none.
func (c *importCmd) Run(ctx context.Context, s *streams) error {
	worlds, err := loadFolder(c.Folder)
	if err != nil {
		return err
	}
	if len(worlds) == 0 {
		return authz.Errorf(authz.Invalid, "%s holds no portal: want a folder with portal.yaml for each, or portal.yaml itself", c.Folder)
	}
	if c.By == "" {
		c.By = whoami()
	}
	return withStore(ctx, s, c.storeFlags, func(store *server.Store) error {
		p := newProgress(s.err, c.Quiet)
		if err := store.Import(ctx, worlds, c.By, p.show); err != nil {
			p.end()
			return err
		}
		p.end()
		for i := range worlds {
			w := &worlds[i]
			fmt.Fprintf(s.out, "imported %s: %d user types, %d roles, %d screens, %d rights, %d accounts, %d contacts, %d users, %d records\n",
				w.Portal.ID, len(w.UserTypes), len(w.Roles), len(w.Screens), len(w.Rights), len(w.Accounts), len(w.Contacts), len(w.Users), len(w.Records))
		}
		return nil
	})
}

func whoami() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return "import by " + u.Username
	}
	return "import"
}

type exportCmd struct {
	storeFlags
	Folder string   `arg:"" help:"Folder to write; new, empty, or an earlier export."`
	Portal []string `help:"Portal to export; repeat for several. All by default." placeholder:"ID"`
}

// Run writes the portals as a fixture folder that import takes back.
func (c *exportCmd) Run(ctx context.Context, s *streams) error {
	return withStore(ctx, s, c.storeFlags, func(store *server.Store) error {
		ids := c.Portal
		if len(ids) == 0 {
			all, err := store.Portals(ctx)
			if err != nil {
				return err
			}
			for _, p := range all {
				ids = append(ids, p.ID)
			}
		}
		if len(ids) == 0 {
			return authz.Errorf(authz.NotFound, "the store holds no portal; import one first")
		}
		var worlds []authz.World
		for _, id := range ids {
			w, err := store.World(ctx, id)
			if err != nil {
				return err
			}
			worlds = append(worlds, *w)
		}
		if err := fixture.Write(c.Folder, worlds); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "exported %d portals to %s\n", len(worlds), c.Folder)
		return nil
	})
}

// progress shows how far a long piece of work is: on a terminal as one line that
// changes, elsewhere as a line for each tenth.
type progress struct {
	w        io.Writer
	quiet    bool
	terminal bool
	tenth    int
	shown    bool
}

func newProgress(w io.Writer, quiet bool) *progress {
	p := &progress{w: w, quiet: quiet, tenth: -1}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

func (p *progress) show(done, total int) {
	if p.quiet || total == 0 {
		return
	}
	if p.terminal {
		fmt.Fprintf(p.w, "\rwriting %d of %d documents (%d %%)", done, total, 100*done/total)
		p.shown = true
		return
	}
	if tenth := 10 * done / total; tenth != p.tenth {
		p.tenth = tenth
		fmt.Fprintf(p.w, "writing %d of %d documents (%d %%)\n", done, total, 100*done/total)
	}
}

func (p *progress) end() {
	if p.shown {
		fmt.Fprintln(p.w)
	}
}
