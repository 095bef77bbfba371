package testreport

import (
	"unicode/utf8"

	"github.com/portcullis-authz/portcullis/server/terminal"
)

// window returns of two long texts as much as n columns hold of each, from a little
// before where they part: what differs is always seen.
func window(want, got string, n int) (string, string) {
	if terminal.Width(want) <= n && terminal.Width(got) <= n {
		return want, got
	}
	from := commonPrefix(want, got)
	if from <= n/2 {
		return terminal.Clip(want, n), terminal.Clip(got, n)
	}
	from -= n / 4
	for !utf8.RuneStart(want[from]) {
		from--
	}
	return "..." + terminal.Clip(want[from:], n-3), "..." + terminal.Clip(got[from:], n-3)
}

func commonPrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return min(n, len(a)-1, len(b)-1)
}
