package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/accessreport"
	"github.com/portcullis-authz/portcullis/server/authz"
)

type diffCmd struct {
	Old string `arg:"" help:"Folder with portals, and their policies in a folder named policies, as they were."`
	New string `arg:"" help:"The like, as they are to be."`

	PoliciesOld string   `help:"Folder of Rego of the old state; else the folder policies in OLD, or what is built in." placeholder:"DIR"`
	PoliciesNew string   `help:"Folder of Rego of the new state; else the folder policies in NEW, or what is built in." placeholder:"DIR"`
	Portal      []string `help:"Compare this portal; repeat for several. All by default." placeholder:"ID" short:"p"`
	Now         string   `help:"The moment of the decisions (RFC 3339); now by default." placeholder:"TIME"`

	MaxLost      *int `help:"Exit ${exit_differs} when more users lose access, over all portals." placeholder:"N"`
	MaxGained    *int `help:"Exit ${exit_differs} when more users gain access, over all portals." placeholder:"N"`
	AllowLockout bool `help:"Let it pass that nobody can change a portal's policy any more."`
	AllowMissing bool `help:"Let it pass that something was left out."`

	Timeout  time.Duration `help:"Give up after this time." default:"10m" placeholder:"TIME"`
	Format   string        `help:"text, json, markdown or github, on stdout; github is text with annotations." enum:"text,json,markdown,github" default:"text"`
	JSON     string        `name:"json" help:"Write JSON to a file, too." placeholder:"FILE"`
	Markdown string        `help:"Write Markdown to a file, too, such as for a comment on a pull request." placeholder:"FILE"`
	Color    string        `help:"auto, always or never; auto heeds NO_COLOR." enum:"auto,always,never" default:"auto"`

	now time.Time // that --now gives; Validate sets it
}

// Help tells what does not fit a flag.
func (*diffCmd) Help() string {
	return fmt.Sprintf(`Decisions are compared, not texts: who may do what at which screen or record. A difference alone passes; what may differ is said by --max-lost and --max-gained.

To compare with another revision, check it out beside this one: git worktree add ../base main && portcullis diff ../base .

Exit codes: %d it passes; %d a portal or the run itself is at fault; %d the command line is wrong; %d the policies do not compile; `+
		`%d access differs more than is allowed, nobody could change a portal's policy any more, or something was not compared.`,
		exitOK, exitFault, exitUsage, exitCompile, exitDiffers)
}

// Validate refuses values that the flags' types let through.
func (c *diffCmd) Validate() (err error) {
	for _, f := range []struct {
		name string
		n    *int
	}{{"--max-lost", c.MaxLost}, {"--max-gained", c.MaxGained}} {
		if f.n != nil && *f.n < 0 {
			return authz.Errorf(authz.Invalid, "want a number of users, 0 or more, got %d", *f.n).At(f.name)
		}
	}
	if c.Timeout <= 0 {
		return authz.Errorf(authz.Invalid, "want a time above 0 such as 5m, got %s", c.Timeout).At("--timeout")
	}
	c.now = time.Now()
	if c.Now == "" {
		return nil
	}
	if c.now, err = time.Parse(time.RFC3339, c.Now); err != nil {
		return authz.Errorf(authz.Invalid, "want a moment such as 2026-03-01T09:00:00Z, got %q", c.Now).At("--now")
	}
	return nil
}

// Run compares the folders and reports what differs.
func (c *diffCmd) Run(ctx context.Context, s *streams) error {
	before, beforeErr := loadState(c.Old, c.PoliciesOld)
	after, afterErr := loadState(c.New, c.PoliciesNew)
	if err := stateFault(beforeErr, afterErr); err != nil {
		return err
	}
	portals, err := c.portals(before, after)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	found, err := c.compare(ctx, s, before, after, portals)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded) && err != nil:
		return authz.Errorf(authz.Unavailable, "the comparison was not done after %s: give it more time, or name fewer portals with --portal", c.Timeout).At("--timeout")
	case err != nil:
		return err
	}
	c.judge(found)
	if err := c.write(s, found); err != nil {
		return err
	}
	if len(found.Complaints) > 0 {
		return exitError(exitDiffers)
	}
	return nil
}

// portals returns those to compare.
func (c *diffCmd) portals(before, after *state) ([]string, error) {
	all := ids(before, after)
	if len(all) == 0 {
		return nil, authz.Errorf(authz.NotFound, "neither %s nor %s holds a portal: want folders with a portal.yaml below them", c.Old, c.New)
	}
	for _, id := range c.Portal {
		if !slices.Contains(all, id) {
			return nil, authz.Errorf(authz.NotFound, "neither folder holds portal %q%s", id, meant(id, slices.Values(all))).At("--portal")
		}
	}
	if len(c.Portal) > 0 {
		all = slices.DeleteFunc(all, func(id string) bool { return !slices.Contains(c.Portal, id) })
	}
	return all, nil
}

// compare compares one portal after another.
func (c *diffCmd) compare(ctx context.Context, s *streams, before, after *state, portals []string) (*accessreport.Comparison, error) {
	found := &accessreport.Comparison{}
	var faults []error
	for _, id := range portals {
		p := newProgress(s.err, id+": comparing", "questions", !isTerminal(s.err))
		r, err := difference(ctx, before, after, id, c.now, p)
		p.end()
		if ctx.Err() != nil && err != nil {
			return nil, err
		}
		faults = append(faults, err)
		found.Reports = append(found.Reports, r)
	}
	return found, errors.Join(faults...)
}

// difference compares one portal. p, which may be nil, shows how far that is.
func difference(ctx context.Context, before, after *state, id string, now time.Time, p *progress) (*accessdiff.Report, error) {
	o := accessdiff.Options{Model: policies.RBACModel, Now: now}
	if p != nil {
		o.Progress = func(done, total int64) { p.show(int(done), int(total)) }
	}
	r, err := accessdiff.Compute(ctx, before.side(id), after.side(id), o)
	if err != nil {
		return nil, fmt.Errorf("portal %s: %w", id, err)
	}
	return r, nil
}

// side returns the portal as it is in the state, without a world where it is not.
func (st *state) side(id string) accessdiff.Side {
	return accessdiff.Side{Name: st.name, World: st.portals[id], Program: st.program}
}

// judge complains of what keeps the comparison from passing.
func (c *diffCmd) judge(found *accessreport.Comparison) {
	lost, gained := 0, 0
	for _, r := range found.Reports {
		lost, gained = lost+r.Lost, gained+r.Gained
		if r.LockedOut && !c.AllowLockout {
			found.Complaints = append(found.Complaints, "nobody could change the policy of portal "+r.Portal+" any more (--allow-lockout lets it pass)")
		}
		if !r.Complete() && !c.AllowMissing {
			found.Complaints = append(found.Complaints, "portal "+r.Portal+" was not compared whole (--allow-missing lets it pass)")
		}
	}
	found.Complaints = append(found.Complaints, tooMany(lost, "lose", c.MaxLost, "--max-lost")...)
	found.Complaints = append(found.Complaints, tooMany(gained, "gain", c.MaxGained, "--max-gained")...)
}

func tooMany(n int, verb string, most *int, flag string) []string {
	if most == nil || n <= *most {
		return nil
	}
	if n == 1 {
		verb += "s"
	}
	return []string{fmt.Sprintf("%s %s access, and at most %d may (%s)", plural(n, "user"), verb, *most, flag)}
}

// write writes the files that were asked for and then shows the comparison on stdout.
func (c *diffCmd) write(s *streams, found *accessreport.Comparison) error {
	if err := writeFile("--json", c.JSON, func(w io.Writer) error { return accessreport.JSON(w, found) }); err != nil {
		return err
	}
	if err := writeFile("--markdown", c.Markdown, func(w io.Writer) error { return accessreport.Markdown(w, found) }); err != nil {
		return err
	}
	switch c.Format {
	case "json":
		return accessreport.JSON(s.out, found)
	case "markdown":
		return accessreport.Markdown(s.out, found)
	}
	err := accessreport.Text(s.out, found, accessreport.TextOptions{Color: colored(c.Color, s), Width: columns(s)})
	if err != nil || c.Format != "github" && variable(s.env, "GITHUB_ACTIONS") != "true" {
		return err
	}
	return accessreport.GitHub(s.out, found)
}

// columns returns how wide the terminal is said to be, 0 when it is not.
func columns(s *streams) int {
	width, err := strconv.Atoi(variable(s.env, "COLUMNS"))
	if err != nil {
		return 0
	}
	return width
}
