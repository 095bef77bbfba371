package adminapi

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// PolicyRevision describes a revision of a policy. It is never filled.
type PolicyRevision struct {
	Number       int64                 `json:"number" minimum:"1" doc:"1, 2, 3 ... within the portal" example:"7"`
	Parent       int64                 `json:"parent" minimum:"0" doc:"revision that it was made from; 0: a folder's policy" example:"6"`
	Author       string                `json:"author,omitempty" doc:"who made it, as the audit names actors" example:"user/kim.gibbs"`
	User         string                `json:"user,omitempty" doc:"id of the user who made it, or for whom" example:"kim.gibbs"`
	Message      string                `json:"message,omitempty" doc:"what it is for" example:"Buyers approve orders"`
	At           time.Time             `json:"at,omitzero" doc:"when it was made" example:"2026-03-02T09:00:00Z"`
	Digest       string                `json:"digest,omitempty" doc:"SHA-256 of all files; equal ones decide alike" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	Files        map[string]PolicyFile `json:"files,omitempty" doc:"its files by path; not in a list"`
	Checked      PolicyCheck           `json:"checked,omitzero" doc:"what the last check found"`
	Difference   AccessSummary         `json:"difference,omitzero" doc:"what the last preview counted"`
	Approvals    []PolicyApproval      `json:"approvals" nullable:"false" doc:"who is for it, in the order of time"`
	Publications []Publication         `json:"publications" nullable:"false" doc:"the times at which it came into force, the last hundred"`
}

// PolicyFile is a file of a revision.
type PolicyFile struct {
	SHA256 string `json:"sha256" doc:"of its text" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	Size   int64  `json:"size" minimum:"0" doc:"bytes" example:"2048"`
	Text   string `json:"text,omitempty" doc:"where one revision is read" example:"package helpdesk"`
}

// PolicyCheck is what a check of a revision found.
type PolicyCheck struct {
	At             time.Time `json:"at" doc:"when" example:"2026-03-02T09:05:00Z"`
	ConfigRevision int64     `json:"config_revision" minimum:"0" doc:"of the portal's configuration under which it was tested" example:"68"`
	OK             bool      `json:"ok" doc:"it compiles, review finds no error and all cases pass" example:"true"`
	Cases          int       `json:"cases" minimum:"0" doc:"cases and Rego tests that were run" example:"120"`
	Failed         int       `json:"failed" minimum:"0" doc:"those that failed" example:"0"`
	Findings       int       `json:"findings" minimum:"0" doc:"what review found, warnings included, and cases that were not run" example:"3"`
	Faults         []string  `json:"faults" nullable:"false" doc:"what keeps it from being published, the first hundred, each with its place" example:"policy.rego:12:3: [syntax] unexpected eof token"`
}

// AccessSummary counts an effective access difference.
type AccessSummary struct {
	At             time.Time `json:"at" doc:"when" example:"2026-03-02T09:06:00Z"`
	Against        int64     `json:"against" minimum:"0" doc:"revision that it is compared with; 0: the folder's policy" example:"6"`
	ConfigRevision int64     `json:"config_revision" minimum:"0" doc:"of the portal's configuration" example:"68"`
	Complete       bool      `json:"complete" doc:"nothing was left out" example:"true"`
	Users          int       `json:"users" minimum:"0" doc:"how many were looked at" example:"1200"`
	Gained         int       `json:"gained" minimum:"0" doc:"users who may do something more" example:"12"`
	Lost           int       `json:"lost" minimum:"0" doc:"users who may no longer do something" example:"0"`
	LockedOut      bool      `json:"locked_out" doc:"some user could administer the policy, and nobody can after" example:"false"`
}

// PolicyApproval is the word of somebody who is for a revision.
type PolicyApproval struct {
	By   string    `json:"by,omitempty" doc:"who, as the audit names actors" example:"user/ann.lee"`
	User string    `json:"user,omitempty" doc:"id of the user" example:"ann.lee"`
	At   time.Time `json:"at" doc:"when" example:"2026-03-02T10:00:00Z"`
	Note string    `json:"note,omitempty" doc:"in the words of the approver" example:"looked at the losses with sales"`
}

// Publication is a time at which a revision came into force.
type Publication struct {
	At   time.Time `json:"at" doc:"when" example:"2026-03-02T11:00:00Z"`
	By   string    `json:"by,omitempty" doc:"who, as the audit names actors" example:"user/kim.gibbs"`
	From int64     `json:"from" minimum:"0" doc:"revision that was in force before; 0: the folder's policy" example:"6"`
}

// TransformSchema adds an example.
func (PolicyRevision) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return shownBy(s, map[string]any{"number": 7.0, "parent": 6.0, "author": "user/kim.gibbs", "message": "Buyers approve orders", "approvals": []any{}, "publications": []any{}})
}

// Begun is the answer to the start of an examination.
type Begun struct {
	Location string `header:"Location" doc:"where its progress is, and what it finds" example:"/admin/v1/portals/helpdesk/policy/examinations/0197c1de-6c5a-7e1a-8d53-2f0a3b9c4d5e"`
	Body     Examination
}

// ExaminationAnswer is the answer to a read of an examination.
type ExaminationAnswer struct{ Body Examination }

// Examination is a check or a preview of a revision.
type Examination struct {
	ID      string        `json:"id" doc:"of the examination" example:"0197c1de-6c5a-7e1a-8d53-2f0a3b9c4d5e"`
	Kind    string        `json:"kind" enum:"check,preview" doc:"what is found out" example:"preview"`
	Number  int64         `json:"number" minimum:"0" doc:"of the revision; 0: the folder's policy" example:"7"`
	By      string        `json:"by" doc:"who began it, as the audit names actors" example:"user/kim.gibbs"`
	State   string        `json:"state" enum:"running,done,failed,cancelled" doc:"where it stands; of one that failed nothing is known" example:"done"`
	Started time.Time     `json:"started" doc:"when it was begun" example:"2026-03-02T09:06:00Z"`
	Ended   time.Time     `json:"ended,omitzero" doc:"when it was over" example:"2026-03-02T09:06:04Z"`
	Done    int64         `json:"done" minimum:"0" doc:"how much of total is done" example:"800"`
	Total   int64         `json:"total" minimum:"0" doc:"how much there is to do; 0: not known" example:"1200"`
	Error   *Problem      `json:"error,omitempty" doc:"why it failed"`
	Check   *PolicyCheck  `json:"check,omitempty" doc:"of a check that is done"`
	Report  *AccessReport `json:"report,omitempty" doc:"of a preview that is done"`
}

// AccessReport is the effective access difference of two states of a portal.
type AccessReport struct {
	Portal    string         `json:"portal" doc:"id of the portal" example:"helpdesk"`
	Before    string         `json:"before" doc:"the state in force" example:"policy 6"`
	After     string         `json:"after" doc:"the state that is previewed" example:"policy 7"`
	Questions int64          `json:"questions" minimum:"0" doc:"decisions that it is about" example:"960000"`
	Evaluated int64          `json:"evaluated" minimum:"0" doc:"those that the policies were asked; the others follow from them" example:"4200"`
	Users     int            `json:"users" minimum:"0" doc:"of either state" example:"1200"`
	Screens   int            `json:"screens" minimum:"0" doc:"nodes of the screen tree of either state" example:"200"`
	Records   int            `json:"records" minimum:"0" doc:"of either state" example:"5000"`
	Gained    int            `json:"gained" minimum:"0" doc:"users who may do something more" example:"12"`
	Lost      int            `json:"lost" minimum:"0" doc:"users who may no longer do something" example:"0"`
	Changed   int            `json:"changed" minimum:"0" doc:"users of whom some answer differs otherwise" example:"0"`
	LockedOut bool           `json:"locked_out" doc:"some user could administer the policy, and nobody can after" example:"false"`
	Changes   []AccessChange `json:"changes" nullable:"false" doc:"what differs, the losses first"`
	Missing   []string       `json:"missing" nullable:"false" doc:"what was left out, and why; empty: the report is whole" example:"users beyond the first 100000 were not looked at"`
	Seconds   float64        `json:"seconds" minimum:"0" doc:"how long it took" example:"3.2"`
}

// AccessChange is a difference that befalls the same users at all of its places.
type AccessChange struct {
	Kind      string        `json:"kind" enum:"lost,gained,changed" doc:"which way access differs" example:"gained"`
	Users     int           `json:"users" minimum:"0" doc:"how many" example:"12"`
	Anonymous bool          `json:"anonymous" doc:"visitors who have not logged in are among those it befalls" example:"false"`
	Places    []AccessPlace `json:"places" nullable:"false" doc:"what they may now do, or may not"`
	Groups    []AccessGroup `json:"groups" nullable:"false" doc:"those users, the largest group first"`
}

// AccessPlace is an action at a screen node or at records.
type AccessPlace struct {
	Action  string       `json:"action" doc:"what is done" example:"approve"`
	Type    string       `json:"type" doc:"of the resource" example:"order"`
	ID      string       `json:"id,omitempty" doc:"of the resource; none for records that differ in the same way" example:"orders"`
	Title   string       `json:"title,omitempty" doc:"of a screen node" example:"Orders"`
	Records int          `json:"records,omitempty" minimum:"0" doc:"how many records differ so" example:"40"`
	Sample  []string     `json:"sample,omitempty" nullable:"false" doc:"ids of some of them" example:"O-1"`
	Before  AccessResult `json:"before" doc:"the answer in force"`
	After   AccessResult `json:"after" doc:"the answer that is previewed"`
}

// AccessResult is what of a decision people look at.
type AccessResult struct {
	Outcome string            `json:"outcome,omitempty" doc:"of the decision" example:"allow"`
	Reason  string            `json:"reason,omitempty" doc:"of the decision" example:"buyer"`
	Level   string            `json:"level,omitempty" doc:"that is reached" example:"view"`
	Fields  map[string]string `json:"fields,omitempty" doc:"what may be done with fields" example:"{\"phone\": \"read\"}"`
}

// AccessGroup are users of one type who hold the same roles at one account.
type AccessGroup struct {
	UserType string   `json:"user_type,omitempty" doc:"id of their type" example:"Buyer"`
	Roles    []string `json:"roles" nullable:"false" doc:"that are in force, inherited ones included" example:"Clerk"`
	Account  string   `json:"account,omitempty" doc:"id of their account" example:"BRIGHTON"`
	Users    int      `json:"users" minimum:"0" doc:"how many" example:"3"`
	Sample   []string `json:"sample" nullable:"false" doc:"ids of some of them" example:"cleo"`
}

func shownExamination(x *admin.Examination) Examination {
	out := Examination{
		ID: x.ID, Kind: string(x.Kind), Number: x.Number, By: x.By, State: string(x.State), Started: x.Started.UTC(), Ended: x.Ended.UTC(),
		Done: x.Done, Total: x.Total,
	}
	if x.Err != nil {
		out.Error = problemOf(x.Err)
	}
	if x.Check != nil {
		out.Check = shownCheck(x.Check)
	}
	if x.Report != nil {
		out.Report = shownReport(x.Report)
	}
	return out
}

func shownCheck(c *authz.PolicyCheck) *PolicyCheck {
	return &PolicyCheck{
		At: c.At.UTC(), ConfigRevision: c.ConfigRevision, OK: c.OK, Cases: c.Cases, Failed: c.Failed, Findings: c.Findings,
		Faults: append([]string{}, c.Faults...),
	}
}

func shownReport(r *accessdiff.Report) *AccessReport {
	out := &AccessReport{
		Portal: r.Portal, Before: r.Before, After: r.After, Questions: r.Questions, Evaluated: r.Evaluated, Users: r.Users,
		Screens: r.Screens, Records: r.Records, Gained: r.Gained, Lost: r.Lost, Changed: r.Changed, LockedOut: r.LockedOut,
		Changes: make([]AccessChange, 0, len(r.Changes)), Missing: append([]string{}, r.Missing...), Seconds: r.Took.Seconds(),
	}
	for _, c := range r.Changes {
		shown := AccessChange{Kind: string(c.Kind), Users: c.Users, Anonymous: c.Anonymous, Places: make([]AccessPlace, 0, len(c.Places)), Groups: make([]AccessGroup, 0, len(c.Groups))}
		for _, p := range c.Places {
			shown.Places = append(shown.Places, AccessPlace{
				Action: p.Action, Type: p.Type, ID: p.ID, Title: p.Title, Records: p.Records, Sample: p.Sample, Before: shownResult(&p.Before), After: shownResult(&p.After),
			})
		}
		for _, g := range c.Groups {
			shown.Groups = append(shown.Groups, AccessGroup{
				UserType: g.UserType, Roles: append([]string{}, g.Roles...), Account: g.Account, Users: g.Users, Sample: append([]string{}, g.Sample...),
			})
		}
		out.Changes = append(out.Changes, shown)
	}
	return out
}

func shownResult(a *accessdiff.Answer) AccessResult {
	out := AccessResult{Outcome: string(a.Outcome), Reason: a.Reason, Level: a.Level}
	for name, access := range a.Fields {
		if out.Fields == nil {
			out.Fields = map[string]string{}
		}
		out.Fields[name] = string(access)
	}
	return out
}
