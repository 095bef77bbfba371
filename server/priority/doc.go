// Package priority has decisions go before all else that a serving process does. They
// take microseconds, and a portal waits for each; a check or a preview of a policy
// takes seconds of every processor, and leaves garbage. Without more, Go's runtime gives
// each goroutine that computes 10 ms at a time, decisions wait their turn, and then for
// the garbage collector.
package priority
