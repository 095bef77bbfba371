package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/config"
)

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
		"And what may Tonya, the buyer, do at the company profile?", "/access/v1/evaluations",
		`{"subject":{"type":"user","id":"tonya.lawrence"},"resource":{"type":"screen","id":"SP408030"},"evaluations":[{"action":{"name":"view"}},{"action":{"name":"edit"}},{"action":{"name":"delete"}}]}`,
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
	r, curl, err := itself(srv.Addr())
	if err != nil {
		return err
	}
	fmt.Fprintf(&b, "Portcullis is serving the demo portal %s at %s. Try:\n", demoPortal, r)
	for _, q := range demoQuestions {
		answer, err := r.post(ctx, q.path, q.body)
		if err != nil {
			return stopped(ctx, err)
		}
		fmt.Fprintf(&b, "\n# %s\n%s%s -H 'Content-Type: application/json' -d '%s'\n%s\n", q.title, curl, q.path, q.body, answer)
	}
	b.WriteString("\nCtrl-C stops it and leaves nothing behind.\n")
	_, err = io.WriteString(s.out, b.String())
	return err
}

// itself returns the demo's own server as a client reaches it, and how curl does.
func itself(addr net.Addr) (*remote, string, error) {
	at := addr.String()
	if addr.Network() == "unix" {
		at = config.SocketPrefix + at
	}
	r, err := remoteAt(reachable(at))
	if err != nil {
		return nil, "", err
	}
	if r.socket != "" {
		return r, "curl -s --unix-socket " + r.socket + " " + r.base, nil
	}
	return r, "curl -s " + r.base, nil
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
