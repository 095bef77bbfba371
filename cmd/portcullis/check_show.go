package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/policy"
)

// show writes the findings. A file without a finding is not named.
func (k *checked) show(w io.Writer, format string) error {
	switch format {
	case "json":
		return k.showJSON(w)
	case "github":
		return k.showGitHub(w)
	case "sarif":
		return k.showSARIF(w)
	}
	var b strings.Builder
	for _, f := range k.findings {
		fmt.Fprintf(&b, "%s\n", f)
	}
	for _, rule := range slices.Sorted(maps.Keys(k.more)) {
		fmt.Fprintf(&b, "and %d more of %s: --max shows them\n", k.more[rule], rule)
	}
	for _, m := range k.missing {
		fmt.Fprintf(&b, "not looked at: %s\n", m)
	}
	of := fmt.Sprintf("%s, %s, %s", plural(k.policies, "policy file"), plural(k.portals, "portal"), plural(k.suites, "suite"))
	fmt.Fprintf(&b, "%s%s\n", k.sum(), of)
	_, err := io.WriteString(w, b.String())
	return err
}

// sum says how many findings there are, up to of what.
func (k *checked) sum() string {
	if len(k.findings) == 0 {
		return "nothing to mend: "
	}
	text := plural(k.count(policy.SeverityError), "error") + ", " + plural(k.count(policy.SeverityWarning), "warning")
	if n := k.count(policy.SeverityNote); n > 0 {
		text += ", " + plural(n, "note")
	}
	return text + " in "
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// shownFinding is a finding as JSON shows it.
type shownFinding struct {
	File     string          `json:"file"`
	Line     int             `json:"line,omitempty"`
	Column   int             `json:"column,omitempty"`
	Rule     string          `json:"rule"`
	Severity policy.Severity `json:"severity"`
	Message  string          `json:"message"`
	Fix      string          `json:"fix,omitempty"`
}

func (k *checked) showJSON(w io.Writer) error {
	out := struct {
		Compiles bool           `json:"compiles"`
		Errors   int            `json:"errors"`
		Warnings int            `json:"warnings"`
		Notes    int            `json:"notes,omitempty"`
		Findings []shownFinding `json:"findings"`
		More     map[string]int `json:"more,omitempty"`
		Missing  []string       `json:"missing,omitempty"`
	}{
		Compiles: !k.uncompiled, Errors: k.count(policy.SeverityError), Warnings: k.count(policy.SeverityWarning), Notes: k.count(policy.SeverityNote),
		Findings: []shownFinding{}, More: k.more, Missing: k.missing,
	}
	for _, f := range k.findings {
		out.Findings = append(out.Findings, shownFinding{f.File, f.Line, f.Column, f.Rule, f.Severity, f.Msg, f.Fix})
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

// showGitHub writes the findings as workflow commands, which GitHub shows at the lines.
func (k *checked) showGitHub(w io.Writer) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, f := range k.findings {
		at := "file=" + property.Replace(f.File)
		if f.Line > 0 {
			at += fmt.Sprintf(",line=%d,col=%d", f.Line, f.Column)
		}
		f.File, f.Line = "", 0
		level := string(f.Severity)
		if f.Severity == policy.SeverityNote {
			level = "notice"
		}
		if _, err := fmt.Fprintf(w, "::%s %s,title=%s::%s\n", level, at, property.Replace("check: "+f.Rule), data.Replace(strings.TrimPrefix(f.String(), ": "))); err != nil {
			return err
		}
	}
	for _, m := range k.missing {
		if _, err := fmt.Fprintf(w, "::notice title=check::not looked at: %s\n", data.Replace(m)); err != nil {
			return err
		}
	}
	return nil
}
