package main

import (
	"fmt"
	"io"
	"os"
)

// progress shows how far a long piece of work is: on a terminal as one line that
// changes, elsewhere as a line for each tenth.
type progress struct {
	w        io.Writer
	doing    string // such as "writing"
	things   string // such as "documents"
	quiet    bool
	terminal bool
	tenth    int
	shown    bool
}

func newProgress(w io.Writer, doing, things string, quiet bool) *progress {
	return &progress{w: w, doing: doing, things: things, quiet: quiet, tenth: -1, terminal: isTerminal(w)}
}

// isTerminal reports whether what is written to w is seen at once.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *progress) show(done, total int) {
	if p.quiet || total == 0 {
		return
	}
	if p.terminal {
		fmt.Fprintf(p.w, "\r%s %d of %d %s (%d %%)", p.doing, done, total, p.things, 100*done/total)
		p.shown = true
		return
	}
	if tenth := 10 * done / total; tenth != p.tenth {
		p.tenth = tenth
		fmt.Fprintf(p.w, "%s %d of %d %s (%d %%)\n", p.doing, done, total, p.things, 100*done/total)
	}
}

func (p *progress) end() {
	if p.shown {
		fmt.Fprintln(p.w)
	}
}
