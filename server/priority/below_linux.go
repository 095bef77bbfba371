package priority

import (
	"runtime"
	"syscall"
)

// niceness of work below: it gets a third of the time that a thread gets beside it.
const niceness = 5

// below ties the goroutine to its thread, which ends with it: who may lower a priority
// may not raise it again. To Linux each thread is a process with a priority of its own.
// Where the system refuses, the work has the priority of everything else.
func below(work func()) {
	runtime.LockOSThread()
	thread := syscall.Gettid()
	if thread == syscall.Getpid() { // the first thread never ends: hold it, and take another
		defer runtime.UnlockOSThread()
		Below(work)
		return
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, thread, niceness)
	work()
}
