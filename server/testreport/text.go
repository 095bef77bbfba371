package testreport

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// TextOptions say how [Text] writes.
type TextOptions struct {
	Verbose bool   // every case, all facts, all missed lines
	Color   bool   // with the escape sequences of terminals
	Width   int    // columns; 0 is 100
	Stamp   string // stands before the summary
}

const (
	defaultWidth = 100
	minWidth     = 40
	// withFacts is of how many failed cases the facts are shown: with more, one
	// cause is behind most, and the list itself matters.
	withFacts = 10
)

// Colours of a terminal.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
	dim    = "2"
)

// Text writes the run for people: failed cases in full, skipped ones by name, the
// coverage as a table, the complaints, and the summary as the last line. What passed
// and what is pending is only counted unless o.Verbose.
func Text(w io.Writer, r *Run, o TextOptions) error {
	p := newPrinter(o)
	for i := range r.Results {
		p.result(&r.Results[i])
	}
	if r.Coverage != nil {
		p.coverage(r.Coverage)
	}
	for _, c := range r.Complaints {
		p.line(0, p.color(red, "not passed: ")+terminal.Printable(c.String()))
	}
	p.summary(r)
	_, err := w.Write(p.b.Bytes())
	return err
}

func (p *printer) summary(r *Run) {
	color := green
	if Count(r.Results).Failed > 0 || len(r.Complaints) > 0 {
		color = red
	}
	p.line(0, strings.TrimSpace(p.o.Stamp+" "+p.color(color, Summary(r.Report))))
}

// printer gathers text.
type printer struct {
	b      bytes.Buffer
	o      TextOptions
	failed int
}

func newPrinter(o TextOptions) *printer {
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	o.Width = max(o.Width, minWidth)
	return &printer{o: o}
}

func (p *printer) color(code, s string) string {
	if !p.o.Color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *printer) line(indent int, s string) {
	p.b.WriteString(strings.Repeat(" ", indent))
	p.b.WriteString(s)
	p.b.WriteByte('\n')
}

// result shows one result in as much detail as its status deserves.
func (p *printer) result(r *policytest.Result) {
	switch r.Status {
	case policytest.StatusPassed:
		if p.o.Verbose {
			p.heading("ok  ", green, r, "("+took(r.Took)+")")
		}
	case policytest.StatusSkipped:
		p.heading("skip", yellow, r, "("+r.Why+")")
	case policytest.StatusPending:
		if p.o.Verbose {
			p.heading("wait", dim, r, "("+r.Why+")")
		}
	default:
		p.failure(r)
	}
}

func (p *printer) heading(word, color string, r *policytest.Result, more string) {
	s := terminal.Printable(strings.TrimSpace(strings.Join([]string{place(r.Suite, r.Line), title(r), more}, " ")))
	p.line(0, p.color(color, word)+" "+terminal.Clip(s, max(4*p.o.Width, maxValue)))
}

func (p *printer) failure(r *policytest.Result) {
	p.failed++
	p.heading("FAIL", red, r, "")
	if q := question(r); q != "" {
		p.line(2, terminal.Printable(terminal.Clip(q, maxValue)))
	}
	p.diffs(r.Diffs)
	if r.Err != "" {
		p.lines(2, strings.Split(r.Err, "\n"))
	}
	p.rules(r.Rules)
	if len(r.Output) > 0 {
		p.line(2, "output")
		p.lines(4, r.Output)
	}
	if len(r.Facts) > 0 && (p.failed <= withFacts || p.o.Verbose) {
		p.facts(r)
	}
	p.b.WriteByte('\n')
}

// lines shows texts that may be long, within bounds.
func (p *printer) lines(indent int, lines []string) {
	for _, l := range head(lines, maxLines) {
		p.line(indent, terminal.Clip(terminal.Printable(strings.TrimRight(l, "\r\n")), maxValue))
	}
}

// diffs shows what was wanted beside what came, or below each other what is too
// long for that.
func (p *printer) diffs(diffs []policytest.Diff) {
	if len(diffs) == 0 {
		return
	}
	rows := [][3]string{{"", "want", "got"}}
	var long [][3]string
	for _, d := range diffs {
		row := [3]string{terminal.Printable(d.Name), terminal.Printable(orAbsent(d.Want)), terminal.Printable(orAbsent(d.Got))}
		if column := (p.o.Width - terminal.Width(row[0]) - 8) / 2; max(terminal.Width(row[1]), terminal.Width(row[2])) > column {
			long = append(long, row)
		} else {
			rows = append(rows, row)
		}
	}
	if len(rows) > 1 {
		p.table(rows)
	}
	for _, row := range long {
		want, got := window(row[1], row[2], maxValue)
		p.line(4, p.color(bold, row[0]))
		p.line(6, "want  "+p.color(green, want))
		p.line(6, "got   "+p.color(red, got))
	}
}

func (p *printer) table(rows [][3]string) {
	var widths [2]int
	for _, row := range rows {
		for i := range widths {
			widths[i] = max(widths[i], terminal.Width(row[i]))
		}
	}
	for i, row := range rows {
		name, want, got := terminal.Pad(row[0], widths[0]), terminal.Pad(row[1], widths[1]), row[2]
		if i == 0 {
			p.line(4, p.color(dim, name+"  "+want+"  "+got))
			continue
		}
		p.line(4, p.color(bold, name)+"  "+p.color(green, want)+"  "+p.color(red, got))
	}
}

func (p *printer) rules(rules []policytest.Rule) {
	if len(rules) == 0 {
		return
	}
	p.line(2, "decided by")
	var lines []string
	for i := range rules {
		lines = append(lines, ruleLine(&rules[i]))
	}
	p.lines(4, lines)
}

// facts shows what the case was decided on.
func (p *printer) facts(r *policytest.Result) {
	lines, all := factLines(r.Facts, p.o.Width-4, p.o.Verbose)
	if len(lines) == 0 {
		return
	}
	p.line(2, "the facts")
	for _, l := range lines {
		p.line(4, terminal.Printable(l))
	}
	if !all {
		p.line(4, p.color(dim, "(shortened; --verbose shows all)"))
	}
}

// coverage shows a line for each file, those with the most missed lines last and so
// nearest to the summary.
func (p *printer) coverage(c *policytest.Coverage) {
	files := slices.Clone(c.Files)
	slices.SortStableFunc(files, func(a, b policytest.FileCoverage) int { return a.MissedLines - b.MissedLines })
	widest := terminal.Width("in all")
	for i := range files {
		widest = max(widest, terminal.Width(terminal.Printable(files[i].File)))
	}
	p.line(0, p.color(bold, "coverage of Rego by line"))
	for i := range files {
		f := &files[i]
		s := fmt.Sprintf("%s %8s", terminal.Pad(terminal.Printable(f.File), widest), Percent(filePercent(f)))
		if f.MissedLines > 0 {
			s += "  missed " + p.missed(f.Missed, max(p.o.Width-terminal.Width(s)-11, minWidth))
		}
		p.line(2, s)
	}
	p.line(2, fmt.Sprintf("%s %8s", terminal.Pad("in all", widest), Percent(c.Percent)))
}

// missed lists ranges of lines in at most room columns, but for one range and how
// many more there are; all of them when verbose.
func (p *printer) missed(ranges []policytest.Range, room int) string {
	var b strings.Builder
	for i, r := range ranges {
		s := fmt.Sprint(r.From)
		if r.To != r.From {
			s = fmt.Sprintf("%d-%d", r.From, r.To)
		}
		if i > 0 && !p.o.Verbose && b.Len()+len(s)+len(", and 10 more") > room {
			fmt.Fprintf(&b, " and %d more", len(ranges)-i)
			break
		}
		if i > 0 {
			s = ", " + s
		}
		b.WriteString(s)
	}
	return b.String()
}

// filePercent returns how much of the file is covered; of a file with nothing to
// cover, all.
func filePercent(f *policytest.FileCoverage) float64 {
	if f.CoveredLines+f.MissedLines == 0 {
		return 100
	}
	return 100 * float64(f.CoveredLines) / float64(f.CoveredLines+f.MissedLines)
}
