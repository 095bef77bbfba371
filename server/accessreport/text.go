package accessreport

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// TextOptions say how [Text] writes.
type TextOptions struct {
	Color bool // with the escape sequences of terminals
	Width int  // columns; 0 is 100
	// Brief shows of each of a few changes one line and one for its largest group: a
	// report has at most [BriefLines] lines.
	Brief bool
}

// Bounds of a report as text.
const (
	defaultWidth = 100
	minWidth     = 40
	maxChanges   = 20  // shown of a portal
	maxPlaces    = 6   // shown of a change
	maxGroups    = 6   // shown of a change
	otherPlaces  = 3   // shown of what is merely another answer, with one group
	maxMissing   = 20  // shown of a portal
	maxQuiet     = 20  // portals without a difference that are named
	maxName      = 120 // columns of a name
	maxSentence  = 400 // columns of what says why something is missing or wrong
	briefChanges = 7
	briefMissing = 2

	// BriefLines bounds a brief report: its heading and summary, the warning, the
	// changes with a group each, and what is missing.
	BriefLines = 3 + 2*briefChanges + 1 + briefMissing + 1
)

// Colours of a terminal.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
	dim    = "2"
)

// Text writes the comparison for people: of each portal the summary, what to be
// warned of, and the changes; then in one line those without a difference; the
// complaints last.
func Text(w io.Writer, c *Comparison, o TextOptions) error {
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	o.Width = max(o.Width, minWidth)
	p := &printer{o: o}
	var quiet []string
	for _, r := range c.Reports {
		if len(c.Reports) > 1 && r.Empty() && r.Complete() && !r.LockedOut {
			quiet = append(quiet, r.Portal)
			continue
		}
		if p.b.Len() > 0 && !o.Brief {
			p.line(0, "")
		}
		p.report(r)
	}
	if len(quiet) > 0 {
		p.quiet(quiet)
	}
	for _, text := range c.Complaints {
		p.line(0, p.color(red, "not passed: ")+printable(text, maxSentence))
	}
	_, err := w.Write(p.b.Bytes())
	return err
}

type printer struct {
	b bytes.Buffer
	o TextOptions
}

func printable(s string, columns int) string { return terminal.Clip(terminal.Printable(s), columns) }

func name(s string) string { return printable(s, maxName) }

func (p *printer) color(code, s string) string {
	if !p.o.Color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *printer) line(indent int, s string) {
	p.b.WriteString(strings.TrimRight(strings.Repeat(" ", indent)+s, " "))
	p.b.WriteByte('\n')
}

// quiet names the portals without a difference in one line.
func (p *printer) quiet(portals []string) {
	if p.b.Len() > 0 && !p.o.Brief {
		p.line(0, "")
	}
	text := "nobody's access differs at " + sample(portals[:min(len(portals), maxQuiet)], len(portals), name)
	if rest := len(portals) - maxQuiet; rest > 0 {
		text += " and " + plural(rest, "more portal")
	}
	p.line(0, p.color(green, text))
}

func (p *printer) report(r *accessdiff.Report) {
	p.line(0, p.color(bold, name(r.Portal))+": "+name(r.Before)+" -> "+name(r.After))
	color := green
	if r.Lost > 0 {
		color = red
	} else if !r.Empty() || !r.Complete() {
		color = yellow
	}
	p.line(2, p.color(color, Summary(r))+p.color(dim, " ("+effort(r)+")"))
	if r.LockedOut {
		p.line(2, p.color(red, "LOCKED OUT: "+lockedOut))
	}
	p.missing(r)
	shown := r.Changes[:min(len(r.Changes), p.most(maxChanges, briefChanges))]
	for i := range shown {
		p.change(&shown[i])
	}
	if rest := r.Changes[len(shown):]; len(rest) > 0 {
		p.line(2, p.color(dim, "and "+plural(len(rest), "more change")))
	}
}

func (p *printer) most(whole, brief int) int {
	if p.o.Brief {
		return brief
	}
	return whole
}

// missing tells that the report is not whole, and why.
func (p *printer) missing(r *accessdiff.Report) {
	shown := r.Missing[:min(len(r.Missing), p.most(maxMissing, briefMissing))]
	for _, why := range shown {
		p.line(2, p.color(red, "INCOMPLETE: ")+printable(why, maxSentence))
	}
	if rest := len(r.Missing) - len(shown); rest > 0 {
		p.line(2, p.color(red, "INCOMPLETE: ")+"and "+plural(rest, "more reason"))
	}
}

func (p *printer) change(c *accessdiff.Change) {
	word, color := "OTHER ", yellow
	switch c.Kind {
	case accessdiff.Lost:
		word, color = "LOST  ", red
	case accessdiff.Gained:
		word, color = "GAINED", green
	}
	if p.o.Brief {
		p.line(2, p.color(color, word)+" "+terminal.Clip(headline(c, name), max(p.o.Width-9, minWidth)))
		if len(c.Groups) > 0 {
			p.group(9, &c.Groups[0], len(c.Groups)-1)
		}
		return
	}
	p.line(0, "")
	p.line(2, p.color(color, word)+" "+p.color(bold, headline(c, name)))
	if c.Kind == accessdiff.Changed {
		p.places(c, otherPlaces)
		if len(c.Groups) > 0 {
			p.group(9, &c.Groups[0], len(c.Groups)-1)
		}
		return
	}
	p.places(c, maxPlaces)
	shown := c.Groups[:min(len(c.Groups), maxGroups)]
	for i := range shown {
		p.group(9, &shown[i], 0)
	}
	if rest := c.Groups[len(shown):]; len(rest) > 0 {
		p.line(9, p.color(dim, fmt.Sprintf("and %s in %s", plural(usersIn(rest), "more user"), plural(len(rest), "more group"))))
	}
}

// places shows where the change is, with both answers; of a single place, which the
// headline names, the answers alone.
func (p *printer) places(c *accessdiff.Change, most int) {
	all := spots(c.Places)
	if len(all) == 1 {
		before, after := sides(&all[0].Place)
		p.line(9, p.color(dim, name(before)+" -> "+name(after)))
		return
	}
	shown := all[:min(len(all), most)]
	var rows [][2]string
	widest := 0
	for i := range shown {
		s := &shown[i]
		before, after := sides(&s.Place)
		row := [2]string{s.doing(name) + " at " + s.target(name), name(before) + " -> " + name(after)}
		widest = max(widest, terminal.Width(row[0]))
		rows = append(rows, row)
	}
	widest = min(widest, p.o.Width/2)
	for _, row := range rows {
		p.line(9, terminal.Pad(row[0], widest)+"  "+p.color(dim, row[1]))
	}
	if rest := len(all) - len(shown); rest > 0 {
		p.line(9, p.color(dim, "and "+plural(rest, "more place")))
	}
}

// group shows users who are alike. more is how many groups there are beside it.
func (p *printer) group(indent int, g *accessdiff.Group, more int) {
	s := plural(g.Users, "user") + ": " + alike(g, name) + ": " + sample(g.Sample, g.Users, name)
	end := ""
	if more > 0 {
		end = ", and " + plural(more, "more group")
	}
	room := max(p.o.Width-indent-terminal.Width(end), minWidth)
	p.line(indent, terminal.Clip(s, room)+end)
}

// alike returns what the users of a group have in common.
func alike(g *accessdiff.Group, name func(string) string) string {
	s := "no type"
	if g.UserType != "" {
		s = name(g.UserType)
	}
	if g.Account != "" {
		s += " of " + name(g.Account)
	}
	if len(g.Roles) > 0 {
		s += " with " + name(strings.Join(g.Roles, ", "))
	}
	return s
}
