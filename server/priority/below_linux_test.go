package priority

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// nices returns the niceness of each thread of the process.
func nices(t *testing.T) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/self/task/*/stat")
	require.NoError(t, err)
	var all []int
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		n, err := strconv.Atoi(strings.Fields(rest)[16])
		require.NoError(t, err)
		all = append(all, n)
	}
	return all
}

func TestBelowHasALowerPriority(t *testing.T) {
	for range 10 { // one of them may come upon the first thread
		Below(func() { require.Contains(t, nices(t), niceness) })
		require.Eventually(t, func() bool { return !slices.Contains(nices(t), niceness) }, 10*time.Second, time.Millisecond, "the thread ends with the work")
	}
}
