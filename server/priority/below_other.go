//go:build !linux

package priority

// below has no way to lower the priority of one thread on this system.
func below(work func()) { work() }
