package findings

import (
	"context"
	"fmt"
	"slices"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// guests finds those who may do more than members of their account, and what
// visitors may do that users who have logged in may not.
func (f *finder) guests(ctx context.Context, st *stage) {
	if !f.wants(generousGuest) {
		return
	}
	h := &hosting{stage: st, guest: map[string]bool{}}
	for _, r := range st.world.Roles {
		h.guest[r.ID] = r.Guest
	}
	for _, t := range st.world.UserTypes {
		h.staff = append(h.staff, t.ID)
		if t.Linked != authz.LinkedEmployee {
			h.staff = h.staff[:len(h.staff)-1]
		}
	}
	done := h.accounts(ctx, f) && h.visitors(ctx, f)
	if !done {
		f.missing("%s: portal %s, for lack of time", generousGuest, st.world.Portal.ID)
	}
}

// hosting compares guests with members.
type hosting struct {
	*stage
	guest map[string]bool // roles
	staff []string        // user types of employees
}

// isGuest reports whether all roles of the user are for outside users.
func (h *hosting) isGuest(s *subject) bool {
	return !slices.Contains(h.staff, s.user.UserType) && !slices.ContainsFunc(s.roles, func(r string) bool { return !h.guest[r] })
}

// accounts compares the users of each account that has both kinds; false when ctx
// ended.
func (h *hosting) accounts(ctx context.Context, f *finder) bool {
	guests, members := map[string][]*subject{}, map[string][]*subject{}
	for i := range h.users {
		s := &h.users[i]
		if s.user.Account == "" {
			continue
		}
		of := members
		if h.isGuest(s) {
			of = guests
		}
		of[s.user.Account] = append(of[s.user.Account], s)
	}
	for _, account := range sortedKeys(guests) {
		if len(members[account]) == 0 {
			continue
		}
		for _, g := range guests[account] {
			more, ok := h.more(ctx, g, members[account])
			if !ok {
				return false
			}
			if len(more) > 0 {
				f.add(h.stage, generousGuest, g.user.Key(), fmt.Sprintf("guest %q may %s, which no member of account %q may (%s)", g.ID, list(more), account, quoted(ids(members[account]))),
					"take it from the guest's roles, or give it to the members too")
			}
		}
	}
	return true
}

func ids(all []*subject) (names []string) {
	for _, s := range all {
		names = append(names, s.ID)
	}
	return names
}

// list names the first of what is done, and counts the rest.
func list(done []string) string {
	const most = 3
	shown := ""
	for i, d := range done[:min(len(done), most)] {
		if i > 0 {
			shown += ", "
		}
		shown += d
	}
	if more := len(done) - most; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	return shown
}

// more returns what the guest may do and no member may; false when ctx ended.
func (h *hosting) more(ctx context.Context, g *subject, members []*subject) (more []string, ok bool) {
	for i := range h.world.Screens {
		for _, a := range h.at(i) {
			allowed, err := h.may(ctx, &a, g)
			if err != nil {
				return nil, false
			}
			for m := 0; allowed && m < len(members); m++ {
				also, err := h.may(ctx, &a, members[m])
				if err != nil {
					return nil, false
				}
				allowed = !also
			}
			if allowed {
				more = append(more, h.deed(&a, i))
			}
		}
	}
	slices.Sort(more)
	return slices.Compact(more), true
}

func (h *hosting) deed(a *ask, i int) string {
	return fmt.Sprintf("%s %s %q", a.query.Action.Name, h.world.Screens[i].Kind, h.world.Screens[i].ID)
}

func (h *hosting) may(ctx context.Context, a *ask, s *subject) (bool, error) {
	d, err := put(ctx, h.decider, h.world.Portal.ID, a.by(s))
	return err == nil && d.Allowed(), err
}

// visitors finds what visitors may do and some users of accounts may not, though
// others may: what is for visitors alone, such as signing up, is meant so. It returns
// false when ctx ended.
func (h *hosting) visitors(ctx context.Context, f *finder) bool {
	guest := visitor()
	for i := range h.world.Screens {
		for _, a := range h.at(i) {
			allowed, err := h.may(ctx, &a, &guest)
			if err != nil {
				return false
			}
			if !allowed {
				continue
			}
			refused, others, err := h.split(ctx, &a)
			if err != nil {
				return false
			}
			if len(refused) > 0 && others {
				f.add(h.stage, generousGuest, h.world.Screens[i].Key(), fmt.Sprintf("visitors who have not logged in may %s, and %s may not", h.deed(&a, i), quoted(refused)),
					"refuse it to visitors, or allow it to these users")
			}
		}
	}
	return true
}

// split returns the users of accounts who are refused, and whether others are not.
func (h *hosting) split(ctx context.Context, a *ask) (refused []string, others bool, err error) {
	for i := range h.users {
		if h.users[i].user.Account == "" {
			continue
		}
		ok, err := h.may(ctx, a, &h.users[i])
		if err != nil {
			return nil, false, err
		}
		if others = others || ok; !ok {
			refused = append(refused, h.users[i].ID)
		}
	}
	return refused, others, nil
}
