package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// particular refuses some levels, adds to others, and copies what is set at a workspace
// down to its screens.
const particular = `package test

decision := {"outcome": "allow", "reason": "administrator"}

admission := {"refusals": refusals, "defaults": defaults}

refusals contains {"rule": "never", "field": "level", "reason": "no_delete"} if {
	input.new.level == 5
	input.entity.id in {"s2", "s7", "s11", "s17", "s21", "s27", "s29"}
}

refusals contains {"rule": "below_first", "field": "level", "reason": "closed_below"} if {
	input.node.kind == "workspace"
	input.new.level == 0
	some node in input.node.below
	input.levels[node.id][input.entity.of] == 4
}

default defaults := {}

defaults := {"level": 3} if {
	input.new.level == 4
	endswith(input.entity.id, "3")
}

provisioning := {"tasks": tasks}

tasks contains {
	"id": sprintf("copy %s", [node.id]), "kind": kind, "entity": sprintf("right/%s/%s", [input.new.role, node.id]),
	"set": {"role": input.new.role, "node": node.id, "level": input.new.level},
} if {
	input.node.kind == "workspace"
	input.new.level == 2
	some node in input.node.below
	kind := kind_at(node.id)
}

kind_at(node) := "update" if input.levels[node][input.new.role] >= 0

kind_at(node) := "create" if not input.levels[node]
`

// wide is a portal of three workspaces with ten screens each.
func wide(id string) authz.World {
	w := world()
	w.Portal.ID = id
	w.Screens, w.Rights, w.UserTypes, w.Accounts, w.Contacts = nil, nil, nil, nil, nil
	w.Users = w.Users[:1]
	for i := range 3 {
		w.Screens = append(w.Screens, authz.Node{ID: fmt.Sprint("w", i), Kind: authz.Workspace})
	}
	for i := range 30 {
		w.Screens = append(w.Screens, authz.Node{ID: fmt.Sprint("s", i), Kind: authz.Screen, Parent: fmt.Sprint("w", i%3)})
	}
	return w
}

// TestRowsAreJudgedLikeBatches writes rows of rights, whose cells are judged side by side
// where that can be, and the same changes as a batch, which are judged one after another:
// both come to the same.
func TestRowsAreJudgedLikeBatches(t *testing.T) {
	const rounds = 40
	s := started(t, particular, wide("p"), wide("q"))
	levels := []string{"revoked", "view", "edit", "insert", "publish", "delete", admin.Inherit}
	row := func(portal string) []admin.Cell {
		call := byRoot()
		call.Portal = portal
		v, err := s.Rights(t.Context(), call, admin.RightsQuery{Role: "clerk"})
		require.NoError(t, err)
		cells := map[string]admin.Cell{}
		for _, c := range v.Cells {
			cells[c.Node] = c
		}
		var all []admin.Cell
		for _, n := range wide(portal).Screens { // workspaces first, as they are judged
			all = append(all, cells[n.ID])
		}
		return all
	}
	written, refused, copied := 0, 0, 0
	for n := range rounds {
		rng := rand.New(rand.NewPCG(uint64(n), 29))
		tame := rng.IntN(2) > 0
		var cells []admin.Cell
		var items []admin.Item
		for _, c := range row("p") {
			level := levels[rng.IntN(len(levels))]
			if tame && level != "edit" && level != admin.Inherit { // little that is refused
				level = levels[rng.IntN(4)]
			}
			if c.Level == level || rng.IntN(6) == 0 {
				continue
			}
			k := authz.Key{Kind: authz.RightEntity, Of: c.Role, ID: c.Node}
			item := admin.Item{Operation: admin.ReplaceItem, Key: k, Document: map[string]any{"role": c.Role, "node": c.Node, "level": level}}
			switch {
			case !c.Explicit:
				item.Operation = admin.CreateItem
			case level == admin.Inherit:
				item = admin.Item{Operation: admin.DeleteItem, Key: k}
			}
			cells, items = append(cells, admin.Cell{Role: c.Role, Node: c.Node, Level: level}), append(items, item)
		}
		one, other := byRoot(), byRoot()
		other.Portal = "q"
		got, gotErr := s.SetRights(t.Context(), one, admin.RightsQuery{Role: "clerk"}, cells)
		want, wantErr := s.Batch(t.Context(), other, items)
		if wantErr != nil {
			refused++
			said := map[string]string{}
			for place, why := range refusedFor(t, wantErr, authz.Rejected) {
				said[strings.Replace(place, "items", "cells", 1)] = why
			}
			require.Equal(t, said, refusedFor(t, gotErr, authz.Rejected), "round %d", n)
			continue
		}
		written++
		copied += len(want.Tasks)
		require.NoError(t, gotErr, "round %d", n)
		require.Equal(t, tasksOf(want), tasksOf(got), "round %d", n)
		require.Equal(t, row("q"), row("p"), "round %d", n)
	}
	require.NotZero(t, copied)
	require.Greater(t, written, rounds/4)
	require.Greater(t, refused, rounds/6)
}

func tasksOf(r admin.Result) []string {
	var all []string
	for _, t := range r.Tasks {
		all = append(all, fmt.Sprint(t.Cause, t.ID, t.Kind, t.Entity, t.State, t.Error))
	}
	return all
}

// meeting is a decider whose first two judgements each wait for the other.
type meeting struct {
	admin.Decider
	mu   sync.Mutex
	here int
	both chan struct{}
}

func (m *meeting) Plain(ctx context.Context, portal string, c *authz.Change, known authz.Known) (bool, bool, error) {
	m.mu.Lock()
	m.here++
	if m.here == 2 {
		close(m.both)
	}
	m.mu.Unlock()
	select {
	case <-m.both:
	case <-time.After(10 * time.Second):
		return false, false, fmt.Errorf("%s is judged alone", c.Entity)
	}
	return m.Decider.Plain(ctx, portal, c, known)
}

// TestCellsAreJudgedSideBySide: a long row does not wait for one processor.
func TestCellsAreJudgedSideBySide(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	runtime.GOMAXPROCS(max(2, before)) // those of one processor take turns
	s := started(t, particular, wide("p"))
	s.Service = admin.New(s.store, s.manager, &meeting{Decider: s.decider, both: make(chan struct{})}, admin.Options{})
	var cells []admin.Cell
	for i := range 16 {
		cells = append(cells, admin.Cell{Role: "clerk", Node: fmt.Sprint("s", i), Level: "view"})
	}
	r, err := s.SetRights(t.Context(), byRoot(), admin.RightsQuery{Role: "clerk"}, cells)
	require.NoError(t, err)
	require.Positive(t, r.Entry)
}

// refusing is a policy that denies calls and refuses changes for which the conditions hold,
// and adds nothing to the others.
func refusing(denied, refused string) string {
	return `package test

decision := {"outcome": "deny", "reason": "no"} if { ` + denied + ` } else := {"outcome": "allow", "reason": "x"}

admission := {"refusals": {r | some r in [{"rule": "r", "reason": "no"}]; refused}, "defaults": {}}

default refused := false

refused if { ` + refused + ` }

provisioning := {"tasks": []}
`
}

// TestOneRoleOfMany writes a column of which one role must not have a level: what holds
// for the other roles is never taken for it, by whichever rule it is refused, and
// whatever the rule sees it by.
func TestOneRoleOfMany(t *testing.T) {
	w := world()
	column := []admin.Cell{{Role: "clerk", Node: "desk", Level: "edit"}}
	for i := range 30 {
		id := fmt.Sprint("r", i)
		w.Roles = append(w.Roles, authz.Role{ID: id})
		column = append(column, admin.Cell{Role: id, Node: "desk", Level: "edit"})
	}
	w.Roles = append(w.Roles, authz.Role{ID: "closed", Attributes: map[string]any{"closed": true}})
	w.Rights = append(w.Rights, authz.Right{Role: "closed", Node: "desk.name", Level: authz.View})
	column = append(column, admin.Cell{Role: "closed", Node: "desk", Level: "edit"})
	place := fmt.Sprintf("cells[%d]", len(column)-1)
	for name, rules := range map[string]struct{ denied, refused string }{
		"a call, by the resource":         {`input.resource.id == "closed/desk"`, "false"},
		"a call, by the target":           {`input.target.of == "closed"`, "false"},
		"a call, by what it leaves":       {`input.target.after.role == "closed"`, "false"},
		"a call, by levels":               {`input.levels["desk.name"].closed`, "false"},
		"a change, by the entity":         {"false", `input.entity.of == "closed"`},
		"a change, by the right":          {"false", `input.new.role == "closed"`},
		"a change, by the right as asked": {"false", `input.asked.role == "closed"`},
		"a change, by the roles":          {"false", `input.roles[_].attributes.closed`},
		"a change, by levels":             {"false", `input.levels["desk.name"].closed`},
	} {
		t.Run(name, func(t *testing.T) {
			s := started(t, refusing(rules.denied, rules.refused), w)
			in := admin.RightsQuery{Node: "desk"}
			_, err := s.SetRights(t.Context(), byRoot(), in, column)
			kind, want := authz.Forbidden, "decision no"
			if rules.denied == "false" {
				kind, want = authz.Rejected, "r no"
			}
			require.Equal(t, map[string]string{place: want}, refusedFor(t, err, kind))
			_, err = s.SetRights(t.Context(), byRoot(), in, column[:len(column)-1])
			require.NoError(t, err)
		})
	}
}

// counting is a decider that counts what it is asked.
type counting struct {
	admin.Decider
	calls, changes atomic.Int64
}

func (d *counting) DecideCall(ctx context.Context, portal string, q authz.Query, before, after authz.Stored) (authz.Decision, bool, error) {
	d.calls.Add(1)
	return d.Decider.DecideCall(ctx, portal, q, before, after)
}

func (d *counting) Plain(ctx context.Context, portal string, c *authz.Change, known authz.Known) (bool, bool, error) {
	d.changes.Add(1)
	return d.Decider.Plain(ctx, portal, c, known)
}

// TestCellsOfOneStep: where the policy cannot tell roles apart, the cells of a column are
// judged once for each step between two levels, on each processor, and otherwise each by
// itself. Each has a decision of its own in the log.
func TestCellsOfOneStep(t *testing.T) {
	const roles = 40
	w := world()
	var column []admin.Cell
	for i := range roles {
		id := fmt.Sprint("r", i)
		w.Roles = append(w.Roles, authz.Role{ID: id})
		if i%2 == 0 {
			w.Rights = append(w.Rights, authz.Right{Role: id, Node: "desk", Level: authz.View})
		}
		column = append(column, admin.Cell{Role: id, Node: "desk", Level: []string{"edit", "insert"}[i%4/2]})
	}
	parts := int64(runtime.GOMAXPROCS(0))
	for name, tc := range map[string]struct {
		denied, refused string
		most            int64 // calls, and changes
	}{
		"roles alike":     {`input.subject.type != "user"`, `input.new.level > 4`, 4 * parts},
		"roles not alike": {`input.resource.id != "x"; input.subject.type != "user"`, `input.entity.of == "x"`, roles},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s := started(t, refusing(tc.denied, tc.refused), w)
			d := &counting{Decider: s.decider}
			s.Service = admin.New(s.store, s.manager, d, admin.Options{Log: slog.New(slog.NewJSONHandler(&log, nil))})
			call := byRoot()
			call.IfMatch = admin.Whatever
			r, err := s.SetRights(t.Context(), call, admin.RightsQuery{Node: "desk"}, column)
			require.NoError(t, err)
			for _, asked := range []int64{d.calls.Load(), d.changes.Load()} {
				if tc.most == roles {
					require.EqualValues(t, roles, asked)
				}
				require.LessOrEqual(t, asked, tc.most)
				require.GreaterOrEqual(t, asked, int64(4), "there are four steps")
			}
			ids, resources := map[string]bool{}, map[string]bool{}
			for line := range strings.Lines(log.String()) {
				var at struct{ Decision, Resource string }
				require.NoError(t, json.Unmarshal([]byte(line), &at))
				if len(ids) == 0 {
					require.Equal(t, r.Decision, at.Decision)
				}
				ids[at.Decision], resources[at.Resource] = true, true
			}
			require.Len(t, ids, roles)
			require.Len(t, resources, roles)

			call.Acting.User = ""
			_, err = s.SetRights(t.Context(), call, admin.RightsQuery{Node: "desk"}, []admin.Cell{{Role: "r1", Node: "desk", Level: "view"}})
			var refused *admin.Refused
			require.ErrorAs(t, err, &refused)
			require.Contains(t, log.String(), refused.Decision)
			all := slices.Clone(column)
			for i := range all {
				all[i].Level = "publish"
			}
			_, err = s.SetRights(t.Context(), call, admin.RightsQuery{Node: "desk"}, all)
			require.ErrorAs(t, err, &refused)
			require.Len(t, refused.Refusals, roles)
			require.Contains(t, log.String(), refused.Decision)
		})
	}
}

// TestStepsAreTold: what a policy can see of a cell, and not whose it is, makes another step.
func TestStepsAreTold(t *testing.T) {
	w := world()
	var column []admin.Cell
	var rights []authz.Right // as stored; Delete: there is none
	for i := range 120 {
		r := authz.Right{Role: fmt.Sprint("r", i), Node: []string{"desk", "mail"}[i/20%2], Level: []authz.Level{authz.Delete, authz.View, authz.Edit, authz.Insert}[i%4]}
		w.Roles = append(w.Roles, authz.Role{ID: r.Role})
		if r.Level != authz.Delete {
			w.Rights = append(w.Rights, r)
		}
		rights = append(rights, r)
		column = append(column, admin.Cell{Role: r.Role, Node: r.Node, Level: []string{"edit", "publish", "view", "inherit", "insert"}[i%20/4]})
	}
	for name, tc := range map[string]struct {
		denied, refused string
		speaks          func(i int, op authz.Operation) bool
	}{
		"the level after":  {"false", "input.new.level == 4", func(i int, _ authz.Operation) bool { return column[i].Level == "publish" }},
		"the level before": {"false", "input.old.level == 2", func(i int, _ authz.Operation) bool { return rights[i].Level == authz.Edit }},
		"no level before":  {"false", "input.new; not input.old", func(_ int, op authz.Operation) bool { return op == authz.CreateEntity }},
		"what is done":     {"false", `input.operation == "delete"`, func(_ int, op authz.Operation) bool { return op == authz.DeleteEntity }},
		"the node":         {"false", `input.node.id == "mail"`, func(i int, _ authz.Operation) bool { return rights[i].Node == "mail" }},
		"the call":         {`input.action.name == "admin:create"`, "false", func(_ int, op authz.Operation) bool { return op == authz.CreateEntity }},
	} {
		t.Run(name, func(t *testing.T) {
			s := started(t, refusing(tc.denied, tc.refused), w)
			want, kind, rule := map[string]string{}, authz.Rejected, "r no"
			if tc.refused == "false" {
				kind, rule = authz.Forbidden, "decision no"
			}
			for i, c := range column {
				op := authz.UpdateEntity
				switch {
				case rights[i].Level == authz.Delete && c.Level == admin.Inherit, rights[i].Level.String() == c.Level:
					continue
				case rights[i].Level == authz.Delete:
					op = authz.CreateEntity
				case c.Level == admin.Inherit:
					op = authz.DeleteEntity
				}
				if tc.speaks(i, op) {
					want[fmt.Sprintf("cells[%d]", i)] = rule
				}
			}
			require.NotEmpty(t, want)
			d := &counting{Decider: s.decider}
			s.Service = admin.New(s.store, s.manager, d, admin.Options{})
			_, err := s.SetRights(t.Context(), byRoot(), admin.RightsQuery{}, column)
			require.Equal(t, want, refusedFor(t, err, kind))
			require.Less(t, d.calls.Load(), int64(len(column)-30), "roles are alike")
		})
	}
}
