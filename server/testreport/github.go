package testreport

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/portcullis-authz/portcullis/server/policytest"
	"github.com/portcullis-authz/portcullis/server/terminal"
)

// GitHub writes the run as workflow commands, which GitHub shows as annotations:
// an error for each failed case and each complaint, a warning for each case that is
// skipped. locate turns a suite's file into its path from the root of the
// repository; nil leaves it as it is.
func GitHub(w io.Writer, r *Run, locate func(file string) string) error {
	if locate == nil {
		locate = func(file string) string { return file }
	}
	var b bytes.Buffer
	for i := range r.Results {
		c := &r.Results[i]
		switch c.Status {
		case policytest.StatusPassed, policytest.StatusPending:
		case policytest.StatusSkipped:
			Annotate(&b, "warning", locate(c.Suite), c.Line, title(c), "skipped: "+c.Why)
		default:
			Annotate(&b, "error", locate(c.Suite), c.Line, title(c), strings.Join(failure(c), "\n"))
		}
	}
	for _, c := range r.Complaints {
		file := c.File
		if file != "" {
			file = locate(file)
		}
		Annotate(&b, "error", file, c.Line, complaintSuite, c.Text)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// command returns s without the controls that a log would pass on to a terminal.
func command(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\r' {
			return -1
		}
		return r
	}, s)
}

// Annotate writes one workflow command. No file: it is about the run as a whole.
func Annotate(b *bytes.Buffer, level, file string, line int, title, message string) {
	b.WriteString("::" + level + " ")
	if file != "" {
		fmt.Fprintf(b, "file=%s,line=%d,", propertyEscapes.Replace(command(file)), max(line, 1))
	}
	fmt.Fprintf(b, "title=%s::%s\n", propertyEscapes.Replace(command(terminal.Clip(title, maxValue))), messageEscapes.Replace(command(message)))
}

// The escapes of workflow commands. A raw end of line would end the command, and
// what follows it could be a command of its own.
var (
	messageEscapes  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
