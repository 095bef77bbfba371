package mongodb

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Bounds of what one request to the database carries, and of one document:
// MongoDB takes 16 MiB.
const (
	maxBatchDocs  = 1000
	maxBatchBytes = 4 << 20
	maxDocument   = 12 << 20
	maxPortal     = 4 << 20 // a head holds a portal's own fields twice while an import commits
)

// Import replaces all that the portals of worlds hold, for all of them at once:
// a reader sees each portal old or new, and a process killed at any moment
// leaves all old or all new. Other portals are left alone. Slices that the
// worlds share with the caller are read only.
//
// progress, which may be nil, is told how many documents of how many are
// written; the import takes effect after the last.
//
// Worlds with anything wrong in them are refused as authz.Faults, all at once; a
// portal that another import holds is authz.Conflict. When Import returns an
// error, nothing has changed, with one exception: an Unavailable error that says
// the import is stored means that it takes effect when the store can be reached.
func (s *Store) Import(ctx context.Context, worlds []authz.World, by string, progress func(done, total int)) error {
	if err := checkWorlds(worlds); err != nil {
		return err
	}
	if len(worlds) == 0 {
		return nil
	}
	im := newImporter(s, worlds, by, progress)
	err := im.run(ctx)
	if err != nil && !im.committed {
		im.giveBack(ctx)
	}
	s.nudges.all()
	s.sweepSoon()
	return err
}

// checkWorlds returns everything that is wrong with the worlds. Of several, each
// path begins with the world's portal.
func checkWorlds(worlds []authz.World) error {
	var faults authz.Faults
	seen := make(map[string]bool, len(worlds))
	for i := range worlds {
		id, found := worlds[i].Portal.ID, worlds[i].Validate()
		if seen[id] {
			found = append(found, authz.Fault{Path: "portal.id", Msg: "is the id of two worlds in one import: join them"})
		}
		seen[id] = true
		for _, f := range found {
			if len(worlds) > 1 {
				f.Path = id + ": " + f.Path
			}
			faults = append(faults, f)
		}
	}
	return faults.Err()
}

// importer is one import at work.
type importer struct {
	s         *Store
	worlds    []*authz.World // by portal, so that two imports take leases in one order
	scopes    []scope
	stamps    []stamp
	taken     int // portals leased so far
	token     string
	by        string
	committed bool
	renewed   time.Time

	progress    func(done, total int)
	done, total int
}

func newImporter(s *Store, worlds []authz.World, by string, progress func(done, total int)) *importer {
	im := &importer{s: s, by: by, token: uuid.NewString(), progress: progress}
	if progress == nil {
		im.progress = func(int, int) {}
	}
	for i := range worlds {
		im.worlds = append(im.worlds, &worlds[i])
	}
	slices.SortFunc(im.worlds, func(a, b *authz.World) int { return cmp.Compare(a.Portal.ID, b.Portal.ID) })
	for _, w := range im.worlds {
		im.scopes = append(im.scopes, scope{w.Portal.ID, newGeneration()})
		im.total += documents(w)
	}
	return im
}

// newGeneration returns a generation that never was before; later ones sort
// after earlier ones.
func newGeneration() string { return uuid.Must(uuid.NewV7()).String() }

func (im *importer) run(ctx context.Context) error {
	for _, w := range im.worlds {
		if _, err := encode(portalFieldsOf(&w.Portal), w.Portal.Key()); err != nil {
			return err
		}
	}
	for i := range im.worlds {
		if err := im.lease(ctx, i); err != nil {
			return unavailable("written", err)
		}
	}
	im.renewed = now()
	for i, w := range im.worlds {
		if err := im.write(ctx, w, im.scopes[i], im.stamps[i]); err != nil {
			return unavailable("written", err)
		}
	}
	return im.commit(ctx)
}

// lease takes portal i for this import, and the revision that its documents will
// have: no single write is let in while the lease is held.
func (im *importer) lease(ctx context.Context, i int) error {
	sc := im.scopes[i]
	if err := im.s.settle(ctx, sc.portal); err != nil {
		return err
	}
	// A committed import that is not finished still has its lease here, so a
	// portal without one is free.
	err := im.s.changeHead(ctx, sc.portal, func(h *head) error { return im.take(h, sc) })
	if err == nil {
		im.taken++
	}
	return err
}

func (im *importer) take(h *head, sc scope) error {
	if h.Lease != nil {
		return h.busy()
	}
	at := now()
	h.Lease = &lease{Import: im.token, Generation: sc.generation, By: im.by, Until: at.Add(im.s.opts.Lease)}
	if h.Version == 0 {
		h.UpdatedAt, h.UpdatedBy = at, im.by
	}
	im.stamps = append(im.stamps[:im.taken], stamp{revision: h.Revision + 1, at: at, by: im.by})
	return nil
}

// busy is the error for who comes while an import holds the portal.
func (h *head) busy() error {
	return authz.Errorf(authz.Conflict, "another import, by %q, is writing portal %q: wait until it ends (at the latest at %s, should it have died)",
		h.Lease.By, h.ID, h.Lease.Until.Format(time.RFC3339))
}

// renew keeps the leases while documents are written.
func (im *importer) renew(ctx context.Context) error {
	if now().Sub(im.renewed) < im.s.opts.Lease/4 {
		return nil
	}
	for _, sc := range im.scopes {
		err := im.s.changeHead(ctx, sc.portal, func(h *head) error {
			if h.Lease == nil || h.Lease.Import != im.token {
				return lostLease(h.ID)
			}
			h.Lease.Until = now().Add(im.s.opts.Lease)
			return nil
		})
		if err != nil {
			return err
		}
	}
	im.renewed = now()
	return nil
}

// commit makes the import happen.
func (im *importer) commit(ctx context.Context) error {
	in := &intent{ID: intentID, Import: im.token, By: im.by, At: now()}
	next := make(map[string]portalFields, len(im.worlds))
	for i, w := range im.worlds {
		in.Flips = append(in.Flips, flip{w.Portal.ID, im.scopes[i].generation, entities(w)})
		next[w.Portal.ID] = portalFieldsOf(&w.Portal)
	}
	if err := im.s.commit(ctx, in, next); err != nil {
		return unavailable("written", err)
	}
	im.committed = true
	if err := im.s.finish(context.WithoutCancel(ctx)); err != nil {
		return authz.Errorf(authz.Unavailable, "the import is stored, and takes effect when the store can be reached again").Because(err)
	}
	return nil
}

// giveBack lets go of the leases of an import that failed. What cannot be given
// back now, the sweeper takes when the lease has run out.
func (im *importer) giveBack(ctx context.Context) {
	ctx, cancel := im.s.bounded(context.WithoutCancel(ctx))
	defer cancel()
	for _, sc := range im.scopes[:im.taken] {
		err := im.s.changeHead(ctx, sc.portal, func(h *head) error {
			if h.Lease == nil || h.Lease.Import != im.token {
				return errNoChange
			}
			h.dropLease()
			return nil
		})
		if err != nil {
			im.s.opts.Log.WarnContext(ctx, "import lease not given back", "portal", sc.portal, "err", errors.Join(err, errors.Unwrap(err)))
		}
	}
}

// dropLease ends a lease and leaves what its import wrote to the sweeper.
func (h *head) dropLease() {
	h.discard(h.Lease.Generation)
	h.Lease = nil
}

// batch gathers documents for one collection up to a bounded number and size.
type batch struct {
	collection string
	docs       []any // bson.Raw
	bytes      int
}

// put adds doc, after sending what is there when it does not fit.
func (im *importer) put(ctx context.Context, b *batch, doc any, k authz.Key) error {
	raw, err := encode(doc, k)
	if err != nil {
		return err
	}
	if len(b.docs) == maxBatchDocs || b.bytes+len(raw) > maxBatchBytes {
		if err := im.send(ctx, b); err != nil {
			return err
		}
	}
	b.docs, b.bytes = append(b.docs, raw), b.bytes+len(raw)
	return nil
}

// encode returns doc as the database stores it.
func encode(doc any, k authz.Key) (bson.Raw, error) {
	if k.Kind == authz.PortalEntity {
		return encodeWithin(maxPortal, doc, k.String())
	}
	return encodeWithin(maxDocument, doc, k.String())
}

func encodeWithin(most int, doc any, what string) (bson.Raw, error) {
	raw, err := bson.Marshal(doc)
	if err != nil {
		return nil, authz.Errorf(authz.Invalid, "%s cannot be stored: %v", what, err).Because(err)
	}
	if len(raw) > most {
		return nil, authz.Errorf(authz.TooLarge, "%s takes %d bytes in the store: at most %d", what, len(raw), most)
	}
	return raw, nil
}

func (im *importer) send(ctx context.Context, b *batch) error {
	if len(b.docs) == 0 {
		return nil
	}
	if err := im.renew(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 4*im.s.opts.Timeout)
	defer cancel()
	_, err := im.s.db.Collection(b.collection).InsertMany(ctx, b.docs, options.InsertMany().SetOrdered(false))
	if err != nil {
		return err
	}
	im.done += len(b.docs)
	b.docs, b.bytes = b.docs[:0], 0
	im.progress(im.done, im.total)
	return nil
}

// write stores every document of w under a generation that nothing reads yet.
func (im *importer) write(ctx context.Context, w *authz.World, sc scope, st stamp) error {
	lists := []struct {
		collection string
		n          int
		doc        func(i int) (any, authz.Key)
	}{
		{userTypes, len(w.UserTypes), func(i int) (any, authz.Key) {
			k := w.UserTypes[i].Key()
			return userTypeDocOf(sc.meta(k, st), int64(i), &w.UserTypes[i]), k
		}},
		{roles, len(w.Roles), func(i int) (any, authz.Key) {
			k := w.Roles[i].Key()
			return roleDocOf(sc.meta(k, st), int64(i), &w.Roles[i]), k
		}},
		{screens, len(w.Screens), func(i int) (any, authz.Key) {
			k := w.Screens[i].Key()
			return nodeDocOf(sc.meta(k, st), int64(i), &w.Screens[i]), k
		}},
		{users, len(w.Users), func(i int) (any, authz.Key) {
			k := w.Users[i].Key()
			return userDocOf(sc.meta(k, st), &w.Users[i]), k
		}},
		{accounts, len(w.Accounts), func(i int) (any, authz.Key) {
			k := w.Accounts[i].Key()
			return accountDocOf(sc.meta(k, st), &w.Accounts[i]), k
		}},
		{contacts, len(w.Contacts), func(i int) (any, authz.Key) {
			k := w.Contacts[i].Key()
			return contactDocOf(sc.meta(k, st), &w.Contacts[i]), k
		}},
		{records, len(w.Records), func(i int) (any, authz.Key) {
			k := w.Records[i].Key()
			return recordDocOf(sc.meta(k, st), &w.Records[i]), k
		}},
	}
	for _, l := range lists {
		if err := im.writeList(ctx, l.collection, l.n, l.doc); err != nil {
			return err
		}
	}
	byRole := rightsDocsOf(w.Rights, sc, st)
	return im.writeList(ctx, rights, len(byRole), func(i int) (any, authz.Key) {
		return byRole[i], authz.Key{Kind: authz.RoleEntity, ID: sc.key(byRole[i].Meta.ID)}
	})
}

func (im *importer) writeList(ctx context.Context, collection string, n int, doc func(i int) (any, authz.Key)) error {
	b := &batch{collection: collection}
	for i := range n {
		d, k := doc(i)
		if err := im.put(ctx, b, d, k); err != nil {
			return err
		}
	}
	return im.send(ctx, b)
}

// rightsDocsOf gathers rights by role, in the order in which roles appear.
func rightsDocsOf(list []authz.Right, sc scope, st stamp) []*rightsDoc {
	var docs []*rightsDoc
	byRole := make(map[string]*rightsDoc)
	for _, r := range list {
		d := byRole[r.Role]
		if d == nil {
			d = newRightsDoc(sc.meta(r.Key(), st))
			byRole[r.Role] = d
			docs = append(docs, d)
		}
		d.add(r)
	}
	return docs
}

// documents counts what an import of w writes.
func documents(w *authz.World) int {
	roles := make(map[string]struct{})
	for _, r := range w.Rights {
		roles[r.Role] = struct{}{}
	}
	return len(w.UserTypes) + len(w.Roles) + len(w.Screens) + len(w.Users) + len(w.Accounts) + len(w.Contacts) + len(w.Records) + len(roles)
}

// entities counts what w holds, by kind.
func entities(w *authz.World) map[string]int64 {
	return map[string]int64{
		string(authz.UserTypeEntity): int64(len(w.UserTypes)), string(authz.RoleEntity): int64(len(w.Roles)),
		string(authz.NodeEntity): int64(len(w.Screens)), string(authz.RightEntity): int64(len(w.Rights)),
		string(authz.UserEntity): int64(len(w.Users)), string(authz.AccountEntity): int64(len(w.Accounts)),
		string(authz.ContactEntity): int64(len(w.Contacts)), string(authz.RecordEntity): int64(len(w.Records)),
	}
}
