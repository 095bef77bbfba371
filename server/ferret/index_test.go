package ferret_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/ferret"
)

// TestIndexFindsById compares finding and replacing the last of many documents
// without the index and with it. FerretDB reads them all without.
func TestIndexFindsById(t *testing.T) {
	f, err := ferret.Start(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Stop(context.Background())) }()
	client, err := mongo.Connect(options.Client().ApplyURI(f.URI()))
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Disconnect(context.Background())) }()
	c := client.Database("x").Collection("Users")
	docs := make([]any, 20_000)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: fmt.Sprint(i)}, {Key: "text", Value: "some text that takes a little to be read"}}
	}
	_, err = c.InsertMany(t.Context(), docs)
	require.NoError(t, err)
	last := bson.D{{Key: "_id", Value: "19999"}}
	take := func() time.Duration {
		began := time.Now()
		for i := range 10 {
			require.NoError(t, c.FindOne(t.Context(), last).Err())
			res, err := c.ReplaceOne(t.Context(), last, bson.D{{Key: "i", Value: i}})
			require.NoError(t, err)
			require.EqualValues(t, 1, res.MatchedCount)
		}
		return time.Since(began)
	}
	before := take()
	require.NoError(t, f.Index(t.Context(), "x"))
	require.NoError(t, f.Index(t.Context(), "x"), "a second time finds it")
	after := take()
	t.Logf("%s without, %s with the index", before, after)
	require.Less(t, after, before/2)
	require.NoError(t, c.Drop(t.Context()))
	require.Equal(t, authz.Unavailable, authz.KindOf(f.Index(t.Context(), "none")))
}
