//go:build race

package storetest

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/mongodb"
)

const uriVariable = "PORTCULLIS_TEST_MONGODB_URI"

// Database returns where the store of a test is. end ends what is there, and is to be
// called when the store is closed. FerretDB built with the race detector crashes on
// errors that it handles otherwise, so that this one is on a replica set.
func Database(t testing.TB) (o mongodb.Options, end func() error) {
	t.Helper()
	o = mongodb.Options{URI: os.Getenv(uriVariable), Database: "test_" + uuid.NewString()[:8]}
	if o.URI == "" {
		t.Skipf("with the race detector this test takes a MongoDB replica set: set %s to its URI, as .ci/run does", uriVariable)
	}
	return o, func() error {
		ctx := context.Background()
		c, err := mongo.Connect(options.Client().ApplyURI(o.URI))
		if err != nil {
			return err
		}
		return errors.Join(c.Database(o.Database).Drop(ctx), c.Disconnect(ctx))
	}
}
