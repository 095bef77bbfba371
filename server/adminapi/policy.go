package adminapi

import (
	"bytes"
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/accessreport"
	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// RevisionPath names a revision of a portal's policy.
type RevisionPath struct {
	PortalPath
	Number int64 `path:"number" minimum:"0" doc:"number of the revision; 0: the folder's policy, which can be previewed alone" example:"7"`
}

// ExaminationPath names an examination of a portal's policy.
type ExaminationPath struct {
	PortalPath
	ID string `path:"id" minLength:"1" maxLength:"200" doc:"id of the examination" example:"0197c1de-6c5a-7e1a-8d53-2f0a3b9c4d5e"`
}

type (
	getPolicy struct {
		PortalPath
		Calling
	}
	listRevisions struct {
		PortalPath
		Paging
	}
	createRevision struct {
		PortalPath
		Creating
		Body NewRevision
	}
	getRevision struct {
		RevisionPath
		Calling
	}
	checkRevision struct {
		RevisionPath
		Noting
	}
	previewRevision struct {
		RevisionPath
		Noting
		Body PreviewBody
	}
	approveRevision struct {
		RevisionPath
		Writing
	}
	publishRevision struct {
		RevisionPath
		Writing
		Body PublishBody
	}
	returnPolicy struct {
		PortalPath
		Writing
		Body ReturnBody
	}
	getExamination struct {
		ExaminationPath
		Calling
	}
	getReport struct {
		ExaminationPath
		Calling
		Format string `query:"format" enum:"text,markdown,json" default:"text" doc:"text for people, Markdown for a comment on a pull request, or the JSON that portcullis diff writes"`
	}
	cancelExamination struct {
		ExaminationPath
		Noting
	}
)

// NewRevision is a revision that is to be made.
type NewRevision struct {
	Message string            `json:"message" minLength:"1" maxLength:"2000" doc:"what it is for" example:"Buyers approve orders"`
	Parent  *int64            `json:"parent,omitempty" nullable:"false" minimum:"0" doc:"revision that it is made from; 0: the folder's policy. Left out: what is in force" example:"6"`
	Files   map[string]string `json:"files,omitempty" doc:"all of its files, by path: Rego, suites, and the users, accounts, contacts and records that those ask about. Left out: those of the parent" example:"{\"policy.rego\": \"package helpdesk\"}"`
}

// PreviewBody says what is written along with the revision.
type PreviewBody struct{ body }

// Schema describes the body.
func (PreviewBody) Schema(r huma.Registry) *huma.Schema {
	most := admin.MaxItems
	return &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{
			"items":  {Type: huma.TypeArray, Items: documented[BatchItem](r), MaxItems: &most, Description: "changes that are supposed to be written with it, as a batch; nothing is"},
			"portal": derived[Portal](r, "Patch", mergePatch), // of its settings, which no batch changes
		},
	}
}

// PublishBody says over what a revision comes.
type PublishBody struct {
	Expected *int64 `json:"expected,omitempty" nullable:"false" minimum:"0" doc:"revision that was seen in force, 0: the folder's policy; if another one is by now, the answer is 409. Left out: the one that the preview compared with" example:"6"`
}

// ReturnBody says to what is returned.
type ReturnBody struct {
	Number   int64  `json:"number" minimum:"0" doc:"revision that was in force before; 0: the folder's policy" example:"5"`
	Expected *int64 `json:"expected,omitempty" nullable:"false" minimum:"0" doc:"revision that was seen in force; if another one is by now, the answer is 409" example:"6"`
}

// PolicyAnswer is the answer to a read of where the policy stands.
type PolicyAnswer struct{ Body PolicyBody }

// PolicyBody is where a portal's policy stands.
type PolicyBody struct {
	Source         string                   `json:"source" enum:"dir,database" doc:"dir: the folder of the server is the policy; database: a revision is" example:"database"`
	Package        string                   `json:"package" doc:"Rego package that decides" example:"presets.zoho_desk"`
	Published      Document[PolicyRevision] `json:"published,omitempty" doc:"the revision in force; none with source dir"`
	Last           int64                    `json:"last" minimum:"0" doc:"greatest number given to a revision so far" example:"7"`
	ConfigRevision int64                    `json:"config_revision" minimum:"0" doc:"of the portal's configuration, under which a revision has to be checked and previewed to be published" example:"68"`
}

// RevisionPage is the answer to a list of revisions.
type RevisionPage struct {
	Link string `header:"Link" doc:"the next page, as rel=next"`
	Body RevisionPageBody
}

// RevisionPageBody is one page of revisions.
type RevisionPageBody struct {
	Items []Document[PolicyRevision] `json:"items" nullable:"false" doc:"newest first, without their files"`
	Next  string                     `json:"next,omitempty" doc:"after of the next page; not there on the last"`
}

// ShownRevision is the answer to a read of a revision.
type ShownRevision struct {
	Body Document[PolicyRevision]
}

const tagPolicy = "Policies"

func (r *registrar) policies() {
	a, at := r.api, portalsPath+"/{portal}/policy"
	one, examinations := at+"/revisions/{number}", at+"/examinations/{id}"
	op := func(id, method, path, summary, description string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{tagPolicy}, Summary: summary, Description: description, DefaultStatus: status}
	}
	register(r, op("get_policy", http.MethodGet, at, "Read where the policy stands", "", 0),
		func(ctx context.Context, in *getPolicy) (*PolicyAnswer, error) { return a.getPolicy(ctx, in) })
	register(r, op("list_revisions", http.MethodGet, at+"/revisions", "List revisions of the policy", "", 0),
		func(ctx context.Context, in *listRevisions) (*RevisionPage, error) { return a.listRevisions(ctx, in) })
	register(r, op("create_revision", http.MethodPost, at+"/revisions", "Draft a revision",
		"It is kept, and not in force. Without files it is a copy of its parent; the first one then decides as the folder's policy does.", http.StatusCreated),
		func(ctx context.Context, in *createRevision) (*Written[PolicyRevision], error) {
			return a.createRevision(ctx, in)
		})
	register(r, op("get_revision", http.MethodGet, one, "Read a revision with its files", "", 0),
		func(ctx context.Context, in *getRevision) (*ShownRevision, error) { return a.getRevision(ctx, in) })
	register(r, op("check_revision", http.MethodPost, one+"/check", "Check a revision",
		"Whether it compiles, review finds no error, and its suites pass under the portal's configuration. What comes of it is kept with the revision.", http.StatusAccepted),
		func(ctx context.Context, in *checkRevision) (*Begun, error) {
			return a.begin(ctx, in.portal(), in, func(call admin.Call) (admin.Examination, error) { return a.service.CheckPolicy(ctx, call, in.Number) })
		})
	register(r, op("preview_revision", http.MethodPost, one+"/preview", "Preview a revision",
		"Whose access differs when it comes into force, computed from decisions. Items, and a patch of the portal with its settings, are supposed to be written along; without them, the counts are kept with the revision.", http.StatusAccepted),
		func(ctx context.Context, in *previewRevision) (*Begun, error) { return a.previewRevision(ctx, in) })
	register(r, op("approve_revision", http.MethodPost, one+"/approve", "Approve a revision",
		"Takes down that who calls has looked at it and is for it; the note says what else.", http.StatusOK),
		func(ctx context.Context, in *approveRevision) (*Written[PolicyRevision], error) {
			return a.policyWrite(ctx, in.portal(), in, func(call admin.Call) (admin.Result, error) { return a.service.ApprovePolicy(ctx, call, in.Number) })
		})
	register(r, op("publish_revision", http.MethodPost, one+"/publish", "Publish a revision",
		"It comes into force at once and whole, with the configuration under which it was checked and previewed.", http.StatusOK),
		func(ctx context.Context, in *publishRevision) (*Written[PolicyRevision], error) {
			return a.policyWrite(ctx, in.portal(), in, func(call admin.Call) (admin.Result, error) {
				return a.service.PublishPolicy(ctx, call, in.Number, in.Body.Expected)
			})
		})
	register(r, op("return_policy", http.MethodPost, at+"/return", "Return to a former revision", "One that was in force before, or the folder's policy.", http.StatusOK),
		func(ctx context.Context, in *returnPolicy) (*Written[PolicyRevision], error) {
			return a.policyWrite(ctx, in.portal(), in, func(call admin.Call) (admin.Result, error) {
				return a.service.ReturnPolicy(ctx, call, in.Body.Number, in.Body.Expected)
			})
		})
	register(r, op("get_examination", http.MethodGet, examinations, "Read what a check or a preview has found",
		"Its progress while it runs. What it has found is there for an hour after its end, as long as the server runs.", 0),
		func(ctx context.Context, in *getExamination) (*ExaminationAnswer, error) {
			return a.getExamination(ctx, in)
		})
	register(r, op("get_report", http.MethodGet, examinations+"/report", "Read the report of a preview", "Of one that is done.", 0),
		func(ctx context.Context, in *getReport) (*ReportAnswer, error) { return a.getReport(ctx, in) })
	register(r, op("cancel_examination", http.MethodDelete, examinations, "Cancel a check or a preview", "One that is over stays as it is.", http.StatusNoContent),
		func(ctx context.Context, in *cancelExamination) (*struct{}, error) {
			call, err := newCall(ctx, in.portal(), in)
			if err != nil {
				return nil, err
			}
			return nil, a.service.CancelExamination(ctx, call, in.ID)
		})
}

func (a *API) getPolicy(ctx context.Context, in *getPolicy) (*PolicyAnswer, error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	v, err := a.service.Policy(ctx, call)
	if err != nil {
		return nil, err
	}
	out := &PolicyAnswer{Body: PolicyBody{Source: "dir", Package: v.Package, Last: v.Last, ConfigRevision: v.ConfigRevision}}
	if v.Published != nil {
		out.Body.Source, out.Body.Published = "database", authz.Document(*v.Published)
	}
	return out, nil
}

func (a *API) listRevisions(ctx context.Context, in *listRevisions) (*RevisionPage, error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	before, err := revisionsBefore(in.After)
	if err != nil {
		return nil, err
	}
	all, err := a.service.Revisions(ctx, call, before, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &RevisionPage{Body: RevisionPageBody{Items: make([]Document[PolicyRevision], 0, len(all))}}
	for i := range all {
		d := authz.Document(all[i])
		delete(d, "files")
		delete(d, "digest")
		out.Body.Items = append(out.Body.Items, d)
	}
	if n := len(all); n == in.Limit && all[n-1].Number > 1 {
		out.Body.Next = strconv.FormatInt(all[n-1].Number, 10)
		out.Link = nextLink(ctx, out.Body.Next)
	}
	return out, nil
}

// revisionsBefore returns the number at which a page ends; 0 for the first page.
func revisionsBefore(after string) (int64, error) {
	if after == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(after, 10, 64)
	if err != nil || n < 1 {
		return 0, authz.Errorf(authz.Invalid, "is %q: want next of the page before", after).At("after")
	}
	return n, nil
}

func (a *API) createRevision(ctx context.Context, in *createRevision) (*Written[PolicyRevision], error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	res, err := a.service.DraftPolicy(ctx, call, admin.Draft{Parent: in.Body.Parent, Message: in.Body.Message, Files: in.Body.Files})
	if err != nil {
		return nil, err
	}
	address := ""
	if res.Entity != nil {
		address = portalsPath + "/" + call.Portal + "/policy/revisions/" + res.Entity.Key.ID
	}
	return written[PolicyRevision](&res, http.StatusCreated, address), nil
}

func (a *API) getRevision(ctx context.Context, in *getRevision) (*ShownRevision, error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	r, err := a.service.Revision(ctx, call, in.Number)
	if err != nil {
		return nil, err
	}
	d := authz.Document(r)
	files, _ := d["files"].(map[string]any)
	for name, text := range r.Files {
		if file, ok := files[name].(map[string]any); ok {
			file["text"] = text
		}
	}
	return &ShownRevision{Body: d}, nil
}

// policyWrite is any write about a revision that is there.
func (a *API) policyWrite(ctx context.Context, portal string, in caller, do func(admin.Call) (admin.Result, error)) (*Written[PolicyRevision], error) {
	call, err := newCall(ctx, portal, in)
	if err != nil {
		return nil, err
	}
	res, err := do(call)
	if err != nil {
		return nil, err
	}
	return written[PolicyRevision](&res, http.StatusOK, ""), nil
}

func (a *API) previewRevision(ctx context.Context, in *previewRevision) (*Begun, error) {
	doc := in.Body.document()
	if doc.err != nil {
		return nil, doc.err
	}
	items, err := batchItems(doc.members["items"])
	if err != nil {
		return nil, err
	}
	if patch, ok := doc.members["portal"].(map[string]any); ok {
		items = append(items, admin.Item{Operation: admin.PatchItem, Key: authz.Key{Kind: authz.PortalEntity, ID: in.portal()}, Document: patch})
	}
	return a.begin(ctx, in.portal(), in, func(call admin.Call) (admin.Examination, error) {
		return a.service.PreviewPolicy(ctx, call, in.Number, items)
	})
}

// begin begins an examination.
func (a *API) begin(ctx context.Context, portal string, in caller, do func(admin.Call) (admin.Examination, error)) (*Begun, error) {
	call, err := newCall(ctx, portal, in)
	if err != nil {
		return nil, err
	}
	x, err := do(call)
	if err != nil {
		return nil, err
	}
	return &Begun{Location: portalsPath + "/" + call.Portal + "/policy/examinations/" + x.ID, Body: shownExamination(&x)}, nil
}

func (a *API) getExamination(ctx context.Context, in *getExamination) (*ExaminationAnswer, error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	x, err := a.service.Examination(ctx, call, in.ID)
	if err != nil {
		return nil, err
	}
	return &ExaminationAnswer{Body: shownExamination(&x)}, nil
}

// ReportAnswer is a report as one text.
type ReportAnswer struct {
	Body ReportText
}

// ReportText is the report in the form that was asked for.
type ReportText struct {
	Format string `json:"format" enum:"text,markdown,json" doc:"form of the text" example:"text"`
	Text   string `json:"text" doc:"the report" example:"helpdesk: nobody's access differs"`
}

func (a *API) getReport(ctx context.Context, in *getReport) (*ReportAnswer, error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	x, err := a.service.Examination(ctx, call, in.ID)
	if err != nil {
		return nil, err
	}
	if x.Report == nil {
		return nil, authz.Errorf(authz.NotFound, "examination %q has no report: it is no preview that is done", in.ID)
	}
	var text bytes.Buffer
	c := &accessreport.Comparison{Reports: []*accessdiff.Report{x.Report}}
	switch in.Format {
	case "json":
		err = accessreport.JSON(&text, c)
	case "markdown":
		err = accessreport.Markdown(&text, c)
	default:
		err = accessreport.Text(&text, c, accessreport.TextOptions{})
	}
	if err != nil {
		return nil, err
	}
	return &ReportAnswer{Body: ReportText{Format: in.Format, Text: text.String()}}, nil
}
