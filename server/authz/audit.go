package authz

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"time"
)

// ServiceChain is the chain of the entries about callers, who belong to no portal.
// No portal can have this id.
const ServiceChain = "~service"

// Operations that bring a former revision of the policy into force, or the folder's, which
// is in no change of their entries.
const (
	ReturnOperation = "return"
	RescueOperation = "rescue"
)

// AuditEntry is what is kept of one write. The entries of a portal are a chain:
// each carries the hash of the one before it, so that none can be changed, taken
// out or moved without a trace.
type AuditEntry struct {
	Chain string // id of the portal, or ServiceChain
	Seq   int64  // 1, 2, 3 ... within the chain
	At    time.Time
	// Actor is who really writes: "user/<id>", "caller/<id>", "task/<id>", or a word
	// for the command line. OnBehalfOf is the user for whom, when it is someone else.
	Actor, OnBehalfOf string
	Decision          string // id of the decision that let the call in; empty for the command line
	Request           string // id of the request
	Operation         string // create, update, delete, import ...
	Note              string // why, in the words of the writer
	Revision          int64  // of the portal, after the write
	Changes           []EntityChange
	Counts            map[string]int // of an import: how many entities of each kind the portal holds now
	Prev, Hash        string         // SHA-256 in hexadecimal digits; Prev of the first is empty
}

// EntityChange is one entity before and after a write, as [Document] shows it with
// secrets left out; nil where it is not there.
type EntityChange struct {
	Entity        Key
	Before, After map[string]any
}

// ChangesOf returns what the audit keeps of the writes, in their order.
func ChangesOf(writes []EntityWrite) []EntityChange {
	all := make([]EntityChange, len(writes))
	for i := range writes {
		w := &writes[i]
		all[i].Entity = w.Entity
		all[i].Before, all[i].After = documents(w.Old, w.New)
	}
	return all
}

// documents returns the entity before and after without secrets. Two of one right differ in
// the level alone.
func documents(old, changed Stored) (before, after map[string]any) {
	before = AuditDocument(old)
	right, is := changed.(Right)
	if _, was := old.(Right); !was || !is {
		return before, AuditDocument(changed)
	}
	after = maps.Clone(before)
	after["level"] = int64(right.Level)
	return before, after
}

// AuditDocument returns the document of an entity as an audit entry shows it, without
// secrets; nil of none.
func AuditDocument(e Stored) map[string]any {
	switch e.(type) {
	case nil:
		return nil
	case Right: // has no member that could be one
		return Document(e)
	}
	return Redact(Document(e))
}

// Sealed returns the entry as the next one after the entry with the sequence
// number seq and the hash prev.
func (e AuditEntry) Sealed(seq int64, prev string) AuditEntry {
	e.Seq, e.Prev = seq+1, prev
	e.At = e.At.UTC().Truncate(time.Millisecond)
	e.Hash = e.digest()
	return e
}

// Intact reports whether the entry is the one that was sealed.
func (e *AuditEntry) Intact() bool { return e.Hash == e.digest() }

// digest hashes a JSON text in which the order of everything is fixed.
func (e *AuditEntry) digest() string {
	type change struct {
		Entity string         `json:"entity"`
		Before map[string]any `json:"before"`
		After  map[string]any `json:"after"`
	}
	changes := make([]change, len(e.Changes))
	for i, c := range e.Changes {
		changes[i] = change{c.Entity.String(), c.Before, c.After}
	}
	text, err := json.Marshal([]any{
		e.Chain, e.Seq, e.At.UTC().Format(time.RFC3339Nano), e.Actor, e.OnBehalfOf, e.Decision, e.Request,
		e.Operation, e.Note, e.Revision, changes, e.Counts, e.Prev,
	})
	if err != nil {
		return "" // no hash is empty, so that such an entry is never intact
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// ChainState is where a chain ends: the last entry's number and hash.
type ChainState struct {
	Seq  int64
	Hash string
}

// AuditQuery asks for entries of one chain, newest first. Empty members ask for
// any.
type AuditQuery struct {
	Actor  string // who wrote, or for whom
	Entity string // Key.Ref of what was written
	Field  string // a member of the entity that the write changed, such as "active"
	From   time.Time
	Until  time.Time
	After  string // AuditPage.Next of the page before
	Limit  int    // 1 to MaxPage
}

// AuditPage is one page of entries.
type AuditPage struct {
	Entries []AuditEntry
	Next    string // empty after the last
}
