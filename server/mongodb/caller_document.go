package mongodb

import (
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// callerDoc is a caller. Its _id begins with authz.ServiceChain, since callers
// belong to no portal.
type callerDoc struct {
	Meta        meta      `bson:",inline"`
	Name        string    `bson:"name"`
	Hash        []byte    `bson:"hash"`
	Portals     []string  `bson:"portals"`
	Permissions []string  `bson:"permissions"`
	User        string    `bson:"user,omitempty"`
	ActsFor     []string  `bson:"acts_for,omitempty"`
	CreatedAt   time.Time `bson:"created_at"`
	CreatedBy   string    `bson:"created_by"`
	Until       time.Time `bson:"until,omitempty"`
}

// callerPrefix begins the _id of every caller.
const callerPrefix = authz.ServiceChain + "/"

// callerID reports whether a caller may have this id.
func callerID(id string) bool { return id != "" && name(id) && !strings.ContainsAny(id, "/~") }

// allCallers matches every caller; "0" follows "/".
func allCallers() bson.D {
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: callerPrefix}, {Key: "$lt", Value: authz.ServiceChain + "0"}}}}
}

func callerDocOf(c *authz.Caller, at time.Time, by string) *callerDoc {
	return &callerDoc{
		Meta: meta{ID: callerPrefix + c.ID, Portal: authz.ServiceChain, UpdatedAt: at, UpdatedBy: by},
		Name: c.Name, Hash: c.Hash, Portals: listed(c.Portals),
		Permissions: listed(each(c.Permissions, func(p authz.Permission) string { return string(p) })),
		User:        c.User, ActsFor: c.ActsFor, CreatedAt: c.CreatedAt, CreatedBy: c.CreatedBy, Until: c.Until,
	}
}

// listed returns a list that is stored as one when it is empty.
func listed(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func (d *callerDoc) caller() authz.Caller {
	c := authz.Caller{
		ID: d.Meta.ID[len(callerPrefix):], Name: d.Name, Hash: d.Hash, Portals: d.Portals,
		Permissions: each(d.Permissions, func(p string) authz.Permission { return authz.Permission(p) }),
		User:        d.User, ActsFor: d.ActsFor, CreatedAt: d.CreatedAt.UTC(), CreatedBy: d.CreatedBy,
	}
	if !d.Until.IsZero() {
		c.Until = d.Until.UTC()
	}
	return c
}
