package mongodb

import (
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// manyLookups is from where on the embedded database, which finds one _id at a time
// and scans for several, is quicker to scan.
const manyLookups = 64

// findIn returns the document with the _id, or nil when there is none.
func findIn[D any](ctx context.Context, s *Store, collection, id string) (*D, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	var d D
	err := s.db.Collection(collection).FindOne(ctx, byID(id)).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	return &d, err
}

// several returns those of the documents that are there, by _id.
func several[D any](ctx context.Context, s *Store, sc scope, kind authz.EntityKind, keys []authz.Key) (map[string]*D, error) {
	found := make(map[string]*D, len(keys))
	ids := make([]string, 0, len(keys))
	for _, k := range keys {
		if storable(k) {
			ids = append(ids, sc.id(k))
		}
	}
	collection := collectionOf[kind]
	switch {
	case len(ids) == 0:
		return found, nil
	case !s.opts.Embedded:
		for chunk := range slices.Chunk(ids, maxBatchDocs) {
			in := bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: chunk}}}}
			if err := gather(ctx, s, collection, in, nil, found); err != nil {
				return nil, err
			}
		}
		return found, nil
	case len(ids) > manyLookups:
		wanted := make(map[string]bool, len(ids))
		for _, id := range ids {
			wanted[id] = true
		}
		return found, gather(ctx, s, collection, sc.all(), wanted, found)
	}
	for _, id := range ids {
		d, err := findIn[D](ctx, s, collection, id)
		if err != nil {
			return nil, err
		}
		if d != nil {
			found[id] = d
		}
	}
	return found, nil
}

// gather adds what the filter finds, and is wanted, to found; nil wants all.
func gather[D any](ctx context.Context, s *Store, collection string, filter bson.D, wanted map[string]bool, found map[string]*D) error {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	cur, err := s.db.Collection(collection).Find(ctx, filter, options.Find().SetBatchSize(scanBatch))
	if err != nil {
		return err
	}
	defer func() { _ = cur.Close(context.WithoutCancel(ctx)) }()
	for cur.Next(ctx) {
		id := cur.Current.Lookup("_id").StringValue()
		if wanted != nil && !wanted[id] {
			continue
		}
		d := new(D)
		if err := bson.Unmarshal(cur.Current, d); err != nil {
			return err
		}
		found[id] = d
	}
	return cur.Err()
}
