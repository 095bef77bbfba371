package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/config"
)

// prepareDemo points the flags at a throw-away folder and the demo's portal.
func (c *serveCmd) prepareDemo() (dir string, err error) {
	dir, err = c.throwAway("--demo")
	if portal := demoPortal; c.DefaultPortal == nil {
		c.DefaultPortal = &portal
	}
	return dir, err
}

// throwAway points the flags at a new folder for an embedded database, which the
// caller removes. mode is the flag that asks for it.
func (c *serveCmd) throwAway(mode string) (dir string, err error) {
	if c.Data != nil || c.MongoURI != nil {
		return "", authz.Errorf(authz.Invalid, "%s has a database of its own: leave out --data and --mongo-uri", mode)
	}
	if dir, err = os.MkdirTemp("", "portcullis-"+mode[2:]+"-"); err != nil {
		return "", authz.Errorf(authz.Unavailable, "no folder for the database of %s: %v", mode, err).Because(err)
	}
	none := ""
	c.Data, c.MongoURI = &dir, &none
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
	p, err := newDemoPage(ctx, srv)
	if err != nil {
		return stopped(ctx, err)
	}
	if err := p.write(ctx); err != nil {
		return stopped(ctx, err)
	}
	_, err = io.WriteString(s.out, p.text.String())
	return err
}

// demoAdministrator is the user for whom the demo's key may act.
const demoAdministrator = "kimberly.gibbs"

// demoRead is what the demo's administrator reads.
const demoRead = "/admin/v1/portals/" + demoPortal + "/users/ray.newman"

// demoPage is what the demo prints.
type demoPage struct {
	text   strings.Builder
	server *remote
	curl   string // how curl reaches the server
	key    string
	open   bool // to callers without a key
}

// newDemoPage makes the demo's key.
func newDemoPage(ctx context.Context, srv *server.Server) (*demoPage, error) {
	c := authz.Caller{
		Name: "demo", Portals: []string{authz.Any}, Permissions: authz.Permissions(), User: demoAdministrator, CreatedAt: time.Now(),
	}
	key, err := giveKey(ctx, srv.Callers(), &c, "demo")
	if err != nil {
		return nil, err
	}
	p := &demoPage{key: key, open: srv.LetsIn(authz.PermitDecide)}
	at := srv.Addr().String()
	if srv.Addr().Network() == "unix" {
		at = config.SocketPrefix + at
	}
	r, fault := remoteAt(reachable(at))
	if fault != nil {
		return nil, fault
	}
	p.server, p.curl = r, "curl -s "+r.base
	if r.socket != "" {
		p.curl = "curl -s --unix-socket " + r.socket + " " + r.base
	}
	return p, nil
}

// write puts the demo's questions to its server and writes them down with the
// answers, and what its administrator reads where there is an administration.
func (p *demoPage) write(ctx context.Context) error {
	fmt.Fprintf(&p.text, "Portcullis is serving the demo portal %s at %s. Try:\n", demoPortal, p.server)
	bearer := fmt.Sprintf(" -H 'Authorization: Bearer %s'", p.key)
	with := ""
	if !p.open {
		p.server.key, with = p.key, bearer
	}
	for _, q := range demoQuestions {
		answer, err := p.server.post(ctx, q.path, q.body)
		if err != nil {
			return err
		}
		fmt.Fprintf(&p.text, "\n# %s\n%s%s%s -H 'Content-Type: application/json' -d '%s'\n%s\n", q.title, p.curl, q.path, with, q.body, answer)
	}
	p.server.key = p.key
	a, err := p.server.send(ctx, http.MethodGet, demoRead, "", nil)
	if err != nil {
		return err
	}
	if a.status == http.StatusOK {
		fmt.Fprintf(&p.text, "\n# Who is Ray? Kimberly, who administers the portal, may read it; the key is hers.\n%s%s%s\n%s\n",
			p.curl, demoRead, bearer, strings.TrimSpace(a.body))
	}
	p.text.WriteString("\nCtrl-C stops it and leaves nothing behind.\n")
	return nil
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
