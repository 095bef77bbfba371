package mongodb

import (
	"context"
	"errors"
	"sync"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// Bounds of what a Store keeps of the portals' heads. What goes beyond is read again.
const (
	maxKept      = 1024 // documents, those that are not there included
	maxKeptBytes = 8 << 20
)

// kept holds documents of the collection of heads as they are stored. Each write reads
// them several times, and the embedded database takes milliseconds for one: where nobody
// else writes to it they are kept. The zero value keeps nothing.
type kept struct {
	mu     sync.Mutex
	on     bool
	docs   map[string]bson.Raw // by _id; nil: there is none
	bytes  int
	writes int // begun or ended; what was read across one is not kept
}

func (k *kept) get(id string) (raw bson.Raw, known bool, writes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	raw, known = k.docs[id]
	return raw, known, k.writes
}

// put keeps what was read after that many writes, unless there have been others since.
func (k *kept) put(id string, raw bson.Raw, writes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.on || k.writes != writes || len(raw) > maxKeptBytes {
		return
	}
	k.drop(id)
	if len(k.docs) >= maxKept || k.bytes+len(raw) > maxKeptBytes {
		k.docs, k.bytes = nil, 0
	}
	if k.docs == nil {
		k.docs = make(map[string]bson.Raw)
	}
	k.docs[id] = raw
	k.bytes += len(raw)
}

func (k *kept) drop(id string) {
	k.bytes -= len(k.docs[id])
	delete(k.docs, id)
}

// writing makes a write after which the document is raw, or unknown for nil. After one
// whose outcome is not known, which the database may make yet, nothing is kept any longer.
func (k *kept) writing(id string, raw bson.Raw, write func() error) error {
	began := k.wrote(id, nil)
	err := write()
	ended := k.wrote(id, err)
	if err == nil && ended == began+1 && raw != nil && storedAsIs(raw) {
		k.put(id, raw, ended)
	}
	return err
}

func (k *kept) wrote(id string, err error) (writes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writes++
	k.drop(id)
	if err != nil && !errors.Is(err, errRaced) && !mongo.IsDuplicateKeyError(err) {
		k.on, k.docs, k.bytes = false, nil, 0
	}
	return k.writes
}

// storedAsIs reports whether a document is found as it was written: the embedded database
// puts other characters in the place of what is no UTF-8.
func storedAsIs(raw bson.Raw) bool {
	elements, err := raw.Elements()
	if err != nil {
		return false
	}
	for _, e := range elements {
		v := e.Value()
		text, isText := v.StringValueOK()
		within, isDocument := v.DocumentOK()
		if list, isList := v.ArrayOK(); isList {
			within, isDocument = bson.Raw(list), true
		}
		if !utf8.ValidString(e.Key()) || isText && !utf8.ValidString(text) || isDocument && !storedAsIs(within) {
			return false
		}
	}
	return true
}

// findKept returns the document of the collection of heads with the _id, or nil when
// there is none.
func findKept[D any](ctx context.Context, s *Store, id string) (*D, error) {
	raw, known, writes := s.kept.get(id)
	if !known {
		ctx, cancel := s.bounded(ctx)
		defer cancel()
		var err error
		raw, err = s.db.Collection(portals).FindOne(ctx, byID(id)).Raw()
		if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
			return nil, err
		}
		s.kept.put(id, raw, writes)
	}
	if raw == nil {
		return nil, nil
	}
	var d D
	if err := bson.Unmarshal(raw, &d); err != nil {
		return nil, err
	}
	return &d, nil
}
