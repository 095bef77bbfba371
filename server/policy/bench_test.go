package policy_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

func acumatica(t testing.TB) *policy.Policy {
	fsys := os.DirFS("../../policies")
	m, err := policy.Load(fsys)
	require.NoError(t, err)
	schema, err := os.ReadFile("../../policies/schema/input.json")
	require.NoError(t, err)
	p, err := policy.Compile(m, schema, 100*time.Millisecond)
	require.NoError(t, err)
	b := &authz.Bundle{Portal: authz.Portal{ID: "storehut", Policy: "presets.acumatica", Features: map[string]bool{"customer_portal": true, "case_management": true, "case_management_on_portal": true}}}
	bound, err := p.Bind(b)
	require.NoError(t, err)
	return bound
}

func question(kind, id string, rights ...authz.NodeRights) (*authz.Query, *authz.Facts) {
	q := &authz.Query{
		Subject:  authz.Entity{Type: "user", ID: "ray.newman"},
		Action:   authz.Action{Name: "view"},
		Resource: authz.Entity{Type: kind, ID: id},
		Now:      time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
	}
	f := &authz.Facts{
		User: &authz.Principal{
			User:  &authz.User{ID: "ray.newman", Login: "ray.newman", Active: true, UserType: "Customer User", Account: "STOREHUT", Contact: "C1"},
			Roles: []string{"a"}, EffectiveRoles: []string{"a", "b", "c", "d"},
		},
		Screen: &authz.ScreenFacts{
			Node:     &authz.Node{ID: id, Kind: authz.NodeKind(kind)},
			Path:     []authz.PathNode{{ID: "W1", Kind: "workspace"}, {ID: "SP408030", Kind: "screen"}},
			Features: []string{"customer_portal"},
		},
		Rights: rights,
	}
	return q, f
}

func BenchmarkDecide(b *testing.B) {
	p := acumatica(b)
	levels := func(l ...authz.Level) (out []authz.RoleLevel) {
		for i, x := range l {
			out = append(out, authz.RoleLevel{Role: string(rune('a' + i)), Level: x})
		}
		return out
	}
	for _, tc := range []struct {
		name, kind, action string
		rights             []authz.NodeRights
		record             *authz.Record
	}{
		{"screen allow", "screen", "view", []authz.NodeRights{{Node: "SP408030", Levels: levels(1, 2)}}, nil},
		{"screen deny level", "screen", "edit", []authz.NodeRights{{Node: "SP408030", Levels: levels(1)}}, nil},
		{"screen hide", "screen", "view", []authz.NodeRights{{Node: "SP408030", Levels: levels(0)}}, nil},
		{"screen not granted", "screen", "view", nil, nil},
		{"case allow", "case", "view", []authz.NodeRights{{Node: "SP408030", Levels: levels(2)}}, &authz.Record{Type: "case", ID: "1", Account: "STOREHUT"}},
		{"case deny", "case", "view", []authz.NodeRights{{Node: "SP408030", Levels: levels(2)}}, &authz.Record{Type: "case", ID: "1", Account: "OTHER"}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			q, f := question("screen", "SP408030", tc.rights...)
			q.Resource.Type = tc.kind
			q.Action.Name = tc.action
			if tc.record != nil {
				f.Record = &authz.RecordFacts{Record: tc.record}
			}
			b.ReportAllocs()
			var d authz.Decision
			for b.Loop() {
				d = p.Decide(b.Context(), q, f)
			}
			b.Log(d)
		})
	}
}
