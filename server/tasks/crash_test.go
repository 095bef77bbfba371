package tasks_test

func childMain() bool { return false }
