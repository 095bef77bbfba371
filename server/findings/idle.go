package findings

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policytest"
)

// idle finds the rights that change no decision: those that it tells of can all be
// removed together.
func (f *finder) idle(ctx context.Context, st *stage) {
	if !f.wants(idleRight) || len(st.world.Rights) == 0 || len(st.users) == 0 {
		return
	}
	t := &trial{stage: st, witness: f.suites.Witness(), of: make([]verdict, len(st.world.Rights)), inherited: st.inheritance()}
	parallel(ctx, st.workers, len(t.of), func(i int) { t.of[i] = t.right(ctx, []int{i}) })
	t.together(ctx)
	left := 0
	for i, r := range st.world.Rights {
		switch from := t.source(r); {
		case t.of[i] == untried:
			left++
		case t.of[i] == matters:
		case from != "":
			f.add(st, idleRight, r.Key(), fmt.Sprintf("the right of role %q at %q is %s, which the role inherits from %q at that level: removing it changes no decision", r.Role, r.Node, r.Level, from), "remove it")
		case t.of[i] == idles:
			f.add(st, idleRight, r.Key(), fmt.Sprintf("the right of role %q at %q never matters: without %s no user's decision is another", r.Role, r.Node, r.Level), "remove it, or add a case that shows what it is for")
		}
	}
	if left > 0 {
		f.missing("%s: %d of %d rights of portal %s, for lack of time", idleRight, left, len(t.of), st.world.Portal.ID)
	}
	f.leftOutOf(idleRight, st)
}

// verdict is what is known of a right.
type verdict uint8

const (
	untried verdict = iota
	matters
	idles
	unheld // by any active user, or at a node that is not there: no decision can tell
)

// trial takes rights away, one at a time.
type trial struct {
	*stage
	witness   *policytest.Witness
	inherited map[string][]string // role -> the roles it inherits from, itself left out
	of        []verdict
}

// source returns the role from which the right's role has the same level, or "".
func (t *trial) source(r authz.Right) string {
	for _, other := range t.world.Rights {
		if other.Node == r.Node && other.Level == r.Level && slices.Contains(t.inherited[r.Role], other.Role) {
			return other.Role
		}
	}
	return ""
}

// inheritance returns what each role inherits.
func (st *stage) inheritance() map[string][]string {
	direct := map[string][]string{}
	for _, r := range st.world.Roles {
		direct[r.ID] = r.Inherits
	}
	all := map[string][]string{}
	for role := range direct {
		seen := map[string]bool{}
		var visit func(string)
		visit = func(id string) {
			for _, up := range direct[id] {
				if !seen[up] {
					seen[up] = true
					visit(up)
				}
			}
		}
		visit(role)
		all[role] = slices.Sorted(maps.Keys(seen))
	}
	return all
}

// together takes away, one after another, the rights that do not matter alone, the
// inherited ones first, and keeps those that matter once the others are gone. One that
// is kept is tried again when more are gone: it may be the last at a node, which is open
// to all without it.
func (t *trial) together(ctx context.Context) {
	var order, gone []int
	for i, v := range t.of {
		if v == idles {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(t.rank(a), t.rank(b)) })
	triedWith := make([]int, len(t.of)) // of each, how many were gone
	for more := true; more; {
		more = false
		for _, i := range order {
			if slices.Contains(gone, i) {
				continue
			}
			if len(gone) > triedWith[i] {
				t.of[i], triedWith[i] = t.right(ctx, append(slices.Clone(gone), i)), len(gone)
			}
			if t.of[i] == idles {
				gone, more = append(gone, i), true
			}
		}
	}
}

func (t *trial) rank(i int) int {
	if t.source(t.world.Rights[i]) != "" {
		return 0
	}
	return 1
}

// right finds out whether the last of the rights matters when the others are gone,
// of which that is known: to those who have its role, and to all where it is the only
// one at its node, since what no role configures is another node.
func (t *trial) right(ctx context.Context, gone []int) verdict {
	r := t.world.Rights[gone[len(gone)-1]]
	who := t.holders(r.Role)
	if len(who) == 0 || !t.exists(r.Node) {
		return unheld
	}
	w := *t.world
	w.Rights = t.less(gone)
	if !slices.ContainsFunc(w.Rights, func(o authz.Right) bool { return o.Node == r.Node }) {
		who = append(slices.Clone(t.users), visitor())
	}
	view, err := t.with(w.Rights)
	if err != nil {
		return matters
	}
	d, err := t.deciding(&fixed{view})
	if err != nil {
		return matters
	}
	for _, asks := range t.around(r.Node) {
		if v := t.compare(ctx, d, who, asks); v != idles {
			return v
		}
	}
	if _, noticed := t.witness.Notices(ctx, t.portal.folder(), &policytest.Mutant{Entity: r.Key(), World: w}); noticed {
		return matters
	}
	if ctx.Err() != nil {
		return untried
	}
	return idles
}

// less returns the rights without those at the places.
func (t *trial) less(places []int) []authz.Right {
	var rest []authz.Right
	for i, r := range t.world.Rights {
		if !slices.Contains(places, i) {
			rest = append(rest, r)
		}
	}
	return rest
}

// around returns the questions on which a right at the node can bear: those about
// the node, what is below, and what is shown there. A policy that reads fields reads
// the rights at elements too when it is asked about what they are on.
func (t *trial) around(node string) [][]ask {
	var all [][]ask
	for _, i := range t.under(t.nodes[node], nil) {
		all = append(all, t.at(i), t.shown(i))
	}
	if !t.view.Reads.Fields {
		return all
	}
	for up, ok := t.nodes[t.world.Screens[t.nodes[node]].Parent]; ok; up, ok = t.nodes[t.world.Screens[up].Parent] {
		all = append(all, t.at(up), t.shown(up))
	}
	return all
}

// under returns the node and all below it.
func (t *trial) under(i int, all []int) []int {
	all = append(all, i)
	for _, below := range t.below[t.world.Screens[i].ID] {
		all = t.under(below, all)
	}
	return all
}

// compare asks before and after until an answer is another. An answer that the
// policy fails to give could be any.
func (t *trial) compare(ctx context.Context, after *pdp.Decider, who []subject, asks []ask) verdict {
	for i := range who {
		for a := range asks {
			q := asks[a].by(&who[i])
			old, err := put(ctx, t.decider, t.world.Portal.ID, q)
			if err != nil {
				return untried
			}
			now, err := put(ctx, after, t.world.Portal.ID, q)
			if err != nil {
				return untried
			}
			if old.Err != nil || now.Err != nil || !same(&old, &now) {
				return matters
			}
		}
	}
	return idles
}

// same reports whether two decisions say the same.
func same(a, b *authz.Decision) bool {
	return a.Outcome == b.Outcome && a.Reason == b.Reason && a.Level == b.Level &&
		maps.Equal(a.Fields, b.Fields) && reflect.DeepEqual(a.Obligations, b.Obligations)
}
