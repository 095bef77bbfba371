package findings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// reach is what is known of a node.
type reach uint8

const (
	unknown   reach = iota // not looked at
	absent                 // behind a feature that is off
	reached                // somebody can do something there
	unreached              // nobody can do anything
)

// unreached finds the nodes where nobody can do anything, the topmost of each part
// of the tree.
func (f *finder) unreached(ctx context.Context, st *stage) {
	if !f.wants(unreachedScreen) || len(st.world.Screens) == 0 {
		return
	}
	if len(st.users) == 0 {
		f.missing("%s: portal %s has no active user here", unreachedScreen, st.world.Portal.ID)
		return
	}
	s := &survey{stage: st, of: make([]reach, len(st.world.Screens))}
	s.run(ctx)
	if n := s.left(); n > 0 {
		f.missing("%s: %d of %d nodes of portal %s, for lack of time", unreachedScreen, n, len(s.of), st.world.Portal.ID)
	}
	for i := range s.of {
		if up, ok := st.nodes[st.world.Screens[i].Parent]; s.lost(i) && !(ok && s.lost(up)) {
			f.add(st, unreachedScreen, st.world.Screens[i].Key(), s.tell(i), "open it by a right, a setting or a rule, or remove it")
		}
	}
}

// survey finds out where users get to.
type survey struct {
	*stage
	of []reach

	mu     sync.Mutex
	fields map[string]bool // elements that some decision shows
	lucky  atomic.Int64    // the user who got somewhere last
}

func (s *survey) run(ctx context.Context) {
	s.fields = map[string]bool{}
	parallel(ctx, s.workers, len(s.of), func(i int) { s.of[i] = s.node(ctx, i) })
	for i, n := range s.world.Screens {
		if s.of[i] == unreached && s.fields[n.ID] {
			s.of[i] = reached
		}
	}
}

func (s *survey) left() (n int) {
	for _, r := range s.of {
		if r == unknown {
			n++
		}
	}
	return n
}

func (s *survey) node(ctx context.Context, i int) reach {
	if !s.exists(s.world.Screens[i].ID) {
		return absent
	}
	for _, asks := range [...][]ask{s.at(i), s.shown(i)} {
		if r := s.anyone(ctx, i, asks); r != unreached {
			return r
		}
	}
	return unreached
}

// anyone asks until somebody is allowed something. What the policy cannot answer
// counts as reached: it is no finding here.
func (s *survey) anyone(ctx context.Context, i int, asks []ask) reach {
	guest := visitor()
	first := int(s.lucky.Load())
	for n := range len(s.users) + 1 {
		who := &guest
		if n < len(s.users) {
			who = &s.users[(first+n)%len(s.users)]
		}
		for a := range asks {
			if asks[a].query.IsCall() { // made without the screen
				continue
			}
			d, err := put(ctx, s.decider, s.world.Portal.ID, asks[a].by(who))
			if err != nil {
				return unknown
			}
			if d.Allowed() || d.Err != nil {
				s.note(i, &d, (first+n)%len(s.users))
				return reached
			}
		}
	}
	return unreached
}

// note keeps the elements that a decision about a screen shows.
func (s *survey) note(i int, d *authz.Decision, user int) {
	s.lucky.Store(int64(user))
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, access := range d.Fields {
		if access != authz.Hidden {
			s.fields[s.world.Screens[i].ID+"."+name] = true
		}
	}
}

// lost reports whether nobody gets to the node nor to what is below it, and that
// this is to be told: of a kind of which the policy opens no node at all, it does not
// decide by the node.
func (s *survey) lost(i int) bool {
	if s.of[i] != unreached || !s.decided(i) {
		return false
	}
	for _, below := range s.below[s.world.Screens[i].ID] {
		if !s.absentBelow(below) {
			return false
		}
	}
	return true
}

// absentBelow reports whether nobody gets to the node, nor to any below.
func (s *survey) absentBelow(i int) bool {
	if s.of[i] != unreached && s.of[i] != absent {
		return false
	}
	return !slices.ContainsFunc(s.below[s.world.Screens[i].ID], func(below int) bool { return !s.absentBelow(below) })
}

// decided reports whether the finding makes sense at the node: it is a screen, or
// holds one, or others of its kind are reached.
func (s *survey) decided(i int) bool {
	kind := s.world.Screens[i].Kind
	if kind == authz.Screen || kind == authz.Workspace && s.holdsScreen(i) {
		return true
	}
	for j := range s.of {
		if s.of[j] == reached && s.world.Screens[j].Kind == kind {
			return true
		}
	}
	return false
}

func (s *survey) holdsScreen(i int) bool {
	return slices.ContainsFunc(s.below[s.world.Screens[i].ID], func(j int) bool {
		return s.of[j] == unreached && s.world.Screens[j].Kind == authz.Screen || s.holdsScreen(j)
	})
}

func (s *survey) tell(i int) string {
	n := &s.world.Screens[i]
	msg := fmt.Sprintf("no active user can do anything at %s %q", n.Kind, n.ID)
	if below := s.count(i); below > 0 {
		msg += ", nor at the " + plural(below, "node") + " below it"
	}
	return msg
}

func (s *survey) count(i int) (n int) {
	for _, j := range s.below[s.world.Screens[i].ID] {
		if s.of[j] != absent {
			n += 1 + s.count(j)
		}
	}
	return n
}

// parallel does the work of 0 to n-1 by several workers, until ctx ends.
func parallel(ctx context.Context, workers, n int, do func(i int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(workers, n) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

// leftOutOf tells what the rule did not ask about.
func (f *finder) leftOutOf(rule string, st *stage) {
	if left := st.leftOut(); len(left) > 0 {
		f.missing("%s: at portal %s not asked about %s", rule, st.world.Portal.ID, strings.Join(left, ", "))
	}
}
