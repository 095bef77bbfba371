package accessdiff_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// large returns a portal under the acumatica preset: 10,000 users with one to three of
// 50 roles in chains of four, at 500 accounts, and 200 screens at which every fourth role
// has a level.
func large() *authz.World {
	const users, roles, screens, accounts = 10_000, 50, 200, 500
	rng := rand.New(rand.NewPCG(1, 2))
	w := &authz.World{Bundle: authz.Bundle{Portal: authz.Portal{
		ID: "large", Policy: "presets.acumatica",
		Settings: map[string]any{"rights_generation": "2024r1", "nested_rights": "manual"},
		Features: map[string]bool{"customer_portal": true},
	}}}
	w.Screens = append(w.Screens, authz.Node{ID: "W", Kind: authz.Workspace, Feature: "customer_portal"})
	for i := range screens {
		w.Screens = append(w.Screens, authz.Node{ID: fmt.Sprint("S", i), Kind: authz.Screen, Parent: "W"})
	}
	for i := range roles {
		r := authz.Role{ID: fmt.Sprint("R", i)}
		if i%4 != 3 && i+1 < roles {
			r.Inherits = []string{fmt.Sprint("R", i+1)}
		}
		w.Roles = append(w.Roles, r)
		for s := range screens {
			if (i+s)%4 == 0 {
				w.Rights = append(w.Rights, authz.Right{Role: r.ID, Node: fmt.Sprint("S", s), Level: authz.Level((i + s) % 6)})
			}
		}
	}
	for i := range accounts {
		w.Accounts = append(w.Accounts, authz.Account{ID: fmt.Sprint("A", i)})
	}
	for i := range users {
		u := authz.User{ID: fmt.Sprint("U", i), Login: fmt.Sprint("U", i), Active: i%50 != 0, Account: fmt.Sprint("A", i%accounts)}
		for range 1 + rng.IntN(3) {
			if role := fmt.Sprint("R", rng.IntN(roles)); !slices.ContainsFunc(u.Grants, func(g authz.Grant) bool { return g.Role == role }) {
				u.Grants = append(u.Grants, authz.Grant{Role: role})
			}
		}
		w.Users = append(w.Users, u)
	}
	return w
}

// BenchmarkPreview is the access difference of a change, for 10,000 users at 200 screens
// with four actions, and how much more memory it takes at its peak than at rest.
func BenchmarkPreview(b *testing.B) {
	modules, err := policy.Load(policies.FS)
	require.NoError(b, err)
	compile := func(m policy.Modules) *policy.Program {
		program, err := policy.Compile(m, policies.InputSchema, time.Minute)
		require.NoError(b, err)
		return program
	}
	program, before := compile(modules), large()
	role := *before
	role.Rights = slices.Clone(role.Rights)
	for i := range role.Rights {
		if role.Rights[i].Role == "R7" {
			role.Rights[i].Level = (role.Rights[i].Level + 2) % 6
		}
	}
	const rule = "presets/acumatica/acumatica.rego"
	stricter := strings.Replace(modules[rule], "need := 2 if {\n\tinput.action.name == \"edit\"", "need := 3 if {\n\tinput.action.name == \"edit\"", 1)
	require.NotEqual(b, modules[rule], stricter)
	lax := strings.Replace(modules[rule], "need := 1 if {\n\tinput.action.name == \"view\"", "need := 0 if {\n\tinput.action.name == \"view\"", 1)
	require.NotEqual(b, modules[rule], lax)
	wide := strings.Replace(modules[rule], "else := {\"outcome\": \"deny\", \"reason\": \"not_granted\"}", "else := {\"outcome\": \"hide\", \"reason\": \"not_granted\"}", 1)
	require.NotEqual(b, modules[rule], wide)
	with := func(source string) policy.Modules {
		m := policy.Modules{}
		for path, text := range modules {
			m[path] = text
		}
		m[rule] = source
		return m
	}
	for _, bc := range []struct {
		name  string
		after accessdiff.Side
	}{
		{"nothing", accessdiff.Side{World: before, Program: program}},
		{"role", accessdiff.Side{World: &role, Program: program}},
		{"rule of one action", accessdiff.Side{World: before, Program: compile(with(stricter))}},
		{"rule of another action", accessdiff.Side{World: before, Program: compile(with(lax))}},
		{"rule of all actions", accessdiff.Side{World: before, Program: compile(with(wide))}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			var r *accessdiff.Report
			peak := peakOf(func() {
				for b.Loop() {
					r, err = accessdiff.Compute(b.Context(), accessdiff.Side{World: before, Program: program}, bc.after, accessdiff.Options{
						Model: policies.RBACModel, Now: now, Actions: []string{"view", "edit", "create", "delete"},
					})
					require.NoError(b, err)
				}
			})
			b.ReportMetric(float64(peak)/(1<<20), "MiB-peak")
			b.ReportMetric(float64(r.Evaluated), "evaluated")
			b.Logf("%d questions, %d evaluated, %d lost, %d gained, %d changed, %d changes", r.Questions, r.Evaluated, r.Lost, r.Gained, r.Changed, len(r.Changes))
		})
	}
}

// peakOf returns how much more memory was in use at most while do ran than before.
func peakOf(do func()) uint64 {
	inUse := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	runtime.GC()
	rest := inUse()
	var peak atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			peak.Store(max(peak.Load(), inUse()))
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	return peak.Load() - min(rest, peak.Load())
}
