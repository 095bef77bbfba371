package adminapi

import (
	"net/http"
	"time"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// Written is the answer to a write of one D.
type Written[D any] struct {
	Status   int
	ETag     string `header:"ETag" doc:"of the new state, for If-Match" example:"\"r1z\""`
	Location string `header:"Location" doc:"of what was created" example:"/admin/v1/portals/helpdesk/users/ann.lee"`
	Body     WrittenBody[D]
}

// WrittenBody is what came of a write of one D.
type WrittenBody[D any] struct {
	Document Document[D] `json:"document,omitempty" doc:"as it is after the write; not there after a deletion"`
	ETag     string      `json:"etag,omitempty" doc:"of that state, for If-Match" example:"\"r1z\""`
	Outcome
}

// Outcome is what came of any write.
type Outcome struct {
	Revision int64          `json:"revision" minimum:"0" doc:"of the portal's data after the write" example:"72"`
	Entry    int64          `json:"entry" minimum:"0" doc:"number of the audit entry; 0: nothing was written" example:"315"`
	Decision string         `json:"decision" doc:"id of the decision that let the call in" example:"0197c1de-6c5a-7e1a-8d53-2f0a3b9c4d5e"`
	Defaults map[string]any `json:"defaults,omitempty" doc:"what the policy added, as a merge patch" example:"{\"login\": \"ann@brighton.example\"}"`
	Tasks    []MadeTask     `json:"tasks" nullable:"false" doc:"what the policy wants done because of the write"`
	DryRun   bool           `json:"dry_run" doc:"nothing was written" example:"false"`
	Replayed bool           `json:"replayed" doc:"this is the answer to the first request with the Idempotency-Key" example:"false"`
}

// MadeTask is a task that came of a write.
type MadeTask struct {
	Name   string    `json:"name,omitempty" doc:"of a stored task; one that was done with the write has none" example:"0197c1de-6c5a-7e1a-8d53-2f0a3b9c4d5e-0"`
	ID     string    `json:"id" doc:"what the policy calls it" example:"welcome_mail"`
	Kind   string    `json:"kind" enum:"create,update,deactivate,delete,mail" doc:"what it does" example:"mail"`
	Entity string    `json:"entity,omitempty" doc:"to what it is done; nothing for a mail" example:"user/ann.lee"`
	Cause  string    `json:"cause,omitempty" doc:"the entity whose write led to it" example:"contact/C-ANN"`
	State  string    `json:"state" enum:"pending,done,refused,dead" doc:"where it stands" example:"pending"`
	Due    time.Time `json:"due,omitzero" doc:"when it is done" example:"2026-03-02T09:30:00Z"`
	Error  string    `json:"error,omitempty" doc:"why it is refused"`
}

// written returns the answer to a write. Nothing is at the address after a dry run.
func written[D any](res *admin.Result, status int, address string) *Written[D] {
	out := &Written[D]{Status: status, Location: address, Body: WrittenBody[D]{Outcome: outcome(res)}}
	if res.DryRun {
		out.Status, out.Location = http.StatusOK, ""
	}
	if e := res.Entity; e != nil {
		out.Body.Document, out.Body.ETag = e.Document, quoted(e.ETag)
		if !res.DryRun {
			out.ETag = quoted(e.ETag)
		}
	}
	return out
}

func outcome(res *admin.Result) Outcome {
	o := Outcome{
		Revision: res.Revision, Entry: res.Entry, Decision: res.Decision, Defaults: res.Defaults,
		Tasks: make([]MadeTask, 0, len(res.Tasks)), DryRun: res.DryRun, Replayed: res.Replayed,
	}
	for _, t := range res.Tasks {
		o.Tasks = append(o.Tasks, MadeTask{
			Name: t.Name, ID: t.ID, Kind: string(t.Kind), Entity: t.Entity.Ref(), Cause: t.Cause.Ref(),
			State: string(t.State), Due: t.Due.UTC(), Error: t.Error,
		})
	}
	return o
}

// StoredTask is a task that waits to be done, or was.
type StoredTask struct {
	Name      string         `json:"name" doc:"later ones sort after earlier ones" example:"0197c1de-6c5a-7e1a-8d53-2f0a3b9c4d5e-0"`
	ID        string         `json:"id" doc:"what the policy calls it" example:"welcome_mail"`
	Kind      string         `json:"kind" enum:"create,update,deactivate,delete,mail" doc:"what it does" example:"mail"`
	Entity    string         `json:"entity,omitempty" doc:"to what it is done; nothing for a mail" example:"user/ann.lee"`
	Set       map[string]any `json:"set,omitempty" doc:"merge patch of the entity" example:"{\"active\": false}"`
	Template  string         `json:"template,omitempty" doc:"of a mail: what is sent" example:"welcome"`
	To        string         `json:"to,omitempty" doc:"of a mail: to whom" example:"ann@brighton.example"`
	Once      bool           `json:"once" doc:"done one time per entity for ever" example:"false"`
	Cause     string         `json:"cause,omitempty" doc:"the entity whose write led to it" example:"contact/C-ANN"`
	Actor     string         `json:"actor,omitempty" doc:"who wrote that entity" example:"user/kim.gibbs"`
	CreatedAt time.Time      `json:"created_at,omitzero" doc:"when it was stored" example:"2026-03-02T09:00:00Z"`
	Due       time.Time      `json:"due,omitzero" doc:"when it is done, or tried next" example:"2026-03-02T09:30:00Z"`
	State     string         `json:"state" enum:"pending,done,refused,dead" doc:"where it stands" example:"dead"`
	Attempts  int            `json:"attempts" minimum:"0" doc:"begun so far" example:"12"`
	Error     string         `json:"error,omitempty" doc:"why the last attempt failed, or what it waits for" example:"the webhook answered 503"`
	DoneAt    time.Time      `json:"done_at,omitzero" doc:"when it was done" example:"2026-03-02T09:31:00Z"`
	Depth     int            `json:"depth" minimum:"0" doc:"of tasks that led to tasks that led to it" example:"0"`
}

func storedTask(t *authz.StoredTask) StoredTask {
	return StoredTask{
		Name: t.Name, ID: t.ID, Kind: string(t.Kind), Entity: t.Entity.Ref(), Set: t.Set, Template: t.Template, To: t.To, Once: t.Once,
		Cause: t.Cause.Ref(), Actor: t.Actor, CreatedAt: t.CreatedAt.UTC(), Due: t.Due.UTC(), State: string(t.State),
		Attempts: t.Attempts, Error: t.Error, DoneAt: t.DoneAt.UTC(), Depth: t.Depth,
	}
}
