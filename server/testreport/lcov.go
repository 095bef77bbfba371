package testreport

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/portcullis-authz/portcullis/server/policytest"
)

// LCOV writes the coverage as an LCOV tracefile, which editors and CI services read.
// A line was met or not: its count is 1 or 0. locate turns a module's path into a
// file's; nil leaves it as it is.
func LCOV(w io.Writer, c *policytest.Coverage, locate func(file string) string) error {
	var b bytes.Buffer
	for i := range c.Files {
		f := &c.Files[i]
		file := f.File
		if locate != nil {
			file = locate(file)
		}
		fmt.Fprintf(&b, "TN:\nSF:%s\n", legal(file))
		hits := map[int]int{}
		mark(hits, f.Covered, 1)
		mark(hits, f.Missed, 0)
		met := 0
		for _, line := range slices.Sorted(maps.Keys(hits)) {
			fmt.Fprintf(&b, "DA:%d,%d\n", line, hits[line])
			met += hits[line]
		}
		fmt.Fprintf(&b, "LF:%d\nLH:%d\nend_of_record\n", len(hits), met)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func mark(hits map[int]int, ranges []policytest.Range, hit int) {
	for _, r := range ranges {
		for line := r.From; line <= r.To; line++ {
			hits[line] = hit
		}
	}
}
