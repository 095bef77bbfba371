package policy

import (
	"context"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// scratch is what one evaluation writes to, kept for the next: OPA's own cache of
// rules is a trie made anew for each, a fifth of an evaluation's allocations.
type scratch struct {
	virtual  ruleCache
	deadline deadline
}

// scratches is of all policies: a pool of one's own inside a policy would keep the
// policy over two garbage collections, for the runtime knows each pool by its address.
var scratches sync.Pool

func takeScratch(ctx context.Context, limit time.Duration) *scratch {
	s, ok := scratches.Get().(*scratch)
	if !ok {
		s = &scratch{}
	}
	s.deadline = deadline{ctx: ctx, start: time.Now(), limit: limit}
	return s
}

func (s *scratch) giveBack() {
	s.virtual.reset()
	s.deadline = deadline{}
	scratches.Put(s)
}

// deadline stops an evaluation that has taken longer than its limit, or whose
// request has ended. The evaluator asks it at every step, in its own goroutine;
// looking at the clock each sixteenth time costs less than a timer, and no
// goroutine.
//
// Of the time between two looks a part of the limit counts at most. So few steps take
// no longer, unless the process was made to stop in between, by a busy machine or a
// quota of processor time, and that must not deny what the policy allows. Steps that do
// take longer end the evaluation after a multiple of the limit.
type deadline struct {
	ctx    context.Context
	limit  time.Duration
	start  time.Time
	looked time.Duration // since start, when it last looked
	spent  time.Duration // that counts
	asked  uint
	passed bool
}

const (
	stepsPerLook  = 16
	looksPerLimit = 8  // in which the limit may be spent, at least
	limitsInAll   = 20 // after which no pause is an excuse
)

// Cancel stops the evaluation at its next step.
func (d *deadline) Cancel() { d.passed = true }

// Cancelled reports whether the evaluation must stop.
func (d *deadline) Cancelled() bool {
	d.asked++
	if !d.passed && d.asked%stepsPerLook == 0 {
		now := time.Since(d.start)
		d.spent += min(now-d.looked, d.limit/looksPerLimit)
		d.looked = now
		d.passed = d.spent >= d.limit || now > limitsInAll*d.limit || d.ctx.Err() != nil
	}
	return d.passed
}

// ruleCache keeps the rules that one evaluation has evaluated. There are few, so
// that a list is faster than a trie. A frame hides those below it: the evaluator
// opens one when `with` replaces input or data.
type ruleCache struct {
	entries []ruleEntry
	terms   []*ast.Term // of the entries' references, which the evaluator goes on changing
	frame   int         // where the open frame begins
	frames  []int
}

type ruleEntry struct {
	ref   ast.Ref
	value *ast.Term // nil: the rule is undefined
}

func (c *ruleCache) reset() {
	clear(c.entries)
	clear(c.terms)
	*c = ruleCache{entries: c.entries[:0], terms: c.terms[:0], frames: c.frames[:0]}
}

// know adds what is known before the evaluation, and returns how much that is. Of a rule
// it must say one thing only.
func (c *ruleCache) know(lists ...*[]ruleEntry) int {
	for _, entries := range lists {
		if entries != nil {
			c.entries = append(c.entries, *entries...)
		}
	}
	return len(c.entries)
}

// Push opens a frame.
func (c *ruleCache) Push() {
	c.frames = append(c.frames, c.frame)
	c.frame = len(c.entries)
}

// Pop closes the open frame and forgets what is in it.
func (c *ruleCache) Pop() {
	last := len(c.frames) - 1
	c.entries, c.frame, c.frames = c.entries[:c.frame], c.frames[last], c.frames[:last]
}

// Get returns what is kept for ref in the open frame; undefined reports that the
// rule was evaluated and has no value.
func (c *ruleCache) Get(ref ast.Ref) (value *ast.Term, undefined bool) {
	if e := c.find(ref); e != nil {
		return e.value, e.value == nil
	}
	return nil, false
}

// Put keeps value for ref in the open frame; nil keeps that the rule is undefined.
func (c *ruleCache) Put(ref ast.Ref, value *ast.Term) {
	if e := c.find(ref); e != nil {
		e.value = value
		return
	}
	from := len(c.terms)
	c.terms = append(c.terms, ref...)
	c.entries = append(c.entries, ruleEntry{ref: c.terms[from:len(c.terms):len(c.terms)], value: value})
}

// Keys returns the references with a value in the open frame.
func (c *ruleCache) Keys() []ast.Ref {
	var keys []ast.Ref
	for _, e := range c.entries[c.frame:] {
		if e.value != nil {
			keys = append(keys, e.ref.Copy())
		}
	}
	return keys
}

func (c *ruleCache) find(ref ast.Ref) *ruleEntry {
	open := c.entries[c.frame:]
	for i := range open {
		if sameRef(open[i].ref, ref) {
			return &open[i]
		}
	}
	return nil
}

// sameRef is [ast.Ref.Equal] from the end: most rules differ in their last name.
func sameRef(a, b ast.Ref) bool {
	if len(a) != len(b) {
		return false
	}
	for i := len(a) - 1; i >= 0; i-- {
		if a[i] != b[i] && !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}
