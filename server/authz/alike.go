package authz

import "sync"

// maxAlike bounds what an Alike keeps.
const maxAlike = 1000

// Alike keeps what a policy has answered in the course of one call, by what the policy
// could see of the question, so that it is not asked again what it cannot tell from
// what it was asked before. All that it is given to is of one subject, in one context.
// The zero value is empty. It is safe for concurrent use.
type Alike struct {
	mu   sync.Mutex
	kept map[int][]alike // by hash
	n    int             // of kept
}

type alike struct{ seen, answer any }

// Find returns the answer that is kept for what has the hash and is the same.
func (a *Alike) Find(hash int, same func(seen any) bool) (answer any, found bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, one := range a.kept[hash] {
		if same(one.seen) {
			return one.answer, true
		}
	}
	return nil, false
}

// Keep keeps the answer, unless there are as many as can be kept.
func (a *Alike) Keep(hash int, seen, answer any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n == maxAlike {
		return
	}
	if a.kept == nil {
		a.kept = make(map[int][]alike)
	}
	a.kept[hash] = append(a.kept[hash], alike{seen, answer})
	a.n++
}

// Number returns how many answers are kept.
func (a *Alike) Number() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.n
}
