package mongodb

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// maxRaces bounds how often a step is made again because another write came first.
const maxRaces = 12

// head is the one document that says what a portal is and where its data stands.
// It is written only by compare and set on Version. A portal that was deleted,
// or whose first import runs, has a head without a Generation.
type head struct {
	ID             string       `bson:"_id"`
	Portal         string       `bson:"portal"`
	Revision       int64        `bson:"revision"`
	UpdatedAt      time.Time    `bson:"updated_at"`
	UpdatedBy      string       `bson:"updated_by"`
	Fields         portalFields `bson:",inline"`
	ConfigRevision int64        `bson:"config_revision"`
	Generation     string       `bson:"generation"`
	// Structure is another one after every change of user types, roles, screens or
	// rights. Whoever does not know of it writes heads without one.
	Structure string    `bson:"structure,omitempty"`
	Previous  string    `bson:"previous,omitempty"` // replaced, and readable still
	RetiredAt time.Time `bson:"retired_at,omitempty"`
	Garbage   []string  `bson:"garbage,omitempty"` // generations that nothing reads, to be swept
	Lease     *lease    `bson:"lease,omitempty"`
	Version   int64     `bson:"version"`
	// Where the chain of audit entries ends. It outlives imports and deletion.
	AuditSeq  int64  `bson:"audit_seq,omitempty"`
	AuditHash string `bson:"audit_hash,omitempty"`
	// PolicyRevision is the number of the policy in force, 0 for the folder's. It
	// outlives imports. PolicyLast is the greatest number given; it outlives deletion,
	// so that no number ever means two policies.
	PolicyRevision int64 `bson:"policy_revision,omitempty"`
	PolicyLast     int64 `bson:"policy_last,omitempty"`
}

// lease keeps a portal for one import.
type lease struct {
	Import     string        `bson:"import"`
	Generation string        `bson:"generation"` // which the import writes
	By         string        `bson:"by"`
	Until      time.Time     `bson:"until"`
	Next       *portalFields `bson:"next,omitempty"` // the portal's own fields to come
}

func newHead(portal string) *head { return &head{ID: portal, Portal: portal} }

func (h *head) scope() scope { return scope{h.ID, h.Generation} }

func (h *head) revisions() authz.PortalRevision {
	return authz.PortalRevision{ID: h.ID, Generation: h.Generation, Revision: h.Revision, ConfigRevision: h.ConfigRevision}
}

// isAt reports whether the portal stands where a write was judged. One without data
// stands nowhere.
func (h *head) isAt(base authz.PortalRevision) bool {
	if h.Generation == "" {
		return base == authz.PortalRevision{}
	}
	return base.Generation == h.Generation && base.Revision == h.Revision
}

// version returns what the head is compared by; 0 stands for no head.
func (h *head) version() int64 {
	if h == nil {
		return 0
	}
	return h.Version
}

// readable reports whether the generation's documents are certain to be there.
func (h *head) readable(generation string) bool {
	return generation != "" && (generation == h.Generation || generation == h.Previous)
}

// discard notes a generation for the sweeper.
func (h *head) discard(generation string) {
	if generation != "" {
		h.Garbage = append(h.Garbage, generation)
	}
}

// retire makes room for a new current generation.
func (h *head) retire(at time.Time) {
	h.discard(h.Previous)
	h.Previous, h.RetiredAt = h.Generation, at
}

// changed counts one change of the portal's data. structure says that of its
// configuration more than the portal itself changes.
func (h *head) changed(st stamp, config, structure bool) {
	h.Revision++
	if config {
		h.ConfigRevision = h.Revision
	}
	if structure || config && h.Structure == "" {
		h.Structure = uuid.NewString()
	}
	h.UpdatedAt, h.UpdatedBy = st.at, st.by
}

// byID matches the document with the _id. No other key may be in the filter: the
// embedded database would scan.
func byID(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }

// findHead returns the portal's head, or nil when there is none.
func (s *Store) findHead(ctx context.Context, portal string) (*head, error) {
	return findKept[head](ctx, s, place{portals, portal})
}

// current returns the head of a portal that has data.
func (s *Store) current(ctx context.Context, portal string) (*head, error) {
	if !plausible(portal) {
		return nil, noPortal(portal)
	}
	h, err := s.findHead(ctx, portal)
	switch {
	case err != nil:
		return nil, unavailable("read", err)
	case h == nil || h.Generation == "":
		return nil, noPortal(portal)
	}
	return h, nil
}

// plausible reports whether a portal may have this id; it keeps other documents
// of the collection out of reach.
func plausible(portal string) bool {
	return portal != "" && len(portal) <= authz.MaxID && !strings.ContainsAny(portal, "/~")
}

// tryHead changes the portal's head once, within whatever transaction ctx
// carries. fn gets the head as it is, a fresh one for a new portal; an error of
// fn's leaves the head alone, and errNoChange is no error to the caller.
func (s *Store) tryHead(ctx context.Context, portal string, fn func(*head) error) error {
	h, err := s.findHead(ctx, portal)
	if err != nil {
		return err
	}
	fresh := h == nil
	if fresh {
		h = newHead(portal)
	}
	if err := fn(h); err != nil {
		if errors.Is(err, errNoChange) {
			return nil
		}
		return err
	}
	h.Version++
	return s.saveHead(ctx, h, fresh)
}

func (s *Store) saveHead(ctx context.Context, h *head, fresh bool) error {
	raw, err := bson.Marshal(h)
	if err != nil {
		return err
	}
	return s.kept.writing(map[place]bson.Raw{{portals, h.ID}: raw}, func() error { return s.writeHead(ctx, h, raw, fresh) })
}

func (s *Store) writeHead(ctx context.Context, h *head, raw bson.Raw, fresh bool) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	c := s.db.Collection(portals)
	if fresh {
		_, err := c.InsertOne(ctx, raw)
		if mongo.IsDuplicateKeyError(err) {
			return errRaced
		}
		return err
	}
	// The embedded database would scan for the version, and who writes there has
	// compared it in its turn.
	unchanged := byID(h.ID)
	if !s.opts.Embedded {
		unchanged = append(unchanged, bson.E{Key: "version", Value: h.Version - 1})
	}
	res, err := c.ReplaceOne(ctx, unchanged, raw)
	if err == nil && res.MatchedCount == 0 {
		return errRaced
	}
	return err
}

// changeHead is tryHead by itself, made again while other writes come first.
func (s *Store) changeHead(ctx context.Context, portal string, fn func(*head) error) error {
	return s.again(ctx, func() error {
		return s.inTurn(ctx, func(ctx context.Context) error { return s.tryHead(ctx, portal, fn) })
	})
}

// again makes a step until no other write comes first, a bounded number of times.
func (s *Store) again(ctx context.Context, step func() error) error {
	for i := range maxRaces {
		err := step()
		if !errors.Is(err, errRaced) {
			return err
		}
		if err := pause(ctx, time.Duration(i)*5*time.Millisecond); err != nil {
			return err
		}
	}
	return authz.Errorf(authz.Conflict, "the portal is being changed by others all the time: try again later").Because(errRaced)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take waits for the one token of a channel; give puts it back.
func take(ctx context.Context, token chan struct{}) (give func(), err error) {
	select {
	case t := <-token:
		return func() { token <- t }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// atomically makes the writes of fn all or none on a replica set, where fn may
// be called several times. The embedded database has no transactions: there the
// writes of this Store take turns, and fn orders its own so that a crash between
// two of them does no harm.
func (s *Store) atomically(ctx context.Context, fn func(context.Context) error) error {
	if s.opts.Embedded {
		return s.inTurn(ctx, fn)
	}
	ctx, cancel := context.WithTimeout(ctx, 4*s.opts.Timeout)
	defer cancel()
	session, err := s.client.StartSession()
	if err != nil {
		return err
	}
	defer session.EndSession(ctx)
	_, err = session.WithTransaction(ctx, func(ctx context.Context) (any, error) { return nil, fn(ctx) })
	return err
}

// inTurn makes one compare and set. Whatever is written to the embedded database,
// and has not to do with an import's own documents, is written in turn: a write
// that was stored and not completed comes first.
//
// MongoDB needs no more for it, and a process
// that dies in the midst of it leaves no transaction that holds others up; in
// the embedded database the two are separate steps, and take turns.
func (s *Store) inTurn(ctx context.Context, fn func(context.Context) error) error {
	if !s.opts.Embedded {
		return fn(ctx)
	}
	give, err := take(ctx, s.turn)
	if err != nil {
		return err
	}
	defer give()
	if s.unfinished.Load() {
		if err := s.complete(ctx); err != nil {
			return err
		}
	}
	return fn(ctx)
}

// Head returns where the portal stands. One that does not exist is authz.NotFound,
// with the zero value, which is the base of its creation.
func (s *Store) Head(ctx context.Context, portal string) (authz.PortalRevision, error) {
	h, err := s.current(ctx, portal)
	if err != nil {
		return authz.PortalRevision{}, err
	}
	return h.revisions(), nil
}

// Portals returns where every portal that has data stands, by id. It is one
// small query, fit for polling; it completes an import that it finds committed
// but not finished.
func (s *Store) Portals(ctx context.Context) ([]authz.PortalRevision, error) {
	return s.portalsOf(ctx, s.heads)
}

// portalsOf is Portals of the heads that list returns.
func (s *Store) portalsOf(ctx context.Context, list func(context.Context) ([]head, bool, error)) ([]authz.PortalRevision, error) {
	if err := s.completed(ctx); err != nil {
		return nil, unavailable("read", err)
	}
	heads, pending, err := list(ctx)
	if err == nil && pending {
		if err = s.finish(ctx); err == nil {
			heads, _, err = s.heads(ctx)
		}
	}
	if err != nil {
		return nil, unavailable("read", err)
	}
	revisions := make([]authz.PortalRevision, 0, len(heads))
	for i := range heads {
		if heads[i].Generation != "" {
			revisions = append(revisions, heads[i].revisions())
		}
	}
	return revisions, nil
}

// heads returns every head, without the portals' own fields and sorted by id,
// and whether a committed import waits to be finished.
func (s *Store) heads(ctx context.Context) (heads []head, pending bool, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	fields := bson.D{}
	for _, f := range []string{"revision", "config_revision", "generation", "previous", "retired_at", "garbage", "lease.until"} {
		fields = append(fields, bson.E{Key: f, Value: 1})
	}
	writes := s.kept.count()
	cur, err := s.db.Collection(portals).Find(ctx, bson.D{}, options.Find().SetProjection(fields).SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return nil, false, err
	}
	if err := cur.All(ctx, &heads); err != nil {
		return nil, false, err
	}
	kept := heads[:0]
	for _, h := range heads {
		if h.ID == intentID {
			pending = true
			continue
		}
		kept = append(kept, h)
	}
	s.kept.list(each(kept, func(h head) string { return h.ID }), writes)
	return kept, pending, nil
}

// knownHeads is heads without asking the database for what is kept. The heads are whole.
func (s *Store) knownHeads(ctx context.Context) (heads []head, pending bool, err error) {
	ids, known := s.kept.listed()
	if !known {
		return s.heads(ctx)
	}
	for _, id := range ids {
		h, err := s.findHead(ctx, id)
		if err != nil {
			return nil, false, err
		}
		if h != nil {
			heads = append(heads, *h)
		}
	}
	in, err := s.findIntent(ctx)
	return heads, in != nil, err
}
