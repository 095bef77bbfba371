package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// policyCmd moves a portal's policy from a draft into force.
type policyCmd struct {
	Status  policyStatusCmd  `cmd:"" help:"Show which policy is in force."`
	Log     policyLogCmd     `cmd:"" help:"List revisions, newest first."`
	Show    policyShowCmd    `cmd:"" help:"Show a revision with what has come of it."`
	Pull    policyPullCmd    `cmd:"" help:"Write the files of a revision into a folder."`
	Push    policyPushCmd    `cmd:"" help:"Draft a revision from the files of a folder."`
	Check   policyCheckCmd   `cmd:"" help:"Check a revision: does it compile, and do its cases pass?"`
	Preview policyPreviewCmd `cmd:"" help:"Show whose access a revision changes."`
	Approve policyApproveCmd `cmd:"" help:"Approve a revision."`
	Publish policyPublishCmd `cmd:"" help:"Bring a revision into force."`
	Return  policyReturnCmd  `cmd:"" help:"Bring a revision into force again that was before."`
	Source  policySourceCmd  `cmd:"" help:"Have the policy come from the server's folder, or from its database."`
	Rescue  policyRescueCmd  `cmd:"" help:"Bring a former revision back in the store itself, without asking the policy in force."`
}

// Help tells of the way that a revision goes.
func (policyCmd) Help() string {
	return `A portal's policy is that of the server's folder, or a revision that is kept in its database. A revision never changes. It is drafted (push), checked,
previewed, approved where the portal's settings ask for it, and published; return leads back to one that was in force before.

Each command is a call of the administration API, as those of portcullis admin: the key is taken from $` + keyVariable + `, and the portal's policy
decides whether the call is let in.

Exit codes: 0 done; 1 something is at fault; 2 the command line is wrong; ` + strconv.Itoa(exitCompile) + ` the policy does not compile, or review finds an error in it; ` +
		strconv.Itoa(exitFailed) + ` a case failed; ` + strconv.Itoa(exitRefused) + ` the policy in force refuses.`
}

// policyState is where a portal's policy stands, as the API answers.
type policyState struct {
	Source         string    `json:"source"`
	Package        string    `json:"package"`
	Published      *revision `json:"published"`
	Last           int64     `json:"last"`
	ConfigRevision int64     `json:"config_revision"`
}

// revision is one of a policy, as the API answers.
type revision struct {
	Number       int64                   `json:"number"`
	Parent       int64                   `json:"parent"`
	Author       string                  `json:"author"`
	User         string                  `json:"user"`
	Message      string                  `json:"message"`
	At           string                  `json:"at"`
	Files        map[string]revisionFile `json:"files"`
	Checked      *revisionCheck          `json:"checked"`
	Difference   *revisionDifference     `json:"difference"`
	Approvals    []revisionApproval      `json:"approvals"`
	Publications []revisionPublication   `json:"publications"`
}

type (
	revisionFile struct {
		Size int64  `json:"size"`
		Text string `json:"text"`
	}
	revisionCheck struct {
		ConfigRevision int64    `json:"config_revision"`
		OK             bool     `json:"ok"`
		Cases          int      `json:"cases"`
		Failed         int      `json:"failed"`
		Findings       int      `json:"findings"`
		Faults         []string `json:"faults"`
	}
	revisionDifference struct {
		Against   int64 `json:"against"`
		Complete  bool  `json:"complete"`
		Users     int   `json:"users"`
		Gained    int   `json:"gained"`
		Lost      int   `json:"lost"`
		LockedOut bool  `json:"locked_out"`
	}
	revisionApproval struct {
		By   string `json:"by"`
		User string `json:"user"`
		At   string `json:"at"`
		Note string `json:"note"`
	}
	revisionPublication struct {
		By   string `json:"by"`
		At   string `json:"at"`
		From int64  `json:"from"`
	}
)

// policyName names a revision in messages.
func policyName(number int64) string {
	if number == 0 {
		return "the folder's policy"
	}
	return "policy " + strconv.FormatInt(number, 10)
}

// person names who it was: the user, or else the program.
func person(by, user string) string {
	if user != "" {
		return "user/" + user
	}
	return by
}

// published returns in words when the revision came into force last, or "".
func (r *revision) published() string {
	if len(r.Publications) == 0 {
		return ""
	}
	p := r.Publications[len(r.Publications)-1]
	return fmt.Sprintf("%s by %s, over %s", p.At, p.By, policyName(p.From))
}

// text says what a check found.
func (c *revisionCheck) text() string {
	switch {
	case c == nil:
		return "not yet"
	case c.OK:
		return plural(c.Cases, "case") + " passed"
	case c.Failed > 0:
		return fmt.Sprintf("%d of %s failed", c.Failed, plural(c.Cases, "case"))
	}
	return plural(len(c.Faults), "fault")
}

// text says what a preview counted.
func (d *revisionDifference) text() string {
	if d == nil {
		return "not yet"
	}
	s := fmt.Sprintf("%d gain, %d lose", d.Gained, d.Lost)
	if d.LockedOut {
		s += ", nobody administers"
	}
	if !d.Complete {
		s += ", incomplete"
	}
	return s
}

// state returns where the portal's policy stands.
func (a *administration) policyState(ctx context.Context) (*policyState, *reply, error) {
	at, err := a.within(ctx, "policy")
	if err != nil {
		return nil, nil, err
	}
	state := &policyState{}
	answer, err := a.get(ctx, at, nil, state)
	return state, answer, err
}

// number returns the number that was given, or that of the newest revision.
func (a *administration) number(ctx context.Context, given *int64) (int64, error) {
	if given != nil {
		return *given, nil
	}
	state, _, err := a.policyState(ctx)
	if err != nil {
		return 0, err
	}
	if state.Last == 0 {
		return 0, authz.Errorf(authz.NotFound, "portal %q has no revision of its policy yet: portcullis policy source database makes the first one of the folder's policy", a.portal)
	}
	return state.Last, nil
}

// at returns the path of a revision, or of what is done to it.
func (a *administration) revisionPath(ctx context.Context, number int64, rest ...string) (string, error) {
	return a.within(ctx, append([]string{"policy", "revisions", strconv.FormatInt(number, 10)}, rest...)...)
}

type policyStatusCmd struct{ adminFlags }

// Run shows what is in force.
func (c *policyStatusCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.open(s)
	if err != nil {
		return err
	}
	state, answer, err := a.policyState(ctx)
	switch {
	case err != nil:
		return err
	case a.json:
		return a.answerJSON(answer)
	}
	if state.Published == nil {
		fmt.Fprintf(s.out, "%s: the folder's policy is in force, package %s\n", a.portal, state.Package)
	} else {
		fmt.Fprintf(s.out, "%s: policy %d is in force, package %s: %s\n", a.portal, state.Published.Number, state.Package, terminal.Printable(state.Published.Message))
		fmt.Fprintf(s.out, "published %s\n", terminal.Printable(state.Published.published()))
	}
	_, err = fmt.Fprintf(s.out, "%s so far\n", plural(int(state.Last), "revision"))
	return err
}

type policyLogCmd struct {
	adminFlags
	Limit int    `help:"How many to list at most." default:"20"`
	After string `help:"Begin after the page that ended with this." placeholder:"NEXT"`
}

// Run lists revisions.
func (c *policyLogCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.open(s)
	if err != nil {
		return err
	}
	page, err := a.pages(ctx, listing{segments: []string{"policy", "revisions"}, after: c.After, limit: c.Limit})
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(page)
	}
	t := &terminal.Table{Heading: []string{"NUMBER", "FROM", "BY", "CHECKED", "PREVIEWED", "APPROVALS", "PUBLISHED", "MESSAGE"}}
	for _, item := range page.Items {
		r, err := revisionOf(item)
		if err != nil {
			return err
		}
		t.Add(strconv.FormatInt(r.Number, 10), strconv.FormatInt(r.Parent, 10), person(r.Author, r.User), r.Checked.text(), r.Difference.text(),
			strconv.Itoa(len(r.Approvals)), strconv.Itoa(len(r.Publications)), r.Message)
	}
	if err := a.table(t, "There is none."); err != nil {
		return err
	}
	return a.more(page.Next)
}

type policyShowCmd struct {
	adminFlags
	Number *int64 `arg:"" optional:"" help:"Number of the revision; the newest by default."`
}

// Run shows a revision.
func (c *policyShowCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.open(s)
	if err != nil {
		return err
	}
	r, answer, err := a.revision(ctx, c.Number)
	if err != nil {
		return err
	}
	if a.json {
		return a.answerJSON(answer)
	}
	return a.showRevision(r)
}

// revision reads a revision whole.
func (a *administration) revision(ctx context.Context, given *int64) (*revision, *reply, error) {
	n, err := a.number(ctx, given)
	if err != nil {
		return nil, nil, err
	}
	at, err := a.revisionPath(ctx, n)
	if err != nil {
		return nil, nil, err
	}
	r := &revision{}
	answer, err := a.get(ctx, at, nil, r)
	return r, answer, err
}

func (a *administration) showRevision(r *revision) error {
	line := func(name, value string) {
		fmt.Fprintf(a.s.out, "  %-10s %s\n", name, terminal.Printable(value))
	}
	fmt.Fprintf(a.s.out, "policy %d: %s\n", r.Number, terminal.Printable(r.Message))
	line("made", fmt.Sprintf("%s by %s, from %s", r.At, person(r.Author, r.User), policyName(r.Parent)))
	line("checked", r.Checked.text())
	line("previewed", r.Difference.text())
	for _, p := range r.Approvals {
		line("approved", strings.TrimSpace(fmt.Sprintf("%s by %s  %s", p.At, person(p.By, p.User), p.Note)))
	}
	for _, p := range r.Publications {
		line("published", fmt.Sprintf("%s by %s, over %s", p.At, p.By, policyName(p.From)))
	}
	if r.Checked != nil {
		for _, f := range r.Checked.Faults {
			line("fault", f)
		}
	}
	t := &terminal.Table{Heading: []string{"FILE", "BYTES"}}
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		t.Add(name, strconv.FormatInt(r.Files[name].Size, 10))
	}
	return t.Write(a.s.out, columnsOf(a.s))
}

type policyApproveCmd struct {
	adminFlags
	writeFlags
	Number int64 `arg:"" help:"Number of the revision."`
}

// Run approves a revision.
func (c *policyApproveCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.openWriting(s, c.writeFlags)
	if err != nil {
		return err
	}
	at, err := a.revisionPath(ctx, c.Number, "approve")
	if err != nil {
		return err
	}
	return a.writePolicy(ctx, request{method: http.MethodPost, path: at}, "approved", policyName(c.Number))
}

// expectFlags say what was seen in force.
type expectFlags struct {
	Expected *int64 `help:"Number of the policy that was seen in force, 0 for the folder's; when another one is by now, nothing is done." placeholder:"N"`
}

func (f *expectFlags) body(more map[string]any) (string, error) {
	if f.Expected != nil {
		more["expected"] = *f.Expected
	}
	return jsonText(more)
}

type policyPublishCmd struct {
	adminFlags
	writeFlags
	expectFlags
	Number int64 `arg:"" help:"Number of the revision."`
}

// Help tells what has to be done before.
func (policyPublishCmd) Help() string {
	return `The revision has to be checked and previewed under the portal's configuration as it is now, and against the policy in force.`
}

// Run brings a revision into force.
func (c *policyPublishCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.openWriting(s, c.writeFlags)
	if err != nil {
		return err
	}
	return a.publish(ctx, c.Number, &c.expectFlags)
}

func (a *administration) publish(ctx context.Context, number int64, expect *expectFlags) error {
	at, err := a.revisionPath(ctx, number, "publish")
	if err != nil {
		return err
	}
	body, err := expect.body(map[string]any{})
	if err != nil {
		return err
	}
	return a.writePolicy(ctx, request{method: http.MethodPost, path: at, body: body}, "in force", policyName(number))
}

type policyReturnCmd struct {
	adminFlags
	writeFlags
	expectFlags
	Number int64 `arg:"" help:"Number of a revision that was in force before; 0: the folder's policy."`
}

// Run returns to a former revision.
func (c *policyReturnCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.openWriting(s, c.writeFlags)
	if err != nil {
		return err
	}
	return a.returnTo(ctx, c.Number, &c.expectFlags)
}

func (a *administration) returnTo(ctx context.Context, number int64, expect *expectFlags) error {
	at, err := a.within(ctx, "policy", "return")
	if err != nil {
		return err
	}
	body, err := expect.body(map[string]any{"number": number})
	if err != nil {
		return err
	}
	return a.writePolicy(ctx, request{method: http.MethodPost, path: at, body: body}, "in force", policyName(number))
}

// writePolicy makes a write about a revision and tells what came of it.
func (a *administration) writePolicy(ctx context.Context, r request, verb, what string) error {
	answer, err := a.do(ctx, r)
	if err != nil {
		return err
	}
	if a.json {
		return a.answerJSON(answer)
	}
	var w written
	if err := a.decode(answer, &w); err != nil {
		return err
	}
	return a.tell(&w, verb, what, &terminal.Table{})
}

type policySourceCmd struct {
	adminFlags
	writeFlags
	From string `arg:"" enum:"dir,database" help:"dir: the folder that the server was started with; database: a revision, the first of which is a copy of the folder's policy."`
}

// Run has the policy come from there.
func (c *policySourceCmd) Run(ctx context.Context, s *streams) error {
	a, err := c.openWriting(s, c.writeFlags)
	if err != nil {
		return err
	}
	state, _, err := a.policyState(ctx)
	switch {
	case err != nil:
		return err
	case state.Source == c.From:
		_, err = fmt.Fprintf(s.out, "%s: the policy comes from the %s already; nothing is written\n", a.portal, map[string]string{"dir": "folder", "database": "database"}[c.From])
		return err
	case c.From == "dir":
		return a.returnTo(ctx, 0, &expectFlags{Expected: &state.Published.Number})
	}
	return a.seed(ctx)
}

// seed makes a revision of the folder's policy, and brings it into force.
func (a *administration) seed(ctx context.Context) error {
	number, err := a.draft(ctx, map[string]any{"message": "A copy of the folder's policy", "parent": 0})
	if err != nil || a.writes.DryRun {
		return err
	}
	if err := a.checkRevision(ctx, number); err != nil {
		return err
	}
	if _, err := a.examine(ctx, number, "preview", "{}"); err != nil {
		return err
	}
	return a.publish(ctx, number, &expectFlags{Expected: new(int64)})
}
