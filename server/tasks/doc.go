// Package tasks does the stored tasks of all portals when their time has come:
// those that write an entity through a [Performer], mails through a [Deliverer].
//
// A [Runner] looks for due tasks at once after a write of this process and every
// second besides, in batches. It does the tasks of one portal one after another,
// those that have been due for longest first, and those of a few portals at a
// time. Several processes may run tasks of one store: a task is claimed before it
// is tried, by one process at a time, and a claim ends by itself, so that the
// tasks of a process that died are taken by another.
//
// What writes an entity is done exactly once, for the write settles its task in
// the same changeset. A mail is delivered at least once, under the same name each
// time: whoever dies between the receiver's answer and settling the task sends it
// again.
//
// A refusal is final at once. A failure of the store or of the receiver is tried
// again after a second, then after twice as long each time up to ten minutes, and a
// little longer so that tasks do not come in crowds; a receiver may ask for more,
// up to an hour. After twelve attempts, or when a day has passed since the first,
// the task is dead. Refused and dead tasks stay until someone sets them going by
// hand; done ones are forgotten after thirty days.
package tasks
