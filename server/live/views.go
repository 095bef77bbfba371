package live

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// Views are the published portals. The zero value publishes none.
type Views struct {
	defaultPortal string
	portals       atomic.Pointer[map[string]*pdp.View] // the map is never written to
}

// View returns what is published of the portal. For "" that is the default
// portal: the one configured, or the only one there is.
func (v *Views) View(portal string) (*pdp.View, error) {
	portals := v.all()
	if portal == "" {
		portal = v.defaultPortal
	}
	if view := portals[portal]; view != nil {
		return view, nil
	}
	switch {
	case len(portals) == 0:
		return nil, authz.Errorf(authz.NotFound, "there is no portal yet: import one, or wait until the data is loaded")
	case portal != "":
		return nil, authz.Errorf(authz.NotFound, "there is no portal %q; there are: %s", portal, list(portals))
	case len(portals) == 1:
		for _, view := range portals {
			return view, nil
		}
	}
	return nil, authz.Errorf(authz.NotFound, "there are several portals and no default one: ask below /portals/{portal}, or configure default_portal; there are: %s", list(portals))
}

// ID returns the id of the portal whose view View returns.
func (v *Views) ID(portal string) (string, error) {
	view, err := v.View(portal)
	if err != nil {
		return "", err
	}
	return view.Portal(), nil
}

func (v *Views) all() map[string]*pdp.View {
	if m := v.portals.Load(); m != nil {
		return *m
	}
	return nil
}

// publish replaces one portal's view; nil takes the portal away. Calls must not
// overlap.
func (v *Views) publish(portal string, view *pdp.View) {
	next := maps.Clone(v.all())
	if next == nil {
		next = make(map[string]*pdp.View)
	}
	if next[portal] = view; view == nil {
		delete(next, portal)
	}
	v.portals.Store(&next)
}

// maxListed bounds how many portals a message names.
const maxListed = 10

func list(portals map[string]*pdp.View) string {
	ids := slices.Sorted(maps.Keys(portals))
	more := ""
	if len(ids) > maxListed {
		more = fmt.Sprintf(" and %d more", len(ids)-maxListed)
		ids = ids[:maxListed]
	}
	return strings.Join(ids, ", ") + more
}

// Build returns the view of a portal's configuration under the policy of program
// that it names: the snapshot, and what the policy reads and judges besides. model
// is the Casbin model. Nobody may write to b afterwards.
func Build(b *authz.Bundle, model string, program *policy.Program) (pdp.View, error) {
	return rebuild(nil, b, model, program)
}

// rebuild is Build, and takes over from old, which may be nil, what is the same.
func rebuild(old *pdp.View, b *authz.Bundle, model string, program *policy.Program) (pdp.View, error) {
	var was *engine.Snapshot
	if old != nil {
		was = old.Snapshot
	}
	p, err := bind(was, b, program)
	if err != nil {
		return pdp.View{}, err
	}
	s, err := engine.Rebuild(was, b, model, p)
	if err != nil {
		return pdp.View{}, err
	}
	return pdp.View{Snapshot: s, Reads: p.Reads(), Changes: p, Generation: b.Generation, Revision: b.Revision}, nil
}

// bind returns the policy of b: that of the snapshot before, as far as it is the
// same.
func bind(was *engine.Snapshot, b *authz.Bundle, program *policy.Program) (*policy.Policy, error) {
	if was == nil {
		return program.Bind(b)
	}
	p, ok := was.Policy().(*policy.Policy)
	before := was.Bundle()
	switch {
	case !ok || p.Program() != program || before.Portal.Policy != b.Portal.Policy || before.Portal.ID != b.Portal.ID:
		return program.Bind(b)
	case reflect.DeepEqual(before.Portal, b.Portal) && reflect.DeepEqual(before.UserTypes, b.UserTypes):
		return p, nil
	}
	return p.For(b)
}

// Static publishes the worlds for good. It fails when one of them cannot be built.
func Static(worlds []authz.World, model string, program *policy.Program, defaultPortal string) (*Views, error) {
	v := &Views{defaultPortal: defaultPortal}
	for i := range worlds {
		b := &worlds[i].Bundle
		view, err := Build(b, model, program)
		if err != nil {
			return nil, fmt.Errorf("portal %s: %w", b.Portal.ID, err)
		}
		view.Generation = "" // that of worlds in memory
		v.publish(b.Portal.ID, pdp.NewView(b.Portal.ID, view))
	}
	return v, nil
}
