package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// finding is a line of check: file, line, column, what was checked, and the fault.
var finding = regexp.MustCompile(`^[\w./-]+:[1-9]\d*:[1-9]\d*: \[[a-z-]+\] (.+)$`)

// remedies are the words with which messages say what would be right.
var remedies = regexp.MustCompile(`(: want|; want|did you mean|: add |: remove|: name |: quote|: indent|: write|refused: write|; (say|write|read|give|end|take|add|use|bind|begin|break|close|compare|make|rename|state)\b)`)

// TestMalformed checks one mistake each, folder by folder: the finding is as its
// want.txt has it, and has its place, the fault and a remedy. With UPDATE_MALFORMED
// set, want.txt is written.
func TestMalformed(t *testing.T) {
	folders, err := filepath.Glob("testdata/malformed/*/*")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(folders), 30)
	for _, dir := range folders {
		t.Run(strings.TrimPrefix(filepath.ToSlash(dir), "testdata/malformed/"), func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(program, "check", "--strict")
			cmd.Dir = dir
			text, err := cmd.Output()
			require.Error(t, err, "a mistake fails the check")
			got := string(text)
			file := filepath.Join(dir, "want.txt")
			if os.Getenv("UPDATE_MALFORMED") != "" {
				require.NoError(t, os.WriteFile(file, text, 0o600))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
			lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
			for _, line := range lines[:len(lines)-1] {
				require.Regexp(t, finding, line)
				require.Regexp(t, remedies, line)
			}
		})
	}
}
