package mongodb

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// maxTaskError bounds what is kept of why a task failed, in bytes.
const maxTaskError = 2000

// DueTasks returns the tasks that the query asks for, of all portals. What another
// process has claimed is due again when the claim has ended. In the embedded
// database, which one Store uses at a time, a claim of another Store is a dead
// one's and counts for nothing.
func (s *Store) DueTasks(ctx context.Context, q authz.DueQuery) ([]authz.StoredTask, error) {
	if err := checkLimit(q.Limit); err != nil {
		return nil, err
	}
	if len(q.But) > authz.MaxPage {
		return nil, authz.Errorf(authz.TooLarge, "at most %d portals can be left out, got %d", authz.MaxPage, len(q.But)).At("but")
	}
	if !s.opts.Embedded {
		return s.due(ctx, q)
	}
	known, quiet := s.agenda.look(q)
	if quiet {
		return nil, nil
	}
	due, err := s.due(ctx, q)
	if err != nil || len(due) > 0 {
		return due, err
	}
	next, err := s.nextDue(ctx, q)
	if err != nil {
		return nil, err
	}
	s.agenda.learn(known, q.Held, next)
	return nil, nil
}

func (s *Store) due(ctx context.Context, q authz.DueQuery) ([]authz.StoredTask, error) {
	filter := append(pending(q.Held), bson.E{Key: "due", Value: bson.D{{Key: "$lte", Value: q.Now}}}, s.unclaimed(q.Now))
	if len(q.But) > 0 {
		filter = append(filter, bson.E{Key: "portal", Value: bson.D{{Key: "$nin", Value: q.But}}})
	}
	order := bson.D{{Key: "due", Value: 1}, {Key: "_id", Value: 1}}
	return s.findTasks(ctx, filter, options.Find().SetSort(order).SetLimit(int64(q.Limit)))
}

// pending matches tasks that are to be done, less those held for that reason.
func pending(held string) bson.D {
	d := bson.D{{Key: "state", Value: string(authz.TaskPending)}}
	if held != "" {
		d = append(d, bson.E{Key: "error", Value: bson.D{{Key: "$ne", Value: held}}})
	}
	return d
}

// unclaimed matches what may be claimed at now.
func (s *Store) unclaimed(now time.Time) bson.E {
	free := bson.A{
		bson.D{{Key: "claimed_until", Value: bson.D{{Key: "$exists", Value: false}}}},
		bson.D{{Key: "claimed_until", Value: bson.D{{Key: "$lte", Value: now}}}},
	}
	if s.opts.Embedded {
		free = append(free, bson.D{{Key: "claimed_by", Value: bson.D{{Key: "$ne", Value: s.holder}}}})
	}
	return bson.E{Key: "$or", Value: free}
}

// claimed reports whether someone is at the task.
func (s *Store) claimed(d *taskDoc, now time.Time) bool {
	return now.Before(d.ClaimedUntil) && (d.ClaimedBy == s.holder || !s.opts.Embedded)
}

// ClaimTask returns the task with the attempt that begins counted, and keeps it
// from others until then. It returns nil when the task is not pending and due at
// now, or is another's, or is no longer there.
func (s *Store) ClaimTask(ctx context.Context, name string, now, until time.Time) (*authz.StoredTask, error) {
	d, err := s.changeTask(ctx, name, func(d *taskDoc) error {
		if d.State != string(authz.TaskPending) || now.Before(d.Due) || s.claimed(d, now) {
			return errNoChange
		}
		d.ClaimedBy, d.ClaimedUntil = s.holder, until
		if d.Attempts++; d.Since.IsZero() {
			d.Since = now
		}
		return nil
	})
	if err != nil || d == nil {
		return nil, err
	}
	task, err := d.task()
	if err != nil {
		return nil, unreadable(name, err)
	}
	return &task, nil
}

// SettleTask keeps what came of an attempt and gives the task back. For a Store
// that has not claimed the task, or whose claim another has taken over, the error
// is authz.Conflict.
func (s *Store) SettleTask(ctx context.Context, o authz.TaskOutcome) error {
	o.Error = strings.ToValidUTF8(o.Error[:min(len(o.Error), maxTaskError)], "")
	d, err := s.changeTask(ctx, o.Name, func(d *taskDoc) error {
		if d.State != string(authz.TaskPending) || d.ClaimedBy != s.holder {
			return authz.Errorf(authz.Conflict, "task %q is settled, or another process is at it", o.Name)
		}
		d.settled(&o)
		return nil
	})
	if err == nil && d == nil {
		return noTask(o.Name)
	}
	return err
}

// Retry sets a refused or dead task going again, as if it had not been tried. One
// that is pending or done is authz.Conflict.
func (s *Store) Retry(ctx context.Context, portal, name string) error {
	if !taskOf(portal, name) {
		return noTask(name)
	}
	d, err := s.changeTask(ctx, name, func(d *taskDoc) error {
		switch authz.TaskState(d.State) {
		case authz.TaskRefused, authz.TaskDead:
		default:
			return authz.Errorf(authz.Conflict, "task %q is %s: only one that is refused or dead can be tried again", name, d.State)
		}
		// Its time has come already, by whichever clock.
		d.settled(&authz.TaskOutcome{State: authz.TaskPending, Due: d.Due, At: now()})
		d.DoneAt = time.Time{}
		return nil
	})
	if err == nil && d == nil {
		return noTask(name)
	}
	if err == nil {
		s.agenda.news.all()
	}
	return err
}

// Tasks returns one page of a portal's tasks, newest first. A portal that is not
// there has none.
func (s *Store) Tasks(ctx context.Context, q authz.TaskQuery) (authz.TaskPage, error) {
	if err := checkLimit(q.Limit); err != nil {
		return authz.TaskPage{}, err
	}
	if !plausible(q.Portal) {
		return authz.TaskPage{}, noPortal(q.Portal)
	}
	before := q.Portal + "0" // which follows "<portal>/"
	if q.After != "" {
		if !taskOf(q.Portal, q.After) {
			return authz.TaskPage{}, authz.Errorf(authz.Invalid, "is no place in these tasks: take it from the page before").At("after")
		}
		before = taskID(q.After)
	}
	filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: q.Portal + "/"}, {Key: "$lt", Value: before}}}}
	if q.State != "" {
		filter = append(filter, bson.E{Key: "state", Value: string(q.State)})
	}
	found, err := s.findTasks(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(int64(q.Limit)+1))
	if err != nil || len(found) <= q.Limit {
		return authz.TaskPage{Tasks: found}, err
	}
	return authz.TaskPage{Tasks: found[:q.Limit], Next: found[q.Limit-1].Name}, nil
}

// ForgetTasks removes up to limit tasks that were done before then, of any portal,
// and says how many it has removed. Refused and dead ones stay.
func (s *Store) ForgetTasks(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := checkLimit(limit); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	old := bson.D{{Key: "state", Value: string(authz.TaskDone)}, {Key: "done_at", Value: bson.D{{Key: "$lt", Value: before}}}}
	c := s.db.Collection(tasks)
	cur, err := c.Find(ctx, old, options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)))
	if err != nil {
		return 0, unavailable("read", err)
	}
	var found []struct {
		ID string `bson:"_id"`
	}
	if err := cur.All(ctx, &found); err != nil {
		return 0, unavailable("read", err)
	}
	if len(found) == 0 {
		return 0, nil
	}
	ids := make(bson.A, len(found))
	for i := range found {
		ids[i] = found[i].ID
	}
	res, err := c.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
	if err != nil {
		return 0, unavailable("written", err)
	}
	return int(res.DeletedCount), nil
}

// TaskNews returns a channel that is sent to after writes of this Store that may
// have made tasks due, and its end.
func (s *Store) TaskNews() (news <-chan struct{}, leave func()) { return s.agenda.news.join() }

// findTasks reads tasks. One that cannot be read is none of the others' fault, but
// nobody can tell what it would have done: it fails the call.
func (s *Store) findTasks(ctx context.Context, filter bson.D, opts options.Lister[options.FindOptions]) ([]authz.StoredTask, error) {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	cur, err := s.db.Collection(tasks).Find(ctx, filter, opts)
	if err != nil {
		return nil, unavailable("read", err)
	}
	var docs []taskDoc
	if err := cur.All(ctx, &docs); err != nil {
		return nil, unavailable("read", err)
	}
	found := make([]authz.StoredTask, len(docs))
	for i := range docs {
		if found[i], err = docs[i].task(); err != nil {
			return nil, unreadable(taskName(docs[i].Meta.ID), err)
		}
	}
	return found, nil
}

// changeTask changes the task if no other write comes between, and then returns
// it; nil when there is none, or fn's error is errNoChange.
func (s *Store) changeTask(ctx context.Context, name string, fn func(*taskDoc) error) (changed *taskDoc, err error) {
	err = s.again(ctx, func() error {
		return s.inTurn(ctx, func(ctx context.Context) error {
			changed, err = s.tryTask(ctx, name, fn)
			return err
		})
	})
	if errors.Is(err, errNoChange) {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable("written", err)
	}
	s.agenda.changed()
	return changed, nil
}

func (s *Store) tryTask(ctx context.Context, name string, fn func(*taskDoc) error) (*taskDoc, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	c, id := s.db.Collection(tasks), byID(taskID(name))
	var d taskDoc
	if err := c.FindOne(ctx, id).Decode(&d); err != nil {
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil, nil
		}
		return nil, err
	}
	if !s.opts.Embedded { // where nobody can come between in a turn
		id = append(id, d.unchanged()...)
	}
	if err := fn(&d); err != nil {
		return nil, err
	}
	res, err := c.ReplaceOne(ctx, id, &d)
	if err == nil && res.MatchedCount == 0 {
		return nil, errRaced
	}
	return &d, err
}

// unchanged matches the task if none of its attempts has begun or ended since d
// was read.
func (d *taskDoc) unchanged() bson.D {
	claim := bson.E{Key: "claimed_until", Value: d.ClaimedUntil}
	if d.ClaimedUntil.IsZero() {
		claim.Value = bson.D{{Key: "$exists", Value: false}}
	}
	return bson.D{{Key: "state", Value: d.State}, {Key: "attempts", Value: d.Attempts}, {Key: "due", Value: d.Due}, claim}
}

// taskOf reports whether the name may be of a task of the portal.
func taskOf(portal, name string) bool {
	return plausible(portal) && strings.HasPrefix(name, portal+"~") && len(name) <= authz.MaxID+64
}

func checkLimit(limit int) error {
	if limit < 1 || limit > authz.MaxPage {
		return authz.Errorf(authz.Invalid, "must be from 1 to %d, got %d", authz.MaxPage, limit).At("limit")
	}
	return nil
}

func noTask(name string) error { return authz.Errorf(authz.NotFound, "there is no task %q", name) }

func unreadable(name string, err error) error {
	return authz.Errorf(authz.Internal, "task %q was stored by a program that this one does not understand", name).Because(err)
}
