package mongodb

import (
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Collections. A portal's head is in the first; then come those of its generations.
// The rest belong to no generation, and imports leave them alone; an _id there
// begins with the portal, or with authz.ServiceChain, and a slash.
const (
	portals   = "portals"
	userTypes = "user_types"
	roles     = "roles"
	screens   = "screens"
	rights    = "rights"
	users     = "users"
	accounts  = "accounts"
	contacts  = "contacts"
	records   = "records"

	audit   = "audit"
	tasks   = "tasks"
	latches = "latches"
	replies = "replies"
	callers = "callers"

	policies    = "policies"     // without their files
	policyFiles = "policy_files" // by the same _id

	journal = "journal" // of the embedded database
)

// generational are the collections whose documents belong to a generation.
var generational = [...]string{userTypes, roles, screens, rights, users, accounts, contacts, records}

// lasting are the collections whose documents belong to no generation.
var lasting = [...]string{audit, tasks, latches, replies, callers, policies, policyFiles, journal}

// collectionOf says where the entities of a kind are.
var collectionOf = map[authz.EntityKind]string{
	authz.UserTypeEntity: userTypes,
	authz.RoleEntity:     roles,
	authz.NodeEntity:     screens,
	authz.RightEntity:    rights,
	authz.UserEntity:     users,
	authz.AccountEntity:  accounts,
	authz.ContactEntity:  contacts,
	authz.RecordEntity:   records,
}

// scope is one generation of one portal.
type scope struct{ portal, generation string }

// prefix is what every _id of the scope begins with. Neither part holds a slash,
// so no scope's prefix begins with another's.
func (s scope) prefix() string { return s.portal + "/" + s.generation + "/" }

// id returns the _id of the entity. A record type holds no slash.
func (s scope) id(k authz.Key) string {
	switch k.Kind {
	case authz.RecordEntity:
		return s.prefix() + k.Of + "/" + k.ID
	case authz.RightEntity:
		return s.prefix() + k.Of
	}
	return s.prefix() + k.ID
}

// key undoes id for the entities named by their id alone.
func (s scope) key(id string) string { return strings.TrimPrefix(id, s.prefix()) }

// all matches every document of the scope, by a range of the _id index: "0"
// follows "/".
func (s scope) all() bson.D {
	p := s.prefix()
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: p}, {Key: "$lt", Value: p[:len(p)-1] + "0"}}}}
}

// but matches every document of the scope less the one with the id; "" is none's.
func (s scope) but(id string) bson.D {
	all := s.all()
	if id != "" {
		of := all[0].Value.(bson.D)
		all[0].Value = append(of, bson.E{Key: "$ne", Value: s.prefix() + id})
	}
	return all
}

// stamp is who writes at which revision.
type stamp struct {
	revision int64
	at       time.Time
	by       string
}

func (s scope) meta(k authz.Key, st stamp) meta {
	return meta{ID: s.id(k), Portal: s.portal, Revision: st.revision, UpdatedAt: st.at, UpdatedBy: st.by}
}

// storable reports whether the store can hold an entity of this key.
func storable(k authz.Key) bool {
	return k.ID != "" && name(k.ID) && name(k.Of) && (k.Kind != authz.RecordEntity || !strings.Contains(k.Of, "/"))
}

func name(s string) bool {
	return len(s) <= authz.MaxID && utf8.ValidString(s)
}
