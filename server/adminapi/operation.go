package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

type (
	listTasks struct {
		PortalPath
		Paging
		State string `query:"state" enum:"pending,done,refused,dead" doc:"only tasks in this state" example:"dead"`
	}
	retryTask struct {
		PortalPath
		Noting
		Name string `path:"name" minLength:"1" maxLength:"200" doc:"name of the task" example:"0197c1de-6c5a-7e1a-8d53-2f0a3b9c4d5e-0"`
	}
)

// TaskPage is the answer to a list of tasks.
type TaskPage struct {
	Link string `header:"Link" doc:"the next page, as rel=next"`
	Body TaskPageBody
}

// TaskPageBody is one page of tasks.
type TaskPageBody struct {
	Items []StoredTask `json:"items" nullable:"false" doc:"newest first"`
	Next  string       `json:"next,omitempty" doc:"after of the next page; not there on the last"`
}

func (r *registrar) tasks() {
	tasks := portalsPath + "/{portal}/tasks"
	register(r, huma.Operation{OperationID: "list_tasks", Method: http.MethodGet, Path: tasks, Tags: []string{tagOperation}, Summary: "List what is to be done, or was"},
		func(ctx context.Context, in *listTasks) (*TaskPage, error) { return r.api.listTasks(ctx, in) })
	register(r, huma.Operation{OperationID: "retry_task", Method: http.MethodPost, Path: tasks + "/{name}/retry", Tags: []string{tagOperation}, Summary: "Try a task again",
		Description: "One that is refused or dead becomes pending.", DefaultStatus: http.StatusNoContent},
		func(ctx context.Context, in *retryTask) (*struct{}, error) { return nil, r.api.retryTask(ctx, in) })
}

func (a *API) listTasks(ctx context.Context, in *listTasks) (*TaskPage, error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	p, err := a.service.Tasks(ctx, call, authz.TaskQuery{Portal: call.Portal, State: authz.TaskState(in.State), After: in.After, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	out := &TaskPage{Link: nextLink(ctx, p.Next), Body: TaskPageBody{Items: make([]StoredTask, 0, len(p.Tasks)), Next: p.Next}}
	for i := range p.Tasks {
		out.Body.Items = append(out.Body.Items, storedTask(&p.Tasks[i]))
	}
	return out, nil
}

func (a *API) retryTask(ctx context.Context, in *retryTask) error {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return err
	}
	return a.service.RetryTask(ctx, call, in.Name)
}

type (
	listAudit struct {
		PortalPath
		Paging
		Actor  string    `query:"actor" maxLength:"400" doc:"only writes by this one, or for it" example:"user/kim.gibbs"`
		Entity string    `query:"entity" maxLength:"602" doc:"only writes of this entity" example:"user/ann.lee"`
		Field  string    `query:"field" maxLength:"200" doc:"only writes that changed this member of an entity" example:"active"`
		From   time.Time `query:"from" doc:"only writes at or after" example:"2026-03-01T00:00:00Z"`
		Until  time.Time `query:"until" doc:"only writes before" example:"2026-04-01T00:00:00Z"`
	}
	verifyAudit struct {
		PortalPath
		Calling
	}
)

// AuditPage is the answer to a list of audit entries.
type AuditPage struct {
	Link string `header:"Link" doc:"the next page, as rel=next"`
	Body AuditPageBody
}

// AuditPageBody is one page of audit entries.
type AuditPageBody struct {
	Items []AuditEntry `json:"items" nullable:"false" doc:"newest first"`
	Next  string       `json:"next,omitempty" doc:"after of the next page; not there on the last"`
}

// AuditEntry is what is kept of one write.
type AuditEntry struct {
	Seq        int64          `json:"seq" minimum:"1" doc:"number within the chain of the portal" example:"315"`
	At         time.Time      `json:"at" doc:"when" example:"2026-03-02T09:00:00Z"`
	Actor      string         `json:"actor" doc:"who wrote: user/ID, caller/ID, task/ID, or a word for the command line" example:"user/kim.gibbs"`
	OnBehalfOf string         `json:"on_behalf_of,omitempty" doc:"the user for whom, when it is someone else" example:"user/ann.lee"`
	Decision   string         `json:"decision,omitempty" doc:"id of the decision that let the call in" example:"0197c1de-6c5a-7e1a-8d53-2f0a3b9c4d5e"`
	Request    string         `json:"request,omitempty" doc:"id of the request" example:"0197c1de-6c5a-7e1a-8d53-2f0a3b9c4d5e"`
	Operation  string         `json:"operation" doc:"create, update, delete, import or another" example:"update"`
	Note       string         `json:"note,omitempty" doc:"why, in the words of the writer" example:"asked for in TICKET-17"`
	Revision   int64          `json:"revision" minimum:"0" doc:"of the portal's data after the write" example:"72"`
	Changes    []AuditChange  `json:"changes" nullable:"false" doc:"what was written"`
	Counts     map[string]int `json:"counts,omitempty" doc:"of an import: how many entities of each kind the portal holds now" example:"{\"user\": 34}"`
	Prev       string         `json:"prev,omitempty" doc:"hash of the entry before it" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	Hash       string         `json:"hash" doc:"SHA-256 of the entry, the hash before it included" example:"60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"`
}

// AuditChange is one entity before and after a write.
type AuditChange struct {
	Entity string         `json:"entity" doc:"what was written" example:"user/ann.lee"`
	Before map[string]any `json:"before,omitempty" doc:"secrets left out; not there before a creation" example:"{\"id\": \"ann.lee\", \"active\": true}"`
	After  map[string]any `json:"after,omitempty" doc:"secrets left out; not there after a deletion" example:"{\"id\": \"ann.lee\", \"active\": false}"`
}

// AuditVerdict is the answer to an examination of the audit.
type AuditVerdict struct {
	Body AuditVerdictBody
}

// AuditVerdictBody is what the examination found.
type AuditVerdictBody struct {
	Intact  bool         `json:"intact" doc:"nothing is wrong" example:"true"`
	Entries int64        `json:"entries" minimum:"0" doc:"how many were examined" example:"315"`
	Last    int64        `json:"last" minimum:"0" doc:"number of the last" example:"315"`
	Hash    string       `json:"hash,omitempty" doc:"hash of the last" example:"60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"`
	Faults  []AuditFault `json:"faults" nullable:"false" doc:"what is wrong, in the order of the chain"`
	More    int          `json:"more" minimum:"0" doc:"faults beyond those" example:"0"`
}

// AuditFault is one thing wrong with the audit.
type AuditFault struct {
	Kind    string `json:"kind" enum:"changed,missing,out_of_order,state,beyond_head" doc:"what kind of fault" example:"changed"`
	Seq     int64  `json:"seq" minimum:"0" doc:"number of the entry" example:"17"`
	Entity  string `json:"entity,omitempty" doc:"whose stored state is not what the entry says" example:"user/ann.lee"`
	Message string `json:"message" doc:"what is wrong" example:"the hash is not that of what the entry says"`
}

func (r *registrar) audit() {
	audit := portalsPath + "/{portal}/audit"
	register(r, huma.Operation{OperationID: "list_audit", Method: http.MethodGet, Path: audit, Tags: []string{tagOperation}, Summary: "Search the audit"},
		func(ctx context.Context, in *listAudit) (*AuditPage, error) { return r.api.listAudit(ctx, in) })
	register(r, huma.Operation{OperationID: "verify_audit", Method: http.MethodGet, Path: audit + "/verify", Tags: []string{tagOperation}, Summary: "Examine the audit",
		Description: "Finds entries that are changed, missing or out of order, and entities that are not stored as the newest entry says."},
		func(ctx context.Context, in *verifyAudit) (*AuditVerdict, error) { return r.api.verifyAudit(ctx, in) })
}

func (a *API) listAudit(ctx context.Context, in *listAudit) (*AuditPage, error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	p, err := a.service.Audit(ctx, call, authz.AuditQuery{
		Actor: in.Actor, Entity: in.Entity, Field: in.Field, From: in.From, Until: in.Until, After: in.After, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := &AuditPage{Link: nextLink(ctx, p.Next), Body: AuditPageBody{Items: make([]AuditEntry, 0, len(p.Entries)), Next: p.Next}}
	for i := range p.Entries {
		out.Body.Items = append(out.Body.Items, auditEntry(&p.Entries[i]))
	}
	return out, nil
}

func auditEntry(e *authz.AuditEntry) AuditEntry {
	out := AuditEntry{
		Seq: e.Seq, At: e.At.UTC(), Actor: e.Actor, OnBehalfOf: e.OnBehalfOf, Decision: e.Decision, Request: e.Request, Operation: e.Operation,
		Note: e.Note, Revision: e.Revision, Changes: make([]AuditChange, 0, len(e.Changes)), Counts: e.Counts, Prev: e.Prev, Hash: e.Hash,
	}
	for _, c := range e.Changes {
		out.Changes = append(out.Changes, AuditChange{Entity: c.Entity.Ref(), Before: c.Before, After: c.After})
	}
	return out
}

// verifyAudit asks for an entry first: who may not read the audit is not told
// whether it is whole.
func (a *API) verifyAudit(ctx context.Context, in *verifyAudit) (*AuditVerdict, error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	if _, err := a.service.Audit(ctx, call, authz.AuditQuery{Limit: 1}); err != nil {
		return nil, err
	}
	v, err := a.service.Verify(ctx, in.portal())
	if err != nil {
		return nil, err
	}
	return &AuditVerdict{Body: verdict(&v)}, nil
}

func verdict(v *admin.Verdict) AuditVerdictBody {
	out := AuditVerdictBody{
		Intact: len(v.Faults) == 0 && v.More == 0, Entries: v.Entries, Last: v.Head.Seq, Hash: v.Head.Hash,
		Faults: make([]AuditFault, 0, len(v.Faults)), More: v.More,
	}
	for _, f := range v.Faults {
		out.Faults = append(out.Faults, AuditFault{Kind: string(f.Kind), Seq: f.Seq, Entity: f.Entity.Ref(), Message: f.Msg})
	}
	return out
}
