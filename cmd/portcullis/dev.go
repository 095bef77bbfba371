package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/accessreport"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/config"
	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/testreport"
)

const (
	devWait = 30 * time.Second // for what was handed over to be served
	devDiff = time.Minute      // for the access difference
)

// dev serves a folder and follows what is saved in it.
func (c *serveCmd) dev(ctx context.Context, s *streams) error {
	data, err := c.throwAway("--dev")
	if err != nil {
		return err
	}
	return errors.Join(c.devOn(ctx, s), os.RemoveAll(data))
}

func (c *serveCmd) devOn(ctx context.Context, s *streams) error {
	if c.LogLevel == nil && c.Config == "" && variable(s.env, "PORTCULLIS_LOG_LEVEL") == "" {
		level := "warn" // what the loop tells is enough
		c.LogLevel = &level
	}
	conf, err := load(s, c.Config, c.storeFlags, c.serviceFlags)
	if err != nil {
		return err
	}
	l := &devLoop{
		source: policytest.Source{Paths: []string{c.Dev}, Policies: conf.Policies, Limit: conf.Limits.Eval},
		failed: map[string]bool{}, s: s,
	}
	folders, err := l.source.PolicyFolders()
	if err != nil {
		return err
	}
	// From here on a change is seen: it may already be in what is loaded first.
	watching, stop := context.WithCancel(ctx)
	changes := server.WatchFolders(watching, outermost(append(folders, c.Dev)))
	defer func() {
		stop()
		for range changes { // until nothing watches any more
		}
	}()
	if l.served, err = l.load(); err != nil {
		return stateFault(err)
	}
	log := logger(s, &conf)
	l.handover = server.NewHandover(l.served.program)
	o := serverOptions(&conf, log)
	o.Handover = l.handover
	if l.srv, err = server.New(ctx, o); err != nil {
		return stopped(ctx, err)
	}
	log.Info("listening", "addr", l.srv.Addr().String(), "version", version(), "dev", c.Dev)
	g, running := errgroup.WithContext(ctx)
	g.Go(func() error { return l.srv.Run(running) })
	g.Go(func() error { return stopped(running, l.run(running, changes)) })
	return g.Wait()
}

// outermost returns the folders without those that lie in another one of them.
func outermost(folders []string) []string {
	return slices.DeleteFunc(slices.Clone(folders), func(inner string) bool {
		return slices.ContainsFunc(folders, func(outer string) bool {
			rel, err := filepath.Rel(outer, inner)
			return err == nil && rel != "." && filepath.IsLocal(rel)
		})
	})
}

// devState is a folder as it was once: what is served of it, and its tests.
type devState struct {
	state
	project *policytest.Project
}

// devLoop serves one good state of a folder after another.
type devLoop struct {
	source   policytest.Source
	srv      *server.Server
	handover *server.Handover
	s        *streams
	served   *devState
	tested   *policytest.Project // that ran last, nil: none has
	failed   map[string]bool     // files with a case that failed when it last ran
	broken   bool                // what was saved last could not be served
}

// load reads the folder. What it returns can be served.
func (l *devLoop) load() (*devState, error) {
	project, projectErr := policytest.Load(l.source)
	portals, dataErr := portalsBelow(l.source.Paths[0])
	if err := joinOnce(projectErr, dataErr); err != nil {
		return nil, err
	}
	if len(portals) == 0 {
		return nil, authz.Errorf(authz.NotFound, "%s holds no portal: want a folder with a portal.yaml below it", l.source.Paths[0])
	}
	st := &devState{state{name: "saved", program: project.Program(), portals: portals}, project}
	if _, err := server.Offline(st.worlds(), st.program, "", time.Now); err != nil {
		return nil, err
	}
	return st, nil
}

// joinOnce joins two errors; one that says no more than the other is left out.
func joinOnce(a, b error) error {
	if a != nil && b != nil && strings.Contains(a.Error(), b.Error()) {
		return a
	}
	return errors.Join(a, b)
}

// worlds returns the portals, sorted by id.
func (st *state) worlds() []authz.World {
	var all []authz.World
	for _, id := range ids(st) {
		all = append(all, *st.portals[id])
	}
	return all
}

// run serves the first state, and each one that is saved, until ctx ends.
func (l *devLoop) run(ctx context.Context, changes <-chan struct{}) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-changes:
			if !open {
				return nil
			}
			if err := l.saved(ctx); err != nil {
				return err
			}
		}
	}
}

// begin fills the store, tells where the server is and runs all tests.
func (l *devLoop) begin(ctx context.Context) error {
	if err := l.put(ctx, l.served, l.served.worlds()); err != nil {
		return err
	}
	caller := authz.Caller{Name: "dev", Portals: []string{authz.Any}, Permissions: authz.Permissions(), CreatedAt: time.Now()}
	key, err := giveKey(ctx, l.srv.Callers(), &caller, "serve --dev")
	if err != nil {
		return err
	}
	at := l.srv.Addr().String()
	if l.srv.Addr().Network() == "unix" {
		at = config.SocketPrefix + at
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Portcullis is serving %s at %s and follows what is saved in %s.\nThe key for its administration, as long as it runs: %s\nCtrl-C stops it and leaves nothing behind.\n",
		strings.Join(ids(&l.served.state), ", "), reachable(at), filepath.ToSlash(l.source.Paths[0]), key)
	if err := l.test(ctx, &b, l.served); err != nil {
		return err
	}
	return l.tell(b.String())
}

// saved looks at what was saved, and serves it when it can be.
func (l *devLoop) saved(ctx context.Context) error {
	var b strings.Builder
	err := l.follow(ctx, &b)
	if ctx.Err() != nil {
		return nil
	}
	if l.broken = err != nil; l.broken {
		fmt.Fprintf(&b, "%s still serving what was before: %s\n", stamp(), strings.TrimSpace(err.Error()))
	}
	return l.tell(b.String())
}

// follow brings the folder as it is into service. What comes of it goes to b; the
// error says why it is not served.
func (l *devLoop) follow(ctx context.Context, b *strings.Builder) error {
	next, err := l.load()
	if err != nil || !l.broken && !l.differs(next) {
		return err
	}
	if err := l.test(ctx, b, next); err != nil {
		return err
	}
	if err := l.differences(ctx, b, next); err != nil {
		return err
	}
	return l.serve(ctx, b, next)
}

// differs reports whether anything is another than what is served and was tested.
func (l *devLoop) differs(next *devState) bool {
	sel := next.project.Touched(l.tested)
	return sel.Rego || len(sel.Suites) > 0 || len(next.project.Suites) != len(l.tested.Suites) || !reflect.DeepEqual(next.portals, l.served.portals)
}

// test runs the tests that the state touches, and those that failed before.
func (l *devLoop) test(ctx context.Context, b *strings.Builder, st *devState) error {
	o := policytest.Options{}
	if l.tested != nil {
		sel := st.project.Touched(l.tested)
		for _, suite := range st.project.Suites {
			if l.failed[suite.File] {
				sel.Suites = append(sel.Suites, suite.File)
			}
		}
		o.Select = &sel
	}
	report, err := policytest.Run(ctx, st.project, o)
	if err != nil {
		return err
	}
	l.tested = st.project
	for i := range report.Results {
		delete(l.failed, report.Results[i].Suite)
	}
	for i := range report.Results {
		if r := &report.Results[i]; r.Status == policytest.StatusFailed {
			l.failed[r.Suite] = true
		}
	}
	if len(report.Results) == 0 {
		return nil
	}
	return testreport.Brief(b, &testreport.Run{Report: report}, testreport.TextOptions{Color: colored("auto", l.s), Width: columns(l.s), Stamp: stamp()})
}

// differences shows who gains and who loses access against what is served.
func (l *devLoop) differences(ctx context.Context, b *strings.Builder, next *devState) error {
	ctx, cancel := context.WithTimeout(ctx, devDiff)
	defer cancel()
	found := &accessreport.Comparison{}
	served := l.served.state
	served.name = "served"
	for _, id := range ids(&served, &next.state) {
		if !l.moved(next, id) {
			continue
		}
		r, err := difference(ctx, &served, &next.state, id, time.Now(), nil)
		if err != nil {
			fmt.Fprintf(b, "%s: who gains and who loses access cannot be told: %v\n", id, err)
			continue
		}
		found.Reports = append(found.Reports, r)
	}
	return accessreport.Text(b, found, accessreport.TextOptions{Color: colored("auto", l.s), Width: columns(l.s), Brief: true})
}

// moved reports whether the portal's data or its policy is another than what is
// served.
func (l *devLoop) moved(next *devState, id string) bool {
	was, now := l.served.portals[id], next.portals[id]
	return was == nil || now == nil || !reflect.DeepEqual(was, now) || !next.project.SamePolicy(l.served.project, now.Portal.Policy)
}

// serve puts the state into service.
func (l *devLoop) serve(ctx context.Context, b *strings.Builder, next *devState) error {
	var changed []authz.World
	for _, w := range next.worlds() {
		if was := l.served.portals[w.Portal.ID]; was == nil || !reflect.DeepEqual(*was, w) {
			changed = append(changed, w)
		}
	}
	if next.program.Revision() == l.served.program.Revision() {
		next.program = l.served.program
	}
	if err := l.put(ctx, next, changed); err != nil {
		l.handover.Next(l.served.program)
		l.handover.Announce()
		return err
	}
	gone := ""
	for _, id := range ids(&l.served.state) {
		if next.portals[id] == nil {
			gone += "; portal " + id + " is no longer in the folder, and stays until this ends"
		}
	}
	l.served = next
	fmt.Fprintf(b, "%s serving policy %s%s\n", stamp(), next.program.Revision(), gone)
	return nil
}

// put hands the policies over, imports the portals that changed, and returns when
// all are served so.
func (l *devLoop) put(ctx context.Context, st *devState, changed []authz.World) error {
	l.handover.Next(st.program)
	if err := l.srv.Store().Import(ctx, changed, "serve --dev", nil); err != nil {
		return err
	}
	l.handover.Announce()
	portals, err := l.srv.Store().Portals(ctx)
	if err != nil {
		return err
	}
	portals = slices.DeleteFunc(portals, func(at authz.PortalRevision) bool { return st.portals[at.ID] == nil })
	ctx, cancel := context.WithTimeout(ctx, devWait)
	defer cancel()
	return l.srv.AwaitServed(ctx, portals, st.program)
}

func (l *devLoop) tell(text string) error {
	_, err := io.WriteString(l.s.out, text)
	return err
}

func stamp() string { return time.Now().Format(time.TimeOnly) }
