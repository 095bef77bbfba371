package accessreport

import (
	"fmt"
	"io"
	"strings"

	"github.com/portcullis-authz/portcullis/server/accessdiff"
)

// MaxMarkdown bounds what [Markdown] writes, in bytes: GitHub takes 65,536 characters
// of a comment, and whoever posts it may add a line.
const MaxMarkdown = 64_000

const (
	shownPortals = 100 // in the table of portals
	maxItems     = 10  // of a list
	markdownRows = 30  // of the tables of one change
	markdownName = 200 // columns of a name, and of a reason
)

// Markdown writes the comparison for a comment on a pull request: a table of the
// portals, warnings, and each change folded away.
func Markdown(w io.Writer, c *Comparison) error {
	p := &page{}
	p.put("## Access difference\n")
	if len(c.Complaints) > 0 {
		p.put("\n> [!CAUTION]\n> **Not passed**\n" + items(c.Complaints, "more reason"))
	}
	p.warnings(c.Reports)
	p.portals(c.Reports)
	changes := 0
	for _, r := range c.Reports {
		changes += len(r.Changes)
	}
	left := 0
	for _, r := range c.Reports {
		left += p.report(r, len(c.Reports) > 1)
	}
	if left > 0 {
		fmt.Fprintf(&p.b, "\n%s not shown here: there is no room. `--format json` has all of them.\n",
			choose(left, "One change is", number(int64(left))+" of "+plural(changes, "change")+" are"))
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}

// reserve is kept free for the last line.
const reserve = 500

type page struct {
	b    strings.Builder
	full bool // something did not fit
}

// put adds the text whole, or not at all when it does not fit, or something before
// it did not.
func (p *page) put(text string) bool {
	if p.full = p.full || p.b.Len()+len(text) > MaxMarkdown-reserve; p.full {
		return false
	}
	p.b.WriteString(text)
	return true
}

// portals writes the table, portals with a difference first.
func (p *page) portals(reports []*accessdiff.Report) {
	if len(reports) == 0 {
		p.put("\nThere is no portal on either side.\n")
		return
	}
	p.put("\n| portal | users | lose access | gain access | get other answers | compared | questions (evaluated) | took |\n|---|--:|--:|--:|--:|---|--:|--:|\n")
	var sorted []*accessdiff.Report
	for _, differs := range []bool{true, false} {
		for _, r := range reports {
			if r.Empty() != differs {
				sorted = append(sorted, r)
			}
		}
	}
	for i, r := range sorted {
		row := fmt.Sprintf("| %s | %s | %s | %s | %s | %s → %s | %s (%s) | %s |\n", code(r.Portal), number(int64(r.Users)), count(r.Lost), count(r.Gained), count(r.Changed),
			code(r.Before), code(r.After), number(r.Questions), number(r.Evaluated), took(r.Took))
		if i == shownPortals {
			p.put(fmt.Sprintf("\nand %s\n", plural(len(sorted)-i, "more portal")))
			return
		}
		p.put(row)
	}
}

// count is bold where there is something to see.
func count(n int) string {
	if n == 0 {
		return "0"
	}
	return "**" + number(int64(n)) + "**"
}

// warnings writes what must not be passed over, of all portals.
func (p *page) warnings(reports []*accessdiff.Report) {
	var out, why []string
	for _, r := range reports {
		if r.LockedOut {
			out = append(out, r.Portal)
		}
		for _, reason := range r.Missing {
			why = append(why, r.Portal+": "+reason)
		}
	}
	if len(out) > 0 {
		p.put("\n> [!CAUTION]\n> **Locked out**: " + plain(lockedOut) + "\n" + items(out, "more portal"))
	}
	if len(why) > 0 {
		p.put("\n> [!WARNING]\n> **Incomplete**: this was left out\n" + items(why, "more reason"))
	}
}

// items returns the first of the texts as a list in a quotation, and how many more
// there are.
func items(all []string, more string) string {
	var b strings.Builder
	for _, text := range all[:min(len(all), maxItems)] {
		b.WriteString("> - " + short(text) + "\n")
	}
	if rest := len(all) - maxItems; rest > 0 {
		b.WriteString("> - and " + plural(rest, more) + "\n")
	}
	return b.String()
}

// report writes a portal's changes and returns how many did not fit.
func (p *page) report(r *accessdiff.Report, titled bool) (left int) {
	if r.Empty() {
		if !titled {
			p.put("\n" + strings.ToUpper(Summary(r)[:1]) + Summary(r)[1:] + ".\n")
		}
		return 0
	}
	if titled {
		p.put("\n### " + code(r.Portal) + "\n")
	}
	for i := range r.Changes {
		if p.full || !p.put(details(&r.Changes[i])) {
			return len(r.Changes) - i
		}
	}
	return 0
}

// details returns a change, folded.
func details(c *accessdiff.Change) string {
	word := "Other"
	switch c.Kind {
	case accessdiff.Lost:
		word = "Lost"
	case accessdiff.Gained:
		word = "Gained"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n<details><summary><b>%s</b>: %s</summary>\n\n| action | place | before | after |\n|---|---|---|---|\n", word, headline(c, short))
	all := spots(c.Places)
	for i := range all {
		if i == markdownRows {
			fmt.Fprintf(&b, "| | and %s | | |\n", plural(len(all)-i, "more place"))
			break
		}
		before, after := sides(&all[i].Place)
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", all[i].doing(short), all[i].target(short), short(before), short(after))
	}
	b.WriteString("\n| users | type | account | roles | among them |\n|--:|---|---|---|---|\n")
	for i := range c.Groups {
		g := &c.Groups[i]
		if i == markdownRows {
			fmt.Fprintf(&b, "| %s | and %s | | | |\n", number(int64(usersIn(c.Groups[i:]))), plural(len(c.Groups)-i, "more group"))
			break
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", number(int64(g.Users)), short(g.UserType), short(g.Account),
			short(strings.Join(g.Roles, ", ")), sample(g.Sample, g.Users, short))
	}
	b.WriteString("\n</details>\n")
	return b.String()
}

func short(s string) string { return plain(printable(s, markdownName)) }

func code(s string) string { return "<code>" + short(s) + "</code>" }

// plain returns text which Markdown and HTML show as it stands: no mark-up, no link,
// nobody mentioned.
func plain(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == ':' && !strings.HasPrefix(s[i:], "://"), strings.ContainsRune(" -,;()/?=%+'", r):
			b.WriteRune(r)
		case r == '.' && !strings.HasSuffix(strings.ToLower(s[:i]), "www"):
			b.WriteRune(r)
		case r < 0x80 && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'):
			fmt.Fprintf(&b, "&#%d;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
