package mongodb

import (
	"context"
	"errors"
	"slices"
	"sync"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// Bounds of the documents that a Store keeps. What goes beyond is read again.
const (
	maxKept      = 1024 // documents, those that are not there included
	maxKeptBytes = 8 << 20
)

// place is where a document is.
type place struct{ collection, id string }

// kept holds portals' heads, and the revisions of policies without their files, as they
// are stored. Each write reads them several times, and the embedded database takes
// milliseconds for one: where nobody else writes to it they are kept. The zero value keeps
// nothing.
type kept struct {
	mu     sync.Mutex
	on     bool
	docs   map[place]bson.Raw // nil: there is none
	bytes  int
	heads  []string // ids of all heads; nil: not known
	writes int      // begun or ended; what was read across one is not kept
}

// keeps reports whether anything is kept. What has ended does not begin again.
func (k *kept) keeps() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.on
}

func (k *kept) count() (writes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.writes
}

// list keeps the ids of all heads, read after that many writes.
func (k *kept) list(ids []string, writes int) {
	slices.Sort(ids)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.on && k.writes == writes && len(ids) <= maxKept {
		k.heads = ids
	}
}

func (k *kept) listed() (ids []string, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.heads, k.heads != nil
}

func (k *kept) get(p place) (raw bson.Raw, known bool, writes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	raw, known = k.docs[p]
	return raw, known, k.writes
}

// put keeps what was read after that many writes, unless there have been others since.
func (k *kept) put(p place, raw bson.Raw, writes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.on || k.writes != writes || len(raw) > maxKeptBytes {
		return
	}
	k.drop(p)
	if len(k.docs) >= maxKept || k.bytes+len(raw) > maxKeptBytes {
		k.docs, k.bytes = nil, 0
	}
	if k.docs == nil {
		k.docs = make(map[place]bson.Raw)
	}
	k.docs[p] = raw
	k.bytes += len(raw)
}

func (k *kept) drop(p place) {
	k.bytes -= len(k.docs[p])
	delete(k.docs, p)
}

// writing makes a write after which the documents are as given, or unknown for nil. After
// one whose outcome is not known, which the database may make yet, nothing is kept any
// longer.
func (k *kept) writing(docs map[place]bson.Raw, write func() error) error {
	if len(docs) == 0 || !k.keeps() {
		return write()
	}
	began := k.wrote(docs, nil)
	err := write()
	ended := k.wrote(docs, err)
	if err != nil || ended != began+1 {
		return err
	}
	for p, raw := range docs {
		if raw != nil && storedAsIs(raw) {
			k.put(p, raw, ended)
		}
	}
	return nil
}

func (k *kept) wrote(docs map[place]bson.Raw, err error) (writes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writes++
	for p := range docs {
		k.drop(p)
		if _, there := slices.BinarySearch(k.heads, p.id); p.collection == portals && !there {
			k.heads = nil
		}
	}
	if err != nil && !errors.Is(err, errRaced) && !mongo.IsDuplicateKeyError(err) {
		k.on, k.docs, k.bytes, k.heads = false, nil, 0, nil
	}
	return k.writes
}

// keptOf returns those of the documents that ops write which may be kept.
func keptOf(ops []op) map[place]bson.Raw {
	var docs map[place]bson.Raw
	for _, o := range ops {
		if o.Collection == policies {
			if docs == nil {
				docs = make(map[place]bson.Raw)
			}
			docs[place{o.Collection, o.ID}] = o.Doc
		}
	}
	return docs
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

// findKept returns the document that is there, or nil when there is none.
func findKept[D any](ctx context.Context, s *Store, p place) (*D, error) {
	raw, known, writes := s.kept.get(p)
	if !known {
		found, err := findIn[bson.Raw](ctx, s, p.collection, p.id)
		if err != nil {
			return nil, err
		}
		if found != nil {
			raw = *found
		}
		s.kept.put(p, raw, writes)
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
