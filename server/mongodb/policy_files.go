package mongodb

import (
	"context"
	"maps"
	"sync"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Bounds of the files of revisions that a Store keeps, in sets and in bytes.
const (
	maxFileSets     = 256
	maxFileSetBytes = 4 * authz.MaxPolicySize
)

// fileSets are the files of revisions by their digest: what once had the digest has it
// always, whoever writes to the database. The zero value is ready for use.
type fileSets struct {
	mu    sync.Mutex
	sets  map[string]map[string]string
	bytes int
}

// get returns a copy of the files, or nil when they are not kept.
func (f *fileSets) get(digest string) map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.sets[digest])
}

// keep keeps the files of a revision that has the digest.
func (f *fileSets) keep(digest string, r *authz.PolicyRevision) {
	size := r.Size()
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.sets[digest]; known || size > maxFileSetBytes || len(r.Files) == 0 {
		return
	}
	if f.sets == nil || len(f.sets) >= maxFileSets || f.bytes+size > maxFileSetBytes {
		f.sets, f.bytes = make(map[string]map[string]string), 0
	}
	f.sets[digest] = maps.Clone(r.Files)
	f.bytes += size
}

// filesOf returns the files that are stored for the revision, which may be none or
// others than it was written with.
func (s *Store) filesOf(ctx context.Context, id string) (map[string]string, error) {
	d, err := findIn[filesDoc](ctx, s, policyFiles, id)
	if err != nil || d == nil {
		return nil, err
	}
	return d.files(), nil
}
