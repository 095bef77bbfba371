package policytest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// survivorsFile explains, beside the suites, the mutants that no case can notice.
const survivorsFile = "survivors.txt"

// survivors are its lines that no mutant has taken yet. Each stands for one
// mutant.
type survivors []survivor

type survivor struct {
	dir, key, reason string
	line             int
}

// read adds the lines of the folder's file, if it has one.
func (s *survivors) read(dir string) error {
	name := path.Join(dir, survivorsFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return authz.Errorf(authz.Unavailable, "%s: cannot be read: %s", name, plainly(err)).Because(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, _ := strings.Cut(line, "  # ")
		if strings.TrimSpace(reason) == "" {
			return authz.Errorf(authz.Invalid, "%s:%d: says no reason: want mutant, two spaces, # and why no case can notice it", name, n)
		}
		*s = append(*s, survivor{dir, key, reason, n})
	}
	return nil
}

// explain takes the line that stands for the mutant and returns its reason, or "".
func (s *survivors) explain(m *mutant) string {
	i := slices.IndexFunc(*s, func(x survivor) bool { return x.key == m.key && slices.Contains(m.dirs, x.dir) })
	if i < 0 {
		return ""
	}
	reason := (*s)[i].reason
	*s = slices.Delete(*s, i, i+1)
	return reason
}

func (s survivors) unused() []string {
	var lines []string
	for _, x := range s {
		lines = append(lines, fmt.Sprintf("%s:%d: %s", path.Join(x.dir, survivorsFile), x.line, x.key))
	}
	return lines
}
