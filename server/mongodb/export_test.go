package mongodb

import (
	"bytes"
	"context"
	"errors"
	"maps"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// Unlike returns a document that the Store keeps in memory and that the database has
// otherwise; nil when there is none.
func (s *Store) Unlike(ctx context.Context) (kept, stored bson.Raw, err error) {
	s.kept.mu.Lock()
	docs := maps.Clone(s.kept.docs)
	s.kept.mu.Unlock()
	for p, raw := range docs {
		_, _, writes := s.kept.get(p)
		found, err := s.db.Collection(p.collection).FindOne(ctx, byID(p.id)).Raw()
		if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
			return nil, nil, err
		}
		if now, known, after := s.kept.get(p); known && after == writes && bytes.Equal(now, raw) && !bytes.Equal(raw, found) {
			return raw, found, nil
		}
	}
	return nil, nil, nil
}
