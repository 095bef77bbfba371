package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

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
// changed, missing or out of order, and that each entity is stored as the newest
// entry about it since the last import says.
func (s *Service) Verify(ctx context.Context, chain string) (Verdict, error) {
	head, err := s.store.Chain(ctx, chain)
	if err != nil && authz.KindOf(err) != authz.NotFound {
		return Verdict{}, err
	}
	x := examination{verdict: Verdict{Chain: chain, Head: head}, newest: map[authz.Key]latest{}}
	for {
		page, err := s.store.Entries(ctx, chain, x.read, verifyPage)
		if err != nil {
			return Verdict{}, err
		}
		for i := range page {
			x.entry(&page[i])
		}
		if len(page) < verifyPage {
			break
		}
	}
	x.end()
	if chain == authz.ServiceChain {
		err = s.verifyCallers(ctx, &x)
	} else {
		err = s.verifyState(ctx, &x)
	}
	return x.verdict, err
}

// examination is a chain being read.
type examination struct {
	verdict Verdict
	read    int64 // number of the newest entry read
	last    authz.ChainState
	newest  map[authz.Key]latest
}

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
	if e.Seq > x.verdict.Head.Seq {
		x.fault(ChainFault{Kind: EntryUnlisted, Seq: e.Seq, Msg: fmt.Sprintf("the store knows of entries up to %d alone", x.verdict.Head.Seq)})
	}
	x.read, x.last = max(x.read, e.Seq), authz.ChainState{Seq: e.Seq, Hash: e.Hash}
	if e.Counts != nil {
		clear(x.newest) // an import replaces all there is
	}
	for _, c := range e.Changes {
		if c.Entity.Kind == authz.PortalEntity && c.After == nil {
			clear(x.newest) // all that it held goes with it
		}
		x.newest[c.Entity] = latest{e.Seq, c.After}
	}
}

// end examines where the chain ends.
func (x *examination) end() {
	head := x.verdict.Head
	switch {
	case x.last.Seq < head.Seq:
		x.fault(ChainFault{Kind: EntryMissing, Seq: x.last.Seq + 1, Msg: fmt.Sprintf("the chain ends with entry %d, and is to end with %d", x.last.Seq, head.Seq)})
	case x.last.Seq == head.Seq && x.last.Hash != head.Hash:
		x.fault(ChainFault{Kind: EntryChanged, Seq: head.Seq, Msg: "the last entry has another hash than the store says"})
	}
}

// verifyState holds what is stored against the newest entries.
func (s *Service) verifyState(ctx context.Context, x *examination) error {
	keys := slices.SortedFunc(maps.Keys(x.newest), compareKeys)
	for _, k := range keys {
		v, err := s.stored(ctx, x.verdict.Chain, k)
		if err != nil {
			return err
		}
		x.state(k, redacted(v.Stored))
	}
	return nil
}

// verifyCallers does the same for callers.
func (s *Service) verifyCallers(ctx context.Context, x *examination) error {
	all, err := s.store.Callers(ctx)
	if err != nil {
		return err
	}
	now := map[authz.Key]map[string]any{}
	for i := range all {
		now[authz.Key{Kind: authz.CallerEntity, ID: all[i].ID}] = all[i].Document()
	}
	for _, k := range slices.SortedFunc(maps.Keys(x.newest), compareKeys) {
		x.state(k, now[k])
	}
	return nil
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
