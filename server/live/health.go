package live

import "time"

// Ready reports whether the service can decide: the store has not failed for longer
// than its time, and some portal is published with a configuration and a policy. The detail says of each part where it stands, faults included; a
// portal with a fault goes on under its last good configuration and policy.
func (m *Manager) Ready() (ok bool, detail map[string]any) {
	views := m.all()
	m.mu.Lock()
	defer m.mu.Unlock()
	usable := false
	portals := make(map[string]any, len(views))
	for id, view := range views {
		d := map[string]any{"revision": view.Revision, "usable": view.Snapshot != nil}
		if own(view) {
			d["policy_revision"] = view.Snapshot.PolicyRevision()
		}
		if p := m.state.portals[id]; p != nil {
			p.describe(d)
		}
		usable = usable || view.Snapshot != nil
		portals[id] = d
	}
	fresh := m.state.storeErr == nil || m.opts.Now().Sub(m.state.failing) <= m.opts.StaleAfter
	return usable && fresh, map[string]any{
		"portals": portals,
		"policy":  m.policyDetail(),
		"store":   m.storeDetail(),
	}
}

// describe adds when the portal was last loaded, and what has failed since.
func (p *portalState) describe(d map[string]any) {
	if !p.built.IsZero() {
		d["loaded_at"] = p.built.UTC().Format(time.RFC3339)
	}
	if p.err != nil {
		d["error"] = p.err.Error()
	}
}

func (m *Manager) policyDetail() map[string]any {
	d := map[string]any{}
	if m.state.program != nil {
		d["revision"] = m.state.program.Revision()
	}
	if m.state.policyErr != nil {
		d["error"] = m.state.policyErr.Error()
		d["tried_at"] = m.state.policyTried.UTC().Format(time.RFC3339)
	}
	return d
}

func (m *Manager) storeDetail() map[string]any {
	d := map[string]any{}
	if m.heardOf > 0 && len(m.wanted) == 0 {
		d["hint"] = "the store holds no portal: run portcullis import FOLDER"
	}
	if m.heardOf > 0 {
		d["changed_at"] = m.state.changed.UTC().Format(time.RFC3339)
	}
	if m.state.storeErr != nil {
		d["error"] = m.state.storeErr.Error()
		d["failing_since"] = m.state.failing.UTC().Format(time.RFC3339)
	}
	return d
}
