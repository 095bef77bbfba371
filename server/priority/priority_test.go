package priority

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBelow(t *testing.T) {
	done := false
	Below(func() { done = true })
	require.True(t, done)
	func() {
		defer func() {
			said, _ := recover().(string)
			require.True(t, strings.HasPrefix(said, "a stone in the mill\n"), said)
			require.Contains(t, said, "priority.breaks(", "where the work panicked")
		}()
		Below(breaks)
		t.Error("it panics")
	}()
	Below(func() { runtime.Goexit() }) // as a test that fails does
}

//go:noinline
func breaks() { panic("a stone in the mill") }

func TestDecisions(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() {
		runtime.GOMAXPROCS(before)
		debug.SetGCPercent(100)
	})
	t.Setenv("GOGC", "")
	for _, name := range []string{"GOMAXPROCS", "GOGC", "GOMEMLIMIT"} {
		require.NoError(t, os.Unsetenv(name))
	}
	debug.SetGCPercent(100)
	require.Equal(t, before, Decisions(t.Context(), 2))
	require.Equal(t, 3*before, runtime.GOMAXPROCS(0))
	require.Equal(t, 400, debug.SetGCPercent(100))

	for set, want := range map[int]int{1: 1, 2: 1, 6: 2, 7: 2} {
		runtime.GOMAXPROCS(set)
		t.Setenv("GOMAXPROCS", fmt.Sprint(set))
		t.Setenv("GOMEMLIMIT", "1GiB")
		require.Equal(t, want, Decisions(t.Context(), 2))
		require.Equal(t, set, runtime.GOMAXPROCS(0))
	}
	require.Equal(t, 100, debug.SetGCPercent(100), "what the operator says stands")
}

func TestPercent(t *testing.T) {
	for inUse, want := range map[uint64]int{
		0: 400, 1 << 20: 400, 32 << 20: 400, 64 << 20: 200, 100 << 20: 128, 128 << 20: 100, 1 << 30: 100, 1 << 40: 100,
	} {
		require.Equal(t, want, percent(inUse), "%d bytes", inUse)
	}
}
