package adminapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

const (
	mimeProblem = "application/problem+json"
	// maxMessage is how many bytes of a message are sent: some repeat a part of
	// the request, which must not come back at its full length.
	maxMessage = 1_000
	maxFaults  = 1_000 // that one problem lists
)

// Problem is why a request is refused, as RFC 9457 writes it.
type Problem struct {
	Type     string         `json:"type,omitempty" format:"uri" doc:"what kind of problem it is, for programs" example:"urn:portcullis:problem:rejected"`
	Title    string         `json:"title" doc:"the HTTP status in words" example:"Unprocessable Entity"`
	Status   int            `json:"status" minimum:"400" maximum:"599" doc:"the HTTP status" example:"422"`
	Detail   string         `json:"detail" doc:"what is wrong, why, and what would be right" example:"the write is refused"`
	Request  string         `json:"request,omitempty" doc:"id of the request, as in X-Request-ID" example:"0197c1de-6c5a-7e1a-8d53-2f0a3b9c4d5e"`
	Decision string         `json:"decision,omitempty" doc:"id of the decision about the call" example:"0197c1de-6c5a-7e1a-8d53-2f0a3b9c4d5e"`
	Outcome  string         `json:"outcome,omitempty" doc:"of that decision, when it did not let the call in" enum:"deny,challenge" example:"deny"`
	Reason   string         `json:"reason,omitempty" doc:"of that decision" example:"not_managed"`
	Errors   []ProblemFault `json:"errors,omitempty" nullable:"false" doc:"every single fault, all at once"`

	headers http.Header
}

// ProblemFault is one of the faults of a request.
type ProblemFault struct {
	In      string `json:"in" enum:"path,query,header,body" doc:"part of the request that is at fault" example:"body"`
	Field   string `json:"field,omitempty" doc:"member, parameter or header at fault; empty: the whole part" example:"grants[0].role"`
	Line    int    `json:"line,omitempty" minimum:"1" doc:"of a CSV file, from 1" example:"17"`
	Column  int    `json:"column,omitempty" minimum:"1" doc:"of that line, in characters from 1" example:"9"`
	Message string `json:"message" doc:"what is wrong and what would be right" example:"role \"Clrek\" does not exist; did you mean \"Clerk\"?"`
	Rule    string `json:"rule,omitempty" doc:"rule of the policy that refuses it" example:"roles_of_type"`
	Reason  string `json:"reason,omitempty" doc:"why the policy refuses it, for programs" example:"role_not_allowed"`
}

// Error returns the problem in words.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns the headers that the answer carries besides.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType returns the media type of problems, whatever was asked for.
func (*Problem) ContentType(string) string { return mimeProblem }

// problemKind is what one kind of error is over HTTP.
type problemKind struct {
	status int
	name   string // ends Problem.Type
}

// problemKinds is the one table of errors and statuses.
var problemKinds = map[authz.Kind]problemKind{
	authz.Internal:        {http.StatusInternalServerError, "internal"},
	authz.Invalid:         {http.StatusBadRequest, "invalid"},
	authz.Unauthenticated: {http.StatusUnauthorized, "unauthenticated"},
	authz.Forbidden:       {http.StatusForbidden, "forbidden"},
	authz.NotFound:        {http.StatusNotFound, "not_found"},
	authz.Conflict:        {http.StatusConflict, "conflict"},
	authz.Stale:           {http.StatusPreconditionFailed, "stale"},
	authz.TooLarge:        {http.StatusRequestEntityTooLarge, "too_large"},
	authz.Rejected:        {http.StatusUnprocessableEntity, "rejected"},
	authz.Unconditional:   {http.StatusPreconditionRequired, "unconditional"},
	authz.Unavailable:     {http.StatusServiceUnavailable, "unavailable"},
}

const problemType = "urn:portcullis:problem:"

// newProblem returns a problem of the status. Where no kind of error has the status,
// its words name the problem.
func newProblem(status int, detail string) *Problem {
	name := strings.ToLower(strings.ReplaceAll(http.StatusText(status), " ", "_"))
	for _, k := range problemKinds {
		if k.status == status {
			name = k.name
		}
	}
	p := &Problem{Type: problemType + name, Title: http.StatusText(status), Status: status, Detail: clip(detail, maxMessage), headers: http.Header{}}
	switch status {
	case http.StatusUnauthorized:
		p.headers.Set("WWW-Authenticate", `Bearer realm="portcullis"`)
	case http.StatusServiceUnavailable:
		p.headers.Set("Retry-After", "1")
	}
	return p
}

// problemOf turns any error into a problem. It shows nothing of an error that says
// of itself no more than that it is internal.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if r, ok := errors.AsType[*admin.Refused](err); ok {
		return refused(r)
	}
	if f, ok := errors.AsType[authz.Faults](err); ok {
		p := newProblem(http.StatusUnprocessableEntity, "what was sent is faulty in "+places(len(f)))
		p.Errors = faults(f)
		return p
	}
	if e, ok := errors.AsType[*authz.Error](err); ok {
		return kindProblem(e)
	}
	if m, ok := errors.AsType[*huma.ErrorModel](err); ok {
		return framework(m)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return newProblem(http.StatusServiceUnavailable, "the request took too long and was given up; a write may or may not have been made: read before trying again")
	}
	return newProblem(http.StatusInternalServerError, internalDetail)
}

const internalDetail = "internal error; the service's log tells more of this request"

// kindProblem is the problem of a plain error.
func kindProblem(e *authz.Error) *Problem {
	kind, known := problemKinds[e.Kind]
	if !known || kind.status == http.StatusInternalServerError {
		return newProblem(http.StatusInternalServerError, internalDetail)
	}
	p := newProblem(kind.status, e.Error())
	if e.Field != "" {
		p.Errors = []ProblemFault{{In: partOf(e.Field), Field: clip(e.Field, maxMessage), Message: clip(e.Msg, maxMessage)}}
	}
	return p
}

// partOf returns the part of a request in which the Service's name for a fault lies.
// No entity has members of the other names.
func partOf(field string) string {
	switch field {
	case "If-Match", "If-None-Match", "Idempotency-Key", "Portcullis-Note":
		return "header"
	case "after", "limit":
		return "query"
	}
	return "body"
}

// refused is the problem of a call that the policy or the data refuses. What the
// policy hides is not there.
func refused(r *admin.Refused) *Problem {
	if r.Kind == authz.Forbidden && r.Outcome == authz.Hide {
		p := newProblem(http.StatusNotFound, "there is no such thing")
		p.Decision = r.Decision
		return p
	}
	p := newProblem(problemKinds[r.Kind].status, r.Error())
	p.Decision, p.Reason = r.Decision, r.Reason
	if r.Kind == authz.Forbidden {
		p.Outcome = string(r.Outcome)
	}
	p.Errors = faults(r.Faults)
	for _, x := range r.Refusals {
		if len(p.Errors) == maxFaults {
			break
		}
		p.Errors = append(p.Errors, ProblemFault{
			In: "body", Field: clip(x.Path(), maxMessage), Rule: x.Rule, Reason: x.Reason,
			Message: clip("the policy refuses it: "+x.Reason, maxMessage),
		})
	}
	return p
}

func faults(all authz.Faults) []ProblemFault {
	var out []ProblemFault
	for _, f := range all[:min(len(all), maxFaults)] {
		out = append(out, ProblemFault{In: "body", Field: clip(f.Path, maxMessage), Message: clip(f.Msg, maxMessage)})
	}
	return out
}

// framework is the problem of what huma itself refuses: a body that does not
// match its schema.
func framework(m *huma.ErrorModel) *Problem {
	p := newProblem(m.Status, m.Detail)
	if m.Status == http.StatusInternalServerError {
		return newProblem(m.Status, internalDetail)
	}
	for _, e := range m.Errors[:min(len(m.Errors), maxFaults)] {
		in, field, _ := strings.Cut(e.Location, ".")
		if rest, ok := strings.CutPrefix(in, "body["); ok {
			in, field = "body", strings.TrimSuffix("["+rest+"."+field, ".")
		}
		p.Errors = append(p.Errors, ProblemFault{In: in, Field: clip(field, maxMessage), Message: clip(e.Message, maxMessage)})
	}
	if len(p.Errors) > 0 {
		p.Detail = "what was sent is faulty in " + places(len(p.Errors))
	}
	return p
}

func places(n int) string {
	if n == 1 {
		return "one place"
	}
	return strconv.Itoa(n) + " places"
}
