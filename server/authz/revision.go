package authz

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"time"
)

// PolicyEntity is the kind of a [PolicyRevision]; its id is the number in decimal
// digits. It is no configuration: what is in force is the one that the portal's head
// names.
const PolicyEntity EntityKind = "policy"

// Actions of administration calls about a policy, beside those of every entity: a
// draft is made by [CreateCall] and looked at by [ReadCall].
const (
	ApproveCall = "admin:approve"
	PublishCall = "admin:publish" // a draft, or a former revision again
)

// Bounds of a PolicyRevision. Its documents must fit into one write.
const (
	MaxPolicyFiles   = 500
	MaxPolicySize    = 4 << 20 // bytes of all files together
	MaxPolicyFile    = 1 << 20 // bytes of one file
	MaxPolicyMessage = 2000    // bytes of a message, or of the note of an approval
	// MaxPublications is how many publications a revision remembers; the audit has all.
	MaxPublications = 100
)

// PolicyRevision is one state of a portal's policy that is kept in the store: a draft,
// or what was published once. Number, Parent, Author, Message, At and Files never
// change; the rest says what has come of it since.
type PolicyRevision struct {
	Number  int64
	Parent  int64  // number of the revision that it was made from; 0: made from a folder or a preset
	Author  string // as AuditEntry.Actor
	User    string // id of the user who is the author, or for whom; empty: a program's or the command line's
	Message string
	At      time.Time
	// Files are the policy's own and whole: Rego, the suites that hold it (decisions.yaml,
	// *.decisions.yaml) and the users, accounts, contacts and records that they ask about,
	// by slash-separated path. Nothing built in is added when they are compiled.
	Files map[string]string

	Checked      *PolicyCheck
	Difference   *AccessSummary
	Approvals    []PolicyApproval
	Publications []Publication
}

// PolicyCheck is what an examination of a revision found.
type PolicyCheck struct {
	At             time.Time
	ConfigRevision int64 // of the portal, with whose configuration it was tested
	OK             bool  // it compiles, all cases pass, and nothing is found above the level
	Cases          int
	Failed         int
	Findings       int
	// Faults are the first of what keeps it from being published, each with its place.
	Faults []string
}

// AccessSummary counts an effective access difference: of the revision, against what
// was in force.
type AccessSummary struct {
	At             time.Time
	Against        int64 // revision of the policy that it is compared with; 0: the folder's
	ConfigRevision int64 // of the portal
	Complete       bool  // nothing was left out
	Users          int   // how many were looked at
	Gained         int   // users who may do something more
	Lost           int   // users who may no longer do something
	// LockedOut says that some user could administer the policy, and nobody can now.
	LockedOut bool
}

// PolicyApproval is the word of somebody who has looked at a revision.
type PolicyApproval struct {
	By   string // as AuditEntry.Actor
	User string // id of the user; empty: a program's
	At   time.Time
	Note string
}

// Publication is a time at which a revision came into force.
type Publication struct {
	At   time.Time
	By   string // the user for whom it was made, or else as AuditEntry.Actor
	From int64  // number of the revision that was in force before; 0: the folder's
}

// Key returns the revision's number.
func (r PolicyRevision) Key() Key {
	return Key{Kind: PolicyEntity, ID: strconv.FormatInt(r.Number, 10)}
}

// PublishedBy returns the revision with the publication, and without those of its
// oldest that are too many.
func (r PolicyRevision) PublishedBy(p Publication) PolicyRevision {
	all := append(slices.Clip(r.Publications), p)
	r.Publications = slices.Clone(all[max(0, len(all)-MaxPublications):])
	return r
}

// Size returns the bytes of all files together.
func (r *PolicyRevision) Size() int {
	n := 0
	for _, text := range r.Files {
		n += len(text)
	}
	return n
}

// Digest returns the SHA-256 of the files, in hexadecimal digits: of each, in the order
// of the paths, its path and its text with their lengths.
func (r *PolicyRevision) Digest() string {
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(r.Files)) {
		for _, s := range []string{path, r.Files[path]} {
			h.Write(strconv.AppendInt(nil, int64(len(s)), 10))
			h.Write([]byte{':'})
			h.Write([]byte(s))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// PolicyState says where a portal's policy stands in the store.
type PolicyState struct {
	Published int64 // number of the revision in force; 0: the policy is the folder's
	Last      int64 // greatest number given so far
}
