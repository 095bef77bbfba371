package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// BenchmarkScope finds out what the largest preset can read for one kind of question.
func BenchmarkScope(b *testing.B) {
	modules, err := policy.Load(policies.FS)
	require.NoError(b, err)
	program, err := policy.Compile(modules, policies.InputSchema, time.Second)
	require.NoError(b, err)
	p, err := program.Bind(&authz.Bundle{Portal: authz.Portal{ID: "p", Policy: "presets.salesforce_portal"}})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, err := p.Scope(policy.Kind{Subject: "user", Resource: "case", Action: "edit"})
		require.NoError(b, err)
	}
}
