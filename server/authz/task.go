package authz

import "time"

// TaskState is where a stored task stands.
type TaskState string

const (
	TaskPending TaskState = "pending" // waits for its time, or for another attempt
	TaskDone    TaskState = "done"
	TaskRefused TaskState = "refused" // the policy or the data does not let it; it is not tried again by itself
	TaskDead    TaskState = "dead"    // given up after its last attempt
)

// StoredTask is a task that waits to be done, or was.
type StoredTask struct {
	Task
	Name   string // the store's own name of it; later ones sort after earlier ones
	Portal string
	// Cause is the entity whose write led here, and Actor who wrote it, as AuditEntry
	// names actors.
	Cause     Key
	Actor     string
	CreatedAt time.Time
	Due       time.Time
	State     TaskState
	Attempts  int       // begun, since it was stored or last set going by hand
	Since     time.Time // when the first of them began
	Error     string    // why the last attempt failed, or what the task waits for
	DoneAt    time.Time
	Depth     int // of tasks that led to tasks that led to this one
}

// MaxTaskDepth bounds chains of tasks: what a deeper one would lead to is refused.
const MaxTaskDepth = 8

// TaskOutcome is what came of an attempt at a task.
type TaskOutcome struct {
	Name     string
	State    TaskState
	Attempts int
	Error    string
	Due      time.Time // when it is tried next, of a pending one
	At       time.Time
}

// Latch says that a task with Once has been stored for the entity.
type Latch struct {
	Entity Key
	Task   string // its id
}

// DueQuery asks for the pending tasks whose time has come and that nobody is at,
// those that have been due for longest first.
type DueQuery struct {
	Now   time.Time
	But   []string // portals whose tasks are left out; at most MaxPage
	Held  string   // tasks with this Error are left out: what they wait for is missing still; empty: none are
	Limit int      // 1 to MaxPage
}

// TaskQuery asks for stored tasks, newest first.
type TaskQuery struct {
	Portal string
	State  TaskState // empty: any
	After  string    // TaskPage.Next of the page before
	Limit  int       // 1 to MaxPage
}

// TaskPage is one page of tasks.
type TaskPage struct {
	Tasks []StoredTask
	Next  string // empty after the last
}
