package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Verdict is what an examination of a chain of audit entries found.
type Verdict struct {
	Chain   string
	Entries int64 // looked at
	Head    authz.ChainState
	Faults  []ChainFault // in the order of the chain; at most maxChainFaults
	More    int          // faults beyond those
}

// FaultKind says what is wrong with a chain.
type FaultKind string

const (
	EntryChanged  FaultKind = "changed"      // its hash is not that of what it says
	EntryMissing  FaultKind = "missing"      // a number is left out, or the chain ends too early
	EntryMoved    FaultKind = "out_of_order" // it does not follow the one before it
	StateDiffers  FaultKind = "state"        // what is stored is not what the newest entry says
	EntryUnlisted FaultKind = "beyond_head"  // the store does not know of it as part of the chain
)

// ChainFault is one thing wrong with a chain.
type ChainFault struct {
	Kind   FaultKind
	Seq    int64     // of the entry
	Entity authz.Key // of StateDiffers
	Msg    string
}

const (
	maxChainFaults = 1000
	verifyPage     = 500
)

// Verify examines the chain of a portal, or authz.ServiceChain: that no entry is
// changed, missing or out of order, that each entity is stored as the newest
// entry about it since the last import says, and that the policy in force is the one
// that the newest entry about that brought into force. Writes may go on meanwhile; they
// wait only for the end of it.
func (s *Service) Verify(ctx context.Context, chain string) (Verdict, error) {
	x := examination{verdict: Verdict{Chain: chain}, newest: map[authz.Key]latest{}, suspects: map[authz.Key]bool{}}
	if err := s.readEntries(ctx, &x); err != nil {
		return Verdict{}, err
	}
	if err := s.suspect(ctx, &x); err != nil {
		return Verdict{}, err
	}
	give, err := s.turns.take(ctx, chain, s.opts.Wait)
	if err != nil {
		return Verdict{}, err
	}
	defer give()
	if err := s.readEntries(ctx, &x); err != nil { // what was written meanwhile
		return Verdict{}, err
	}
	head, err := s.store.Chain(ctx, chain)
	if err != nil && authz.KindOf(err) != authz.NotFound {
		return Verdict{}, err
	}
	x.end(head)
	if err := s.convict(ctx, &x); err != nil {
		return Verdict{}, err
	}
	return x.verdict, s.convictPolicy(ctx, &x)
}

// readEntries examines the entries that are not read yet. It keeps in mind what they
// are about.
func (s *Service) readEntries(ctx context.Context, x *examination) error {
	for {
		page, err := s.store.Entries(ctx, x.verdict.Chain, x.read, verifyPage)
		if err != nil {
			return err
		}
		for i := range page {
			x.entry(&page[i])
		}
		if len(page) < verifyPage {
			return nil
		}
	}
}

// suspect leaves those entities to be looked at again that seem to be stored as no
// entry says: they may be being written.
func (s *Service) suspect(ctx context.Context, x *examination) error {
	suspects := map[authz.Key]bool{}
	for _, k := range slices.SortedFunc(maps.Keys(x.newest), compareKeys) {
		now, err := s.asAudited(ctx, x.verdict.Chain, k)
		if err != nil {
			return err
		}
		if !alike(x.newest[k].after, now) {
			suspects[k] = true
		}
	}
	x.suspects = suspects
	return nil
}

// convict holds what is still under suspicion against the newest entries.
func (s *Service) convict(ctx context.Context, x *examination) error {
	for _, k := range slices.SortedFunc(maps.Keys(x.suspects), compareKeys) {
		if _, ok := x.newest[k]; !ok {
			continue
		}
		now, err := s.asAudited(ctx, x.verdict.Chain, k)
		if err != nil {
			return err
		}
		x.state(k, now)
	}
	return nil
}

// convictPolicy holds the policy in force against the newest entry about that. Of a portal
// that is gone none is.
func (s *Service) convictPolicy(ctx context.Context, x *examination) error {
	if x.verdict.Chain == authz.ServiceChain {
		return nil
	}
	now, err := s.store.PolicyState(ctx, x.verdict.Chain)
	switch {
	case err != nil && authz.KindOf(err) == authz.NotFound:
		return nil
	case err != nil:
		return err
	case now.Published != x.policy.number:
		x.fault(ChainFault{
			Kind: StateDiffers, Seq: x.policy.seq, Entity: authz.Key{Kind: authz.PortalEntity, ID: x.verdict.Chain},
			Msg: fmt.Sprintf("%s is in force, and as the entries have it %s is", policyName(now.Published), policyName(x.policy.number)),
		})
	}
	return nil
}

// asAudited returns the entity as an entry would show it now; nil: it is not there.
func (s *Service) asAudited(ctx context.Context, chain string, k authz.Key) (map[string]any, error) {
	if k.Kind != authz.CallerEntity {
		v, err := s.stored(ctx, chain, k)
		return authz.AuditDocument(v.Stored), err
	}
	all, err := s.store.Callers(ctx)
	for i := range all {
		if all[i].ID == k.ID {
			return all[i].Document(), err
		}
	}
	return nil, err
}

// examination is a chain being read.
type examination struct {
	verdict Verdict
	read    int64 // number of the newest entry read
	last    authz.ChainState
	newest  map[authz.Key]latest
	// suspects are entities to be looked at again: all that the entries read last are
	// about, and those that differed before.
	suspects map[authz.Key]bool
	policy   inForce
}

// inForce is the policy that an entry brought into force, 0 for the folder's.
type inForce struct{ seq, number int64 }

// latest is what the newest entry about an entity says of it.
type latest struct {
	seq   int64
	after map[string]any // nil: it is not there
}

func (x *examination) fault(f ChainFault) {
	if len(x.verdict.Faults) == maxChainFaults {
		x.verdict.More++
		return
	}
	x.verdict.Faults = append(x.verdict.Faults, f)
}

// entry examines the next entry that the store has.
func (x *examination) entry(e *authz.AuditEntry) {
	x.verdict.Entries++
	want := x.last.Seq + 1
	switch {
	case e.Seq > want:
		x.fault(ChainFault{Kind: EntryMissing, Seq: want, Msg: fmt.Sprintf("%d entries from %d on are not there", e.Seq-want, want)})
	case e.Seq < want:
		x.fault(ChainFault{Kind: EntryMoved, Seq: e.Seq, Msg: fmt.Sprintf("stands behind entry %d", x.last.Seq)})
	case e.Prev != x.last.Hash:
		x.fault(ChainFault{Kind: EntryMoved, Seq: e.Seq, Msg: "does not carry the hash of the entry before it"})
	}
	if e.Chain != x.verdict.Chain || !e.Intact() {
		x.fault(ChainFault{Kind: EntryChanged, Seq: e.Seq, Msg: "its hash is not that of what it says"})
	}
	x.read, x.last = max(x.read, e.Seq), authz.ChainState{Seq: e.Seq, Hash: e.Hash}
	if e.Counts != nil {
		x.forget() // an import replaces all there is
	}
	for _, c := range e.Changes {
		if c.Entity.Kind == authz.PortalEntity && c.After == nil {
			x.forget() // all that it held goes with it
		}
		x.newest[c.Entity] = latest{e.Seq, c.After}
		x.suspects[c.Entity] = true
	}
	if number, ok := brought(e); ok {
		x.policy = inForce{e.Seq, number}
	}
}

// brought returns the policy that the entry brought into force, if it did: a revision whose
// publications are others than before, or the folder's, which is no entity, and with which
// a portal comes back that was deleted.
func brought(e *authz.AuditEntry) (number int64, ok bool) {
	for _, c := range e.Changes {
		switch {
		case c.Entity.Kind == authz.PortalEntity && c.After == nil:
			return 0, true
		case c.Entity.Kind == authz.PolicyEntity && c.After != nil && !reflect.DeepEqual(publications(c.After), publications(c.Before)):
			number, err := strconv.ParseInt(c.Entity.ID, 10, 64)
			return number, err == nil
		}
	}
	return 0, e.Operation == authz.ReturnOperation || e.Operation == authz.RescueOperation
}

// publications returns those that a document of a revision has; none is nil.
func publications(revision map[string]any) []any {
	list, _ := revision["publications"].([]any)
	if len(list) == 0 {
		return nil
	}
	return list
}

// forget drops what entries say of the data that is there no more. The revisions of
// the policy outlast it.
func (x *examination) forget() {
	maps.DeleteFunc(x.newest, func(k authz.Key, _ latest) bool { return k.Kind != authz.PolicyEntity })
}

// end examines where the chain ends.
func (x *examination) end(head authz.ChainState) {
	x.verdict.Head = head
	switch {
	case x.last.Seq < head.Seq:
		x.fault(ChainFault{Kind: EntryMissing, Seq: x.last.Seq + 1, Msg: fmt.Sprintf("the chain ends with entry %d, and is to end with %d", x.last.Seq, head.Seq)})
	case x.last.Seq > head.Seq:
		x.fault(ChainFault{Kind: EntryUnlisted, Seq: x.last.Seq, Msg: fmt.Sprintf("the store knows of entries up to %d alone", head.Seq)})
	case x.last.Hash != head.Hash:
		x.fault(ChainFault{Kind: EntryChanged, Seq: head.Seq, Msg: "the last entry has another hash than the store says"})
	}
}

// state holds one entity as it is stored against what the newest entry says.
func (x *examination) state(k authz.Key, now map[string]any) {
	said := x.newest[k]
	if alike(said.after, now) {
		return
	}
	msg := "is not stored as this entry says"
	switch {
	case now == nil:
		msg = "is not there, and this entry says that it is"
	case said.after == nil:
		msg = "is there, and this entry says that it was deleted"
	}
	x.fault(ChainFault{Kind: StateDiffers, Seq: said.seq, Entity: k, Msg: fmt.Sprintf("%s %s", k, msg)})
}

// alike compares documents by their JSON: those of entries have gone through the
// store, and some of their numbers are of another type.
func alike(a, b map[string]any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	left, err1 := json.Marshal(a)
	right, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(left, right)
}
