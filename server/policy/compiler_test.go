package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// revised are modules of a policy whose answer is in one of two.
func revised(n int) policy.Modules {
	return policy.Modules{
		"decision.rego": "package t\n\nimport data.lib.number\n\ndecision := {\"outcome\": \"deny\", \"reason\": number.text}",
		"number.rego":   fmt.Sprintf("package lib.number\n\ntext := \"%d\"", n),
	}
}

// TestCompilerOfRevisions compiles sets of modules that have some in common with those
// before: each is what its own modules say, whatever was compiled meanwhile.
func TestCompilerOfRevisions(t *testing.T) {
	c, err := policy.NewCompiler(policies.InputSchema, time.Minute)
	require.NoError(t, err)
	says := func(m policy.Modules) string {
		p, err := c.Compile(m)
		require.NoError(t, err)
		require.Equal(t, m.Revision(), p.Revision())
		bound, err := p.Bind(&authz.Bundle{Portal: authz.Portal{Policy: "t"}})
		require.NoError(t, err)
		d := bound.Decide(t.Context(), &authz.Query{}, &authz.Facts{})
		return d.Reason
	}
	require.Equal(t, "1", says(revised(1)))
	require.Equal(t, "2", says(revised(2)))
	require.Equal(t, "2", says(revised(2)))

	moved := revised(3)
	moved["other.rego"] = moved["number.rego"]
	delete(moved, "number.rego")
	require.Equal(t, "3", says(moved))
	require.Equal(t, "1", says(revised(1)))

	for _, broken := range []string{"package lib.number\n\ntext := }", "package lib.number\n\ntext := input.nosuch"} {
		m := revised(4)
		m["number.rego"] = broken
		_, err := c.Compile(m)
		require.Equal(t, authz.Invalid, authz.KindOf(err), broken)
		require.ErrorContains(t, err, ".rego:", "the place is named")
	}
	_, err = c.Compile(nil)
	require.ErrorContains(t, err, "there are none")
	require.Equal(t, "1", says(revised(1)))

	var together errgroup.Group
	for n := range 16 {
		together.Go(func() error {
			p, err := c.Compile(revised(n))
			if err != nil {
				return err
			}
			bound, err := p.Bind(&authz.Bundle{Portal: authz.Portal{Policy: "t"}})
			if err != nil {
				return err
			}
			if d := bound.Decide(t.Context(), &authz.Query{}, &authz.Facts{}); d.Reason != fmt.Sprint(n) {
				return fmt.Errorf("revision %d says %s", n, d.Reason)
			}
			return nil
		})
	}
	require.NoError(t, together.Wait())
}

// BenchmarkCompile compiles the policies that are built in: alone, and after a set that
// differs in one module.
func BenchmarkCompile(b *testing.B) {
	modules, err := policy.Load(policies.FS)
	require.NoError(b, err)
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			_, err := policy.Compile(modules, policies.InputSchema, time.Minute)
			require.NoError(b, err)
		}
	})
	b.Run("revision", func(b *testing.B) {
		c, err := policy.NewCompiler(policies.InputSchema, time.Minute)
		require.NoError(b, err)
		const changed = "lib/groups.rego"
		source := modules[changed]
		for n := 0; b.Loop(); n++ {
			m := policy.Modules{}
			for name, text := range modules {
				m[name] = text
			}
			m[changed] = fmt.Sprintf("%s\n# %d\n", source, n)
			_, err := c.Compile(m)
			require.NoError(b, err)
		}
	})
}
