package authz

import (
	"fmt"
	"maps"
	slashed "path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// policyEndings are those of the files that a policy may hold.
var policyEndings = []string{".rego", ".yaml", ".yml", ".json", ".txt", ".md"}

// Validate returns all that is wrong with the revision as it would be stored. Whether
// its Rego compiles is for who compiles it.
func (r *PolicyRevision) Validate() Faults {
	var f Faults
	if r.Number < 1 {
		f.note("number", fmt.Sprintf("is %d: want 1 or more", r.Number))
	}
	if r.Parent < 0 || r.Parent > 0 && r.Parent >= r.Number {
		f.note("parent", fmt.Sprintf("is %d: want the number of an earlier revision, or 0 for none", r.Parent))
	}
	f.note("author", textFault(r.Author))
	f.note("user", textFault(r.User))
	f.remark("message", r.Message)
	f.moment("at", r.At)
	f.files(r.Files)
	f.outcome(r)
	return f
}

// outcome checks what has come of a revision.
func (f *Faults) outcome(r *PolicyRevision) {
	if c := r.Checked; c != nil {
		f.moment("checked.at", c.At)
		for i, s := range c.Faults {
			f.note("checked.faults["+strconv.Itoa(i)+"]", textFault(s))
		}
	}
	if d := r.Difference; d != nil {
		f.moment("difference.at", d.At)
	}
	for i, a := range r.Approvals {
		at := "approvals[" + strconv.Itoa(i) + "]"
		f.note(at+".by", textFault(a.By))
		f.note(at+".user", textFault(a.User))
		f.moment(at+".at", a.At)
		f.remark(at+".note", a.Note)
	}
	for i, p := range r.Publications {
		at := "publications[" + strconv.Itoa(i) + "]"
		f.note(at+".by", textFault(p.By))
		f.moment(at+".at", p.At)
	}
}

// remark checks a text that people write.
func (f *Faults) remark(at, s string) {
	if len(s) > MaxPolicyMessage {
		f.note(at, fmt.Sprintf("is too long, %d bytes: at most %d", len(s), MaxPolicyMessage))
		return
	}
	f.note(at, textFault(s))
}

// moment checks a time that is to be read as it was written.
func (f *Faults) moment(at string, t time.Time) {
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		f.note(at, t.Format(time.RFC3339Nano)+" is finer than a millisecond, which the store does not keep: round it")
	}
}

// files checks the paths and texts in the order of the paths. There is no end of what
// can be wrong with them, and no use in telling all of it.
func (f *Faults) files(files map[string]string) {
	if len(files) > MaxPolicyFiles {
		f.note("files", fmt.Sprintf("are %d: a policy has at most %d", len(files), MaxPolicyFiles))
		return
	}
	size, rego := 0, false
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text, at := files[name], memberPath("files", name)
		size += len(text)
		rego = rego || isModule(name)
		if len(*f) == maxDocumentFaults {
			return
		}
		if msg := fileFault(files, name); msg != "" {
			f.note(at, msg)
			continue
		}
		f.note(at, contentFault(text))
	}
	if size > MaxPolicySize {
		f.note("files", fmt.Sprintf("take %d bytes: a policy has at most %d", size, MaxPolicySize))
	}
	if !rego {
		f.note("files", "hold no Rego module: an empty policy decides nothing; add at least one .rego file that is no _test.rego")
	}
}

// isModule reports whether the file is compiled into the policy.
func isModule(name string) bool {
	return strings.HasSuffix(name, ".rego") && !strings.HasSuffix(name, "_test.rego")
}

// fileFault says what is wrong with the path of a file among the others, or "". It is
// to be the same file on every machine, and inside the folder that it is written to.
func fileFault(files map[string]string, name string) string {
	if msg := idFault(name); msg != "" {
		return msg
	}
	if strings.ContainsAny(name, `\:`) || strings.ContainsFunc(name, unicode.IsControl) {
		return "is no path: want names joined by \"/\", without \"\\\" and \":\""
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "":
			return "is no path within the policy: want one that does not begin or end with \"/\", without empty names"
		case part == "..":
			return "leads out of the policy: leave \"..\" out"
		case part[0] == '.':
			return fmt.Sprintf("has the name %s, which begins with a dot: such files are passed over; leave it out", quote(part))
		}
	}
	if !slices.Contains(policyEndings, slashed.Ext(name)) {
		return "is no kind of file that a policy has: want one that ends in " + strings.Join(policyEndings, ", ")
	}
	for dir := slashed.Dir(name); dir != "."; dir = slashed.Dir(dir) {
		if _, both := files[dir]; both {
			return fmt.Sprintf("lies in %s, which is a file itself: rename one of the two", quote(dir))
		}
	}
	return ""
}

// contentFault says what is wrong with the text of a file, or "".
func contentFault(text string) string {
	switch {
	case len(text) > MaxPolicyFile:
		return fmt.Sprintf("takes %d bytes: a file has at most %d", len(text), MaxPolicyFile)
	case strings.Contains(text, "\x00"):
		return "holds a zero byte, which no text does: leave the file out"
	case textFault(text) != "":
		return "is not valid UTF-8: save it as UTF-8"
	}
	return ""
}
