package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestExaminationsRunBelowDecisions: the threads of a check or a preview have a
// lower priority than those of decisions, as has the one that builds what is published.
func TestExaminationsRunBelowDecisions(t *testing.T) {
	t.Parallel()
	d := servedDemo(t)
	require.Equal(t, 1, d.below(t), "nothing is examined yet")
	done := make(chan struct{})
	seen := make(chan bool, 1)
	go func() {
		for {
			if d.below(t) > 1 {
				seen <- true
				return
			}
			select {
			case <-done:
				seen <- false
				return
			case <-time.After(100 * time.Microsecond):
			}
		}
	}()
	d.drafted(t, "looked at", nil)
	close(done)
	require.True(t, <-seen)
}

// below returns how many threads of the server have a lower priority.
func (d *desk) below(t *testing.T) (n int) {
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", d.process.cmd.Process.Pid))
	if err != nil {
		t.Error(err)
	}
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 16 && fields[16] == "5" {
			n++
		}
	}
	return n
}
