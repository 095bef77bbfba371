package mongodb

import (
	"context"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// agenda remembers until when no task is due, so that the embedded database, which
// reads all tasks to find those that are, is not asked in vain every second.
type agenda struct {
	news nudges

	mu     sync.Mutex
	writes int64 // counts writes of tasks
	held   string
	until  time.Time // nothing is due before, but what is held; zero: nobody knows
}

// changed forgets what was known, for a task was written.
func (a *agenda) changed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writes++
	a.until = time.Time{}
}

// tasksWritten tells who waits for tasks of a write that has made some.
func (s *Store) tasksWritten(made int) {
	if made > 0 {
		s.agenda.changed()
		s.agenda.news.all()
	}
}

// look reports whether it is known that the query finds nothing, and at which write.
func (a *agenda) look(q authz.DueQuery) (writes int64, quiet bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.writes, a.held == q.Held && q.Now.Before(a.until)
}

// learn keeps what was found out, unless a task was written since look.
func (a *agenda) learn(writes int64, held string, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.writes == writes {
		a.held, a.until = held, until
	}
}

// farOff is when the next task is due of none at all: soon enough for a clock that
// is set, and late enough to cost nothing.
const farOff = 24 * time.Hour

// nextDue returns when a pending task of any portal may be claimed first.
func (s *Store) nextDue(ctx context.Context, q authz.DueQuery) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	fields := bson.D{{Key: "due", Value: 1}, {Key: "claimed_until", Value: 1}, {Key: "claimed_by", Value: 1}}
	cur, err := s.db.Collection(tasks).Find(ctx, pending(q.Held), options.Find().SetProjection(fields).SetBatchSize(scanBatch))
	if err != nil {
		return time.Time{}, unavailable("read", err)
	}
	defer func() { _ = cur.Close(context.WithoutCancel(ctx)) }()
	next := q.Now.Add(farOff)
	for cur.Next(ctx) {
		var d taskDoc
		if err := cur.Decode(&d); err != nil {
			return time.Time{}, unavailable("read", err)
		}
		at := d.Due
		if s.claimed(&d, q.Now) && at.Before(d.ClaimedUntil) {
			at = d.ClaimedUntil
		}
		if at.Before(next) {
			next = at
		}
	}
	if err := cur.Err(); err != nil {
		return time.Time{}, unavailable("read", err)
	}
	return next, nil
}
