package findings

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// members finds the roles that nobody has.
func (f *finder) members(st *stage) {
	if !f.wants(memberlessRole) || len(st.world.Roles) == 0 {
		return
	}
	if len(st.world.Users) == 0 {
		f.missing("%s: portal %s has no user here", memberlessRole, st.world.Portal.ID)
		return
	}
	held := st.held()
	for _, r := range st.world.Roles {
		if held[r.ID] {
			continue
		}
		msg := fmt.Sprintf("no user holds role %q, be it by inheritance, and no user type gives it by default", r.ID)
		if types := st.allowing(r.ID); len(types) > 0 {
			msg += " (it is allowed to " + quoted(types) + ")"
		}
		f.add(st, memberlessRole, r.Key(), msg, "grant it, or remove it with its rights")
	}
}

// held returns the roles that some user has, or would have.
func (st *stage) held() map[string]bool {
	held := map[string]bool{}
	for _, u := range st.world.Users {
		for _, g := range u.Grants {
			if !ended(g, st.now) {
				held[g.Role] = true
			}
		}
	}
	for _, t := range st.world.UserTypes {
		for _, a := range t.AllowedRoles {
			if a.Default {
				held[a.Role] = true
			}
		}
	}
	inherited := st.inheritance()
	for _, role := range slices.Collect(maps.Keys(held)) {
		for _, up := range inherited[role] {
			held[up] = true
		}
	}
	return held
}

// allowing returns the user types that allow the role.
func (st *stage) allowing(role string) (types []string) {
	for _, t := range st.world.UserTypes {
		if slices.ContainsFunc(t.AllowedRoles, func(a authz.AllowedRole) bool { return a.Role == role }) {
			types = append(types, t.ID)
		}
	}
	return types
}

func ended(g authz.Grant, now time.Time) bool { return !g.Until.IsZero() && !now.Before(g.Until) }

// ended finds the grants that give nothing any more.
func (f *finder) ended(st *stage) {
	if !f.wants(endedGrant) {
		return
	}
	for i := range st.world.Users {
		u := &st.world.Users[i]
		if !u.Active && len(u.Grants) > 0 {
			f.add(st, endedGrant, u.Key(), fmt.Sprintf("user %q is inactive and still granted %s", u.ID, quoted(granted(u))), "remove the grants, so that they do not come back with the user")
			continue
		}
		for _, g := range u.Grants {
			if ended(g, st.now) {
				file, at := st.portal.GrantPlace(u, g)
				f.addAt(st, endedGrant, file, at, fmt.Sprintf("the grant of role %q to user %q ended at %s", g.Role, u.ID, g.Until.UTC().Format(time.RFC3339)), "remove it, or prolong it")
			}
		}
	}
}

// granted names the roles of the user's grants.
func granted(u *authz.User) []string {
	var roles []string
	for _, g := range u.Grants {
		roles = append(roles, g.Role)
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
