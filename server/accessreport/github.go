package accessreport

import (
	"bytes"
	"io"

	"github.com/portcullis-authz/portcullis/server/testreport"
)

// GitHub writes the comparison as workflow commands, which GitHub shows as
// annotations: an error for each complaint, a warning for each portal where somebody
// loses access, and a notice for each other one where access differs.
func GitHub(w io.Writer, c *Comparison) error {
	var b bytes.Buffer
	for _, r := range c.Reports {
		if r.Empty() && !r.LockedOut && r.Complete() {
			continue
		}
		level, text := "notice", Summary(r)
		if r.Lost > 0 || r.LockedOut || !r.Complete() {
			level = "warning"
		}
		if r.LockedOut {
			text += "\nLOCKED OUT: " + lockedOut
		}
		for _, why := range r.Missing[:min(len(r.Missing), maxMissing)] {
			text += "\nINCOMPLETE: " + printable(why, maxSentence)
		}
		testreport.Annotate(&b, level, "", 0, "access at "+r.Portal, text)
	}
	for _, text := range c.Complaints {
		testreport.Annotate(&b, "error", "", 0, "portcullis diff", text)
	}
	_, err := w.Write(b.Bytes())
	return err
}
