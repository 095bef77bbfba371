package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
)

type serveCmd struct {
	storeFlags
	serviceFlags
	Demo bool `help:"Serve the demo portals from a throw-away embedded database, and show what to ask them."`
}

// Run serves until it is told to stop.
func (c *serveCmd) Run(ctx context.Context, s *streams) error {
	if c.Demo {
		dir, err := c.prepareDemo()
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	conf, err := load(s, c.Config, c.storeFlags, c.serviceFlags)
	if err != nil {
		return err
	}
	log := logger(s, &conf)
	srv, err := server.New(ctx, serverOptions(&conf, log))
	if err != nil {
		return err
	}
	log.Info("listening", "addr", srv.Addr().String(), "version", version(), "demo", c.Demo)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return srv.Run(ctx) })
	if c.Demo {
		g.Go(func() error { return demo(ctx, s, srv) })
	}
	err = g.Wait()
	log.Info("stopped")
	return err
}

// prepareDemo points the flags at a throw-away folder and the demo's portal.
func (c *serveCmd) prepareDemo() (dir string, err error) {
	if c.Data != nil || c.MongoURI != nil {
		return "", authz.Errorf(authz.Invalid, "--demo has a database of its own: leave out --data and --mongo-uri")
	}
	if dir, err = os.MkdirTemp("", "portcullis-demo-"); err != nil {
		return "", authz.Errorf(authz.Unavailable, "no folder for the demo's database: %v", err).Because(err)
	}
	none, portal := "", demoPortal
	c.Data = &dir
	c.MongoURI = &none
	if c.DefaultPortal == nil {
		c.DefaultPortal = &portal
	}
	return dir, nil
}

const (
	demoPortal = "storehut"
	demoWait   = 30 * time.Second // for the imported portals to be published
)

// demoQuestions are put to the demo by itself, so that what it prints is what it
// answers.
var demoQuestions = []struct{ title, path, body string }{
	{
		"May Ray, an assistant buyer, see the company profile?", "/access/v1/evaluation",
		`{"subject":{"type":"user","id":"ray.newman"},"action":{"name":"view"},"resource":{"type":"screen","id":"SP408030"}}`,
	}, {
		"May he close a case that a colleague reported?", "/access/v1/evaluation",
		`{"subject":{"type":"user","id":"ray.newman"},"action":{"name":"close"},"resource":{"type":"case","id":"CS-DANA"}}`,
	}, {
		"And what may Tonya, the buyer, do at the screen of contacts?", "/access/v1/evaluations",
		`{"subject":{"type":"user","id":"tonya.lawrence"},"resource":{"type":"screen","id":"SP408040"},"evaluations":[{"action":{"name":"view"}},{"action":{"name":"create"}},{"action":{"name":"publish"}}]}`,
	},
}

// demo imports the demo's portals, waits until they are published, and prints
// what to ask with the answers.
func demo(ctx context.Context, s *streams, srv *server.Server) error {
	worlds, err := server.DemoWorlds()
	if err != nil {
		return err
	}
	if err := srv.Store().Import(ctx, worlds, "demo", nil); err != nil {
		return stopped(ctx, err)
	}
	if err := awaitReady(ctx, srv); err != nil {
		return stopped(ctx, err)
	}
	var b strings.Builder
	base := "http://" + srv.Addr().String()
	fmt.Fprintf(&b, "Portcullis is serving the demo portal %s at %s. Try:\n", demoPortal, base)
	for _, q := range demoQuestions {
		answer, err := post(ctx, base+q.path, q.body)
		if err != nil {
			return stopped(ctx, err)
		}
		fmt.Fprintf(&b, "\n# %s\ncurl -s %s%s -H 'Content-Type: application/json' -d '%s'\n%s\n", q.title, base, q.path, q.body, answer)
	}
	b.WriteString("\nCtrl-C stops it and leaves nothing behind.\n")
	_, err = io.WriteString(s.out, b.String())
	return err
}

// stopped drops an error that only says that the server was told to stop.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func awaitReady(ctx context.Context, srv *server.Server) error {
	ctx, cancel := context.WithTimeout(ctx, demoWait)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, detail := srv.Ready()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return authz.Errorf(authz.Unavailable, "the demo's portals are not ready after %s: %v", demoWait, detail)
		case <-tick.C:
		}
	}
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// post sends a JSON body and returns the body of a 200 answer.
func post(ctx context.Context, url, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewBufferString(body))
	if err != nil {
		return "", authz.Errorf(authz.Invalid, "%q is no address of a server: %v", url, err).Because(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", authz.Errorf(authz.Unavailable, "the server cannot be reached: %v", err).Because(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return "", authz.Errorf(authz.Unavailable, "the server's answer broke off: %v", err).Because(err)
	case resp.StatusCode != http.StatusOK:
		return "", errors.New("the server answers " + resp.Status + ": " + strings.TrimSpace(string(answer)))
	}
	return string(answer), nil
}

type healthcheckCmd struct {
	Server string        `help:"Address of the server." default:"http://127.0.0.1:8181" env:"PORTCULLIS_SERVER" placeholder:"URL"`
	Wait   time.Duration `help:"How long to wait for an answer." default:"2s"`
}

// Run asks the server whether it is ready.
func (c *healthcheckCmd) Run(ctx context.Context, s *streams) error {
	ctx, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.Server, "/")+"/readyz", nil)
	if err != nil {
		return authz.Errorf(authz.Invalid, "%q is no address of a server: %v", c.Server, err).Because(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return authz.Errorf(authz.Unavailable, "the server cannot be reached: %v", err).Because(err)
	}
	defer resp.Body.Close()
	detail, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil || resp.StatusCode != http.StatusOK {
		return authz.Errorf(authz.Unavailable, "not ready (%s): %s", resp.Status, detail)
	}
	fmt.Fprintln(s.out, "ready")
	return nil
}
