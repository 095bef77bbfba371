package mongodb

import (
	"cmp"
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// write is one write that has been judged: what the head becomes, provided that it
// is still at the version, and documents.
type write struct {
	version int64 // 0: there is no head
	after   head
	entry   authz.AuditEntry
	ops     []op
	settle  *authz.TaskOutcome // of a task, which changes without its portal's head
}

// op stores Doc under the _id, or deletes what is there when Doc is empty. Made
// twice it does no more than once.
type op struct {
	Collection string   `bson:"collection"`
	ID         string   `bson:"id"`
	Doc        bson.Raw `bson:"doc,omitempty"`
	New        bool     `bson:"new,omitempty"` // nothing is there before
}

// land makes the write, or returns errRaced when its head has moved. On a replica
// set it is one transaction, on the embedded database a redo journal.
func (s *Store) land(ctx context.Context, w *write) error {
	return s.atomically(ctx, func(ctx context.Context) error {
		h, err := s.findHead(ctx, w.after.ID)
		if err != nil || h.version() != w.version {
			return cmp.Or(err, errRaced)
		}
		ops := w.ops
		if w.settle != nil {
			settled, err := s.settled(ctx, w)
			if err != nil {
				return err
			}
			ops = append(ops[:len(ops):len(ops)], settled)
		}
		if s.opts.Embedded {
			return s.journalled(ctx, &journalDoc{ID: w.after.ID, Version: w.version, Head: w.after, Ops: ops})
		}
		if err := s.do(ctx, ops); err != nil {
			return err
		}
		return s.saveHead(ctx, &w.after, w.version == 0)
	})
}

// settled returns the change of the task that the write carries out, which only
// one write may do.
func (s *Store) settled(ctx context.Context, w *write) (op, error) {
	id := taskID(w.settle.Name)
	d, err := findIn[taskDoc](ctx, s, tasks, id)
	if err != nil {
		return op{}, err
	}
	if d == nil || d.Meta.Portal != w.after.ID || d.State != string(authz.TaskPending) {
		return op{}, authz.Errorf(authz.Conflict, "task %q no longer waits to be done", w.settle.Name)
	}
	d.settled(w.settle)
	raw, err := encodeWithin(maxDocument, d, "task "+d.Task)
	return op{Collection: tasks, ID: id, Doc: raw}, err
}

// embeddedBatch is how many changes the embedded database gets at once: it keeps a
// connection for each, and comes to a standstill when it has no more.
const embeddedBatch = 10

// do makes the changes of documents.
func (s *Store) do(ctx context.Context, ops []op) error {
	return s.kept.writing(keptOf(ops), func() error { return s.inBatches(ctx, ops) })
}

func (s *Store) inBatches(ctx context.Context, ops []op) error {
	var collection string
	var models []mongo.WriteModel
	bytes, most := 0, maxBatchDocs
	if s.opts.Embedded {
		most = embeddedBatch
	}
	for _, o := range ops {
		full := len(models) == most || bytes+len(o.Doc) > maxBatchBytes
		if len(models) > 0 && (full || o.Collection != collection) {
			if err := s.bulk(ctx, collection, models); err != nil {
				return err
			}
			models, bytes = models[:0], 0
		}
		collection, models, bytes = o.Collection, append(models, s.model(&o)), bytes+len(o.Doc)
	}
	return s.bulk(ctx, collection, models)
}

// model returns the change as the driver has it. A server refuses to create what is
// there; the embedded database may be at it for the second time.
func (s *Store) model(o *op) mongo.WriteModel {
	switch {
	case len(o.Doc) == 0:
		return mongo.NewDeleteOneModel().SetFilter(byID(o.ID))
	case o.New && !s.opts.Embedded:
		return mongo.NewInsertOneModel().SetDocument(o.Doc)
	}
	return mongo.NewReplaceOneModel().SetFilter(byID(o.ID)).SetReplacement(o.Doc).SetUpsert(true)
}

func (s *Store) bulk(ctx context.Context, collection string, models []mongo.WriteModel) error {
	if len(models) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 4*s.opts.Timeout)
	defer cancel()
	_, err := s.db.Collection(collection).BulkWrite(ctx, models)
	return err
}

// journalDoc is a write to the embedded database, which has no transactions. Once
// it is stored, the write has happened, and whoever finds it makes it complete:
// first the documents, last the head, by which the journal knows that it is done.
type journalDoc struct {
	ID      string `bson:"_id"`     // of the head
	Version int64  `bson:"version"` // of the head before
	Head    head   `bson:"head"`
	Ops     []op   `bson:"ops"`
}

// sealedJournal is how a journal is stored: FerretDB takes time for every value of
// a document, and this has one.
type sealedJournal struct {
	ID   string `bson:"_id"`
	Data []byte `bson:"data"`
}

// journalled makes the write of j, whose turn it is and whose head is as j has it.
func (s *Store) journalled(ctx context.Context, j *journalDoc) error {
	data, err := bson.Marshal(j)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	s.unfinished.Store(true)
	if err := s.insertJournal(ctx, &sealedJournal{j.ID, data}); err != nil {
		return authz.Errorf(authz.Unavailable, "the store failed while it took the write: it may be stored, and would take effect when the store can be reached again").Because(err)
	}
	if err := s.perform(ctx, j); err != nil {
		return authz.Errorf(authz.Unavailable, "the write is stored, and takes effect when the store can be reached again").Because(err)
	}
	s.unfinished.Store(false)
	return nil
}

func (s *Store) insertJournal(ctx context.Context, d *sealedJournal) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	_, err := s.db.Collection(journal).InsertOne(ctx, d)
	return err
}

// redo makes what is left of the write of j, and ends the journal.
func (s *Store) redo(ctx context.Context, j *journalDoc) error {
	h, err := s.findHead(ctx, j.ID)
	switch {
	case err != nil:
		return err
	case h.version() != j.Version:
		return s.forget(ctx, j)
	}
	return s.perform(ctx, j)
}

func (s *Store) perform(ctx context.Context, j *journalDoc) error {
	if err := s.do(ctx, j.Ops); err != nil {
		return err
	}
	if err := s.saveHead(ctx, &j.Head, j.Version == 0); err != nil {
		return err
	}
	return s.forget(ctx, j)
}

func (s *Store) forget(ctx context.Context, j *journalDoc) error {
	return s.do(ctx, []op{{Collection: journal, ID: j.ID}})
}

// complete finishes what the journals say. Only the holder of the turn calls it,
// before anything else is written.
func (s *Store) complete(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scanTimeout)
	defer cancel()
	cur, err := s.db.Collection(journal).Find(ctx, bson.D{}, options.Find().SetBatchSize(1))
	if err != nil {
		return err
	}
	var left []sealedJournal
	if err := cur.All(ctx, &left); err != nil {
		return err
	}
	for i := range left {
		var j journalDoc
		if err := bson.Unmarshal(left[i].Data, &j); err != nil {
			return err
		}
		if err := s.redo(ctx, &j); err != nil {
			return err
		}
	}
	s.unfinished.Store(false)
	s.tasksWritten(len(left))
	return nil
}

// completed waits until no write is half made, should one be.
func (s *Store) completed(ctx context.Context) error {
	if !s.unfinished.Load() {
		return nil
	}
	return s.inTurn(ctx, func(context.Context) error { return nil })
}

// whole waits until no write to the portal is half made, for a reader of much of it.
// It reports whether one was.
func (s *Store) whole(ctx context.Context, portal string) (bool, error) {
	if !s.opts.Embedded || s.opts.Sole && !s.unfinished.Load() {
		return true, nil
	}
	d, err := findIn[struct{}](ctx, s, journal, portal)
	if err != nil || d == nil {
		return err == nil, err
	}
	s.unfinished.Store(true)
	return false, s.completed(ctx)
}
