package admin_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
	"github.com/portcullis-authz/portcullis/server/priority"
)

// shown returns the cells as "role node level", with what is shown where that is
// another.
func shown(v admin.RightsView) []string {
	var all []string
	for _, c := range v.Cells {
		s := c.Role + " " + c.Node + " " + c.Level
		if c.Shown != c.Level {
			s += " (" + c.Shown + ")"
		}
		all = append(all, s)
	}
	return all
}

func TestRights(t *testing.T) {
	w := world()
	w.Screens[3].AlsoIn = []string{"second"}
	w.Screens = append(w.Screens, authz.Node{ID: "second", Kind: authz.Workspace})
	w.Rights = append(w.Rights, authz.Right{Role: "clerk", Node: "home", Level: authz.View}, authz.Right{Role: "boss", Node: "home", Level: authz.Delete})
	s := started(t, rules, w)
	for name, tc := range map[string]struct {
		query admin.RightsQuery
		want  []string
	}{
		"cell":                  {admin.RightsQuery{Role: "clerk", Node: "desk"}, []string{"clerk desk view"}},
		"row":                   {admin.RightsQuery{Role: "spare"}, []string{"spare home inherit (multiple)", "spare desk inherit", "spare desk.name inherit", "spare mail edit", "spare alone inherit", "spare second inherit (edit)"}},
		"column":                {admin.RightsQuery{Node: "home"}, []string{"boss home delete", "clerk home view", "spare home inherit (multiple)"}},
		"subtree of a role":     {admin.RightsQuery{Role: "clerk", Node: "home", Below: true}, []string{"clerk home view", "clerk desk view", "clerk desk.name inherit", "clerk mail inherit"}},
		"subtree of all":        {admin.RightsQuery{Node: "desk", Below: true}, []string{"boss desk inherit", "boss desk.name inherit", "clerk desk view", "clerk desk.name inherit", "spare desk inherit", "spare desk.name inherit"}},
		"screens shown as well": {admin.RightsQuery{Role: "spare", Node: "second", Below: true}, []string{"spare second inherit (edit)", "spare mail edit"}},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := s.Rights(t.Context(), byRoot(), tc.query)
			require.NoError(t, err)
			require.Equal(t, tc.want, shown(v))
			require.NotEmpty(t, v.ETag)
		})
	}
	for _, q := range []admin.RightsQuery{{Role: "none"}, {Node: "none"}, {Role: "clerk", Node: "none", Below: true}} {
		_, err := s.Rights(t.Context(), byRoot(), q)
		require.Equal(t, authz.NotFound, authz.KindOf(err))
	}
}

func TestSetRights(t *testing.T) {
	s := started(t, rules, world())
	q := admin.RightsQuery{Role: "clerk"}
	row, err := s.Rights(t.Context(), byRoot(), q)
	require.NoError(t, err)

	call := byRoot()
	call.IfMatch = ""
	cells := []admin.Cell{{Role: "clerk", Node: "desk", Level: "view"}, {Role: "clerk", Node: "home", Level: "edit"}, {Role: "clerk", Node: "alone", Level: "insert"}}
	_, err = s.SetRights(t.Context(), call, q, cells)
	require.Equal(t, authz.Unconditional, authz.KindOf(err))
	call.IfMatch = row.ETag
	r, err := s.SetRights(t.Context(), call, q, cells)
	require.NoError(t, err)
	require.Len(t, r.Tasks, 3, "the workspace is copied down")
	after, err := s.Rights(t.Context(), call, q)
	require.NoError(t, err)
	require.Equal(t, []string{"clerk home edit (multiple)", "clerk desk view (multiple)", "clerk desk.name edit", "clerk mail edit", "clerk alone insert"}, shown(after),
		"what a cell says counts for more than what is copied down, even if it was so before")
	entries, err := s.store.Entries(t.Context(), "p", r.Entry-1, 1)
	require.NoError(t, err)
	require.Equal(t, "rights", entries[0].Operation)
	require.Len(t, entries[0].Changes, 4)

	_, err = s.SetRights(t.Context(), call, q, cells)
	require.Equal(t, authz.Stale, authz.KindOf(err))

	call.IfMatch = admin.Whatever
	_, err = s.SetRights(t.Context(), call, q, []admin.Cell{{Role: "clerk", Node: "desk", Level: admin.Inherit}, {Role: "clerk", Node: "alone", Level: admin.Inherit}})
	require.NoError(t, err)
	after, err = s.Rights(t.Context(), call, q)
	require.NoError(t, err)
	require.Equal(t, []string{"clerk home edit", "clerk desk inherit (edit)", "clerk desk.name edit", "clerk mail edit", "clerk alone inherit"}, shown(after))

	_, err = s.SetRights(t.Context(), call, admin.RightsQuery{Role: "clerk", Node: "home", Below: true}, []admin.Cell{
		{Role: "boss", Node: "desk", Level: "view"}, {Role: "clerk", Node: "alone", Level: "veiw"}, {Role: "clerk", Node: "desk", Level: "edit"}, {Role: "clerk", Node: "desk", Level: "view"}})
	var faults authz.Faults
	require.ErrorAs(t, err, &faults)
	var paths []string
	for _, f := range faults {
		paths = append(paths, f.Path)
	}
	require.Equal(t, []string{"cells[0].role", "cells[1].node", "cells[1].level", "cells[3]"}, paths)

	call.Acting.User = "ann"
	_, err = s.SetRights(t.Context(), call, q, []admin.Cell{{Role: "clerk", Node: "mail", Level: "view"}, {Role: "clerk", Node: "desk", Level: admin.Inherit}})
	require.Equal(t, map[string]string{"cells[0]": "decision not_permitted"}, refusedFor(t, err, authz.Forbidden), "what stays as it is, is not decided on")
	v, err := s.Verify(t.Context(), "p")
	require.NoError(t, err)
	require.Empty(t, v.Faults)
}

// accepting is a policy to which every change is as it should be.
const accepting = `package test

decision := {"outcome": "allow", "reason": "administrator"}

admission := {"refusals": set(), "defaults": {}}

provisioning := {"tasks": []}
`

// TestRightsAreInForceAsStored writes cells of columns, rows and subtrees, and holds the
// configuration in force against the stored one after each write.
func TestRightsAreInForceAsStored(t *testing.T) {
	w := world()
	for i := range 20 {
		w.Roles = append(w.Roles, authz.Role{ID: fmt.Sprintf("r%d", i)})
		w.Screens = append(w.Screens, authz.Node{ID: fmt.Sprintf("s%d", i), Kind: authz.Screen, Parent: "home"})
	}
	s := started(t, accepting, w)
	rand := rand.New(rand.NewPCG(5, 6))
	levels := []string{admin.Inherit, "revoked", "view", "edit"}
	for range 60 {
		q := []admin.RightsQuery{{Node: "s3"}, {Role: "r4"}, {Role: "r5", Node: "home", Below: true}, {Node: "home", Below: true}}[rand.IntN(4)]
		v, err := s.Rights(t.Context(), byRoot(), q)
		require.NoError(t, err)
		cells := v.Cells
		rand.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		cells = cells[:1+rand.IntN(len(cells))]
		for i := range cells {
			cells[i].Level = levels[rand.IntN(len(levels))]
		}
		_, err = s.SetRights(t.Context(), byRoot(), q, cells)
		require.NoError(t, err)
		stored, err := s.store.Bundle(t.Context(), "p")
		require.NoError(t, err)
		inForce, err := s.decider.Configuration("p")
		require.NoError(t, err)
		require.ElementsMatch(t, stored.Rights, inForce.Rights)
		for _, c := range cells {
			right := slices.IndexFunc(inForce.Rights, func(r authz.Right) bool { return r.Role == c.Role && r.Node == c.Node })
			require.Equal(t, c.Level == admin.Inherit, right < 0)
			require.True(t, right < 0 || inForce.Rights[right].Level.String() == c.Level)
		}
	}
}

// broken is a decider that panics when it is asked about the last of two cells.
type broken struct{ admin.Decider }

func (b *broken) DecideCall(ctx context.Context, portal string, q authz.Query, before, after authz.Stored) (authz.Decision, bool, error) {
	if strings.HasSuffix(q.Resource.ID, "alone") {
		panic("decides")
	}
	return b.Decider.DecideCall(ctx, portal, q, before, after)
}

// TestAPanicBesideACall: what is decided side by side answers for its panics.
func TestAPanicBesideACall(t *testing.T) {
	s := started(t, rules, world())
	call := byRoot()
	call.IfMatch = "*"
	cells := []admin.Cell{{Role: "clerk", Node: "desk", Level: "view"}, {Role: "clerk", Node: "alone", Level: "insert"}}
	s.Service = admin.New(s.store, s.manager, &broken{s.decider}, admin.Options{})
	_, err := s.SetRights(t.Context(), call, admin.RightsQuery{Role: "clerk"}, cells)
	require.Equal(t, authz.Internal, authz.KindOf(err), "%v", err)
}

// timed is a store that takes down how long writes wait for it.
type timed struct {
	admin.Store
	took time.Duration
}

func (s *timed) Head(ctx context.Context, portal string) (authz.PortalRevision, error) {
	defer func(start time.Time) { s.took += time.Since(start) }(time.Now())
	return s.Store.Head(ctx, portal)
}

func (s *timed) Check(ctx context.Context, portal string, c *authz.Changeset) error {
	defer func(start time.Time) { s.took += time.Since(start) }(time.Now())
	return s.Store.Check(ctx, portal, c)
}

func (s *timed) Commit(ctx context.Context, portal string, c *authz.Changeset) (authz.Committed, error) {
	defer func(start time.Time) { s.took += time.Since(start) }(time.Now())
	return s.Store.Commit(ctx, portal, c)
}

// BenchmarkRights times reads and writes of rights at 5,000 roles and 200 screens,
// as milliseconds beyond the store's own time, tried and made: a row and a column with few
// cells that change, and with all. The last, a whole column of which all change, takes the
// embedded database seconds each time. Garbage is collected as portcullis serve has it
// collected.
func BenchmarkRights(b *testing.B) {
	garbage := debug.SetGCPercent(-1)
	b.Cleanup(func() { debug.SetGCPercent(garbage) })
	priority.Decisions(b.Context(), 0)
	s := startedWith(b, preset(b), large())
	timed := &timed{Store: s.store}
	s.Service = admin.New(timed, s.manager, s.decider, admin.Options{})
	cell := admin.Cell{Role: "role 17", Node: "screen 20"}
	row := make([]admin.Cell, 200)
	for i := range row {
		row[i] = admin.Cell{Role: "role 17", Node: fmt.Sprintf("screen %d", i)}
	}
	column := make([]admin.Cell, 5000)
	for i := range column {
		column[i] = admin.Cell{Role: fmt.Sprintf("role %d", i), Node: "screen 20"}
	}
	oneCell := admin.RightsQuery{Role: "role 17", Node: "screen 20"}
	oneRow, oneColumn := admin.RightsQuery{Role: "role 17"}, admin.RightsQuery{Node: "screen 20"}
	asRead, err := s.Rights(b.Context(), asService(), oneColumn)
	require.NoError(b, err)
	n := 0
	for _, x := range []struct {
		name   string
		in     admin.RightsQuery
		cells  []admin.Cell // to be written; none: read
		change int          // how many of them change
		try    bool
	}{
		{"read/cell", oneCell, nil, 0, false},
		{"read/row", oneRow, nil, 0, false},
		{"read/column", oneColumn, nil, 0, false},
		{"read/subtree", admin.RightsQuery{Role: "role 17", Node: "space 1", Below: true}, nil, 0, false},
		{"try/cell", oneCell, []admin.Cell{cell}, 1, true},
		{"try/2 of a row", oneRow, []admin.Cell{cell, {Role: "role 17", Node: "screen 21"}}, 2, true},
		{"try/2 of a column", oneColumn, []admin.Cell{cell, {Role: "role 18", Node: "screen 20"}}, 2, true},
		{"try/whole row", oneRow, row, 200, true},
		{"try/200 of a column", oneColumn, column[:200], 200, true},
		{"try/whole column of which 200 change", oneColumn, asRead.Cells, 200, true},
		{"try/whole column", oneColumn, column, 5000, true},
		{"write/cell", oneCell, []admin.Cell{cell}, 1, false},
		{"write/whole row", oneRow, row, 200, false},
		{"write/200 of a column", oneColumn, column[:200], 200, false},
		{"write/whole column of which 200 change", oneColumn, asRead.Cells, 200, false},
		{"write/whole column", oneColumn, column, 5000, false},
	} {
		b.Run(x.name, func(b *testing.B) {
			timed.took = 0
			call := asService()
			call.DryRun = x.try
			for b.Loop() {
				var err error
				if x.cells == nil {
					_, err = s.Rights(b.Context(), call, x.in)
				} else {
					n++
					for i := range x.change {
						x.cells[i].Level = authz.Level(n % 6).String()
					}
					_, err = s.SetRights(b.Context(), call, x.in, x.cells)
				}
				require.NoError(b, err)
			}
			b.ReportMetric(float64((b.Elapsed()-timed.took).Microseconds())/1000/float64(b.N), "ms/beyond-store")
		})
	}
}

// preset returns the policies that are built in, and one that judges changes as
// Acumatica does.
func preset(t testing.TB) policy.Modules {
	t.Helper()
	m, err := policy.Load(policies.FS)
	require.NoError(t, err)
	m["test.rego"] = `package test

decision := {"outcome": "allow", "reason": "service"} if input.subject.type == "caller"

admission := data.presets.acumatica.admission

provisioning := data.presets.acumatica.provisioning
`
	return m
}

// asService is a call without a user.
func asService() admin.Call {
	c := byRoot()
	c.Acting.User = ""
	return c
}

// large is a portal of 5,000 roles and 200 screens in ten workspaces.
func large() authz.World {
	w := world()
	for i := range 5000 {
		w.Roles = append(w.Roles, authz.Role{ID: fmt.Sprintf("role %d", i)})
	}
	for i := range 10 {
		w.Screens = append(w.Screens, authz.Node{ID: fmt.Sprintf("space %d", i), Kind: authz.Workspace})
	}
	for i := range 200 {
		w.Screens = append(w.Screens, authz.Node{ID: fmt.Sprintf("screen %d", i), Kind: authz.Screen, Parent: fmt.Sprintf("space %d", i%10)})
	}
	for i := range 20_000 {
		w.Rights = append(w.Rights, authz.Right{Role: fmt.Sprintf("role %d", i%5000), Node: fmt.Sprintf("screen %d", (i/5000*50+i)%200), Level: authz.Edit})
	}
	return w
}
