package adminapi

import (
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// The structs here describe the bodies, by the names of the fixture files. They are
// never filled: what is sent and shown is a mapping, which the Service reads and
// makes. A member that may be left out is so in every answer when it is empty.

// Portal is the settings of a portal.
type Portal struct {
	ID              string                       `json:"id" maxLength:"63" pattern:"^[a-z0-9][a-z0-9._-]*$" doc:"id of the portal" example:"helpdesk"`
	Title           string                       `json:"title,omitempty" doc:"for people" example:"Help desk"`
	Policy          string                       `json:"policy" maxLength:"200" pattern:"^[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z_][A-Za-z0-9_]*)*$" doc:"Rego package that decides" example:"presets.zoho_desk"`
	Settings        map[string]any               `json:"settings,omitempty" doc:"what the policy reads as data.portal.settings" example:"{\"login_enabled\": true}"`
	Features        map[string]bool              `json:"features,omitempty" doc:"switches that screens name and policies read" example:"{\"chat\": true}"`
	Sharing         []any                        `json:"sharing,omitempty" nullable:"false" doc:"sharing rules and groups, as the policy knows them"`
	Limits          map[string]any               `json:"limits,omitempty" doc:"quotas, as the policy knows them" example:"{\"users\": 500}"`
	ResourceScreens map[string]map[string]string `json:"resource_screens,omitempty" doc:"type of resource -> action, or * for all others -> screen on which it is shown" example:"{\"ticket\": {\"*\": \"tickets\"}}"`
}

// UserType is a class of users.
type UserType struct {
	ID           string         `json:"id" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f]+$" doc:"id of the user type" example:"Partner"`
	Title        string         `json:"title,omitempty" doc:"for people" example:"Partner"`
	Linked       string         `json:"linked" enum:"contact,employee" doc:"what its users are in the CRM" example:"contact"`
	AllowedRoles []AllowedRole  `json:"allowed_roles,omitempty" nullable:"false" doc:"roles that its users may hold"`
	Manages      []string       `json:"manages,omitempty" nullable:"false" maxLength:"200" doc:"user types whose users it manages" example:"Customer"`
	Licence      string         `json:"licence,omitempty" maxLength:"200" doc:"licence that its users take" example:"Gold"`
	Attributes   map[string]any `json:"attributes,omitempty" doc:"what else the policy knows of it" example:"{\"region\": \"north\"}"`
}

// AllowedRole is a role that users of a type may hold.
type AllowedRole struct {
	Role    string `json:"role" minLength:"1" maxLength:"200" doc:"id of the role" example:"Clerk"`
	Default bool   `json:"default,omitempty" doc:"given to new users" example:"true"`
}

// Role is a bag of rights.
type Role struct {
	ID         string         `json:"id" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f]+$" doc:"id of the role" example:"Clerk"`
	Title      string         `json:"title,omitempty" doc:"for people" example:"Order clerk"`
	Guest      bool           `json:"guest,omitempty" doc:"outside users may hold it" example:"true"`
	Inherits   []string       `json:"inherits,omitempty" nullable:"false" maxLength:"200" doc:"roles whose rights it has too" example:"Reader"`
	Attributes map[string]any `json:"attributes,omitempty" doc:"what else the policy knows of it" example:"{\"paid\": true}"`
}

// Screen is a node of the screen tree.
type Screen struct {
	ID      string          `json:"id" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f]+$" doc:"id of the node" example:"orders"`
	Kind    string          `json:"kind" enum:"workspace,screen,container,element" doc:"what it is" example:"screen"`
	Title   string          `json:"title,omitempty" doc:"for people" example:"Orders"`
	Parent  string          `json:"parent,omitempty" maxLength:"200" doc:"node above it; none at the root" example:"sales"`
	AlsoIn  []string        `json:"also_in,omitempty" nullable:"false" maxLength:"200" doc:"further workspaces that list it" example:"home"`
	Feature string          `json:"feature,omitempty" maxLength:"200" doc:"feature without which it is switched off" example:"chat"`
	Flags   map[string]bool `json:"flags,omitempty" doc:"what holds of it, by name" example:"{\"unlisted\": true}"`
}

// User is the login of a contact or an employee.
type User struct {
	ID         string          `json:"id" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f]+$" doc:"id of the user" example:"ann.lee"`
	Login      string          `json:"login,omitempty" maxLength:"200" doc:"what the user types to log in" example:"ann@brighton.example"`
	Active     bool            `json:"active,omitempty" doc:"false, or left out: may do nothing" example:"true"`
	UserType   string          `json:"user_type,omitempty" maxLength:"200" doc:"id of the user's type" example:"Partner"`
	Grants     []Grant         `json:"grants,omitempty" nullable:"false" doc:"roles held"`
	Account    string          `json:"account,omitempty" maxLength:"200" doc:"id of the user's account" example:"BRIGHTON"`
	Contact    string          `json:"contact,omitempty" maxLength:"200" doc:"id of the contact whose login this is" example:"C-ANN"`
	Position   string          `json:"position,omitempty" maxLength:"200" doc:"place in the account's own hierarchy" example:"Manager"`
	Flags      map[string]bool `json:"flags,omitempty" doc:"what holds of the user, by name" example:"{\"super_user\": false}"`
	Attributes map[string]any  `json:"attributes,omitempty" doc:"what else the policy knows of the user" example:"{\"language\": \"en\"}"`
}

// Grant is a role held by a user.
type Grant struct {
	Role  string    `json:"role" minLength:"1" maxLength:"200" doc:"id of the role" example:"Clerk"`
	By    string    `json:"by,omitempty" maxLength:"200" doc:"who granted it" example:"kim.gibbs"`
	Why   string    `json:"why,omitempty" doc:"why, in the words of who granted it" example:"stands in for Bob"`
	From  time.Time `json:"from,omitzero" doc:"not in force before" example:"2026-01-01T00:00:00Z"`
	Until time.Time `json:"until,omitzero" doc:"not in force at or after" example:"2026-02-01T00:00:00Z"`
}

// Account is a customer company.
type Account struct {
	ID         string          `json:"id" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f]+$" doc:"id of the account" example:"BRIGHTON"`
	Name       string          `json:"name,omitempty" doc:"for people" example:"Brighton Ltd"`
	Parent     string          `json:"parent,omitempty" maxLength:"200" doc:"account above it" example:"HOLDING"`
	Owner      string          `json:"owner,omitempty" maxLength:"200" doc:"user who owns it" example:"kim.gibbs"`
	Flags      map[string]bool `json:"flags,omitempty" doc:"what holds of it, by name" example:"{\"partner\": true}"`
	Attributes map[string]any  `json:"attributes,omitempty" doc:"what else the policy knows of it" example:"{\"size\": 12}"`
}

// Contact is a person at an account, as the CRM knows them.
type Contact struct {
	ID         string          `json:"id" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f]+$" doc:"id of the contact" example:"C-ANN"`
	Name       string          `json:"name,omitempty" doc:"for people" example:"Ann Lee"`
	Email      string          `json:"email,omitempty" doc:"mail address" example:"ann@brighton.example"`
	Account    string          `json:"account,omitempty" maxLength:"200" doc:"id of the contact's account" example:"BRIGHTON"`
	Position   string          `json:"position,omitempty" maxLength:"200" doc:"place in the account's own hierarchy" example:"Manager"`
	Flags      map[string]bool `json:"flags,omitempty" doc:"what holds of the contact, by name" example:"{\"primary\": true}"`
	Attributes map[string]any  `json:"attributes,omitempty" doc:"what else the policy knows of the contact" example:"{\"language\": \"en\"}"`
}

// Record is a thing of the CRM that portals show.
type Record struct {
	Type       string          `json:"type,omitempty" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f/]+$" doc:"type of the record, as in the path" example:"case"`
	ID         string          `json:"id" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f]+$" doc:"id of the record" example:"CS-1"`
	Account    string          `json:"account,omitempty" maxLength:"200" doc:"id of the account it belongs to" example:"BRIGHTON"`
	Contact    string          `json:"contact,omitempty" maxLength:"200" doc:"id of the contact it belongs to" example:"C-ANN"`
	Owner      string          `json:"owner,omitempty" maxLength:"200" doc:"user who owns it" example:"kim.gibbs"`
	Parent     string          `json:"parent,omitempty" maxLength:"401" doc:"type/id of the record that it belongs to" example:"case/CS-0"`
	Flags      map[string]bool `json:"flags,omitempty" doc:"what holds of it, by name" example:"{\"visible\": true}"`
	Properties map[string]any  `json:"properties,omitempty" doc:"what else is known of it" example:"{\"subject\": \"Late delivery\"}"`
}

// TransformSchema adds an example.
func (Portal) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return shownBy(s, map[string]any{"id": "helpdesk", "title": "Help desk", "policy": "presets.zoho_desk", "features": map[string]any{"chat": true}})
}

// TransformSchema adds an example.
func (UserType) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return shownBy(s, map[string]any{"id": "Partner", "linked": "contact", "allowed_roles": []any{map[string]any{"role": "Clerk", "default": true}}})
}

// TransformSchema adds an example.
func (Role) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return shownBy(s, map[string]any{"id": "Clerk", "title": "Order clerk", "guest": true})
}

// TransformSchema adds an example.
func (Screen) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return shownBy(s, map[string]any{"id": "orders", "kind": "workspace", "title": "Orders"})
}

// TransformSchema adds an example.
func (User) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return shownBy(s, map[string]any{"id": "ann.lee", "login": "ann@brighton.example", "active": true, "user_type": "Partner",
		"account": "BRIGHTON", "contact": "C-ANN", "grants": []any{map[string]any{"role": "Clerk", "until": "2026-02-01T00:00:00Z"}}})
}

// TransformSchema adds an example.
func (Account) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return shownBy(s, map[string]any{"id": "BRIGHTON", "name": "Brighton Ltd", "owner": "kim.gibbs"})
}

// TransformSchema adds an example.
func (Contact) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return shownBy(s, map[string]any{"id": "C-ANN", "name": "Ann Lee", "email": "ann@brighton.example", "account": "BRIGHTON"})
}

// TransformSchema adds an example.
func (Record) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return shownBy(s, map[string]any{"type": "case", "id": "CS-1", "account": "BRIGHTON", "contact": "C-ANN", "flags": map[string]any{"visible": true}})
}

func shownBy(s *huma.Schema, example map[string]any) *huma.Schema {
	s.Examples = []any{example}
	return s
}
