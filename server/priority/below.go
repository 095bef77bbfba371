package priority

import (
	"fmt"
	"runtime/debug"
)

// Below does the work on a thread of its own, which the system, where it can, lets wait
// while other threads have something to do, for most of the time. It returns when the work
// is done. A panic of the work is one of Below, and says where it was.
func Below(work func()) {
	done := make(chan any)
	go func() {
		var cause any
		defer func() { done <- cause }()
		defer func() {
			if v := recover(); v != nil {
				cause = fmt.Sprintf("%v\n%s", v, debug.Stack())
			}
		}()
		below(work)
	}()
	if cause := <-done; cause != nil {
		panic(cause)
	}
}
