package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// TestNodesBelow holds what lies below a workspace when screens of others, one of
// them nearer to the root, are shown in it too.
func TestNodesBelow(t *testing.T) {
	b := &authz.Bundle{
		Portal: authz.Portal{ID: "p", Policy: "x"},
		Screens: []authz.Node{
			{ID: "lone", Kind: authz.Screen, AlsoIn: []string{"inner"}},
			{ID: "lone.tab", Kind: authz.Container, Parent: "lone"},
			{ID: "outer", Kind: authz.Workspace},
			{ID: "inner", Kind: authz.Workspace, Parent: "outer"},
			{ID: "own", Kind: authz.Screen, Parent: "inner"},
			{ID: "other", Kind: authz.Workspace},
			{ID: "elsewhere", Kind: authz.Screen, Parent: "other"},
		},
		Roles:  []authz.Role{{ID: "r"}},
		Rights: []authz.Right{{Role: "r", Node: "lone", Level: authz.Edit}, {Role: "r", Node: "elsewhere", Level: authz.View}},
	}
	s := build(t, b)
	for top, want := range map[string][]string{
		"outer": {"lone", "lone.tab", "inner", "own"},
		"inner": {"lone", "lone.tab", "own"},
		"other": {"elsewhere"},
		"lone":  {"lone.tab"},
		"own":   {},
	} {
		below := []string{}
		for _, n := range s.Node(top).Below {
			below = append(below, n.ID)
		}
		require.Equal(t, want, below, top)
	}
	require.Equal(t, []authz.NodeRights{{Node: "lone", Levels: []authz.RoleLevel{{Role: "r", Level: authz.Edit}}}}, s.LevelsOf("r", "inner"))
	require.Nil(t, s.Node("gone"))
}
