package policytest

import (
	"fmt"
	"slices"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Staged is a decision case as a server can be asked it, which has one clock and
// knows portals by their ids alone. Portal is the id of the staged portal.
type Staged struct {
	*Case
	Suite  *Suite
	Portal string
	Query  authz.Query
}

// stageKey names what cases can share a staged portal.
type stageKey struct {
	scene sceneKey
	now   time.Time
}

// Stage returns the decision cases that are picked, calls that are being made aside, with the portals that they ask,
// each portal's data as its cases have it and under an id of its own. Times in
// grants are moved so that the moment at is to them what the case's moment is to
// the original.
func (p *Project) Stage(at time.Time, pick func(*Case) bool) ([]authz.World, []Staged) {
	var worlds []authz.World
	var cases []Staged
	ids := map[stageKey]string{}
	for _, s := range p.Suites {
		for i := range s.Cases {
			c := &s.Cases[i]
			if c.Skip != "" || c.Made() || !pick(c) {
				continue
			}
			key := stageKey{keyOf(s, c.Portal, c.Given), c.Now}
			id, ok := ids[key]
			if !ok {
				id = fmt.Sprintf("stage-%d", len(ids))
				ids[key] = id
				worlds = append(worlds, stagedWorld(p.scenes[key.scene].world, id, at.Sub(c.Now)))
			}
			cases = append(cases, Staged{Case: c, Suite: s, Portal: id, Query: questionTo(c, id)})
		}
	}
	return worlds, cases
}

// questionTo returns the case's question, put to the portal by its staged id.
func questionTo(c *Case, id string) authz.Query {
	q := c.Query
	if r := &q.Resource; authz.EntityKind(r.Type) == authz.PortalEntity && r.ID == c.Portal {
		r.ID = id
	}
	return q
}

// stagedWorld returns a copy of the world under another id, with grants moved in time.
func stagedWorld(w *authz.World, id string, by time.Duration) authz.World {
	s := *w
	s.Portal.ID = id
	s.Users = slices.Clone(w.Users)
	for i := range s.Users {
		grants := slices.Clone(s.Users[i].Grants)
		for j := range grants {
			for _, t := range [...]*time.Time{&grants[j].From, &grants[j].Until} {
				if !t.IsZero() {
					*t = t.Add(by)
				}
			}
		}
		s.Users[i].Grants = grants
	}
	return s
}

// AnyCase picks every case.
func AnyCase(*Case) bool { return true }

// StoredCase picks the cases that ask a portal as it is stored.
func StoredCase(c *Case) bool { return len(c.Given) == 0 }

// StagedChange is a case of a change as a server can be asked it. Portal is the id of
// the staged portal. Of a case that wants tasks, or that states what is known, it is
// the case's alone, so that the change can be made there.
type StagedChange struct {
	*ChangeCase
	Suite  *Suite
	Portal string
	Change authz.Change
}

// StageChanges returns the cases of changes with the portals that they change; see
// [Project.Stage].
func (p *Project) StageChanges(at time.Time) ([]authz.World, []StagedChange, error) {
	var worlds []authz.World
	var cases []StagedChange
	shared := map[stageKey]string{}
	for _, s := range p.Suites {
		for i := range s.Changes {
			c := &s.Changes[i]
			if c.Skip != "" {
				continue
			}
			key := stageKey{keyOf(s, c.Portal, c.Given), c.Now}
			world := p.scenes[key.scene].world
			change, err := c.change(world, s.File)
			if err != nil {
				return nil, nil, err
			}
			id, ok := shared[key]
			if alone := c.alone(); alone || !ok {
				id = fmt.Sprintf("change-%d", len(worlds))
				worlds = append(worlds, stagedWorld(world, id, at.Sub(c.Now)))
				if !alone {
					shared[key] = id
				}
			}
			renamePortal(change, id)
			change.Now = at
			cases = append(cases, StagedChange{ChangeCase: c, Suite: s, Portal: id, Change: *change})
		}
	}
	return worlds, cases, nil
}

// alone reports whether the case needs a portal that no other case asks.
func (c *ChangeCase) alone() bool {
	return len(c.Want.Tasks) > 0 || len(c.Known.Counts) > 0 || len(c.Known.Latches) > 0
}

// renamePortal gives a change of the portal itself the portal's staged id.
func renamePortal(c *authz.Change, id string) {
	if c.Entity.Kind != authz.PortalEntity {
		return
	}
	c.Entity.ID = id
	for _, side := range [...]*authz.Stored{&c.Old, &c.New} {
		if portal, ok := (*side).(authz.Portal); ok {
			portal.ID = id
			*side = portal
		}
	}
}

// AdmissionDiffs returns what of the admission differs from what the case wants.
func (c *StagedChange) AdmissionDiffs(got *authz.Admission) []Diff { return c.Want.admissionDiffs(got) }

// TaskDiffs returns what of the tasks differs from what the case wants, looking at the
// members with these names alone.
func (c *StagedChange) TaskDiffs(got []authz.Task, names ...string) []Diff {
	want := ChangeWant{Tasks: []map[string]any{}}
	for _, t := range c.Want.Tasks {
		some := map[string]any{}
		for _, name := range names {
			if v, ok := t[name]; ok {
				some[name] = v
			}
		}
		want.Tasks = append(want.Tasks, some)
	}
	return want.provisioningDiffs(&authz.Provisioning{Tasks: got})
}
