package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// adminCmd administers portals through a running server.
type adminCmd struct {
	List       adminListCmd       `cmd:"" help:"List entities of a kind."`
	Get        adminGetCmd        `cmd:"" help:"Show one entity."`
	Create     adminCreateCmd     `cmd:"" help:"Create an entity from a JSON document."`
	Put        adminPutCmd        `cmd:"" help:"Replace an entity, or create it, by a JSON document."`
	Patch      adminPatchCmd      `cmd:"" help:"Change fields of an entity."`
	Delete     adminDeleteCmd     `cmd:"" help:"Delete an entity."`
	Activate   adminActivateCmd   `cmd:"" help:"Activate a user."`
	Deactivate adminDeactivateCmd `cmd:"" help:"Deactivate a user, who then may do nothing."`
	Rights     adminRightsCmd     `cmd:"" help:"Show the rights of a role, at a screen, or both."`
	SetRight   adminSetRightCmd   `cmd:"" help:"Set the level of a role at a screen."`
	Grants     adminGrantsCmd     `cmd:"" help:"List who holds which role, why, from whom and until when."`
	Tasks      adminTasksCmd      `cmd:"" help:"List what is to be done because of writes, or was."`
	Retry      adminRetryCmd      `cmd:"" help:"Try a task again that is refused or dead."`
	Import     adminImportCmd     `cmd:"" help:"Create and change many entities from a CSV file."`
	Export     adminExportCmd     `cmd:"" help:"Write entities of a kind as CSV."`
	Audit      adminAuditCmd      `cmd:"" help:"Search the audit, or verify it."`
	Callers    adminCallersCmd    `cmd:"" help:"List who may call with a key."`
}

// Help tells what holds for every command.
func (adminCmd) Help() string {
	return `Each command is a call of the administration API, /admin/v1, of a running server. The key to call with is taken from $` + keyVariable + `.
Whether the call is let in is decided by the portal's policy, as for any other client; --as USER names the user for whom the key acts.

Exit codes: 0 done; 1 something is at fault; 2 the command line is wrong; ` + strconv.Itoa(exitRefused) + ` the policy refuses.

KIND is portals, user_types, roles, screens, users, accounts, contacts, or records/TYPE.`
}

// adminFlags are those of every command of administration.
type adminFlags struct {
	serverFlags
	Portal string `help:"Portal to administer; the only one of the server otherwise." placeholder:"ID" short:"p"`
	As     string `help:"Id of the user for whom the key acts; the key must be allowed to." placeholder:"USER"`
	JSON   bool   `help:"Write JSON, as the API answers."`
}

// writeFlags are those of every command that writes.
type writeFlags struct {
	Note   string `help:"Why, for the audit." placeholder:"TEXT"`
	DryRun bool   `help:"Write nothing; show what would change, and what would be done because of it."`
}

// adminPrefix begins every path of the API.
const adminPrefix = "/admin/v1"

// administration calls the API for one command.
type administration struct {
	*remote
	s      *streams
	portal string // as given; empty: the only one
	as     string
	json   bool
	writes writeFlags
}

func (f *adminFlags) open(s *streams) (*administration, error) {
	r, err := f.remote(s)
	if err != nil {
		return nil, err
	}
	return &administration{remote: r, s: s, portal: f.Portal, as: f.As, json: f.JSON}, nil
}

// openWriting is open for a command that writes.
func (f *adminFlags) openWriting(s *streams, w writeFlags) (*administration, error) {
	a, err := f.open(s)
	if err == nil {
		a.writes = w
	}
	return a, err
}

// request is one call of the API.
type request struct {
	method, path string // path below adminPrefix
	query        url.Values
	header       http.Header
	body         string
}

// do makes a call and returns the answer to one that is let in and done. What the
// service refuses is a *problem.
func (a *administration) do(ctx context.Context, r request) (*reply, error) {
	header := http.Header{}
	for name, values := range r.header {
		header[name] = values
	}
	if a.as != "" {
		header.Set(userHeader, a.as)
	}
	query := url.Values{}
	for name, values := range r.query {
		query[name] = values
	}
	if r.method != http.MethodGet {
		if a.writes.Note != "" {
			header.Set("Portcullis-Note", a.writes.Note)
		}
		if a.writes.DryRun {
			query.Set("dry_run", "true")
		}
	}
	path := adminPrefix + r.path
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	answer, err := a.send(ctx, r.method, path, r.body, header)
	if err != nil {
		return nil, err
	}
	if answer.status >= 300 {
		return nil, a.problem(answer)
	}
	return answer, nil
}

// get reads what is at a path into the value that into points to, unless that is
// nil, with numbers as they stand.
func (a *administration) get(ctx context.Context, path string, query url.Values, into any) (*reply, error) {
	answer, err := a.do(ctx, request{method: http.MethodGet, path: path, query: query})
	if err != nil || into == nil {
		return answer, err
	}
	return answer, a.decode(answer, into)
}

// decode reads the JSON of an answer.
func (a *administration) decode(answer *reply, into any) error {
	dec := json.NewDecoder(strings.NewReader(answer.body))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return authz.Errorf(authz.Unavailable, "%s is no Portcullis server with an administration: it answers %s", a.remote, message(answer.body))
	}
	return nil
}

// within returns a path below the portal's, of segments that are escaped here.
func (a *administration) within(ctx context.Context, segments ...string) (string, error) {
	if a.portal == "" {
		var err error
		if a.portal, err = a.onlyPortal(ctx); err != nil {
			return "", err
		}
	}
	return pathOf(append([]string{"portals", a.portal}, segments...)...), nil
}

// pathOf joins segments, each escaped, to a path.
func pathOf(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}

// onlyPortal returns the id of the only portal that the caller may read.
func (a *administration) onlyPortal(ctx context.Context) (string, error) {
	var page entityPage
	if _, err := a.get(ctx, "/portals", url.Values{"limit": {"2"}}, &page); err != nil {
		return "", err
	}
	if len(page.Items) != 1 || page.Next != "" {
		return "", authz.Errorf(authz.Invalid, "which portal? Name it; admin list portals shows those there are").At("--portal")
	}
	return idOf(page.Items[0].Document), nil
}

// problem is why the service did not do what was asked for.
type problem struct {
	Status   int            `json:"status"`
	Detail   string         `json:"detail"`
	Request  string         `json:"request"`
	Decision string         `json:"decision"`
	Outcome  string         `json:"outcome"`
	Reason   string         `json:"reason"`
	Errors   []problemFault `json:"errors"`
	hint     string
}

type problemFault struct {
	In      string `json:"in"`
	Field   string `json:"field"`
	Line    int    `json:"line"` // of a CSV file
	Column  int    `json:"column"`
	Message string `json:"message"`
	Rule    string `json:"rule"`
	Reason  string `json:"reason"`
}

// problem returns what an answer that is none of success says.
func (a *administration) problem(answer *reply) error {
	p := &problem{}
	if err := json.Unmarshal([]byte(answer.body), p); err != nil || p.Detail == "" {
		return authz.Errorf(kindOf(answer.status), "the server answers %d %s: %s%s", answer.status, http.StatusText(answer.status), message(answer.body), a.hint(answer.status))
	}
	p.Status, p.hint = answer.status, a.hint(answer.status)
	return p
}

// Error lists all faults, one a line, and by which ids the service's log and audit
// know of it.
func (p *problem) Error() string {
	var b strings.Builder
	switch {
	case p.byRule():
		b.WriteString("the policy refuses it")
	case len(p.Errors) > 1:
		fmt.Fprintf(&b, "refused in %s", plural(len(p.Errors), "place"))
	default:
		b.WriteString(terminal.Printable(p.Detail) + p.hint)
	}
	if p.Reason != "" {
		b.WriteString("\nreason: " + terminal.Printable(p.Reason))
	}
	for _, f := range p.Errors {
		if len(p.Errors) == 1 && strings.HasSuffix(p.Detail, f.Message) && !p.byRule() {
			continue // the detail says it
		}
		b.WriteString("\n" + terminal.Printable(f.String()))
	}
	if p.Decision != "" {
		b.WriteString("\ndecision: " + p.Decision)
	}
	if p.Request != "" {
		b.WriteString("\nrequest: " + p.Request)
	}
	return b.String()
}

// String returns the fault with its field and its rule.
func (f *problemFault) String() string {
	text := f.Message
	if f.Rule != "" {
		text = f.Reason + " (rule " + f.Rule + ")"
	}
	if f.Field != "" {
		text = f.Field + ": " + text
	}
	switch {
	case f.Line > 0:
		text = fmt.Sprintf("%d:%d: %s", f.Line, f.Column, text)
	case f.In != "" && f.In != "body":
		text = f.In + " " + text
	}
	return text
}

// byRule reports whether it is rules of the policy, and nothing else, that refuse the
// write.
func (p *problem) byRule() bool {
	return len(p.Errors) > 0 && !slices.ContainsFunc(p.Errors, func(f problemFault) bool { return f.Rule == "" })
}

// exitCode returns that of a refusal when the policy does not let the call in, or
// when its rules alone refuse the write.
func (p *problem) exitCode() int {
	if p.Status == http.StatusForbidden || p.byRule() {
		return exitRefused
	}
	return exitFault
}

// missing reports whether err says that there is no such thing.
func missing(err error) bool {
	p, ok := errors.AsType[*problem](err)
	return ok && p.Status == http.StatusNotFound
}

// answerJSON writes an answer as it came.
func (a *administration) answerJSON(answer *reply) error {
	_, err := io.WriteString(a.s.out, strings.TrimSuffix(answer.body, "\n")+"\n")
	return err
}

// writeJSON writes a value that was put together from several answers.
func (a *administration) writeJSON(v any) error {
	enc := json.NewEncoder(a.s.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// table writes a table, or that there is nothing to show.
func (a *administration) table(t *terminal.Table, nothing string) error {
	if t.Len() == 0 {
		_, err := fmt.Fprintln(a.s.out, nothing)
		return err
	}
	return t.Write(a.s.out, columnsOf(a.s))
}

const terminalColumns = 120 // of a terminal that does not say how many it has

// columnsOf returns how many columns there are to write in; 0 is no bound.
func columnsOf(s *streams) int {
	if n, err := strconv.Atoi(variable(s.env, "COLUMNS")); err == nil && n > 0 {
		return n
	}
	if isTerminal(s.out) {
		return terminalColumns
	}
	return 0
}

// maxInput bounds what is read of a file, in bytes.
const maxInput = 16 << 20

// input returns the text of a file, or of stdin for "-".
func input(name string) (string, error) {
	from := io.Reader(os.Stdin)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", authz.Errorf(authz.Invalid, "%s cannot be read: %s", name, pathReason(err))
		}
		defer f.Close()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, maxInput+1))
	switch {
	case err != nil:
		return "", authz.Errorf(authz.Invalid, "%s cannot be read: %s", name, pathReason(err))
	case len(text) > maxInput:
		return "", authz.Errorf(authz.TooLarge, "%s has more than %d bytes", name, maxInput)
	}
	return string(text), nil
}
