package mongodb

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// taskDoc is a task that waits or has been done. Meta.UpdatedBy is who wrote what
// led to it, and Meta.Revision the portal's then.
type taskDoc struct {
	Meta      meta      `bson:",inline"`
	Task      string    `bson:"task"` // authz.Task.ID
	Kind      string    `bson:"kind"`
	Entity    *keyDoc   `bson:"entity,omitempty"`
	Set       string    `bson:"set,omitempty"` // JSON, since its numbers are to come back as they are written
	Template  string    `bson:"template,omitempty"`
	To        string    `bson:"to,omitempty"`
	After     int64     `bson:"after,omitempty"` // nanoseconds
	Once      bool      `bson:"once,omitempty"`
	Cause     *keyDoc   `bson:"cause,omitempty"`
	Actor     string    `bson:"actor,omitempty"`
	CreatedAt time.Time `bson:"created_at"`
	Due       time.Time `bson:"due"`
	State     string    `bson:"state"`
	Attempts  int64     `bson:"attempts"`
	Since     time.Time `bson:"since,omitempty"` // when the first of them began
	Error     string    `bson:"error,omitempty"`
	DoneAt    time.Time `bson:"done_at,omitempty"`
	Depth     int64     `bson:"depth,omitempty"`
	// ClaimedUntil is until when one process has the task for itself; zero: none has.
	ClaimedUntil time.Time `bson:"claimed_until,omitempty"`
	ClaimedBy    string    `bson:"claimed_by,omitempty"` // the token of its Store
}

// newTaskName returns a name for a task of the portal: "<portal>~<UUID>", of which
// later ones sort after earlier ones.
func newTaskName(portal string) string {
	return portal + "~" + uuid.Must(uuid.NewV7()).String()
}

// taskID returns the _id of the task with the name, in which no portal has a tilde.
func taskID(name string) string { return strings.Replace(name, "~", "/", 1) }

// taskName undoes taskID.
func taskName(id string) string { return strings.Replace(id, "/", "~", 1) }

func taskDocOf(t *authz.StoredTask, st stamp) (*taskDoc, error) {
	d := &taskDoc{
		Meta: meta{ID: taskID(t.Name), Portal: t.Portal, Revision: st.revision, UpdatedAt: st.at, UpdatedBy: st.by},
		Task: t.ID, Kind: string(t.Kind), Entity: optionalKey(t.Entity), Template: t.Template, To: t.To, After: int64(t.After), Once: t.Once,
		Cause: optionalKey(t.Cause), Actor: t.Actor, CreatedAt: t.CreatedAt, Due: t.Due, State: string(t.State),
		Attempts: int64(t.Attempts), Since: t.Since, Error: t.Error, DoneAt: t.DoneAt, Depth: int64(t.Depth),
	}
	if t.Set == nil {
		return d, nil
	}
	text, err := json.Marshal(t.Set)
	if err != nil {
		return nil, authz.Errorf(authz.Invalid, "task %q cannot be stored: %v", t.ID, err).At("set").Because(err)
	}
	d.Set = string(text)
	return d, nil
}

func (d *taskDoc) task() (authz.StoredTask, error) {
	t := authz.StoredTask{
		Task: authz.Task{
			ID: d.Task, Kind: authz.TaskKind(d.Kind), Entity: d.Entity.orZero(), Template: d.Template, To: d.To,
			After: time.Duration(d.After), Once: d.Once,
		},
		Name: taskName(d.Meta.ID), Portal: d.Meta.Portal, Cause: d.Cause.orZero(), Actor: d.Actor,
		CreatedAt: d.CreatedAt.UTC(), Due: d.Due.UTC(), State: authz.TaskState(d.State),
		Attempts: int(d.Attempts), Since: d.Since.UTC(), Error: d.Error, DoneAt: d.DoneAt.UTC(), Depth: int(d.Depth),
	}
	if d.Set == "" {
		return t, nil
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(d.Set)))
	dec.UseNumber()
	return t, dec.Decode(&t.Set)
}

// settled makes d what came of an attempt at it, and gives back who has it.
func (d *taskDoc) settled(o *authz.TaskOutcome) {
	d.State, d.Attempts, d.Error = string(o.State), int64(o.Attempts), o.Error
	d.Meta.UpdatedAt, d.ClaimedUntil, d.ClaimedBy = o.At, time.Time{}, ""
	if o.Attempts == 0 { // the one that began does not count
		d.Since = time.Time{}
	}
	if o.State == authz.TaskPending {
		d.Due = o.Due
		return
	}
	d.DoneAt = o.At
}

func optionalKey(k authz.Key) *keyDoc {
	if k == (authz.Key{}) {
		return nil
	}
	d := keyDocOf(k)
	return &d
}

func (d *keyDoc) orZero() authz.Key {
	if d == nil {
		return authz.Key{}
	}
	return d.key()
}
