package admin_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/admin"
	"github.com/portcullis-authz/portcullis/server/authz"
)

func BenchmarkRow(b *testing.B) {
	s := startedWith(b, preset(b), large())
	row := make([]admin.Cell, 200)
	for i := range row {
		row[i] = admin.Cell{Role: "role 17", Node: fmt.Sprintf("screen %d", i)}
	}
	n := 0
	for b.Loop() {
		n++
		for i := range row {
			row[i].Level = authz.Level(n % 6).String()
		}
		call := asService()
		call.DryRun = true
		_, err := s.SetRights(b.Context(), call, admin.RightsQuery{Role: "role 17"}, row)
		require.NoError(b, err)
	}
}

func BenchmarkCell(b *testing.B) {
	s := startedWith(b, preset(b), large())
	n := 0
	for b.Loop() {
		n++
		call := asService()
		_, err := s.SetRights(b.Context(), call, admin.RightsQuery{Role: "role 17", Node: "screen 20"}, []admin.Cell{{Role: "role 17", Node: "screen 20", Level: authz.Level(n % 6).String()}})
		require.NoError(b, err)
	}
}
