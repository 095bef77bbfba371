package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

type switchUser struct {
	EntityPath
	Changing
}

// fill lets a switch be thrown without a look before: it does the same whatever else
// has been changed.
func (in *switchUser) fill(c *admin.Call) error {
	err := in.Changing.fill(c)
	c.IfMatch = orElse(c.IfMatch, admin.Whatever)
	return err
}

func (r *registrar) switches() {
	user := portalsPath + "/{portal}/users/{id}/"
	register(r, huma.Operation{OperationID: "activate_user", Method: http.MethodPost, Path: user + "activate", Tags: []string{tagUsers}, Summary: "Activate a user"},
		func(ctx context.Context, in *switchUser) (*Written[User], error) {
			return r.api.switchUser(ctx, in, true)
		})
	register(r, huma.Operation{OperationID: "deactivate_user", Method: http.MethodPost, Path: user + "deactivate", Tags: []string{tagUsers}, Summary: "Deactivate a user",
		Description: "A user who is not active may do nothing, whatever else is granted."},
		func(ctx context.Context, in *switchUser) (*Written[User], error) {
			return r.api.switchUser(ctx, in, false)
		})
}

func (a *API) switchUser(ctx context.Context, in *switchUser, active bool) (*Written[User], error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	res, err := a.service.Patch(ctx, call, authz.Key{Kind: authz.UserEntity, ID: in.ID}, map[string]any{"active": active})
	if err != nil {
		return nil, err
	}
	return written[User](&res, http.StatusOK, ""), nil
}

type listGrants struct {
	PortalPath
	Paging
	Role      string `query:"role" maxLength:"200" doc:"only grants of this role"`
	Holder    string `query:"user" maxLength:"200" doc:"only grants of this user"`
	Temporary bool   `query:"temporary" doc:"true: only grants that end"`
	Guest     bool   `query:"guest" doc:"true: only grants of roles for outside users"`
}

// GrantPage is the answer to a list of grants.
type GrantPage struct {
	Link string `header:"Link" doc:"the next page, as rel=next"`
	Body GrantPageBody
}

// GrantPageBody is one page of grants.
type GrantPageBody struct {
	Items  []HeldGrant `json:"items" nullable:"false" doc:"by user"`
	Next   string      `json:"next,omitempty" doc:"after of the next page; not there on the last"`
	Looked int         `json:"looked" minimum:"0" doc:"how many users were looked at for this page" example:"100"`
}

// HeldGrant is one role held by one user.
type HeldGrant struct {
	User    string    `json:"user" doc:"id of the user" example:"ann.lee"`
	Account string    `json:"account,omitempty" doc:"id of the user's account" example:"BRIGHTON"`
	Role    string    `json:"role" doc:"id of the role" example:"Clerk"`
	By      string    `json:"by,omitempty" doc:"who granted it" example:"kim.gibbs"`
	Why     string    `json:"why,omitempty" doc:"why, in the words of who granted it" example:"stands in for Bob"`
	From    time.Time `json:"from,omitzero" doc:"not in force before" example:"2026-01-01T00:00:00Z"`
	Until   time.Time `json:"until,omitzero" doc:"not in force at or after" example:"2026-02-01T00:00:00Z"`
	InForce bool      `json:"in_force" doc:"now, and the user is active" example:"true"`
	Guest   bool      `json:"guest" doc:"the role is for outside users" example:"true"`
}

func (r *registrar) grants() {
	register(r, huma.Operation{OperationID: "list_grants", Method: http.MethodGet, Path: portalsPath + "/{portal}/grants", Tags: []string{tagUsers}, Summary: "List who holds which role",
		Description: "Who has guest or temporary access, why, from whom, and until when. limit bounds the users of a page, not their grants."},
		func(ctx context.Context, in *listGrants) (*GrantPage, error) { return r.api.listGrants(ctx, in) })
}

func (a *API) listGrants(ctx context.Context, in *listGrants) (*GrantPage, error) {
	call, err := newCall(ctx, in.portal(), in)
	if err != nil {
		return nil, err
	}
	p, err := a.service.Grants(ctx, call, admin.GrantQuery{
		Role: in.Role, User: in.Holder, Temporary: in.Temporary, Guest: in.Guest, After: in.After, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := &GrantPage{Link: nextLink(ctx, p.Next), Body: GrantPageBody{Items: make([]HeldGrant, 0, len(p.Grants)), Next: p.Next, Looked: p.Looked}}
	for _, g := range p.Grants {
		out.Body.Items = append(out.Body.Items, HeldGrant(g))
	}
	return out, nil
}
