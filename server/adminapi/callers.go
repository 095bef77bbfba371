package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-authz/portcullis/server/authz"
)

type (
	listCallers struct {
		NoPortal
		Calling
	}
	getCaller struct {
		NoPortal
		Calling
		ID string `path:"id" minLength:"1" maxLength:"200" doc:"the public part of the key" example:"7h2kq5w3x4abcdef"`
	}
	createCaller struct {
		NoPortal
		Noting
		Body NewCaller
	}
	deleteCaller struct {
		NoPortal
		Noting
		ID string `path:"id" minLength:"1" maxLength:"200" doc:"the public part of the key" example:"7h2kq5w3x4abcdef"`
	}
)

// NewCaller is who is to have a key.
type NewCaller struct {
	Name        string    `json:"name" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f]+$" doc:"for people" example:"portal web server"`
	Portals     []string  `json:"portals" nullable:"false" minItems:"1" maxItems:"1000" pattern:"^([*]|[a-z0-9][a-z0-9._-]*)$" maxLength:"63" doc:"portals that the key opens; * for all" example:"helpdesk"`
	Permissions []string  `json:"permissions" nullable:"false" minItems:"1" maxItems:"5" enum:"decide,search,explain,log,admin" doc:"what the key opens there" example:"decide"`
	User        string    `json:"user,omitempty" minLength:"1" maxLength:"200" doc:"user that every call with the key is by" example:"kim.gibbs"`
	ActsFor     []string  `json:"acts_for,omitempty" nullable:"false" maxItems:"1000" minLength:"1" maxLength:"200" doc:"users that a call may name in Portcullis-User; * for all; none together with user" example:"ann.lee"`
	Until       time.Time `json:"until,omitzero" doc:"the key opens nothing at or after" example:"2027-01-01T00:00:00Z"`
}

// Caller is who calls with a key.
type Caller struct {
	ID          string    `json:"id" doc:"the public part of the key" example:"7h2kq5w3x4abcdef"`
	Name        string    `json:"name" doc:"for people" example:"portal web server"`
	Portals     []string  `json:"portals" nullable:"false" doc:"portals that the key opens; * for all" example:"helpdesk"`
	Permissions []string  `json:"permissions" nullable:"false" doc:"what the key opens there" example:"decide"`
	User        string    `json:"user,omitempty" doc:"user that every call with the key is by" example:"kim.gibbs"`
	ActsFor     []string  `json:"acts_for,omitempty" nullable:"false" doc:"users that a call may name in Portcullis-User; * for all" example:"ann.lee"`
	CreatedAt   time.Time `json:"created_at" doc:"when the key was made" example:"2026-03-02T09:00:00Z"`
	CreatedBy   string    `json:"created_by,omitempty" doc:"by whom, as the audit names actors" example:"cli"`
	Until       time.Time `json:"until,omitzero" doc:"the key opens nothing at or after" example:"2027-01-01T00:00:00Z"`
}

// ShownCaller is the answer to a read of a caller.
type ShownCaller struct {
	Body Caller
}

// CallerList is the answer to a list of callers.
type CallerList struct {
	Body CallerListBody
}

// CallerListBody are all callers.
type CallerListBody struct {
	Items []Caller `json:"items" nullable:"false" doc:"by id"`
}

// MadeCaller is the answer to the creation of a caller.
type MadeCaller struct {
	Location string `header:"Location" doc:"of the caller" example:"/admin/v1/callers/7h2kq5w3x4abcdef"`
	Body     MadeCallerBody
}

// MadeCallerBody is a new caller with its key.
type MadeCallerBody struct {
	Key    string `json:"key" doc:"the key: shown here, once, and kept nowhere" example:"ptc_7h2kq5w3x4abcdef_REDACTED"`
	Caller Caller `json:"caller"`
}

func (r *registrar) callers() {
	all := Prefix + "/callers"
	one := all + "/{id}"
	register(r, huma.Operation{OperationID: "list_callers", Method: http.MethodGet, Path: all, Tags: []string{tagCallers}, Summary: "List who may call with a key"},
		func(ctx context.Context, in *listCallers) (*CallerList, error) { return r.api.listCallers(ctx, in) })
	register(r, huma.Operation{OperationID: "create_caller", Method: http.MethodPost, Path: all, Tags: []string{tagCallers}, Summary: "Make a key", DefaultStatus: http.StatusCreated,
		Description: "The key is in the answer and nowhere else: what is kept of it is a hash."},
		func(ctx context.Context, in *createCaller) (*MadeCaller, error) { return r.api.createCaller(ctx, in) })
	register(r, huma.Operation{OperationID: "get_caller", Method: http.MethodGet, Path: one, Tags: []string{tagCallers}, Summary: "Read who calls with a key"},
		func(ctx context.Context, in *getCaller) (*ShownCaller, error) { return r.api.getCaller(ctx, in) })
	register(r, huma.Operation{OperationID: "delete_caller", Method: http.MethodDelete, Path: one, Tags: []string{tagCallers}, Summary: "Take a key away", DefaultStatus: http.StatusNoContent},
		func(ctx context.Context, in *deleteCaller) (*struct{}, error) {
			call, err := newCall(ctx, "", in)
			if err != nil {
				return nil, err
			}
			return nil, r.api.service.DeleteCaller(ctx, call, in.ID)
		})
}

func (a *API) listCallers(ctx context.Context, in *listCallers) (*CallerList, error) {
	call, err := newCall(ctx, "", in)
	if err != nil {
		return nil, err
	}
	callers, err := a.service.Callers(ctx, call)
	if err != nil {
		return nil, err
	}
	out := &CallerList{Body: CallerListBody{Items: make([]Caller, 0, len(callers))}}
	for i := range callers {
		out.Body.Items = append(out.Body.Items, shownCaller(&callers[i]))
	}
	return out, nil
}

func (a *API) getCaller(ctx context.Context, in *getCaller) (*ShownCaller, error) {
	call, err := newCall(ctx, "", in)
	if err != nil {
		return nil, err
	}
	callers, err := a.service.Callers(ctx, call)
	if err != nil {
		return nil, err
	}
	for i := range callers {
		if callers[i].ID == in.ID {
			return &ShownCaller{Body: shownCaller(&callers[i])}, nil
		}
	}
	return nil, authz.Errorf(authz.NotFound, "there is no such caller")
}

func (a *API) createCaller(ctx context.Context, in *createCaller) (*MadeCaller, error) {
	call, err := newCall(ctx, "", in)
	if err != nil {
		return nil, err
	}
	b := &in.Body
	wanted := authz.Caller{Name: b.Name, Portals: b.Portals, User: b.User, ActsFor: b.ActsFor, Until: b.Until}
	for _, p := range b.Permissions {
		wanted.Permissions = append(wanted.Permissions, authz.Permission(p))
	}
	key, made, err := a.service.CreateCaller(ctx, call, wanted)
	if err != nil {
		return nil, err
	}
	return &MadeCaller{Location: Prefix + "/callers/" + made.ID, Body: MadeCallerBody{Key: key, Caller: shownCaller(&made)}}, nil
}

// shownCaller is the caller without the hash of its key.
func shownCaller(c *authz.Caller) Caller {
	out := Caller{
		ID: c.ID, Name: c.Name, Portals: append([]string{}, c.Portals...), Permissions: []string{}, User: c.User, ActsFor: c.ActsFor,
		CreatedAt: c.CreatedAt.UTC(), CreatedBy: c.CreatedBy, Until: c.Until.UTC(),
	}
	for _, p := range c.Permissions {
		out.Permissions = append(out.Permissions, string(p))
	}
	return out
}
