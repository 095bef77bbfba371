package authz

import (
	"fmt"
	"slices"
	"strings"
)

// Bounds of callers.
const (
	MaxCallers     = 1_000 // that there are at once: every process holds all of them
	MaxCallerNames = 1_000 // portals of one caller, and users that it acts for
)

// Validate returns [Faults] with everything that is wrong with the caller, or nil.
// Whether its portals and users exist is not known here.
func (c *Caller) Validate() error {
	var f Faults
	f.note("name", nameFault(c.Name))
	if c.Name == "" {
		f.note("name", "is missing: say whose key it is")
	}
	f.names("portals", c.Portals, portalFault)
	if len(c.Portals) == 0 {
		f.note("portals", `is empty: name the portals that the key opens, or "*" for all`)
	}
	f.permissions(c.Permissions)
	if c.User != "" {
		f.note("user", userFault(c.User))
	}
	f.names("acts_for", c.ActsFor, idFault)
	if c.User != "" && len(c.ActsFor) > 0 {
		f.note("acts_for", "cannot stand beside user: a key that is bound to a user acts for nobody else")
	}
	return f.Err()
}

// note adds a fault when msg says one.
func (f *Faults) note(path, msg string) {
	if msg != "" {
		*f = append(*f, Fault{Path: path, Msg: msg})
	}
}

// names checks a list of ids, each by the function given, or of Any.
func (f *Faults) names(path string, ids []string, wrong func(string) string) {
	if len(ids) > MaxCallerNames {
		f.note(path, fmt.Sprintf("has %d items: at most %d", len(ids), MaxCallerNames))
		return
	}
	for i, id := range ids {
		if id != Any {
			f.note(fmt.Sprintf("%s[%d]", path, i), wrong(id))
		}
	}
}

func (f *Faults) permissions(ps []Permission) {
	all := strings.Join(permissionNames(Permissions()), ", ")
	if len(ps) == 0 {
		f.note("permissions", "is empty: want at least one of "+all)
	}
	for i, p := range ps {
		if i == len(Permissions()) {
			f.note("permissions", fmt.Sprintf("has %d items, and there are %d permissions", len(ps), i))
			return
		}
		if !slices.Contains(Permissions(), p) {
			f.note(fmt.Sprintf("permissions[%d]", i), fmt.Sprintf("there is no permission %s: want one of %s", quote(string(p)), all))
		}
	}
}

// userFault says what is wrong with the user that a key is bound to, or "".
func userFault(id string) string {
	if id == Any {
		return `must be one user's id: "*" stands in acts_for`
	}
	return idFault(id)
}
