package testreport

import (
	"io"

	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// briefly is how many failed cases [Brief] shows.
const briefly = 5

// Brief writes the run in a few lines: of the first failed cases, each in one, how
// many more there are, and the summary.
func Brief(w io.Writer, r *Run, o TextOptions) error {
	p := newPrinter(o)
	for i := range r.Results {
		c := &r.Results[i]
		switch c.Status {
		case policytest.StatusPassed, policytest.StatusSkipped, policytest.StatusPending:
			continue
		}
		if p.failed++; p.failed <= briefly {
			p.line(0, p.color(red, "FAIL")+" "+terminal.Clip(terminal.Printable(place(c.Suite, c.Line)+" "+title(c)+": "+short(c)), maxValue))
		}
	}
	if rest := p.failed - briefly; rest > 0 {
		p.line(0, p.color(red, "FAIL")+" and "+plural(rest, "more case"))
	}
	p.summary(r)
	_, err := w.Write(p.b.Bytes())
	return err
}
