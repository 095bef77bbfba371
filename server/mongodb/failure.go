package mongodb

import (
	"errors"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Server error codes.
const (
	codeInvalidDocument = 121
	codeExists          = 48
)

// errRaced says that the head changed between reading and writing it: the whole
// step is to be made again.
var errRaced = errors.New("another write came first")

// errNoChange ends a change of a head that has nothing to write.
var errNoChange = errors.New("nothing to change")

// unavailable returns the error for a store that could not be read or written:
// err is its cause, unless it already says what a caller should know.
func unavailable(done string, err error) error {
	if e, ok := errors.AsType[*authz.Error](err); ok {
		return e
	}
	if hasCode(err, codeInvalidDocument) {
		return authz.Errorf(authz.Invalid, "the database refuses the document: it does not fit the collection's schema").Because(err)
	}
	return authz.Errorf(authz.Unavailable, "the store cannot be %s now", done).Because(err)
}

func hasCode(err error, code int) bool {
	se, ok := errors.AsType[mongo.ServerError](err)
	return ok && se.HasErrorCode(code)
}

func noPortal(id string) error {
	return authz.Errorf(authz.NotFound, "there is no portal %q", id)
}

func absent(k authz.Key, portal string) error {
	return authz.Errorf(authz.NotFound, "there is no %s in portal %q", k, portal)
}

func replaced(portal string) error {
	return authz.Errorf(authz.Unavailable, "portal %q was imported anew: its old data is gone, ask again with the new", portal)
}
