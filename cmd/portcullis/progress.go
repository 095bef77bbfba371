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
	quiet    bool
	terminal bool
	tenth    int
	shown    bool
}

func newProgress(w io.Writer, quiet bool) *progress {
	p := &progress{w: w, quiet: quiet, tenth: -1}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

func (p *progress) show(done, total int) {
	if p.quiet || total == 0 {
		return
	}
	if p.terminal {
		fmt.Fprintf(p.w, "\rwriting %d of %d documents (%d %%)", done, total, 100*done/total)
		p.shown = true
		return
	}
	if tenth := 10 * done / total; tenth != p.tenth {
		p.tenth = tenth
		fmt.Fprintf(p.w, "writing %d of %d documents (%d %%)\n", done, total, 100*done/total)
	}
}

func (p *progress) end() {
	if p.shown {
		fmt.Fprintln(p.w)
	}
}
