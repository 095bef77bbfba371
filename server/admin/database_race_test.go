//go:build race

package admin_test

import (
	"context"
	"os"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/mongodb"
)

const uriVariable = "PORTCULLIS_TEST_MONGODB_URI"

// database returns where the store of a test is: on the replica set that the environment
// names, for FerretDB built with the race detector crashes on errors that it handles
// otherwise.
func database(t testing.TB) (o mongodb.Options, end func() error) {
	t.Helper()
	o = mongodb.Options{URI: os.Getenv(uriVariable), Database: "admin_" + uuid.NewString()[:8]}
	if o.URI == "" {
		t.Skipf("with the race detector the tests of this package take a MongoDB replica set: set %s to its URI, as .ci/run does", uriVariable)
	}
	return o, func() error {
		c, err := mongo.Connect(options.Client().ApplyURI(o.URI))
		require.NoError(t, err)
		require.NoError(t, c.Database(o.Database).Drop(context.Background()))
		return c.Disconnect(context.Background())
	}
}
