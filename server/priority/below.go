package priority

// Below does the work on a thread of its own, which the system, where it can, runs only
// when no other thread of the process has anything to do, or for a small part of the
// time. It returns when the work is done. A panic of the work is one of Below.
func Below(work func()) {
	done := make(chan any)
	go func() {
		var cause any
		defer func() { done <- cause }()
		defer func() { cause = recover() }()
		below(work)
	}()
	if cause := <-done; cause != nil {
		panic(cause)
	}
}
