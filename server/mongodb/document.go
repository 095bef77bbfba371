package mongodb

import (
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// meta is what every document carries. Revision is the portal's when the
// document was written.
type meta struct {
	ID        string    `bson:"_id"`
	Portal    string    `bson:"portal"`
	Revision  int64     `bson:"revision"`
	UpdatedAt time.Time `bson:"updated_at"`
	UpdatedBy string    `bson:"updated_by"`
}

// portalFields are a portal's own in its head.
type portalFields struct {
	Title           string  `bson:"title,omitempty"`
	Policy          string  `bson:"policy,omitempty"`
	Settings        values  `bson:"settings,omitempty"`
	Features        flags   `bson:"features,omitempty"`
	Sharing         sharing `bson:"sharing,omitempty"`
	Limits          values  `bson:"limits,omitempty"`
	ResourceScreens shownOn `bson:"resource_screens,omitempty"`
}

func portalFieldsOf(p *authz.Portal) portalFields {
	return portalFields{p.Title, p.Policy, p.Settings, p.Features, p.Sharing, p.Limits, p.ResourceScreens}
}

func (f *portalFields) entity(id string) authz.Portal {
	return authz.Portal{
		ID: id, Title: f.Title, Policy: f.Policy, Settings: f.Settings, Features: f.Features,
		Sharing: f.Sharing, Limits: f.Limits, ResourceScreens: f.ResourceScreens,
	}
}

// lateOrder is above every position in an import's lists. What is added later
// follows them in the order of the writes.
const lateOrder = int64(1) << 32

type userTypeDoc struct {
	Meta         meta                `bson:",inline"`
	Order        int64               `bson:"order"` // position among the portal's user types
	Title        string              `bson:"title,omitempty"`
	Linked       string              `bson:"linked,omitempty"`
	AllowedRoles opt[allowedRoleDoc] `bson:"allowed_roles,omitempty"`
	Manages      opt[string]         `bson:"manages,omitempty"`
	Licence      string              `bson:"licence,omitempty"`
	Attributes   values              `bson:"attributes,omitempty"`
}

type allowedRoleDoc struct {
	Role    string `bson:"role"`
	Default bool   `bson:"default,omitempty"`
}

func userTypeDocOf(m meta, order int64, t *authz.UserType) *userTypeDoc {
	return &userTypeDoc{
		Meta: m, Order: order, Title: t.Title, Linked: string(t.Linked), Manages: t.Manages, Licence: t.Licence, Attributes: t.Attributes,
		AllowedRoles: each(t.AllowedRoles, func(a authz.AllowedRole) allowedRoleDoc { return allowedRoleDoc(a) }),
	}
}

func (d *userTypeDoc) entity(id string) authz.UserType {
	return authz.UserType{
		ID: id, Title: d.Title, Linked: authz.Linked(d.Linked), Manages: d.Manages, Licence: d.Licence, Attributes: d.Attributes,
		AllowedRoles: each(d.AllowedRoles, func(a allowedRoleDoc) authz.AllowedRole { return authz.AllowedRole(a) }),
	}
}

type roleDoc struct {
	Meta       meta        `bson:",inline"`
	Order      int64       `bson:"order"`
	Title      string      `bson:"title,omitempty"`
	Guest      bool        `bson:"guest,omitempty"`
	Inherits   opt[string] `bson:"inherits,omitempty"`
	Attributes values      `bson:"attributes,omitempty"`
}

func roleDocOf(m meta, order int64, r *authz.Role) *roleDoc {
	return &roleDoc{Meta: m, Order: order, Title: r.Title, Guest: r.Guest, Inherits: r.Inherits, Attributes: r.Attributes}
}

func (d *roleDoc) entity(id string) authz.Role {
	return authz.Role{ID: id, Title: d.Title, Guest: d.Guest, Inherits: d.Inherits, Attributes: d.Attributes}
}

type nodeDoc struct {
	Meta    meta        `bson:",inline"`
	Order   int64       `bson:"order"`
	Kind    string      `bson:"kind"`
	Title   string      `bson:"title,omitempty"`
	Parent  string      `bson:"parent,omitempty"`
	AlsoIn  opt[string] `bson:"also_in,omitempty"`
	Feature string      `bson:"feature,omitempty"`
	Flags   flags       `bson:"flags,omitempty"`
}

func nodeDocOf(m meta, order int64, n *authz.Node) *nodeDoc {
	return &nodeDoc{
		Meta: m, Order: order, Kind: string(n.Kind), Title: n.Title, Parent: n.Parent,
		AlsoIn: n.AlsoIn, Feature: n.Feature, Flags: n.Flags,
	}
}

func (d *nodeDoc) entity(id string) authz.Node {
	return authz.Node{
		ID: id, Kind: authz.NodeKind(d.Kind), Title: d.Title, Parent: d.Parent,
		AlsoIn: d.AlsoIn, Feature: d.Feature, Flags: d.Flags,
	}
}

// rightsDoc holds every explicit right of one role, as the names of its nodes by
// level. In the embedded database what is read costs by the document and by the
// value: with a document a right, a portal's 20,000 rights took most of the time
// of loading it.
type rightsDoc struct {
	Meta   meta                `bson:",inline"`
	Levels map[string][]string `bson:"levels"`
}

func newRightsDoc(m meta) *rightsDoc {
	return &rightsDoc{Meta: m, Levels: make(map[string][]string)}
}

func (d *rightsDoc) add(r authz.Right) {
	d.Levels[r.Level.String()] = append(d.Levels[r.Level.String()], r.Node)
}

func (d *rightsDoc) entities(role string, into []authz.Right) ([]authz.Right, error) {
	for name, nodes := range d.Levels {
		level, err := authz.ParseLevel(name)
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			into = append(into, authz.Right{Role: role, Node: n, Level: level})
		}
	}
	return into, nil
}

type userDoc struct {
	Meta       meta          `bson:",inline"`
	Login      string        `bson:"login,omitempty"`
	LoginKey   string        `bson:"login_key,omitempty"` // the login as logins are compared
	Active     bool          `bson:"active"`
	UserType   string        `bson:"user_type,omitempty"`
	Grants     opt[grantDoc] `bson:"grants,omitempty"`
	Account    string        `bson:"account,omitempty"`
	Contact    string        `bson:"contact,omitempty"`
	Position   string        `bson:"position,omitempty"`
	Flags      flags         `bson:"flags,omitempty"`
	Attributes values        `bson:"attributes,omitempty"`
}

type grantDoc struct {
	Role  string    `bson:"role"`
	By    string    `bson:"by,omitempty"`
	Why   string    `bson:"why,omitempty"`
	From  time.Time `bson:"from,omitempty"`
	Until time.Time `bson:"until,omitempty"`
}

func userDocOf(m meta, u *authz.User) *userDoc {
	return &userDoc{
		Meta: m, Login: u.Login, LoginKey: authz.FoldLogin(u.Login), Active: u.Active, UserType: u.UserType, Account: u.Account, Contact: u.Contact,
		Position: u.Position, Flags: u.Flags, Attributes: u.Attributes,
		Grants: each(u.Grants, func(g authz.Grant) grantDoc { return grantDoc(g) }),
	}
}

func (d *userDoc) entity(id string) authz.User {
	return authz.User{
		ID: id, Login: d.Login, Active: d.Active, UserType: d.UserType, Account: d.Account, Contact: d.Contact,
		Position: d.Position, Flags: d.Flags, Attributes: d.Attributes,
		Grants: each(d.Grants, func(g grantDoc) authz.Grant { return authz.Grant(g) }),
	}
}

type accountDoc struct {
	Meta       meta   `bson:",inline"`
	Name       string `bson:"name,omitempty"`
	Parent     string `bson:"parent,omitempty"`
	Owner      string `bson:"owner,omitempty"`
	Flags      flags  `bson:"flags,omitempty"`
	Attributes values `bson:"attributes,omitempty"`
}

func accountDocOf(m meta, a *authz.Account) *accountDoc {
	return &accountDoc{m, a.Name, a.Parent, a.Owner, a.Flags, a.Attributes}
}

func (d *accountDoc) entity(id string) authz.Account {
	return authz.Account{ID: id, Name: d.Name, Parent: d.Parent, Owner: d.Owner, Flags: d.Flags, Attributes: d.Attributes}
}

type contactDoc struct {
	Meta       meta   `bson:",inline"`
	Name       string `bson:"name,omitempty"`
	Email      string `bson:"email,omitempty"`
	Account    string `bson:"account,omitempty"`
	Position   string `bson:"position,omitempty"`
	Flags      flags  `bson:"flags,omitempty"`
	Attributes values `bson:"attributes,omitempty"`
}

func contactDocOf(m meta, c *authz.Contact) *contactDoc {
	return &contactDoc{m, c.Name, c.Email, c.Account, c.Position, c.Flags, c.Attributes}
}

func (d *contactDoc) entity(id string) authz.Contact {
	return authz.Contact{
		ID: id, Name: d.Name, Email: d.Email, Account: d.Account, Position: d.Position, Flags: d.Flags, Attributes: d.Attributes,
	}
}

// recordDoc repeats the type and id of its key, for filters over records.
type recordDoc struct {
	Meta       meta   `bson:",inline"`
	Type       string `bson:"type"`
	RecordID   string `bson:"id"`
	Account    string `bson:"account,omitempty"`
	Contact    string `bson:"contact,omitempty"`
	Owner      string `bson:"owner,omitempty"`
	Parent     string `bson:"parent,omitempty"`
	Flags      flags  `bson:"flags,omitempty"`
	Properties values `bson:"properties,omitempty"`
}

func recordDocOf(m meta, r *authz.Record) *recordDoc {
	return &recordDoc{m, r.Type, r.ID, r.Account, r.Contact, r.Owner, r.Parent, r.Flags, r.Properties}
}

func (d *recordDoc) entity(string) authz.Record {
	return authz.Record{
		Type: d.Type, ID: d.RecordID, Account: d.Account, Contact: d.Contact, Owner: d.Owner, Parent: d.Parent,
		Flags: d.Flags, Properties: d.Properties,
	}
}

// each converts a list and keeps nil apart from empty.
func each[A, B any](from []A, convert func(A) B) []B {
	if from == nil {
		return nil
	}
	to := make([]B, len(from))
	for i, a := range from {
		to[i] = convert(a)
	}
	return to
}
