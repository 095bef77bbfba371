package adminapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// The structs here are the parameters that operations share. They are exported
// because huma sees no others.

// PortalPath names a portal in a path.
type PortalPath struct {
	Portal string `path:"portal" maxLength:"63" pattern:"^[a-z0-9][a-z0-9._-]*$" doc:"id of the portal" example:"helpdesk"`
}

func (p *PortalPath) portal() string { return p.Portal }
func (p *PortalPath) of() string     { return "" }

// ThisPortal names a portal as what the operation is about.
type ThisPortal struct{ PortalPath }

func (p *ThisPortal) id() string { return p.Portal }

// NoPortal is the path of what belongs to no portal.
type NoPortal struct{}

func (*NoPortal) portal() string { return "" }
func (*NoPortal) of() string     { return "" }

// EntityPath names an entity of a portal.
type EntityPath struct {
	PortalPath
	ID string `path:"id" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f]+$" doc:"id, percent-encoded once; at most 200 bytes" example:"ann.lee"`
}

func (p *EntityPath) id() string { return p.ID }

// RecordsPath names all records of a type.
type RecordsPath struct {
	PortalPath
	Type string `path:"type" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f/]+$" doc:"type of the records" example:"case"`
}

func (p *RecordsPath) of() string { return p.Type }

// RecordPath names a record.
type RecordPath struct {
	RecordsPath
	ID string `path:"id" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f]+$" doc:"id, percent-encoded once; at most 200 bytes" example:"CS-1"`
}

func (p *RecordPath) id() string { return p.ID }

// Calling is what every call may say of itself.
type Calling struct {
	User    string `header:"Portcullis-User" maxLength:"200" doc:"user for whom the key acts; the key must be allowed to" example:"kim.gibbs"`
	Context string `header:"Portcullis-Context" maxLength:"4096" doc:"what the caller says of the circumstances, which the policy reads as input.context: a JSON object" example:"{\"sign_up\": true}"`
}

func (in *Calling) fill(c *admin.Call) error {
	if in.Context == "" {
		return nil
	}
	said, err := decodeObject([]byte(in.Context))
	if err != nil {
		p := problemOf(err)
		p.Errors = []ProblemFault{{In: "header", Field: "Portcullis-Context", Message: p.Detail}}
		return p
	}
	c.Context = said
	return nil
}

// Noting is what every write may say of itself.
type Noting struct {
	Calling
	Note string `header:"Portcullis-Note" maxLength:"2000" doc:"why, for the audit" example:"asked for in TICKET-17"`
}

func (in *Noting) fill(c *admin.Call) error {
	c.Note = in.Note
	return in.Calling.fill(c)
}

// Writing is what every write that can be tried may say of itself.
type Writing struct {
	Noting
	DryRun bool `query:"dry_run" doc:"true: nothing is written; the answer says what would be"`
}

func (in *Writing) fill(c *admin.Call) error {
	c.DryRun = in.DryRun
	return in.Noting.fill(c)
}

// Creating is what the creation of an entity may say of itself.
type Creating struct {
	Writing
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"names this creation: sent again with the same key, it is not made again but answered as before, for 24 hours" example:"6f1c8a52-import-17"`
}

func (in *Creating) fill(c *admin.Call) error {
	c.IdempotencyKey = in.IdempotencyKey
	return in.Writing.fill(c)
}

// Changing is what a change of something that is there says of itself.
type Changing struct {
	Writing
	IfMatch string `header:"If-Match" maxLength:"1000" doc:"ETag of what is changed, as read before; * for whatever is there. Without it the answer is 428, and 412 when it has been changed since" example:"\"r1z\""`
}

func (in *Changing) fill(c *admin.Call) error {
	if in.IfMatch == admin.None { // a word of the Service's own
		return headerProblem("If-Match", `must be an ETag in double quotes, or *`)
	}
	c.IfMatch = in.IfMatch
	return in.Writing.fill(c)
}

// Replacing is what a replacement says of itself.
type Replacing struct {
	Changing
	IfNoneMatch string `header:"If-None-Match" maxLength:"1000" doc:"*: it must not be there yet" example:"*"`
}

func (in *Replacing) fill(c *admin.Call) error {
	if err := in.Changing.fill(c); err != nil {
		return err
	}
	switch {
	case in.IfNoneMatch == "":
		return nil
	case in.IfNoneMatch != "*":
		return headerProblem("If-None-Match", "must be *: to replace one state, send its ETag as If-Match")
	case in.IfMatch != "":
		return headerProblem("If-None-Match", "contradicts If-Match: send one of them")
	}
	c.IfMatch = admin.None
	return nil
}

// Paging says which page of a list is wanted.
type Paging struct {
	Calling
	After string `query:"after" maxLength:"1000" doc:"where the page begins: next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"most items of the page"`
}

func headerProblem(name, msg string) *Problem {
	p := newProblem(http.StatusBadRequest, name+": "+msg)
	p.Errors = []ProblemFault{{In: "header", Field: name, Message: msg}}
	return p
}

// caller is what the inputs of all operations have.
type caller interface{ fill(*admin.Call) error }

// newCall returns the call that a request makes.
func newCall(ctx context.Context, portal string, in caller) (admin.Call, error) {
	acting, ok := authz.ActingOf(ctx)
	if !ok {
		return admin.Call{}, authz.Errorf(authz.Unauthenticated, "nobody says who calls")
	}
	c := admin.Call{Portal: portal, Acting: acting, Request: requestOf(ctx)}
	return c, in.fill(&c)
}

// given returns the filters that are not empty, from names and values in turn.
func given(pairs ...string) map[string]string {
	filter := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			filter[pairs[i]] = pairs[i+1]
		}
	}
	return filter
}

// quoted returns an ETag as headers carry it.
func quoted(etag string) string {
	if etag == "" || strings.HasPrefix(etag, `"`) {
		return etag
	}
	return `"` + etag + `"`
}
