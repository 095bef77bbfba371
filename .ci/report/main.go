// Report reads the events of go test -json from its standard input and shows what
// a reader needs: a line for each package, the output of what failed, what was
// skipped, and the totals. It exits 1 when a test or a package failed, when a test
// was skipped that may not be, and when no test ran.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// module is left out of the names of packages.
const module = "github.com/portcullis-authz/portcullis/"

// maySkip names the tests that may be skipped, as "package test", and why. A test
// that is not here always runs in CI.
var maySkip = map[string]string{}

// event is one line of go test -json.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of a package that does not build
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

// test names a test; with an empty name, a package.
type test struct{ pkg, name string }

// report is what the events come to.
type report struct {
	out                     io.Writer
	output                  map[test][]string // of what has not ended
	passed, failed, skipped int
	broken                  int // packages that failed, and skips that may not be
}

func main() {
	r := &report{out: os.Stdout, output: make(map[test][]string)}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(r.out, lines.Text()) // go itself, not a test
			continue
		}
		r.add(e)
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(r.out, "the events cannot be read:", err)
		os.Exit(1)
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	if r.failed+r.broken > 0 || r.passed == 0 {
		os.Exit(1)
	}
}

func (r *report) add(e event) {
	t := test{strings.TrimPrefix(e.Package, module), e.Test}
	switch e.Action {
	case "output":
		r.output[t] = append(r.output[t], e.Output)
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(t, e)
		} else {
			r.endTest(t, e.Action)
		}
		delete(r.output, t)
	}
}

func (r *report) endTest(t test, action string) {
	switch action {
	case "pass":
		r.passed++
	case "fail":
		r.failed++
		fmt.Fprint(r.out, strings.Join(r.output[t], ""))
	case "skip":
		r.skipped++
		if why, ok := maySkip[t.pkg+" "+t.name]; ok {
			fmt.Fprintf(r.out, "skip  %s %s: %s\n", t.pkg, t.name, why)
			return
		}
		r.broken++
		fmt.Fprintf(r.out, "%sskip  %s %s: is not in the list of tests that may be skipped\n", strings.Join(r.output[t], ""), t.pkg, t.name)
	}
}

// endPackage shows a package. Tests that never ended, as after a panic or a
// timeout, show what they wrote. A package without tests is a skip.
func (r *report) endPackage(t test, e event) {
	if e.Action == "skip" {
		return
	}
	if e.Action == "fail" {
		r.broken++
		for open, output := range r.output {
			if open.pkg == t.pkg {
				fmt.Fprint(r.out, strings.Join(output, ""))
			}
		}
	}
	took := time.Duration(e.Elapsed * float64(time.Second)).Round(10 * time.Millisecond)
	fmt.Fprintf(r.out, "%-5s %s %s\n", e.Action, t.pkg, took)
}
